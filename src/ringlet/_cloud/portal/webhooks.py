"""The portal's pages about webhooks: an application's subscriptions, its deliveries and their attempts.

Rules of this file:
* Only the user who registered the application sees them: they show what a callback answered, and the query of
  its URL, where people put secrets.
* A request is shown as it was sent, to the byte. Its signature is checked anew with the current secret: where
  it differs, the secret has been replaced since.
* Instants are on the cloud's clock, except those of attempts, which are made in real time.
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
from .applications import APPLICATIONS, ONE, owned

WEBHOOKS = "/webhooks"
LOG = f"{ONE}/webhooks"
DELIVERY = f"{LOG}/{{id}}"
DELIVERIES_PER_PAGE = 50
MAX_ENDED_SHOWN = 20
"""Ended subscriptions on a page, the last ones."""
MAX_ANSWER_CHARACTERS = 4000
"""Shown of a callback's answer."""
STATE_WORDS: Mapping[State, str] = {"waiting": "Waiting", "delivered": "Delivered", "failed": "Failed"}
_STATES: Mapping[str, State] = {one: one for one in STATES}
END_WORDS = {
    "deleted": "its application ended it",
    "gone": "its callback answered 410",
    "expired": "its 90 days were over",
}


@dataclass(frozen=True)
class Tried:
    """An attempt, as a page shows it."""

    attempt: Attempt
    headers: Mapping[str, str]
    """Those that were sent, but for what every request has."""
    signature: str
    """Whether it fits, in words."""
    answered: Mapping[str, str]
    """The headers of what was answered."""
    answer: str
    curl: str


@dataclass
class PortalWebhooks:
    """The pages about subscriptions and deliveries."""

    apps: Applications
    subscriptions: Subscriptions
    deliveries: Deliveries
    visitors: Visitors

    @cached_property
    def delivery_list(self) -> DeliveryList:
        """The deliveries, as pages show them."""
        return DeliveryList(self.deliveries.db)

    def routes(self) -> list[BaseRoute]:
        """All of them need a signed-in user."""
        page = self.visitors.signed_in
        return [
            Route(WEBHOOKS, page(self.index), methods=["GET"]),
            Route(LOG, page(self.log), methods=["GET"]),
            Route(f"{LOG}/resend", page(self.resend_failed), methods=["POST"]),
            Route(DELIVERY, page(self.delivery), methods=["GET"]),
            Route(f"{DELIVERY}/resend", page(self.resend), methods=["POST"]),
        ]

    async def index(self, request: Request, visitor: Visitor) -> Response:
        """The user's applications and how many subscriptions each has."""
        apps = [
            (app, len(self.subscriptions.of(app.client_id)))
            for app in self.apps.of(visitor.user_id)
            if app.confidential
        ]
        return visitor.page(request, "webhooks.html", here=WEBHOOKS, apps=apps)

    async def log(self, request: Request, visitor: Visitor) -> Response:
        """Subscriptions and deliveries of one application. Raises Refused."""
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
        """One delivery with its attempts, the newest first. Raises Refused."""
        app, delivery = self._delivery(request, visitor)
        key = self.apps.signing_key(app.client_id)
        tries = [_tried(one, delivery, key) for one in reversed(self.delivery_list.attempts(delivery.id))]
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
        """Deliver one again. Raises Refused."""
        await visitor.form(request)
        app, delivery = self._delivery(request, visitor)
        if not self.deliveries.replay_one(delivery.id):
            raise Refused("Not sent again", "Its subscription has ended.", status=409)
        return redirect(f"{APPLICATIONS}/{app.client_id}/webhooks/{delivery.id}")

    async def resend_failed(self, request: Request, visitor: Visitor) -> Response:
        """Deliver all again that failed. Raises Refused."""
        await visitor.form(request)
        app = owned(self.apps, request, visitor)
        self.deliveries.replay_failed(app.client_id)
        return redirect(f"{APPLICATIONS}/{app.client_id}/webhooks")

    def _subscriptions(self, app: Application) -> Iterator[tuple[Subscribed, str, str]]:
        """Those that live, then those that ended, the last first: each with its end and callback in words."""
        now = self.subscriptions.clock.ms()
        every = self.subscriptions.of(app.client_id, ended=True)
        living = [one for one in every if one.ended_at is None]
        ended = sorted((one for one in every if one.ended_at), key=lambda one: -(one.ended_at or 0))
        for one in living + ended[:MAX_ENDED_SHOWN]:
            yield one, _end(one, now), without_query(one.callback_url)

    def _delivery(self, request: Request, visitor: Visitor) -> tuple[Application, Delivery]:
        app = owned(self.apps, request, visitor)
        id = _number(request.path_params["id"])
        found = None if id is None else self.delivery_list.get(id)
        if found is None or found.client_id != app.client_id:
            raise Refused("No such delivery", "Deliveries are kept for 30 days.", status=404)
        return app, found


def without_query(url: str) -> str:
    """A URL to be shown in passing: what stands in its query may be secret."""
    address, asked, _ = url.partition("?")
    return f"{address}?…" if asked else address


def _number(text: str) -> int | None:
    return int(text) if re.fullmatch("[0-9]{1,18}", text) else None


def _end(one: Subscribed, now: int) -> str:
    """What ended a subscription, in words; empty while it lives."""
    by = one.ended_by or ("expired" if one.expires_at <= now else None)
    return END_WORDS[by] if by else ""


def _tried(attempt: Attempt, delivery: Delivery, key: bytes | None) -> Tried:
    headers = {
        "content-type": "application/json",
        "x-oura-timestamp": attempt.timestamp,
        "x-oura-signature": attempt.signature,
    }
    return Tried(
        attempt=attempt,
        headers=headers if attempt.signature else {},
        signature=_signature(attempt, delivery.body, key),
        answered={name: _plain(value) for name, value in attempt.response_headers.items()},
        answer=_plain(attempt.response.decode("utf-8", "replace")[:MAX_ANSWER_CHARACTERS]),
        curl=_curl(attempt.callback_url, headers, delivery.body) if attempt.signature else "",
    )


def _plain(said: str) -> str:
    """What a callback answered, control characters replaced."""
    return re.sub(r"[^\S\n\t ]|[\x00-\x08\x0e-\x1f\x7f-\x9f]", "\ufffd", said.replace("\r\n", "\n"))


def _signature(attempt: Attempt, body: bytes, key: bytes | None) -> str:
    if not attempt.signature:
        return "It was not sent."
    if key is not None and is_same_secret(events.sign(key, attempt.timestamp, body), attempt.signature):
        return "It fits the application's secret."
    return "It does not fit the secret of now: the secret has been changed since."


def _curl(url: str, headers: Mapping[str, str], body: bytes) -> str:
    """The request, for a shell. `--globoff`, because brackets in a URL mean something to curl."""
    sent = {"user-agent": USER_AGENT, "accept": "*/*", **headers}
    words = ["curl", "--include", "--globoff", "--request", "POST", url]
    lines = [" ".join(map(shlex.quote, words))]
    lines += [f"--header {shlex.quote(f'{name}: {value}')}" for name, value in sent.items()]
    return " \\\n  ".join([*lines, f"--data-raw {shlex.quote(body.decode())}"])
