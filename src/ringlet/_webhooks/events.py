"""Both ends of a webhook event, pure: what it says, the challenge, signing and verifying.

An application subscribes (`subscriptions`) to one kind of change (`create`, `update`, `delete`) of one data
type. Oura lets the callback prove itself once, by a challenge, and then posts an event for every such change:
a notification, not the document.

    x-oura-timestamp   when it was signed, in seconds since 1970
    x-oura-signature   upper-case hex of HMAC-SHA256(client_secret, timestamp + body)

Sources: behaviour of the service as integrations in production verify it, the webhook section of Oura's API
documents. Neither knows a replay window; five minutes are what receivers commonly allow.

Rules of this file:
* What is verified are the bytes that came, never a body that was decoded and encoded again. What is sent is
  compact JSON, so that a receiver which does that all the same (Oura's own example does) agrees.
* A delivery is believed whole or refused: whatever is wrong with it is an EventRejected, never another error.
* Secrets are compared in constant time, and never part of a message.
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
Word: TypeAlias = Annotated[str, msgspec.Meta(max_length=128, pattern="^[^\0]*$")]
"""A field of an event: no longer, and with no other signs, than a database takes as a key.

The inbox has a key of three fields. PostgreSQL takes 2,704 bytes, and a sign may have four.
"""


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
    except DECODE_ERRORS:
        return False
    return status == 200 and _same(said.challenge, challenge)


# Verifying, at the end that receives


def check_secrets(secret: str | Sequence[str]) -> list[str]:
    """One secret or several as a list. Raises UsageError where there is none, or an empty one."""
    secrets = [secret] if isinstance(secret, str) else list(secret)
    if not secrets or not all(secrets):
        raise UsageError(
            "without the client secret anybody could sign an event",
            cure="pass the client secret of the application that subscribes",
        )
    return secrets


def check_token(verification_token: str) -> None:
    """Raises UsageError for an empty verification token."""
    if not verification_token:
        raise UsageError(
            "without a verification token anybody could make a callback of this",
            cure="pass the verification_token of the subscriptions: a long random text",
        )


def answer(verification_token: str, query: Mapping[str, str]) -> bytes:
    """The body that answers a challenge. Raises EventRejected, UsageError."""
    check_token(verification_token)
    if not _same(query.get("verification_token", ""), verification_token):
        raise EventRejected("the challenge does not know the verification token", status=401)
    if "challenge" not in query:
        raise EventRejected("there is no challenge in it", status=400)
    try:
        return msgspec.json.encode(_Challenge(query["challenge"]))
    except UnicodeEncodeError:  # half a character, which only a program in between can have made
        raise EventRejected("its challenge is no text", status=400) from None


def verify(
    secret: str | Sequence[str],
    headers: Mapping[str, str],
    body: bytes,
    *,
    now: float,
    tolerance: timedelta = TOLERANCE,
) -> Event:
    """The event of a delivery that Oura signed lately. Raises EventRejected, UsageError.

    `secret` is the application's client secret; several while it is being changed.
    """
    secrets = check_secrets(secret)
    if len(body) > MOST:
        raise EventRejected(f"an event of more than {MOST} bytes", status=413)
    sent = {name.lower(): value for name, value in headers.items()}
    timestamp, signature = sent.get("x-oura-timestamp", ""), sent.get("x-oura-signature", "")
    if not timestamp or not signature:
        raise EventRejected("it is not signed", status=401)
    if not _SECONDS.fullmatch(timestamp):
        raise EventRejected("its timestamp is no time", status=401)
    if not _SIGNATURE.fullmatch(signature):
        raise EventRejected("its signature is none", status=401)
    # All are tried, whichever fits: how long it takes tells nothing.
    if not sum(_same(sign(one, timestamp, body), signature.upper()) for one in secrets):
        raise EventRejected("its signature does not fit", status=401)
    if abs(now - int(timestamp)) > tolerance.total_seconds():
        raise EventRejected("it was signed too long ago, or ahead of time", status=401)
    try:
        return msgspec.json.decode(body, type=Event)
    except DECODE_ERRORS:
        raise EventRejected("its body is no event", status=400) from None


_SECONDS = re.compile("[0-9]{1,12}")
_SIGNATURE = re.compile("[0-9A-Fa-f]{64}")


def _same(one: str, other: str) -> bool:
    return hmac.compare_digest(one.encode("utf-8", "surrogatepass"), other.encode("utf-8", "surrogatepass"))
