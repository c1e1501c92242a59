"""The portal and the consent page in a real browser, against a real `ringlet serve`."""

from __future__ import annotations

import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from ringlet._oauth.flows import exchange
from ringlet._oauth.grant import App, Pkce, Tokens, authorize_url, hosts_at
from ringlet._oauth.scopes import SCOPES
from ringlet.client import Client, MemoryTokenStore

from ..callback_server import CallbackServer

LOOKS = [{"width": width, "dark": dark} for width in (420, 1400) for dark in (False, True)]
GO = "main button.go"


@dataclass
class Application:
    """A program on the other side: ringlet's own flows."""

    api: str
    app: App
    pkce: Pkce = field(default_factory=Pkce.new)

    def asks(self, **more: Any) -> str:
        return authorize_url(self.app, hosts_at(self.api), state="s t&ä", pkce=self.pkce, **more)

    def redeem(self, code: str) -> Tokens:
        with Client(base_url=self.api, token_store=MemoryTokenStore()) as client:
            return client.run(exchange(self.app, hosts_at(self.api), code, self.pkce))


def sign_in(tab: Any, cloud: dict[str, Any], secret: str) -> None:
    tab.open(cloud["api"])
    assert tab.path == "/sign-in"
    tab.fill("#passphrase", secret)
    tab.follow(GO)
    assert tab.path == "/portal"


@pytest.fixture
def owner(tab: Callable[..., Any], cloud: dict[str, Any], secret: str) -> Any:
    """A tab whose wearer is signed in."""
    here = tab()
    sign_in(here, cloud, secret)
    return here


def register(tab: Any, cloud: dict[str, Any], uri: str) -> Application:
    tab.open(f"{cloud['api']}/oauth/applications")
    tab.follow("a.button.go")
    tab.fill("#name", "Sleep Lab")
    tab.fill("#redirect_uris", uri)
    tab.follow(GO)
    client_id = tab.read("document.querySelector('#client-id').textContent")
    client_secret = tab.read("document.querySelector('.secret output').textContent")
    return Application(cloud["api"], App(client_id=client_id, client_secret=client_secret, redirect_uri=uri))


def status(url: str, token: str) -> int:
    request = urllib.request.Request(url, headers={"authorization": f"Bearer {token}"})
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as refused:
        return refused.code


def test_an_application_gets_exactly_what_was_left_ticked(
    owner: Any, cloud: dict[str, Any], callback: CallbackServer
) -> None:
    application = register(owner, cloud, callback.redirect_uri)
    owner.open(application.asks())
    assert "Sleep Lab asks for your data" in owner.text
    assert cloud["user_id"] in owner.text
    for unwanted in ("heartrate", "email"):
        owner.click(f"input[value={unwanted}]")
    owner.follow("button[value=allow]")
    assert "Back at the application" in owner.text
    [brought] = callback.redirect_queries
    assert brought["state"] == ["s t&ä"]
    tokens = application.redeem(brought["code"][0])
    assert tokens.scopes == set(SCOPES) - {"heartrate", "email"}
    data = f"{cloud['api']}/v2/usercollection"
    assert status(f"{data}/daily_sleep", tokens.access_token) == 200
    assert status(f"{data}/heartrate", tokens.access_token) == 401
    owner.open(f"{cloud['api']}/connected-apps")
    owner.follow(f"form[action*='{application.app.client_id}'] button")
    assert status(f"{data}/daily_sleep", tokens.access_token) == 401


def test_denying_sends_the_browser_back_with_the_denial(
    owner: Any, cloud: dict[str, Any], callback: CallbackServer
) -> None:
    owner.open(register(owner, cloud, callback.redirect_uri).asks())
    owner.follow("button[value=deny]")
    assert callback.redirect_queries == [
        {
            "error": ["access_denied"],
            "error_description": ["The user denied the request."],
            "state": ["s t&ä"],
        }
    ]


def test_whoever_is_not_signed_in_signs_in_on_the_way_to_consent(
    owner: Any, tab: Callable[..., Any], cloud: dict[str, Any], secret: str, callback: CallbackServer
) -> None:
    application = register(owner, cloud, callback.redirect_uri)
    here = tab()
    here.open(application.asks(scopes=["daily"]))
    assert here.path == "/sign-in"
    here.fill("#passphrase", "a wrong one")
    here.follow(GO)
    assert "The passphrase is wrong." in here.text
    here.fill("#passphrase", secret)
    here.follow(GO)
    assert here.path == "/oauth/authorize"
    here.follow("button[value=allow]")
    assert application.redeem(callback.redirect_queries[0]["code"][0]).scopes == {"daily"}


def test_a_personal_token_reads_data_until_it_is_revoked(owner: Any, cloud: dict[str, Any]) -> None:
    owner.open(f"{cloud['api']}/personal-access-tokens")
    owner.fill("#note", "Backup")
    owner.follow(GO)
    token = owner.read("document.querySelector('.secret output').textContent")
    data = f"{cloud['api']}/v2/usercollection/daily_sleep"
    assert status(data, token) == 200
    owner.open(f"{cloud['api']}/personal-access-tokens")
    assert token not in owner.text
    owner.follow("button[aria-label='Revoke Backup']")
    assert status(data, token) == 401
    assert "You have no personal access token." in owner.text


