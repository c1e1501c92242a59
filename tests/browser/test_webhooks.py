"""Webhooks in the portal, in Chromium: a developer subscribes, reads a delivery and resends it."""

from __future__ import annotations

import json
import urllib.request
from time import monotonic
from typing import Any

import pytest

from ringlet.client import Client, MemoryTokenStore
from ringlet.webhooks import verify

from ..callback_server import CallbackServer
from .chromium import Tab
from .page_checks import check_page
from .portal_flows import Application, register

pytestmark = pytest.mark.slow
DELIVERY_TIMEOUT_S = 15.0


def connect(tab: Tab, cloud: dict[str, Any], callback: CallbackServer) -> Application:
    """Register an application, and let the signed-in user consent: webhooks notify it of that user."""
    application = register(tab, cloud, callback.redirect_uri)
    tab.open(application.authorize_url())
    tab.click_to_load("button[value=allow]")
    application.redeem(callback.redirect_queries[-1]["code"][0])
    return application


def subscription_client(application: Application) -> Client:
    """A client with the application's credentials, for its webhook subscriptions."""
    return Client(
        base_url=application.api,
        token_store=MemoryTokenStore(),
        client_id=application.app.client_id,
        client_secret=application.app.client_secret,
    )


def trigger(cloud: dict[str, Any]) -> None:
    """Make the cloud update a `daily_sleep` document."""
    request = urllib.request.Request(
        f"{cloud['api']}/_ringlet/trigger",
        data=json.dumps({"event": "daily_sleep.update"}).encode(),
        headers={"authorization": f"Bearer {cloud['admin_token']}"},
    )
    with urllib.request.urlopen(request, timeout=30) as answer:
        assert answer.status == 201


def reload_until_shown(tab: Tab, text: str) -> None:
    """Reload the page until it shows a text: deliveries take a moment."""
    deadline = monotonic() + DELIVERY_TIMEOUT_S
    while text not in tab.text:
        assert monotonic() < deadline, tab.text
        tab.open(tab.url)


def test_a_delivered_event_is_shown_and_can_be_resent(
    tab: Tab, cloud: dict[str, Any], callback: CallbackServer
) -> None:
    application = connect(tab, cloud, callback)
    with subscription_client(application) as client:
        subscription = client.webhooks.create(callback.url, "a verification token", "update", "daily_sleep")
        assert client.webhooks.list() == [subscription]
    tab.open(f"{cloud['api']}/webhooks")
    assert "1 subscription" in tab.text
    tab.click_to_load(f"main a[href*='{application.app.client_id}']")
    assert f"until {subscription.expires_at.day} {subscription.expires_at:%B %Y}" in tab.text
    assert "key=hidden" not in tab.text

    callback.response_body = b"thank you"
    trigger(cloud)
    callback.wait_for_events(1)
    headers, body = callback.events[0]
    timestamp = int(headers["x-oura-timestamp"])
    event = verify(application.app.client_secret, headers, body, now=timestamp)
    assert event.data_type == "daily_sleep"
    reload_until_shown(tab, "delivered")
    tab.click_to_load("main .rows a[href*='/webhooks/']")
    for text in (
        body.decode(),
        headers["x-oura-signature"],
        "The signature matches the application's current secret",
        "thank you",
    ):
        assert text in tab.text
    tab.click("summary")
    assert "curl --include --globoff --request POST" in tab.text

    tab.click_to_load("main header button")
    callback.wait_for_events(2)
    assert callback.events[1][1] == body, "the body stays the same, the signature is new"
    reload_until_shown(tab, "Attempt 2")


def test_webhook_pages_fit_every_display_and_can_be_read(
    tab: Tab, cloud: dict[str, Any], callback: CallbackServer
) -> None:
    application = connect(tab, cloud, callback)
    event_log = f"{cloud['api']}/oauth/applications/{application.app.client_id}/webhooks"
    tab.open(event_log)
    check_page(tab)
    with subscription_client(application) as client:
        client.webhooks.create(callback.url, "a verification token", "update", "daily_sleep")
        deleted = client.webhooks.create(f"{callback.url}&long={'x' * 80}", "a token", "create", "tag")
        client.webhooks.delete(deleted.id)
    trigger(cloud)
    callback.wait_for_events(1)
    callback.status, callback.response_body = 503, b"<b>no room</b> for this now"
    trigger(cloud)
    callback.wait_for_events(2)
    tab.open(event_log)
    reload_until_shown(tab, "1 attempt")
    check_page(tab)
    tab.click_to_load("main .rows a[href*='/webhooks/']")
    reload_until_shown(tab, "no room")
    assert "<b>no room</b> for this now" in tab.text
    tab.click("summary")
    check_page(tab)
    callback.status = 410
    tab.click_to_load("main header button")
    callback.wait_for_events(3)
    for state in ("waiting", "delivered", "failed"):
        tab.open(f"{event_log}?state={state}")
        check_page(tab)
    tab.open(event_log)
    reload_until_shown(tab, "answered 410")
    assert "Resend all failed" in tab.text
    check_page(tab)
    for path in ("/webhooks", "/portal", f"/oauth/applications/{application.app.client_id}"):
        tab.open(f"{cloud['api']}{path}")
        check_page(tab)
