"""Webhook events: what they say, the challenge, signing and verifying, for sender and receiver. No I/O.

An application subscribes (`subscriptions`) to one kind of change (`create`, `update`, `delete`) of one data
type. Oura lets the callback prove itself once, by a challenge, and then posts an event for every such change:
a notification, not the document.

    x-oura-timestamp   when it was signed, in seconds since 1970
    x-oura-signature   upper-case hex of HMAC-SHA256(client_secret, timestamp + body)

Sources: the webhook section of Oura's API documents, and what integrations in production rely on. Neither
names a replay window; five minutes are what receivers commonly allow.

Rules of this file:
* The signature is verified over the received bytes, never over a body that was decoded and encoded again.
  Bodies are sent as compact JSON, so that receivers that encode again (as Oura's example does) get the same
  signature.
* Every invalid delivery raises EventRejected, never another error.
* Secrets are compared in constant time, and are never part of a message.
* No clock is read here: the time comes in as a parameter, in seconds since 1970.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Annotated, Literal, TypeAlias
from urllib.parse import urlencode

import msgspec

from .._api.catalog import TYPES, AnyKind
from .._api.wire import DECODE_ERRORS
from ..errors import EventRejected, UsageError

EventType: TypeAlias = Literal["create", "update", "delete"]
EVENT_TYPES: tuple[EventType, ...] = ("create", "update", "delete")

WEBHOOK_KINDS: Mapping[str, AnyKind] = {kind.webhook: kind for kind in TYPES.values() if kind.webhook}
"""The rows of the table that Oura sends events of, by the name that webhooks have for them."""

DATA_TYPES_WITHOUT_ROUTE = (
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

DATA_TYPES: tuple[str, ...] = (*WEBHOOK_KINDS, *DATA_TYPES_WITHOUT_ROUTE)

SIGNATURE_TOLERANCE = timedelta(minutes=5)
"""How far the time of a signature may lie from now, in either direction."""
MAX_EVENT_BYTES = 64 * 1024
"""The longest body that is accepted; an event has some two hundred bytes."""
MIN_HASHED_SECRET_LENGTH = 65
"""Characters of a client secret whose SHA-256 digest signs events as the secret itself does.

HMAC replaces a key that is longer than its block of 64 bytes by the key's digest (RFC 2104 section 2). So a
server that stores only digests of such secrets can sign, and what it stores is worth nothing at the token
endpoint.
"""
ShortText: TypeAlias = Annotated[str, msgspec.Meta(max_length=128, pattern="^[^\0]*$")]
"""A field of an event: at most 128 characters, without NUL, so that a database takes it as part of a key.

The inbox has a key of three fields. PostgreSQL takes 2,704 bytes, and a character may have four.
"""


class Event(msgspec.Struct, frozen=True, kw_only=True):
    """A webhook event: a document was created, updated or deleted. The event lacks the document's content."""

    event_type: EventType | ShortText
    data_type: ShortText
    object_id: ShortText
    event_time: ShortText
    """ISO 8601, with or without a fraction."""
    user_id: ShortText

    @property
    def kind(self) -> AnyKind | None:
        """The kind of the document; None for a data type that no route serves."""
        return WEBHOOK_KINDS.get(self.data_type)

    @property
    def key(self) -> str:
        """Equal for two deliveries of one event, because Oura numbers neither events nor deliveries.

        It begins with the time, so that a table with this key gets new events side by side.
        """
        return f"{self.event_time} {hashlib.sha256(self.body).hexdigest()}"

    @property
    def body(self) -> bytes:
        """The event as it is sent: compact JSON, the fields in Oura's order."""
        return msgspec.json.encode(self)


# Signing, at the end that sends


def sign(secret: str | bytes, timestamp: str, body: bytes) -> str:
    """The value of `x-oura-signature`: upper-case hex of HMAC-SHA256 over timestamp and body.

    Args:
        secret: the application's client secret, or the SHA-256 digest of one of at least 65 characters.
        timestamp: the value of `x-oura-timestamp`, seconds since 1970.
        body: the body as it is sent.
    """
    key = secret.encode() if isinstance(secret, str) else secret
    signed = timestamp.encode("latin-1", "replace") + body
    return hmac.digest(key, signed, "sha256").hex().upper()


def signed_headers(secret: str | bytes, body: bytes, *, now: float) -> dict[str, str]:
    """The headers of a delivery, as Oura sends them: content type, time and signature.

    Args:
        secret: the application's client secret, or the SHA-256 digest of one of at least 65 characters.
        body: the body as it is sent.
        now: when it is sent, in seconds since 1970.
    """
    timestamp = str(int(now))
    return {
        "content-type": "application/json",
        "x-oura-timestamp": timestamp,
        "x-oura-signature": sign(secret, timestamp, body),
    }


