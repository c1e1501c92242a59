"""Both ends of webhooks, pure: subscriptions, the challenge, events, signing and verifying.

An application subscribes to one kind of change (`create`, `update`, `delete`) of one data type. Oura lets the
callback prove itself once, by a challenge, and then posts an event for every such change: a notification, not
the document.

    x-oura-timestamp   when it was signed, in seconds since 1970
    x-oura-signature   upper-case hex of HMAC-SHA256(client_secret, timestamp + body)

Sources: behaviour of the service as integrations in production verify it, the webhook section of Oura's API
documents. Neither knows a replay window; five minutes are what receivers commonly allow.

Rules of this file:
* What is verified are the bytes that came, never a body that was decoded and encoded again. What is sent is
  compact JSON, so that a receiver which does that all the same (Oura's own example does) agrees.
* A delivery is believed whole or refused: whatever is wrong with it is an EventRefused, never another error.
* Secrets are compared in constant time, and never part of a message.
* No clock is read here: the time comes in as a parameter, in seconds since 1970.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from importlib import import_module
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeAlias, TypeVar
from urllib.parse import urlencode

import msgspec

from .catalog import TYPES, AnyKind
from .errors import DocumentGone, EventRefused, OuraBroken, RequestWrong, UsageError
from .faces import AsyncRunner, Runner
from .kinds import decode
from .oauth import App
from .wire import MALFORMED, Flow, Request, Response, refusal

if TYPE_CHECKING:
    from .sync.receiver import Receiver as Receiver
    from .sync.receiver import receiver as receiver

SUBSCRIPTION = "/v2/webhook/subscription"

EventType: TypeAlias = Literal["create", "update", "delete"]
EVENT_TYPES: tuple[EventType, ...] = ("create", "update", "delete")

KINDS: Mapping[str, AnyKind] = {kind.webhook: kind for kind in TYPES.values() if kind.webhook}
"""The rows of the table that Oura sends events of, by the name that webhooks have for them."""

OTHERS = (
    "meal",
    "daily_cycle_phases",
    "activation_status",
    "period_start",
    "pregnancy",
    "fertile_window",
    "ovulation_confirmed",
    "blood_glucose",
)
"""Data types that versions 1.29 and 1.37 list for webhooks and no route serves."""

DATA_TYPES: tuple[str, ...] = (*KINDS, *OTHERS)

TOLERANCE = timedelta(minutes=5)
"""How old a delivery may be, or how far ahead its sender's clock."""
MOST = 64 * 1024
"""Bytes of a body; an event has some two hundred."""
Word: TypeAlias = Annotated[str, msgspec.Meta(max_length=255, pattern="^[^\0]*$")]
"""A field of an event: no longer, and with no other signs, than a database takes as a key."""
LIFE = timedelta(days=90)
"""How long a subscription lives, and lives on when it is renewed."""


class Subscription(msgspec.Struct, frozen=True, kw_only=True):
    """One application's wish to hear of one kind of change."""

    id: str
    callback_url: str
    event_type: EventType | str
    data_type: str
    expiration_time: str
    """As Oura writes it: without a zone, which means UTC."""

    @property
    def expires_at(self) -> datetime:
        """When it ends unless renewed; aware. Raises OuraBroken where it is no date."""
        try:
            at = datetime.fromisoformat(self.expiration_time)
        except ValueError:
            raise OuraBroken(f"{self.expiration_time[:40]!r} is no expiration_time", status=502) from None
        return at if at.tzinfo else at.replace(tzinfo=UTC)


class Event(msgspec.Struct, frozen=True, kw_only=True):
    """What a delivery says: something of a wearer has changed. Fetch it to see what."""

    event_type: EventType | Word
    data_type: Word
    object_id: Word
    event_time: Word
    """ISO 8601, with or without a fraction."""
    user_id: Word

    @property
    def kind(self) -> AnyKind | None:
        """The row of the table it is about; None for a data type that no route serves."""
        return KINDS.get(self.data_type)

    @property
    def key(self) -> str:
        """The same for two deliveries of one event: Oura numbers neither events nor deliveries.

        It begins with the time, so that whoever keeps events by their key writes the new ones side by side.
        """
        return f"{self.event_time} {hashlib.sha256(self.body).hexdigest()}"

    @property
    def body(self) -> bytes:
        """As it is sent: compact, the fields in Oura's order."""
        return msgspec.json.encode(self)


# Signing, at the end that sends


def sign(secret: str | bytes, timestamp: str, body: bytes) -> str:
    """The signature of a body sent at `timestamp` (as it stands in its header)."""
    key = secret.encode() if isinstance(secret, str) else secret
    signed = timestamp.encode("latin-1", "replace") + body
    return hmac.digest(key, signed, "sha256").hex().upper()


def headers(secret: str | bytes, body: bytes, *, now: float) -> dict[str, str]:
    """The headers of a delivery at `now`, signed with a client secret or its `signing_key`."""
    timestamp = str(int(now))
    return {
        "content-type": "application/json",
        "x-oura-timestamp": timestamp,
        "x-oura-signature": sign(secret, timestamp, body),
    }


