"""Tokens and responses that the OAuth tests share, and a driver that answers the requests of a flow."""

from collections.abc import Callable, Iterable
from typing import Any
from urllib.parse import parse_qsl

import msgspec

from ringlet._api.wire import Flow, Request, Response
from ringlet._oauth.grant import App, Hosts, Tokens
from ringlet._oauth.renewal import CLAIM_POLL_S

OLDER_TOKEN_URL, NEWER_TOKEN_URL = "https://older.test/token", "https://newer.test/token"
HOSTS = Hosts(
    authorize="https://id.test/authorize",
    token=(OLDER_TOKEN_URL, NEWER_TOKEN_URL),
    revoke="https://older.test/revoke",
)
APP = App(client_id="an app", client_secret="hush-app", redirect_uri="http://localhost:8000/back")
STALE_TOKENS = Tokens(access_token="stale", refresh_token="once", scope="daily", token_url=NEWER_TOKEN_URL)
FRESH_TOKENS = Tokens(
    access_token="fresh", refresh_token="twice", scope="daily", token_url=NEWER_TOKEN_URL, client_id="an app"
)
TOKEN_RESPONSE = Response(200, b'{"access_token":"fresh","refresh_token":"twice"}')
INVALID_GRANT_RESPONSE = Response(400, b'{"error":"invalid_grant","error_description":"no such token"}')
EXPIRED_RESPONSE = Response(401, b'{"detail":"Token expired"}')
MISSING_SCOPE_RESPONSE = Response(401, b'{"detail":"Token not authorized to access this data"}')
DATA_REQUEST = Request(path="/v2/usercollection/daily_stress", scope="daily")
POLL_PAUSE = Request(after=CLAIM_POLL_S)
NOW = 1_000_000.0


def fixed_clock() -> float:
    """The clock of these tests, which stands still."""
    return NOW


def drive(flow: Flow[Any], answers: Iterable[Response | Exception]) -> tuple[list[Request], Any]:
    """Answer the requests of a flow, raising each answer that is an exception; return requests and result."""
    requests = [next(flow)]
    for answer in answers:
        try:
            requests.append(flow.throw(answer) if isinstance(answer, Exception) else flow.send(answer))
        except StopIteration as done:
            return requests, done.value
    raise AssertionError(f"the flow sent another request after {requests}")


def form(request: Request) -> dict[str, str]:
    assert request.headers["content-type"] == "application/x-www-form-urlencoded"
    return dict(parse_qsl(request.body.decode(), strict_parsing=True))


STORED_TOKENS = msgspec.structs.replace(FRESH_TOKENS, obtained_at=NOW)


def at(seconds: float) -> Callable[[], float]:
    """A clock that shows so many seconds after NOW."""
    return lambda: NOW + seconds
