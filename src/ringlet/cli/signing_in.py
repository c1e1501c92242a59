"""Signing in by the real code flow without a browser: read the consent page, tick every box, allow.

For a cloud of one's own only, which is why it may press the button itself.
"""

from __future__ import annotations

import secrets
from html.parser import HTMLParser
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx2

from ..client import Client, MemoryWallet
from ..errors import GrantError
from ..oauth import App, Pkce, Tokens, authorize_url, exchange, hosts_at


class ConsentPage(HTMLParser):
    """The fields of the consent form, as a browser would send them with every box left ticked."""

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
    """Authorize, consent, exchange: tokens for the application that `serve` announced. Raises GrantError."""
    app = App(
        client_id=ready["client_id"],
        client_secret=ready["client_secret"],
        redirect_uri=ready["redirect_uris"][0],
    )
    hosts, pkce, state = hosts_at(ready["api"]), Pkce.new(), secrets.token_urlsafe(16)
    code = _code(authorize_url(app, hosts, state=state, pkce=pkce), ready["user_id"], state)
    with Client(base_url=ready["api"], wallet=MemoryWallet()) as client:
        return client.run(exchange(app, hosts, code, pkce))


def _code(url: str, user: str, state: str) -> str:
    """The code that the wearer's consent sends back to the application."""
    with httpx2.Client() as browser:
        page = ConsentPage(browser.get(url).text)
        form: dict[str, list[str]] = {}
        for name, value in [*page.fields, ("decision", "allow")]:
            form.setdefault(name, []).append(value)
        answer = browser.post(url, data=form | {"user": [user]})
    back = parse_qs(urlsplit(answer.headers.get("location", "")).query)
    if back.get("state") != [state]:
        raise GrantError("invalid_request", "the consent page did not send back the state", status=502)
    if "code" not in back:
        raise GrantError(back.get("error", ["access_denied"])[0], "the consent page sent no code")
    return back["code"][0]
