"""A signed event, and tampered copies of it that a receiver must refuse: headers, body and time of
arrival."""

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


def other(**changed: str) -> dict[str, str]:
    return {**HEADERS, **{name.replace("_", "-"): value for name, value in changed.items()}}


def less(name: str) -> dict[str, str]:
    return {key: value for key, value in HEADERS.items() if key != name}


SIGNATURE = HEADERS["x-oura-signature"]
BODY = EVENT.body
TAMPERED: dict[str, tuple[dict[str, str], bytes, float]] = {
    "no headers": ({}, BODY, NOW),
    "no timestamp": (less("x-oura-timestamp"), BODY, NOW),
    "no signature": (less("x-oura-signature"), BODY, NOW),
    "empty timestamp": (other(x_oura_timestamp=""), BODY, NOW),
    "empty signature": (other(x_oura_signature=""), BODY, NOW),
    "another timestamp": (other(x_oura_timestamp="1770000001"), BODY, NOW),
    "negative timestamp": (other(x_oura_timestamp="-1770000000"), BODY, NOW),
    "timestamp with a plus": (other(x_oura_timestamp="+1770000000"), BODY, NOW),
    "timestamp with blanks": (other(x_oura_timestamp=" 1770000000 "), BODY, NOW),
    "timestamp with a line break": (other(x_oura_timestamp="1770000000\n"), BODY, NOW),
    "timestamp with an underscore": (other(x_oura_timestamp="1_770000000"), BODY, NOW),
    "fractional timestamp": (other(x_oura_timestamp="1770000000.0"), BODY, NOW),
    "exponential timestamp": (other(x_oura_timestamp="1.77e9"), BODY, NOW),
    "infinite timestamp": (other(x_oura_timestamp="inf"), BODY, NOW),
    "ISO timestamp": (other(x_oura_timestamp="2026-02-02T02:40:00Z"), BODY, NOW),
    "Arabic digits": (other(x_oura_timestamp="\u0661\u0667\u0667" + "\u0660" * 7), BODY, NOW),
    "endless timestamp": (other(x_oura_timestamp="1" * 5000), BODY, NOW),
    "no hex": (other(x_oura_signature="Z" * 64), BODY, NOW),
    "short signature": (other(x_oura_signature=SIGNATURE[:-1]), BODY, NOW),
    "long signature": (other(x_oura_signature=SIGNATURE + "0"), BODY, NOW),
    "endless signature": (other(x_oura_signature="A" * 100_000), BODY, NOW),
    "signature with a prefix": (other(x_oura_signature="sha256=" + SIGNATURE), BODY, NOW),
    "signature with a line break": (other(x_oura_signature=SIGNATURE + "\n"), BODY, NOW),
    "signature with one digit changed": (
        other(x_oura_signature=("1" if SIGNATURE[0] == "0" else "0") + SIGNATURE[1:]),
        BODY,
        NOW,
    ),
    "signature beyond ASCII": (other(x_oura_signature="é" * 64), BODY, NOW),
    "signature with a lone surrogate": (other(x_oura_signature="\ud800" * 64), BODY, NOW),
    "fullwidth digits": (other(x_oura_signature="\uff10" * 64), BODY, NOW),
    "signed by another": (*signed(BODY, secret="another secret"), NOW),
    "signed by nobody": (*signed(BODY, secret=""), NOW),
    "signature of the body alone": (
        other(x_oura_signature=hmac.new(SECRET.encode(), BODY, "sha256").hexdigest()),
        BODY,
        NOW,
    ),
    "signature by SHA-1": (
        other(x_oura_signature=hmac.new(SECRET.encode(), b"1770000000" + BODY, "sha1").hexdigest()),
        BODY,
        NOW,
    ),
    "truncated body": (HEADERS, BODY[:-1], NOW),
    "longer body": (HEADERS, BODY + b"\n", NOW),
    "empty body": (HEADERS, b"", NOW),
    "body written another way": (HEADERS, json.dumps(json.loads(BODY)).encode(), NOW),
    "one letter of the body": (HEADERS, BODY.replace(b"sleep", b"sleeq"), NOW),
    "digits moved from timestamp to body": (other(x_oura_timestamp="177000000"), b"0" + BODY, NOW),
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
    "signed, a deep nest": (*signed(b"[" * 30_000), NOW),
    "signed, too large": (*signed(b'{"event_type":"' + b"a" * events.MAX_EVENT_BYTES + b'"}'), NOW),
    "signed, a NUL in an id": (*signed(BODY.replace(b"5f2e0c1a", b"5f2e\\u0000")), NOW),
    "signed, half a character in an id": (*signed(BODY.replace(b"5f2e0c1a", b"5f2e\\ud800")), NOW),
    "signed, an endless id": (*signed(BODY.replace(b"5f2e0c1a", b"5" * 129)), NOW),
    "signed, NULs": (*signed(b"\0" * 100), NOW),
}
