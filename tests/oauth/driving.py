"""Values that the OAuth tests share, and how a flow is driven by hand."""

from collections.abc import Callable, Iterable
from typing import Any
from urllib.parse import parse_qsl

import msgspec

from ringlet._api.wire import Flow, Request, Response
from ringlet._oauth.grant import App, Hosts, Tokens
from ringlet._oauth.renewal import CLAIM_POLL_S

OLDER, NEWER = "https://older.test/token", "https://newer.test/token"
HOSTS = Hosts(authorize="https://id.test/authorize", token=(OLDER, NEWER), revoke="https://older.test/revoke")
APP = App(client_id="an app", client_secret="hush-app", redirect_uri="http://localhost:8000/back")
STALE = Tokens(access_token="stale", refresh_token="once", scope="daily", token_url=NEWER)
FRESH = Tokens(
    access_token="fresh", refresh_token="twice", scope="daily", token_url=NEWER, client_id="an app"
)
GRANTED = Response(200, b'{"access_token":"fresh","refresh_token":"twice"}')
REFUSED = Response(400, b'{"error":"invalid_grant","error_description":"no such token"}')
EXPIRED = Response(401, b'{"detail":"Token expired"}')
UNSCOPED = Response(401, b'{"detail":"Token not authorized to access this data"}')
HERE = Request(path="/v2/usercollection/daily_stress", scope="daily")
PAUSE = Request(after=CLAIM_POLL_S)
NOW = 1_000_000.0


def CLOCK() -> float:  # noqa: N802  # one word for the moment all of these tests play at
    return NOW


def drive(flow: Flow[Any], answers: Iterable[Response | Exception]) -> tuple[list[Request], Any]:
    """What a flow asks when it gets these answers (a failure is thrown in), and what it returns."""
    asked = [next(flow)]
    for answer in answers:
        try:
            asked.append(flow.throw(answer) if isinstance(answer, Exception) else flow.send(answer))
        except StopIteration as done:
            return asked, done.value
    raise AssertionError(f"still asking after {asked}")


def form(request: Request) -> dict[str, str]:
    assert request.headers["content-type"] == "application/x-www-form-urlencoded"
    return dict(parse_qsl(request.body.decode(), strict_parsing=True))


KEPT = msgspec.structs.replace(FRESH, obtained_at=NOW)


def at(seconds: float) -> Callable[[], float]:
    """A clock that shows so many seconds after NOW."""
    return lambda: NOW + seconds
