"""A signed event, and tampered copies of it that a receiver must refuse."""

import hmac
import json

from ringlet import webhooks as w
from ringlet._webhooks import events

SECRET = "the application's secret"
NOW = 1_770_000_000.0
EVENT = w.Event(
    event_type="update",
    data_type="sleep",
    object_id="5f2e0c1a",
    event_time="2026-02-02T02:40:00.123000+00:00",
    user_id="wearer",
)
HEADERS = w.signed_headers(SECRET, EVENT.body, now=NOW)


def signed(body: bytes, *, at: float = NOW, secret: str = SECRET) -> tuple[dict[str, str], bytes]:
    return w.signed_headers(secret, body, now=at), body


def with_headers(**changed: str) -> dict[str, str]:
    """The event's headers with some replaced; underscores stand for hyphens."""
    return {**HEADERS, **{name.replace("_", "-"): value for name, value in changed.items()}}


def without_header(name: str) -> dict[str, str]:
    return {key: value for key, value in HEADERS.items() if key != name}


SIGNATURE = HEADERS["x-oura-signature"]
BODY = EVENT.body
TAMPERED: dict[str, tuple[dict[str, str], bytes, float]] = {  # headers, body, Unix seconds of arrival
    "no headers": ({}, BODY, NOW),
    "no timestamp": (without_header("x-oura-timestamp"), BODY, NOW),
    "no signature": (without_header("x-oura-signature"), BODY, NOW),
    "empty timestamp": (with_headers(x_oura_timestamp=""), BODY, NOW),
    "empty signature": (with_headers(x_oura_signature=""), BODY, NOW),
    "another timestamp": (with_headers(x_oura_timestamp="1770000001"), BODY, NOW),
    "negative timestamp": (with_headers(x_oura_timestamp="-1770000000"), BODY, NOW),
    "timestamp with a plus": (with_headers(x_oura_timestamp="+1770000000"), BODY, NOW),
    "timestamp with blanks": (with_headers(x_oura_timestamp=" 1770000000 "), BODY, NOW),
    "timestamp with a line break": (with_headers(x_oura_timestamp="1770000000\n"), BODY, NOW),
    "timestamp with an underscore": (with_headers(x_oura_timestamp="1_770000000"), BODY, NOW),
    "fractional timestamp": (with_headers(x_oura_timestamp="1770000000.0"), BODY, NOW),
    "exponential timestamp": (with_headers(x_oura_timestamp="1.77e9"), BODY, NOW),
    "infinite timestamp": (with_headers(x_oura_timestamp="inf"), BODY, NOW),
    "ISO timestamp": (with_headers(x_oura_timestamp="2026-02-02T02:40:00Z"), BODY, NOW),
    "Arabic digits": (with_headers(x_oura_timestamp="\u0661\u0667\u0667" + "\u0660" * 7), BODY, NOW),
    "very long timestamp": (with_headers(x_oura_timestamp="1" * 5000), BODY, NOW),
    "signature that is not hexadecimal": (with_headers(x_oura_signature="Z" * 64), BODY, NOW),
    "short signature": (with_headers(x_oura_signature=SIGNATURE[:-1]), BODY, NOW),
    "long signature": (with_headers(x_oura_signature=SIGNATURE + "0"), BODY, NOW),
    "very long signature": (with_headers(x_oura_signature="A" * 100_000), BODY, NOW),
    "signature with a prefix": (with_headers(x_oura_signature="sha256=" + SIGNATURE), BODY, NOW),
    "signature with a line break": (with_headers(x_oura_signature=SIGNATURE + "\n"), BODY, NOW),
    "signature with one digit changed": (
        with_headers(x_oura_signature=("1" if SIGNATURE[0] == "0" else "0") + SIGNATURE[1:]),
        BODY,
        NOW,
    ),
    "signature that is not ASCII": (with_headers(x_oura_signature="é" * 64), BODY, NOW),
    "signature with a lone surrogate": (with_headers(x_oura_signature="\ud800" * 64), BODY, NOW),
    "fullwidth digits": (with_headers(x_oura_signature="\uff10" * 64), BODY, NOW),
    "signed with another secret": (*signed(BODY, secret="another secret"), NOW),
    "signed with an empty secret": (*signed(BODY, secret=""), NOW),
    "signature of the body alone": (
        with_headers(x_oura_signature=hmac.new(SECRET.encode(), BODY, "sha256").hexdigest()),
        BODY,
        NOW,
    ),
    "signature by SHA-1": (
        with_headers(x_oura_signature=hmac.new(SECRET.encode(), b"1770000000" + BODY, "sha1").hexdigest()),
        BODY,
        NOW,
    ),
    "truncated body": (HEADERS, BODY[:-1], NOW),
    "longer body": (HEADERS, BODY + b"\n", NOW),
    "empty body": (HEADERS, b"", NOW),
    "body with other white space": (HEADERS, json.dumps(json.loads(BODY)).encode(), NOW),
    "body with one letter changed": (HEADERS, BODY.replace(b"sleep", b"sleeq"), NOW),
    "digits moved from timestamp to body": (with_headers(x_oura_timestamp="177000000"), b"0" + BODY, NOW),
    "replayed after six minutes": (HEADERS, BODY, NOW + 360),
    "replayed after a year": (HEADERS, BODY, NOW + 3.2e7),
    "six minutes ahead": (HEADERS, BODY, NOW - 360),
    "from 1970": (*signed(BODY, at=0), NOW),
    "signed, empty": (*signed(b""), NOW),
    "signed, not JSON": (*signed(b"sleep"), NOW),
    "signed, not UTF-8": (*signed(b'{"event_type":"\xff\xfe"}'), NOW),
    "signed, an array": (*signed(b"[]"), NOW),
    "signed, null": (*signed(b"null"), NOW),
    "signed, a field missing": (*signed(BODY.replace(b"object_id", b"objectid")), NOW),
    "signed, a field of another type": (*signed(BODY.replace(b'"5f2e0c1a"', b"17")), NOW),
    "signed, twice": (*signed(BODY + BODY), NOW),
    "signed, deeply nested arrays": (*signed(b"[" * 30_000), NOW),
    "signed, too large": (*signed(b'{"event_type":"' + b"a" * events.MAX_EVENT_BYTES + b'"}'), NOW),
    "signed, a NUL in an id": (*signed(BODY.replace(b"5f2e0c1a", b"5f2e\\u0000")), NOW),
    "signed, a lone surrogate in an id": (*signed(BODY.replace(b"5f2e0c1a", b"5f2e\\ud800")), NOW),
    "signed, an id of 129 characters": (*signed(BODY.replace(b"5f2e0c1a", b"5" * 129)), NOW),
    "signed, NULs": (*signed(b"\0" * 100), NOW),
}
