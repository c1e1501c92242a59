"""Webhook events: their content, signatures and challenges, for sender and receiver. No I/O.

An application subscribes (`subscriptions`) to one kind of change (`create`, `update`, `delete`) of one data
type, and gives the URL of a callback. Oura first sends the callback a challenge, which it must answer. From
then on Oura sends it a POST request for each such change. The event names the document, but does not
contain it. Two headers have the signature:

    x-oura-timestamp   when the event was signed, in seconds since 1970
    x-oura-signature   upper-case hex of HMAC-SHA256(client_secret, timestamp + body)

Sources: the webhook section of Oura's API documentation, and the code of receivers in production. Neither
limits the age of a signature; five minutes are a common limit for webhooks.

Rules of this file:
* The signature is verified over the received bytes, never over a body that was decoded and encoded again.
  Events are sent as compact JSON, so that a receiver that does encode the body again (as Oura's example does)
  computes the same signature.
* Every invalid event raises EventRejected, never another error.
* Secrets are compared in constant time, and are never part of an error message.
* No clock is read here: the time is a parameter, in seconds since 1970.
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
"""The rows of the table for which Oura sends events, by their `data_type` in webhooks."""

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
"""Data types that Oura's specifications 1.29 and 1.37 list for webhooks, but for which Oura has no route."""

DATA_TYPES: tuple[str, ...] = (*WEBHOOK_KINDS, *DATA_TYPES_WITHOUT_ROUTE)

SIGNATURE_TOLERANCE = timedelta(minutes=5)
"""The largest difference, in either direction, between the time of a signature and the present time."""
MAX_EVENT_BYTES = 64 * 1024
"""The longest body that is accepted; an event has about 200 bytes."""
MIN_HASHED_SECRET_LENGTH = 65
"""The fewest characters of a client secret whose SHA-256 digest gives the same signatures as the secret.

HMAC replaces a key of more than 64 bytes by the digest of the key (RFC 2104 section 2). So a server can store
only the digests of such secrets and still sign events. A stolen digest is useless at the token endpoint.
"""
ShortText: TypeAlias = Annotated[str, msgspec.Meta(max_length=128, pattern="^[^\0]*$")]
"""A field of an event: at most 128 characters, without NUL, so that it can be part of a database key.

The inbox has a key of three such fields, with up to four bytes a character; a key in PostgreSQL may have
2,704 bytes.
"""


class Event(msgspec.Struct, frozen=True, kw_only=True):
    """A webhook event: a document was created, updated or deleted. It names the document by `object_id`."""

    event_type: EventType | ShortText
    data_type: ShortText
    object_id: ShortText
    event_time: ShortText
    """When the document changed, as ISO 8601 text, with or without a fraction of a second."""
    user_id: ShortText

    @property
    def kind(self) -> AnyKind | None:
        """The row of the table for `data_type`; None if the API has no route for it."""
        return WEBHOOK_KINDS.get(self.data_type)

    @property
    def key(self) -> str:
        """A key that is the same each time Oura sends this event, since Oura gives events no id.

        It begins with the time, so that new events are next to each other in the index of a database.
        """
        return f"{self.event_time} {hashlib.sha256(self.body).hexdigest()}"

    @property
    def body(self) -> bytes:
        """The request body of the event: compact JSON, with the fields in Oura's order."""
        return msgspec.json.encode(self)


# Signing: for the sender


def sign(secret: str | bytes, timestamp: str, body: bytes) -> str:
    """The value of `x-oura-signature`: upper-case hex of HMAC-SHA256 over timestamp and body.

    Args:
        secret: the application's client secret, or its SHA-256 digest if it has at least 65 characters.
        timestamp: the value of `x-oura-timestamp`, seconds since 1970.
        body: the body of the request.
    """
    key = secret.encode() if isinstance(secret, str) else secret
    signed = timestamp.encode("latin-1", "replace") + body
    return hmac.digest(key, signed, "sha256").hex().upper()


def signed_headers(secret: str | bytes, body: bytes, *, now: float) -> dict[str, str]:
    """The headers with which Oura sends an event: content type, time and signature.

    Args:
        secret: the application's client secret, or its SHA-256 digest if it has at least 65 characters.
        body: the body of the request.
        now: the time for `x-oura-timestamp`, in seconds since 1970.
    """
    timestamp = str(int(now))
    return {
        "content-type": "application/json",
        "x-oura-timestamp": timestamp,
        "x-oura-signature": sign(secret, timestamp, body),
    }


def challenge_url(callback_url: str, verification_token: str, challenge: str) -> str:
    """The URL that is requested to send a callback its challenge: the callback URL with two parameters."""
    query = urlencode({"verification_token": verification_token, "challenge": challenge})
    return f"{callback_url}{'&' if '?' in callback_url else '?'}{query}"


class _Challenge(msgspec.Struct):
    challenge: str


def is_proof(status: int, body: bytes, challenge: str) -> bool:
    """Whether a response to a challenge is correct: status 200, and a JSON object with the challenge."""
    try:
        said = msgspec.json.decode(body, type=_Challenge)
    except DECODE_ERRORS:
        return False
    return status == 200 and _same(said.challenge, challenge)


# Verifying: for the receiver


def check_secrets(secret: str | Sequence[str]) -> list[str]:
    """Convert one secret or several to a list. Raises UsageError for an empty list or secret."""
    secrets = [secret] if isinstance(secret, str) else list(secret)
    if not secrets or not all(secrets):
        raise UsageError(
            "the client secret is empty, so anybody could sign events",
            cure="pass the client secret of the application that subscribes",
        )
    return secrets


def check_verification_token(verification_token: str) -> None:
    """Raise UsageError if the verification token is empty."""
    if not verification_token:
        raise UsageError(
            "the verification token is empty, so anybody could subscribe this callback",
            cure="pass the verification_token of the subscriptions: a long random text",
        )


def answer_challenge(verification_token: str, query: Mapping[str, str]) -> bytes:
    """The response body for a challenge; send it with status 200, as JSON.

    Args:
        verification_token: the token that the subscriptions were created with.
        query: the query parameters of the GET request.

    Raises:
        EventRejected: the request has another token or no `challenge`; answer with the error's `status`.
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
    """Decode a webhook event, after checking that Oura signed it within `tolerance` of `now`.

    Args:
        secret: the application's client secret; the old and the new one while it is being changed.
        headers: the headers of the request, with names in upper or lower case.
        body: the body of the request, as received.
        now: the time in seconds since 1970, e.g. `time.time()`.
        tolerance: the largest difference between the time of the signature and `now`.

    Raises:
        EventRejected: the event is malformed, too old, or not signed by Oura; answer with the error's
            `status`.
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
    # All secrets are tried even after one matches, so that the time taken does not reveal which one did.
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