def challenge_url(callback_url: str, verification_token: str, challenge: str) -> str:
    """The URL of the challenge that a callback must answer."""
    query = urlencode({"verification_token": verification_token, "challenge": challenge})
    return f"{callback_url}{'&' if '?' in callback_url else '?'}{query}"


class _Challenge(msgspec.Struct):
    challenge: str


def is_proof(status: int, body: bytes, challenge: str) -> bool:
    """Whether a callback answered the challenge: 200 and `{"challenge": "..."}`."""
    try:
        said = msgspec.json.decode(body, type=_Challenge)
    except DECODE_ERRORS:
        return False
    return status == 200 and _same(said.challenge, challenge)


# Verifying, at the end that receives


def check_secrets(secret: str | Sequence[str]) -> list[str]:
    """One secret or several as a list. Raises UsageError where one is missing or empty."""
    secrets = [secret] if isinstance(secret, str) else list(secret)
    if not secrets or not all(secrets):
        raise UsageError(
            "the client secret is empty, and anybody could sign with it",
            cure="pass the client secret of the application that subscribes",
        )
    return secrets


def check_verification_token(verification_token: str) -> None:
    """Raises UsageError for an empty verification token."""
    if not verification_token:
        raise UsageError(
            "the verification token is empty, and anybody could subscribe this callback",
            cure="pass the verification_token of the subscriptions: a long random text",
        )


def answer_challenge(verification_token: str, query: Mapping[str, str]) -> bytes:
    """The body that answers a challenge; send it with status 200, as JSON.

    Args:
        verification_token: the token that the subscriptions were made with.
        query: the parameters of the GET request.

    Raises:
        EventRejected: another token, or a `challenge` that is missing; answer with its `status`.
        UsageError: `verification_token` is empty.
    """
    check_verification_token(verification_token)
    if not _same(query.get("verification_token", ""), verification_token):
        raise EventRejected("verification_token is not the one of this callback", status=401)
    if "challenge" not in query:
        raise EventRejected("the parameter challenge is missing", status=400)
    try:
        return msgspec.json.encode(_Challenge(query["challenge"]))
    except UnicodeEncodeError:  # The challenge has a lone surrogate, which Oura does not send.
        raise EventRejected("the parameter challenge is not valid Unicode", status=400) from None


def verify(
    secret: str | Sequence[str],
    headers: Mapping[str, str],
    body: bytes,
    *,
    now: float,
    tolerance: timedelta = SIGNATURE_TOLERANCE,
) -> Event:
    """The event of a delivery, if Oura signed it within `tolerance` of `now`.

    Args:
        secret: the application's client secret; several while it is being changed.
        headers: the headers of the request; their names in any case.
        body: the body as it came, undecoded.
        now: the time in seconds since 1970, e.g. `time.time()`.
        tolerance: how far the time of the signature may lie from `now`.

    Raises:
        EventRejected: the delivery must not be believed; answer with its `status`.
        UsageError: a secret is missing or empty.
    """
    secrets = check_secrets(secret)
    if len(body) > MAX_EVENT_BYTES:
        raise EventRejected(f"the body is longer than {MAX_EVENT_BYTES} bytes", status=413)
    sent = {name.lower(): value for name, value in headers.items()}
    timestamp, signature = sent.get("x-oura-timestamp", ""), sent.get("x-oura-signature", "")
    if not timestamp or not signature:
        raise EventRejected("x-oura-timestamp or x-oura-signature is missing", status=401)
    if not _SECONDS.fullmatch(timestamp):
        raise EventRejected("x-oura-timestamp is not a Unix time", status=401)
    if not _SIGNATURE.fullmatch(signature):
        raise EventRejected("x-oura-signature is not 64 hex digits", status=401)
    # All secrets are tried even after one fits, so that the time taken does not tell which it was.
    if not sum(_same(sign(one, timestamp, body), signature.upper()) for one in secrets):
        raise EventRejected("x-oura-signature does not match the body and the client secret", status=401)
    if abs(now - int(timestamp)) > tolerance.total_seconds():
        raise EventRejected(f"x-oura-timestamp is more than {tolerance} from this machine's time", status=401)
    try:
        return msgspec.json.decode(body, type=Event)
    except DECODE_ERRORS:
        raise EventRejected("the body is not an event in JSON", status=400) from None


_SECONDS = re.compile("[0-9]{1,12}")
_SIGNATURE = re.compile("[0-9A-Fa-f]{64}")


def _same(one: str, other: str) -> bool:
    return hmac.compare_digest(one.encode("utf-8", "surrogatepass"), other.encode("utf-8", "surrogatepass"))
