"""The portal's pages about webhooks: an application's subscriptions, its deliveries and their attempts.

Rules of this file:
* Only the user who registered an application sees its pages, because they show the responses of callbacks
  and the queries of callback URLs, which may contain secrets.
* A request is shown byte for byte as it was sent. Its signature is checked with the application's current
  secret; a mismatch means that the secret was replaced after the request.
* Times are those of the cloud's clock, except the times of attempts, which are real.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from ..._net.dial import USER_AGENT
from ..._webhooks import events
from ..browser.visitor import Visitor, Visitors, redirect
from ..core.answers import Refused
from ..core.secret_hashes import is_same_secret
from ..oauth.applications import Application, Applications
from ..webhooks.attempts import Attempt
from ..webhooks.deliveries import Deliveries
from ..webhooks.delivery_list import Delivery, DeliveryList
from ..webhooks.delivery_records import STATES, State
from ..webhooks.subscriptions import Subscribed, Subscriptions
from .applications import APPLICATION, APPLICATIONS, owned

WEBHOOKS = "/webhooks"
LOG = f"{APPLICATION}/webhooks"
DELIVERY = f"{LOG}/{{id}}"
DELIVERIES_PER_PAGE = 50
MAX_ENDED_SHOWN = 20
"""How many ended subscriptions a page shows. If there are more, it shows those that ended last."""
MAX_ANSWER_CHARACTERS = 4000
"""How many characters of a callback's response body a page shows, from its beginning."""
STATE_WORDS: Mapping[State, str] = {"waiting": "Waiting", "delivered": "Delivered", "failed": "Failed"}
_STATES: Mapping[str, State] = {state: state for state in STATES}
END_WORDS = {
    "deleted": "its application ended it",
    "gone": "its callback answered 410",
    "expired": "its 90 days were over",
}


@dataclass(frozen=True)
class ShownAttempt:
    """An attempt to deliver an event, in the form in which a page shows it."""

    attempt: Attempt
    headers: Mapping[str, str]
    """The request's headers, without those that every request has."""
    signature: str
    """A sentence that says whether the signature matches the current secret."""
    answered: Mapping[str, str]
    """The headers of the callback's response."""
    answer: str
    """The beginning of the callback's response body."""
    curl: str
    """A shell command that repeats the request."""


@dataclass
class PortalWebhooks:
    """The portal's pages about the subscriptions and deliveries of the signed-in user's applications."""

    apps: Applications
    subscriptions: Subscriptions
    deliveries: Deliveries
    visitors: Visitors

    @cached_property
    def delivery_list(self) -> DeliveryList:
        """Lists the deliveries in the database, with their events and subscriptions."""
        return DeliveryList(self.deliveries.db)

    def routes(self) -> list[BaseRoute]:
        """The routes of the pages about webhooks. All of them need a signed-in user."""
        page = self.visitors.signed_in
        return [
            Route(WEBHOOKS, page(self.index), methods=["GET"]),
            Route(LOG, page(self.log), methods=["GET"]),
            Route(f"{LOG}/resend", page(self.resend_failed), methods=["POST"]),
            Route(DELIVERY, page(self.delivery), methods=["GET"]),
            Route(f"{DELIVERY}/resend", page(self.resend), methods=["POST"]),
        ]

    async def index(self, request: Request, visitor: Visitor) -> Response:
        """Show the user's applications and how many subscriptions each application has."""
        apps = [
            (app, len(self.subscriptions.of(app.client_id)))
            for app in self.apps.of(visitor.user_id)
            if app.confidential
        ]
        return visitor.page(request, "webhooks.html", here=WEBHOOKS, apps=apps)

    async def log(self, request: Request, visitor: Visitor) -> Response:
        """Show an application's subscriptions and deliveries. Refused 404 if the user did not register it."""
        app = owned(self.apps, request, visitor)
        state = _STATES.get(request.query_params.get("state", ""))
        before = _number(request.query_params.get("before", ""))
        found = self.delivery_list.page(app.client_id, None, state, before, DELIVERIES_PER_PAGE + 1)
        shown, more = found[:DELIVERIES_PER_PAGE], len(found) > DELIVERIES_PER_PAGE
        older = ({"state": state} if state else {}) | {"before": str(shown[-1].id)} if more else {}
        return visitor.page(
            request,
            "webhook_log.html",
            here=WEBHOOKS,
            app=app,
            subscriptions=list(self._subscriptions(app)),
            deliveries=[(one, without_query(one.callback_url)) for one in shown],
            failed=bool(self.delivery_list.page(app.client_id, None, "failed", None, 1)),
            state=state or "",
            states=STATE_WORDS,
            before=before,
            older=urlencode(older),
        )

    async def delivery(self, request: Request, visitor: Visitor) -> Response:
        """Show one delivery and its attempts, newest first. Raises Refused 404 if the user may not see it."""
        app, delivery = self._delivery(request, visitor)
        key = self.apps.signing_key(app.client_id)
        attempts = self.delivery_list.attempts(delivery.id)
        tries = [_shown(attempt, delivery, key) for attempt in reversed(attempts)]
        return visitor.page(
            request,
            "webhook_delivery.html",
            here=WEBHOOKS,
            app=app,
            delivery=delivery,
            body=delivery.body.decode(),
            callback=without_query(delivery.callback_url),
            states=STATE_WORDS,
            tries=tries,
        )

    async def resend(self, request: Request, visitor: Visitor) -> Response:
        """Send one delivery again.

        Raises Refused 404 if the user may not see the delivery, 409 if its subscription has ended.
        """
        await visitor.form(request)
        app, delivery = self._delivery(request, visitor)
        if not self.deliveries.replay_one(delivery.id):
            raise Refused("Not sent again", "The subscription of this delivery has ended.", status=409)
        return redirect(f"{APPLICATIONS}/{app.client_id}/webhooks/{delivery.id}")

    async def resend_failed(self, request: Request, visitor: Visitor) -> Response:
        """Send all failed deliveries of an application again. Refused 404 if the user did not register it."""
        await visitor.form(request)
        app = owned(self.apps, request, visitor)
        self.deliveries.replay_failed(app.client_id)
        return redirect(f"{APPLICATIONS}/{app.client_id}/webhooks")

    def _subscriptions(self, app: Application) -> Iterator[tuple[Subscribed, str, str]]:
        """The subscriptions of an application: active ones, then ended ones, the most recently ended first.

        Each is a tuple of the subscription, a text that says what ended it (empty while it is active), and
        its callback URL without query.
        """
        now = self.subscriptions.clock.ms()
        found = self.subscriptions.of(app.client_id, ended=True)
        active = [subscribed for subscribed in found if subscribed.ended_at is None]
        ended = sorted(
            (subscribed for subscribed in found if subscribed.ended_at),
            key=lambda subscribed: -(subscribed.ended_at or 0),
        )
        for subscribed in active + ended[:MAX_ENDED_SHOWN]:
            yield subscribed, _end_words(subscribed, now), without_query(subscribed.callback_url)

    def _delivery(self, request: Request, visitor: Visitor) -> tuple[Application, Delivery]:
        app = owned(self.apps, request, visitor)
        id = _number(request.path_params["id"])
        found = None if id is None else self.delivery_list.get(id)
        if found is None or found.client_id != app.client_id:
            raise Refused("No such delivery", "Deliveries are deleted after 30 days.", status=404)
        return app, found