def test_consent_needs_no_mouse(
    tab: Callable[..., Any], open_cloud: dict[str, Any], callback: CallbackServer
) -> None:
    """From signing in to the application's page by Tab, Space, Enter and letters alone."""
    here = tab()
    here.open(open_cloud["api"])
    step_to(here, "Sign in")
    here.leads_on(lambda: here.press("Enter"))
    here.open(f"{open_cloud['api']}/oauth/applications/new")
    step_to(here, "", times=8)  # past the skip link and the navigation, into the first field
    here.type("Sleep Lab")
    here.press("Tab")
    here.type(callback.redirect_uri)
    step_to(here, "Register")
    here.leads_on(lambda: here.press("Enter"))
    app = App(
        client_id=here.read("document.querySelector('#client-id').textContent"),
        client_secret=here.read("document.querySelector('.secret output').textContent"),
        redirect_uri=callback.redirect_uri,
    )
    application = Application(open_cloud["api"], app)
    here.open(application.asks(scopes=["daily", "tag"]))
    step_to(here, "tag")
    assert here.read("getComputedStyle(document.activeElement).outlineStyle") == "solid"
    here.press(" ")
    step_to(here, "allow")
    here.leads_on(lambda: here.press("Enter"))
    assert application.redeem(callback.redirect_queries[0]["code"][0]).scopes == {"daily"}


def step_to(tab: Any, words: str, *, times: int = 20) -> None:
    """Press Tab until what has the focus says so; with no words, so many times."""
    for _ in range(times):
        tab.press("Tab")
        if words and tab.focused == words:
            return
    assert not words, f"Tab never came to {words!r}"


@pytest.mark.parametrize("look", LOOKS, ids=str)
def test_pages_fit_at_every_width_and_theme_and_can_be_read(
    tab: Callable[..., Any], cloud: dict[str, Any], secret: str, tmp_path: Path, look: dict[str, Any]
) -> None:
    """No page scrolls sideways; every word has a contrast of 4.5 : 1 to what is behind it (WCAG 1.4.3)."""
    here = tab(**look)
    here.open(f"{cloud['api']}/sign-in")
    here.fill("#passphrase", "a wrong one")
    here.follow(GO)
    fits(here, tmp_path)
    sign_in(here, cloud, secret)
    application = register(here, cloud, "http://localhost:8080/callback")
    fits(here, tmp_path)
    here.fill("#redirect_uris", f"http://{'long.' * 40}example/callback")
    here.follow(GO)
    fits(here, tmp_path)
    one = f"/oauth/applications/{application.app.client_id}"
    for path in ("/portal", "/oauth/applications", "/oauth/applications/new", f"{one}/delete", "/sign-in"):
        here.open(cloud["api"] + path)
        fits(here, tmp_path)
    for path in ("/personal-access-tokens", "/connected-apps", "/oauth/authorize"):
        here.open(cloud["api"] + path)
        fits(here, tmp_path)
    here.open(application.asks())
    fits(here, tmp_path)


def fits(tab: Any, folder: Path) -> None:
    tab.picture(folder / f"{tab.path.strip('/').replace('/', '-')}.png")
    assert tab.read("document.documentElement.scrollWidth - innerWidth") <= 0, tab.url
    assert tab.read("document.querySelectorAll('h1').length") == 1, tab.url
    assert tab.read(UNLABELLED) == [], tab.url
    assert tab.read(FAINT) == [], tab.url


UNLABELLED = """
[...document.querySelectorAll('input:not([type=hidden]):not([hidden]), select, textarea')]
  .filter(it => !it.labels.length).map(it => it.outerHTML)
"""
FAINT = """
(() => {
  const numbers = colour => colour.match(/[\\d.]+/g).map(Number);
  const light = colour => numbers(colour).slice(0, 3).map(c => c / 255)
    .map(c => c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4)
    .reduce((sum, c, i) => sum + c * [0.2126, 0.7152, 0.0722][i], 0);
  const behind = it => {
    for (; it; it = it.parentElement) {
      const [, , , alpha = 1] = numbers(getComputedStyle(it).backgroundColor);
      if (alpha === 1) return getComputedStyle(it).backgroundColor;
    }
    return 'rgb(255, 255, 255)';
  };
  return [...document.querySelectorAll('body *')]
    .filter(it => [...it.childNodes].some(node => node.nodeType === 3 && node.data.trim()))
    .map(it => {
      const [a, b] = [light(getComputedStyle(it).color), light(behind(it))].sort((x, y) => y - x);
      return [(a + 0.05) / (b + 0.05), it.outerHTML.slice(0, 80)];
    })
    .filter(([contrast]) => contrast < 4.5);
})()
"""