LONG = 65
"""Characters from which on a secret need not be kept to sign with it: see `signing_key`."""


def signing_key(secret: str) -> bytes:
    """What signs as a secret of at least `LONG` characters does, and can be kept in its place.

    HMAC takes the digest of a key that is longer than its block of 64 bytes (RFC 2104 section 2): so a server
    that keeps digests alone can sign, and what it keeps proves nothing at the token endpoint.
    """
    return hashlib.sha256(secret.encode()).digest()


def challenge_url(callback_url: str, verification_token: str, challenge: str) -> str:
    """Where a callback is asked to prove itself."""
    query = urlencode({"verification_token": verification_token, "challenge": challenge})
    return f"{callback_url}{'&' if '?' in callback_url else '?'}{query}"


class _Challenge(msgspec.Struct):
    challenge: str


def is_proof(status: int, body: bytes, challenge: str) -> bool:
    """Whether a callback answered the challenge: 200 and `{"challenge": "..."}`."""
    try:
        said = msgspec.json.decode(body, type=_Challenge)
    except MALFORMED:
        return False
    return status == 200 and _same(said.challenge, challenge)


# Verifying, at the end that receives


def answer(verification_token: str, query: Mapping[str, str]) -> bytes:
    """The body that answers a challenge. Raises EventRefused."""
    if not _same(query.get("verification_token", ""), verification_token):
        raise EventRefused("the challenge does not know the verification token", status=401)
    if "challenge" not in query:
        raise EventRefused("there is no challenge in it", status=400)
    try:
        return msgspec.json.encode(_Challenge(query["challenge"]))
    except UnicodeEncodeError:  # half a character, which only a program in between can have made
        raise EventRefused("its challenge is no text", status=400) from None


def verify(
    secret: str | Sequence[str],
    headers: Mapping[str, str],
    body: bytes,
    *,
    now: float,
    tolerance: timedelta = TOLERANCE,
) -> Event:
    """The event of a delivery that Oura signed lately. Raises EventRefused.

    `secret` is the application's client secret; several while it is being changed.
    """
    if len(body) > MOST:
        raise EventRefused(f"an event of more than {MOST} bytes", status=413)
    sent = {name.lower(): value for name, value in headers.items()}
    timestamp, signature = sent.get("x-oura-timestamp", ""), sent.get("x-oura-signature", "")
    if not timestamp or not signature:
        raise EventRefused("it is not signed", status=401)
    if not _SECONDS.fullmatch(timestamp):
        raise EventRefused("its timestamp is no time", status=401)
    if not _SIGNATURE.fullmatch(signature):
        raise EventRefused("its signature is none", status=401)
    secrets = [secret] if isinstance(secret, str) else secret
    # All are tried, whichever fits: how long it takes tells nothing.
    if not sum(_same(sign(one, timestamp, body), signature.upper()) for one in secrets):
        raise EventRefused("its signature does not fit", status=401)
    if abs(now - int(timestamp)) > tolerance.total_seconds():
        raise EventRefused("it was signed too long ago, or ahead of time", status=401)
    try:
        return msgspec.json.decode(body, type=Event)
    except MALFORMED:
        raise EventRefused("its body is no event", status=400) from None


_SECONDS = re.compile("[0-9]{1,12}")
_SIGNATURE = re.compile("[0-9A-Fa-f]{64}")


def _same(one: str, other: str) -> bool:
    return hmac.compare_digest(one.encode("utf-8", "surrogatepass"), other.encode("utf-8", "surrogatepass"))


# Subscriptions

S = TypeVar("S")


def _ask(app: App, shape: type[S], method: str, path: str, wish: Mapping[str, str] | None = None) -> Flow[S]:
    response = yield from _send(app, method, path, wish)
    return decode(response.body, shape)


CALLBACK = "callback_url"
PROVE = "let the callback answer its challenge, with the same verification token, then try again"


def _send(app: App, method: str, path: str, wish: Mapping[str, str] | None = None) -> Flow[Response]:
    if not app.client_secret:
        raise UsageError(
            "subscriptions belong to an application, which proves itself by its secret",
            cure="pass client_id and client_secret, or set OURA_CLIENT_ID and OURA_CLIENT_SECRET",
        )
    said = {"x-client-id": app.client_id, "x-client-secret": app.client_secret}
    request = Request(
        path=f"{SUBSCRIPTION}{path}",
        method=method,
        headers=said | ({"content-type": "application/json"} if wish is not None else {}),
        body=msgspec.json.encode(wish) if wish is not None else b"",
        bearer=False,
    )
    response = yield request
    if response.status < 400:
        return response
    refused = refusal(request, response)
    if response.status == 403:  # where elsewhere it is 404
        raise DocumentGone(refused.detail, status=403, cure="list the subscriptions to see what is there")
    if response.status == 409:
        raise RequestWrong(refused.detail, status=409, cure="update or renew the subscription there is")
    if isinstance(refused, RequestWrong) and refused.field == CALLBACK:
        raise RequestWrong(refused.detail, field=CALLBACK, status=refused.status, cure=PROVE)
    raise refused