def without_query(url: str) -> str:
    """Replace the query of a URL by `…`, because it may contain a secret."""
    address, question_mark, _ = url.partition("?")
    return f"{address}?…" if question_mark else address


def _number(text: str) -> int | None:
    return int(text) if re.fullmatch("[0-9]{1,18}", text) else None


def _end_words(subscribed: Subscribed, now: int) -> str:
    """The text that says what ended a subscription; empty while it is active."""
    by = subscribed.ended_by or ("expired" if subscribed.expires_at <= now else None)
    return END_WORDS[by] if by else ""


def _shown(attempt: Attempt, delivery: Delivery, key: bytes | None) -> ShownAttempt:
    headers = {
        "content-type": "application/json",
        "x-oura-timestamp": attempt.timestamp,
        "x-oura-signature": attempt.signature,
    }
    return ShownAttempt(
        attempt=attempt,
        headers=headers if attempt.signature else {},
        signature=_signature(attempt, delivery.body, key),
        answered={name: _plain(value) for name, value in attempt.response_headers.items()},
        answer=_plain(attempt.response.decode("utf-8", "replace")[:MAX_ANSWER_CHARACTERS]),
        curl=_curl(attempt.callback_url, headers, delivery.body) if attempt.signature else "",
    )


def _plain(said: str) -> str:
    """Replace the control characters in a text that a callback sent by U+FFFD."""
    return re.sub(r"[^\S\n\t ]|[\x00-\x08\x0e-\x1f\x7f-\x9f]", "\ufffd", said.replace("\r\n", "\n"))


def _signature(attempt: Attempt, body: bytes, key: bytes | None) -> str:
    if not attempt.signature:
        return "The request was not signed, so it was not sent."
    if key is not None and is_same_secret(events.sign(key, attempt.timestamp, body), attempt.signature):
        return "The signature matches the application's current secret."
    return "The signature does not match the current secret: the secret was replaced since."


def _curl(url: str, headers: Mapping[str, str], body: bytes) -> str:
    """Write a shell command that repeats a request. `--globoff` makes curl send brackets in the URL as is."""
    sent = {"user-agent": USER_AGENT, "accept": "*/*", **headers}
    words = ["curl", "--include", "--globoff", "--request", "POST", url]
    lines = [" ".join(map(shlex.quote, words))]
    lines += [f"--header {shlex.quote(f'{name}: {value}')}" for name, value in sent.items()]
    return " \\\n  ".join([*lines, f"--data-raw {shlex.quote(body.decode())}"])
