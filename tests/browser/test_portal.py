"""The portal and the consent page in Chromium, of a cloud that `ringlet serve` runs."""

from __future__ import annotations

import urllib.error
import urllib.request
from collections.abc import Callable
from typing import Any

import pytest

from ringlet._oauth.scopes import SCOPES

from ..callback_server import CallbackServer
from .chromium import Tab
from .page_checks import check_page
from .portal_flows import PASSPHRASE, STATE, SUBMIT, register, registered_application

pytestmark = pytest.mark.slow


def status(url: str, token: str) -> int:
    """The status that a request with an access token is answered with."""
    request = urllib.request.Request(url, headers={"authorization": f"Bearer {token}"})
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code


def test_an_application_gets_exactly_the_scopes_that_stay_checked(
    tab: Tab, cloud: dict[str, Any], callback: CallbackServer
) -> None:
    tab.open(f"{cloud['api']}/oauth/applications")
    tab.click_to_load("a.button.go")
    assert tab.path == "/oauth/applications/new"
    application = register(tab, cloud, callback.redirect_uri)
    tab.open(application.authorize_url())
    assert "Sleep Lab asks for your data" in tab.text
    assert cloud["user_id"] in tab.text
    for scope in ("heartrate", "email"):
        tab.click(f"input[value={scope}]")
    tab.click_to_load("button[value=allow]")
    assert "Back at the application" in tab.text
    [query] = callback.redirect_queries
    assert query["state"] == [STATE]
    tokens = application.redeem(query["code"][0])
    assert tokens.scopes == set(SCOPES) - {"heartrate", "email"}
    data = f"{cloud['api']}/v2/usercollection"
    assert status(f"{data}/daily_sleep", tokens.access_token) == 200
    assert status(f"{data}/heartrate", tokens.access_token) == 401
    tab.open(f"{cloud['api']}/connected-apps")
    tab.click_to_load(f"form[action*='{application.app.client_id}'] button")
    assert status(f"{data}/daily_sleep", tokens.access_token) == 401


def test_a_denial_redirects_the_browser_with_access_denied(
    tab: Tab, cloud: dict[str, Any], callback: CallbackServer
) -> None:
    tab.open(register(tab, cloud, callback.redirect_uri).authorize_url())
    tab.click_to_load("button[value=deny]")
    assert callback.redirect_queries == [
        {
            "error": ["access_denied"],
            "error_description": ["The user denied the request."],
            "state": [STATE],
        }
    ]


def test_a_user_who_is_not_signed_in_signs_in_before_consent(
    tab: Tab, new_tab: Callable[[], Tab], cloud: dict[str, Any], callback: CallbackServer
) -> None:
    application = register(tab, cloud, callback.redirect_uri)
    other_tab = new_tab()
    other_tab.open(application.authorize_url(scopes=["daily"]))
    assert other_tab.path == "/sign-in"
    other_tab.fill("#passphrase", "a wrong one")
    other_tab.click_to_load(SUBMIT)
    assert "The passphrase is wrong." in other_tab.text
    other_tab.fill("#passphrase", PASSPHRASE)
    other_tab.click_to_load(SUBMIT)
    assert other_tab.path == "/oauth/authorize"
    other_tab.click_to_load("button[value=allow]")
    assert application.redeem(callback.redirect_queries[0]["code"][0]).scopes == {"daily"}


def test_a_personal_token_reads_data_until_it_is_revoked(tab: Tab, cloud: dict[str, Any]) -> None:
    tab.open(f"{cloud['api']}/personal-access-tokens")
    tab.fill("#note", "Backup")
    tab.click_to_load(SUBMIT)
    token = tab.evaluate("document.querySelector('.secret output').textContent")
    data = f"{cloud['api']}/v2/usercollection/daily_sleep"
    assert status(data, token) == 200
    tab.open(f"{cloud['api']}/personal-access-tokens")
    assert token not in tab.text
    tab.click_to_load("button[aria-label='Revoke Backup']")
    assert status(data, token) == 401
    assert "You have no personal access token." in tab.text


def test_the_keyboard_alone_signs_in_registers_and_consents(
    new_tab: Callable[[], Tab], cloud: dict[str, Any], callback: CallbackServer
) -> None:
    tab = new_tab()
    tab.open(cloud["api"])
    press_tab(tab, until="INPUT")  # the passphrase, an empty field whose label is outside of it
    tab.insert_text(PASSPHRASE)
    tab.wait_for_load(lambda: tab.press_key("Enter"))
    tab.open(f"{cloud['api']}/oauth/applications/new")
    for _ in range(8):  # past the link to the content and the navigation, into the first field
        tab.press_key("Tab")
    tab.insert_text("Sleep Lab")
    tab.press_key("Tab")
    tab.insert_text(callback.redirect_uri)
    press_tab(tab, until="Register")
    tab.wait_for_load(lambda: tab.press_key("Enter"))
    application = registered_application(tab, cloud, callback.redirect_uri)
    tab.open(application.authorize_url(scopes=["daily", "tag"]))
    press_tab(tab, until="tag")
    assert tab.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
    tab.press_key(" ")
    press_tab(tab, until="allow")
    tab.wait_for_load(lambda: tab.press_key("Enter"))
    assert application.redeem(callback.redirect_queries[0]["code"][0]).scopes == {"daily"}


def press_tab(tab: Tab, *, until: str) -> None:
    """Press the Tab key until the focused element has this value, label or tag."""
    for _ in range(20):
        tab.press_key("Tab")
        if tab.focused_text == until:
            return
    raise AssertionError(f"the Tab key never reached {until!r}")


def test_pages_fit_every_display_and_can_be_read(
    tab: Tab, new_tab: Callable[[], Tab], cloud: dict[str, Any]
) -> None:
    other_tab = new_tab()
    other_tab.open(f"{cloud['api']}/sign-in")
    check_page(other_tab)
    other_tab.fill("#passphrase", "a wrong one")
    other_tab.click_to_load(SUBMIT)
    check_page(other_tab)
    application = register(tab, cloud, "http://localhost:8080/callback")
    check_page(tab)
    tab.fill("#redirect_uris", f"http://{'long.' * 40}example/callback")
    tab.click_to_load(SUBMIT)
    check_page(tab)
    for path in (
        "/portal",
        "/oauth/applications",
        "/oauth/applications/new",
        f"/oauth/applications/{application.app.client_id}/delete",
        "/sign-in",
        "/personal-access-tokens",
        "/connected-apps",
        "/oauth/authorize",
    ):
        tab.open(cloud["api"] + path)
        check_page(tab)
    tab.open(application.authorize_url())
    check_page(tab)
