"""Signs in to the demo's cloud without a browser: reads the consent form and submits it with every scope.

This is only for the demo's own cloud. At any other cloud the user must decide what to allow.
"""

from __future__ import annotations

import secrets
from html.parser import HTMLParser
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlencode, urlsplit
from urllib.request import HTTPCookieProcessor, HTTPErrorProcessor, ProxyHandler, Request, build_opener

from ...errors import OAuthError

if TYPE_CHECKING:
    from ..._oauth.grant import Tokens


class ConsentPage(HTMLParser):
    """Parses the consent form. `fields` are those that a browser would send if every box stayed ticked."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.fields: list[tuple[str, str]] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        name, value = given.get("name"), given.get("value") or ""
        ticked = given.get("type") != "checkbox" or "checked" in given
        if tag == "input" and name and ticked:
            self.fields.append((name, value))


def sign_in(ready: dict[str, Any]) -> Tokens:
    """Sign in to the demo's cloud with its application, and return the tokens.

    `ready` is the JSON that the cloud printed when it was ready. Raises OAuthError if the cloud refuses.
    """
    from ..._client.client import Client
    from ..._client.token_stores import MemoryTokenStore
    from ..._oauth.flows import exchange
    from ..._oauth.grant import App, Pkce, authorize_url, hosts_at

    app = App(
        client_id=ready["client_id"],
        client_secret=ready["client_secret"],
        redirect_uri=ready["redirect_uris"][0],
    )
    hosts, pkce, state = hosts_at(ready["api"]), Pkce.new(), secrets.token_urlsafe(16)
    code = _code(authorize_url(app, hosts, state=state, pkce=pkce), ready["user_id"], state)
    with Client(base_url=ready["api"], token_store=MemoryTokenStore()) as client:
        return client.run(exchange(app, hosts, code, pkce))


def _code(url: str, user: str, state: str) -> str:
    """Submit the wearer's consent, and return the authorization code from the redirect."""
    # This opener uses no proxy, because the cloud is on this machine. It sends the cookie of the consent page
    # back. It does not follow the redirect, whose address contains the code.
    browser = build_opener(ProxyHandler({}), HTTPCookieProcessor(), _NoRedirects())
    with browser.open(url) as answer:
        fields = ConsentPage(answer.read().decode()).fields
    form = [*(field for field in fields if field[0] != "user"), ("decision", "allow"), ("user", user)]
    with browser.open(url, data=urlencode(form).encode()) as answer:
        location: str = answer.headers.get("location", "")
    back = parse_qs(urlsplit(location).query)
    if back.get("state") != [state]:
        raise OAuthError("invalid_request", "the consent page did not send back the state", status=502)
    if "code" not in back:
        raise OAuthError(back.get("error", ["access_denied"])[0], "the consent page sent no code")
    return back["code"][0]


class _NoRedirects(HTTPErrorProcessor):
    """Returns every response unchanged. urllib would follow a redirect, whose address contains the code."""

    def http_response(self, request: Request, response: Any) -> Any:
        return response
