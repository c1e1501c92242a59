"""The cloud that other people's clients meet: `ringlet serve --demo`, and a wearer who consents."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from html.parser import HTMLParser
from http.cookiejar import CookieJar
from urllib.error import HTTPError
from urllib.parse import parse_qs, urlencode, urlsplit
from urllib.request import HTTPCookieProcessor, HTTPRedirectHandler, build_opener

import pytest

from ..program import Program

DAYS = 40
FIRST, LAST = date(2026, 1, 21), date(2026, 3, 1)
"""The demo's days, when the clock stands at noon of the last one."""
OURS = ("OURA_", "RINGLET_")
TIMEOUT_S = 60


@dataclass(frozen=True)
class Oura:
    """What the ready line says."""

    api: str
    user_id: str
    access_token: str
    refresh_token: str
    client_id: str
    client_secret: str
    redirect_uri: str

    @property
    def authorize_url(self) -> str:
        return f"{self.api}/oauth/authorize"

    @property
    def token_url(self) -> str:
        return f"{self.api}/oauth/token"

    @property
    def revoke_url(self) -> str:
        return f"{self.api}/oauth/revoke"

    @property
    def introspect_url(self) -> str:
        return f"{self.api}/oauth/introspect"


@pytest.fixture(scope="session")
def oura(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Oura]:
    """A cloud in a process of its own."""
    program, when = Program(tmp_path_factory.mktemp("cloud")), "frozen:2026-03-01T12:00:00Z"
    with program.serve("--demo", "--days", str(DAYS), "--clock", when, "--implicit") as ready:
        names = [name for name in Oura.__dataclass_fields__ if name in ready]
        yield Oura(redirect_uri=ready["redirect_uris"][0], **{name: ready[name] for name in names})


class _Form(HTMLParser):
    """The one form of a page, as a browser would send it with its `allow` button pressed."""

    def __init__(self) -> None:
        super().__init__()
        self.method = ""
        self.fields: list[tuple[str, str]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if tag == "form":
            self.method = given.get("method", "get")
            assert "action" not in given
        ticked = given.get("type") == "hidden" or "checked" in given
        if (tag == "input" and ticked) or (tag == "button" and given.get("value") == "allow"):
            self.fields.append((given["name"], given.get("value", "on")))


class _Stay(HTTPRedirectHandler):
    def redirect_request(self, *_: object) -> None:
        return None


class Wearer:
    """Somebody at a browser."""

    def allows(self, url: str) -> str:
        """Allow everything that the page asks for; the URL that sends the browser back, with a code in it."""
        browser = build_opener(HTTPCookieProcessor(CookieJar()), _Stay())
        with browser.open(url, timeout=TIMEOUT_S) as page:
            form = _Form()
            form.feed(page.read().decode())
        assert form.method == "post"
        with pytest.raises(HTTPError) as sent_back:
            browser.open(url, data=urlencode(form.fields).encode(), timeout=TIMEOUT_S)
        with contextlib.closing(sent_back.value) as answer:
            assert answer.code == 302
            back: str = answer.headers["location"]
        return back

    def code(self, url: str) -> str:
        """The code alone."""
        [code] = parse_qs(urlsplit(self.allows(url)).query)["code"]
        return code


@pytest.fixture
def wearer() -> Wearer:
    return Wearer()


@pytest.fixture(autouse=True)
def _nobody_signed_in(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.startswith(OURS):
            monkeypatch.delenv(name)