def _one(id: str) -> str:
    if not re.fullmatch(r"[\w-]+", id):
        raise UsageError(f"{id!r} cannot be a subscription", cure="pass the `id` of a subscription")
    return f"/{id}"


def subscriptions(app: App) -> Flow[list[Subscription]]:
    """All subscriptions of an application."""
    return _ask(app, list[Subscription], "GET", "")


def subscription(app: App, id: str) -> Flow[Subscription]:
    """One subscription. Raises DocumentGone."""
    return _ask(app, Subscription, "GET", _one(id))


def subscribe(
    app: App, callback_url: str, verification_token: str, event_type: EventType, data_type: str
) -> Flow[Subscription]:
    """A new subscription; the callback is asked to prove itself before this returns. Raises RequestWrong."""
    wish = {
        "callback_url": callback_url,
        "verification_token": verification_token,
        "event_type": event_type,
        "data_type": data_type,
    }
    return _ask(app, Subscription, "POST", "", wish)


def update(
    app: App,
    id: str,
    verification_token: str,
    *,
    callback_url: str | None = None,
    event_type: EventType | None = None,
    data_type: str | None = None,
) -> Flow[Subscription]:
    """Another callback, or another wish. Raises DocumentGone, RequestWrong."""
    given = {"callback_url": callback_url, "event_type": event_type, "data_type": data_type}
    wish = {"verification_token": verification_token} | {k: v for k, v in given.items() if v is not None}
    return _ask(app, Subscription, "PUT", _one(id), wish)


def renew(app: App, id: str) -> Flow[Subscription]:
    """Another 90 days. Raises DocumentGone."""
    return _ask(app, Subscription, "PUT", f"/renew{_one(id)}")


def unsubscribe(app: App, id: str) -> Flow[None]:
    """End a subscription. Raises DocumentGone."""
    yield from _send(app, "DELETE", _one(id))


@dataclass(frozen=True)
class Webhooks:
    """An application's subscriptions. What each method raises stands at the function of its flow."""

    app: App
    runner: Runner

    def create(
        self, callback_url: str, verification_token: str, event_type: EventType, data_type: str
    ) -> Subscription:
        """A new subscription; the callback must answer a challenge meanwhile."""
        return self.runner.run(subscribe(self.app, callback_url, verification_token, event_type, data_type))

    def get(self, id: str) -> Subscription:
        """One subscription."""
        return self.runner.run(subscription(self.app, id))

    def update(
        self,
        id: str,
        verification_token: str,
        *,
        callback_url: str | None = None,
        event_type: EventType | None = None,
        data_type: str | None = None,
    ) -> Subscription:
        """Another callback, or another wish."""
        flow = update(
            self.app,
            id,
            verification_token,
            callback_url=callback_url,
            event_type=event_type,
            data_type=data_type,
        )
        return self.runner.run(flow)

    def renew(self, id: str) -> Subscription:
        """Another 90 days."""
        return self.runner.run(renew(self.app, id))

    def delete(self, id: str) -> None:
        """End a subscription."""
        self.runner.run(unsubscribe(self.app, id))

    def list(self) -> list[Subscription]:
        """All of them."""
        return self.runner.run(subscriptions(self.app))


@dataclass(frozen=True)
class AsyncWebhooks:
    """An application's subscriptions, awaited. See `Webhooks`."""

    app: App
    runner: AsyncRunner

    async def create(
        self, callback_url: str, verification_token: str, event_type: EventType, data_type: str
    ) -> Subscription:
        """A new subscription; the callback must answer a challenge meanwhile."""
        flow = subscribe(self.app, callback_url, verification_token, event_type, data_type)
        return await self.runner.run(flow)

    async def get(self, id: str) -> Subscription:
        """One subscription."""
        return await self.runner.run(subscription(self.app, id))

    async def update(
        self,
        id: str,
        verification_token: str,
        *,
        callback_url: str | None = None,
        event_type: EventType | None = None,
        data_type: str | None = None,
    ) -> Subscription:
        """Another callback, or another wish."""
        flow = update(
            self.app,
            id,
            verification_token,
            callback_url=callback_url,
            event_type=event_type,
            data_type=data_type,
        )
        return await self.runner.run(flow)

    async def renew(self, id: str) -> Subscription:
        """Another 90 days."""
        return await self.runner.run(renew(self.app, id))

    async def delete(self, id: str) -> None:
        """End a subscription."""
        await self.runner.run(unsubscribe(self.app, id))

    async def list(self) -> list[Subscription]:
        """All of them."""
        return await self.runner.run(subscriptions(self.app))


def __getattr__(name: str) -> Any:
    """The door to the receiver: what people write as `webhooks.receiver`, and what stands above this room."""
    if name in ("Receiver", "receiver"):
        return getattr(import_module(".sync.receiver", __package__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
