"""What users and developers do in the portal, and the application that a developer registers there."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from ringlet._oauth.flows import exchange
from ringlet._oauth.grant import App, Pkce, Tokens, authorize_url, hosts_at
from ringlet.client import Client, MemoryTokenStore

from .chromium import Tab

PASSPHRASE = "a passphrase of this test"
SUBMIT = "main button.go"
"""The button that sends the page's form."""
STATE = "s t&ä"
"""An OAuth `state` that has to be encoded in a URL."""


@dataclass
class Application:
    """An OAuth application, built with ringlet's own flows."""

    api: str
    app: App
    pkce: Pkce = field(default_factory=Pkce.new)

    def authorize_url(self, **more: Any) -> str:
        """Where the application sends the user's browser for consent."""
        return authorize_url(self.app, hosts_at(self.api), state=STATE, pkce=self.pkce, **more)

    def redeem(self, code: str) -> Tokens:
        """Exchange an authorization code for tokens."""
        with Client(base_url=self.api, token_store=MemoryTokenStore()) as client:
            return client.run(exchange(self.app, hosts_at(self.api), code, self.pkce))


def sign_in(tab: Tab, cloud: dict[str, Any]) -> None:
    tab.open(cloud["api"])
    assert tab.path == "/sign-in"
    tab.fill("#passphrase", PASSPHRASE)
    tab.click_to_load(SUBMIT)
    assert tab.path == "/portal"


def register(tab: Tab, cloud: dict[str, Any], redirect_uri: str) -> Application:
    """Register an application as the signed-in user; its page stays open."""
    tab.open(f"{cloud['api']}/oauth/applications/new")
    tab.fill("#name", "Sleep Lab")
    tab.fill("#redirect_uris", redirect_uri)
    tab.click_to_load(SUBMIT)
    return registered_application(tab, cloud, redirect_uri)


def registered_application(tab: Tab, cloud: dict[str, Any], redirect_uri: str) -> Application:
    """The application whose credentials the page shows, as it does once, after the registration."""
    client_id = tab.evaluate("document.querySelector('#client-id').textContent")
    client_secret = tab.evaluate("document.querySelector('.secret output').textContent")
    app = App(client_id=client_id, client_secret=client_secret, redirect_uri=redirect_uri)
    return Application(cloud["api"], app)
