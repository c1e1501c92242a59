"""Webhooks from end to end, as a developer sees them: subscribe, let something happen, look, send again."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Callable
from pathlib import Path
from time import monotonic
from typing import Any

import pytest

from ringlet.client import Client, MemoryTokenStore
from ringlet.webhooks import verify

from ..callback_server import CallbackServer
from .test_portal import LOOKS, Application, fits, register, sign_in

PATIENCE = 15.0


def connect(tab: Any, cloud: dict[str, Any], callback: CallbackServer) -> Application:
    """Register an application, and let it hear of the wearer."""
    application = register(tab, cloud, callback.redirect_uri)
    tab.open(application.asks())
    tab.follow("button[value=allow]")
    application.redeem(callback.redirect_queries[-1]["code"][0])
    return application


def asking(application: Application) -> Client:
    app = application.app
    return Client(
        base_url=application.api,
        token_store=MemoryTokenStore(),
        client_id=app.client_id,
        client_secret=app.client_secret,
    )


def trigger(cloud: dict[str, Any]) -> None:
    request = urllib.request.Request(
        f"{cloud['api']}/_ringlet/trigger",
        data=json.dumps({"event": "daily_sleep.update"}).encode(),
        headers={"authorization": f"Bearer {cloud['admin_token']}"},
    )
    with urllib.request.urlopen(request, timeout=30) as answer:
        assert answer.status == 201


def shows(tab: Any, words: str) -> None:
    """Load the page again until it says something: deliveries take a moment."""
    end = monotonic() + PATIENCE
    while words not in tab.text:
        assert monotonic() < end, tab.text
        tab.open(tab.url)


def test_an_event_is_delivered_seen_and_sent_again(
    tab: Callable[..., Any], cloud: dict[str, Any], secret: str, callback: CallbackServer
) -> None:
    here = tab()
    sign_in(here, cloud, secret)
    application = connect(here, cloud, callback)
    with asking(application) as client:
        made = client.webhooks.create(callback.url, "a verification token", "update", "daily_sleep")
        assert client.webhooks.list() == [made]
    here.open(f"{cloud['api']}/webhooks")
    assert "1 subscription" in here.text
    here.follow(f"main a[href*='{application.app.client_id}']")
    assert f"until {made.expires_at.day} {made.expires_at:%B %Y}" in here.text
    assert "key=hidden" not in here.text

    callback.response_body = b"thank you"
    trigger(cloud)
    callback.wait_for_events(1)
    headers, body = callback.events[0]
    sent = int(headers["x-oura-timestamp"])
    assert verify(application.app.client_secret, headers, body, now=sent).data_type == "daily_sleep"
    shows(here, "delivered")
    here.follow("main .rows a[href*='/webhooks/']")
    for words in (
        body.decode(),
        headers["x-oura-signature"],
        "The signature matches the application's current secret",
        "thank you",
    ):
        assert words in here.text
    here.click("summary")
    assert "curl --include --globoff --request POST" in here.text

    here.follow("main header button")
    callback.wait_for_events(2)
    assert callback.events[1][1] == body, "the same event, signed anew"
    shows(here, "Attempt 2")


@pytest.mark.parametrize(
    "look", LOOKS, ids=lambda look: f"{look['width']}-{'dark' if look['dark'] else 'light'}"
)
def test_its_pages_fit_are_read_and_are_labelled(
    tab: Callable[..., Any],
    cloud: dict[str, Any],
    secret: str,
    callback: CallbackServer,
    look: dict[str, Any],
    tmp_path: Path,
) -> None:
    here = tab(**look)
    sign_in(here, cloud, secret)
    application = connect(here, cloud, callback)
    log = f"{cloud['api']}/oauth/applications/{application.app.client_id}/webhooks"
    here.open(log)
    fits(here, tmp_path)
    with asking(application) as client:
        client.webhooks.create(callback.url, "a verification token", "update", "daily_sleep")
        ended = client.webhooks.create(f"{callback.url}&long={'x' * 80}", "a token", "create", "tag")
        client.webhooks.delete(ended.id)
    trigger(cloud)
    callback.wait_for_events(1)
    callback.status, callback.response_body = 503, b"<b>no room</b> for this now"
    trigger(cloud)
    callback.wait_for_events(2)
    here.open(log)
    shows(here, "1 attempt")
    fits(here, tmp_path)
    here.follow("main .rows a[href*='/webhooks/']")
    shows(here, "no room")
    assert "<b>no room</b> for this now" in here.text
    here.click("summary")
    fits(here, tmp_path)
    callback.status = 410
    here.follow("main header button")
    callback.wait_for_events(3)
    for state in ("waiting", "delivered", "failed"):
        here.open(f"{log}?state={state}")
        fits(here, tmp_path)
    here.open(log)
    shows(here, "answered 410")
    assert "Resend all failed" in here.text
    fits(here, tmp_path)
    for path in ("/webhooks", "/portal", f"/oauth/applications/{application.app.client_id}"):
        here.open(f"{cloud['api']}{path}")
        fits(here, tmp_path)
