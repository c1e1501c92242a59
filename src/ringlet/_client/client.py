"""The table with somewhere to ask: `Client` blocks, `AsyncClient` awaits.

What to ask, when to ask again and what an answer means stands in flows (`kinds`, `oauth`, `wire`). Here a
flow is carried out, and nothing else: its requests are sent, its waits are slept. Where to ask, and as whom,
is what the caller says, else what the environment says.
"""

from __future__ import annotations

import asyncio
import os
import time
from abc import ABC, abstractmethod
from dataclasses import replace
from types import TracebackType
from typing import Generic, Self, TypeVar

from .._api.catalog import Catalog
from .._api.faces import AsyncRunner, Runner
from .._api.kinds import ROOT, SANDBOX
from .._api.wire import WAITED, Flow, R, Request, RetryPolicy, with_retries
from .._oauth.grant import App, Tokens, hosts_at
from .._oauth.renewal import TokenStore, with_token
from .._webhooks.subscriptions import AsyncWebhooks, Webhooks
from ..errors import ConnectionFailed, UsageError
from .sign_ins import DEFAULT, SignIn
from .token_stores import MemoryTokenStore
from .transport import AsyncHttpcoreTransport, AsyncTransport, HttpcoreTransport, Transport

OURA_API = "https://api.ouraring.com"


def base_url_from(text: str | None) -> str:
    """The root of the API: as given, or from OURA_API_BASE_URL, or Oura's own.

    Programs write it with and without `/v2/usercollection`; both are taken. Raises UsageError, which never
    quotes a URL that may hold a password.
    """
    url = (text or os.environ.get("OURA_API_BASE_URL") or OURA_API).rstrip("/")
    if set(url) & set("@?#"):
        raise UsageError(
            "a base URL holds no user, password, query or fragment",
            cure=f"write scheme, host and path alone, as in {OURA_API}",
        )
    if not url.startswith(("https://", "http://")):
        raise UsageError("the base URL is none", cure=f"write it whole, as in {OURA_API}")
    return url.removesuffix("/usercollection").removesuffix("/v2").rstrip("/")


def app_from(client_id: str | None, client_secret: str | None) -> App | None:
    """The application that renews tokens: as given, or from OURA_CLIENT_ID and OURA_CLIENT_SECRET."""
    id = client_id or os.environ.get("OURA_CLIENT_ID")
    secret = client_secret or os.environ.get("OURA_CLIENT_SECRET", "")
    return App(client_id=id, client_secret=secret) if id else None


T = TypeVar("T")


class _Config(ABC, Generic[T]):
    """The arguments of both clients, and the flows that add tokens and retries to every flow they run."""

    def __init__(
        self,
        token: str | None = None,
        *,
        base_url: str | None = None,
        sandbox: bool = False,
        token_store: TokenStore | None = None,
        profile: str | None = None,
        client_id: str | None = None,
        client_secret: str | None = None,
        retry_policy: RetryPolicy | None = None,
        transport: T | None = None,
    ) -> None:
        self.base_url = base_url_from(base_url)
        self.hosts = hosts_at(self.base_url)
        self.sandbox = sandbox
        self.retry_policy = retry_policy or RetryPolicy()
        self.app = app_from(client_id, client_secret)
        if not (token or token_store or profile):
            if sandbox:
                token = os.environ.get("OURA_ACCESS_TOKEN") or "sandbox"  # which opens to any authorization
            else:
                profile = os.environ.get("RINGLET_PROFILE")
                token = None if profile else os.environ.get("OURA_ACCESS_TOKEN")
        if token:
            self.token_store: TokenStore = MemoryTokenStore(Tokens(access_token=token))
        elif token_store:
            self.token_store = token_store
        else:
            kept = SignIn(profile or DEFAULT)
            self.token_store = kept.token_store
            self.app = self.app or kept.app
        self._transport: T = self._default_transport() if transport is None else transport

    @property
    def _application(self) -> App:
        """Who subscribes to webhooks; without a secret that is refused when it is tried."""
        return self.app or App(client_id="")

    @abstractmethod
    def _default_transport(self) -> T: ...

    def _dress(self, flow: Flow[R]) -> Flow[R]:
        return with_retries(
            with_token(flow, self.token_store, self.app, self.hosts, clock=time.time), self.retry_policy
        )

    def _address(self, request: Request) -> Request:
        if self.sandbox and request.path.startswith(ROOT):
            return replace(request, path=SANDBOX + request.path.removeprefix(ROOT))
        return request


class Client(Catalog, _Config[Transport], Runner):
    """Ask Oura, and wait for the answer.

        with Client(token) as client:
            for night in client.sleep.list(date(2026, 1, 1), date(2026, 1, 31)):
                print(night.day, night.total_sleep_duration)

    The token comes from `token`, else `token_store`, else the sign-in kept as `profile` (or RINGLET_PROFILE),
    else OURA_ACCESS_TOKEN, else the sign-in kept as `default`. With `client_id` and `client_secret` (else the
    OURA_ variables, else what the profile keeps) tokens are renewed. `base_url` may name any cloud that
    speaks Oura's API; `sandbox=True` reads Oura's sandbox, without an account.
    """

    def _default_transport(self) -> Transport:
        return HttpcoreTransport(self.base_url)

    @property
    def webhooks(self) -> Webhooks:
        """The application's subscriptions; they ask for its id and secret, not for a token."""
        return Webhooks(self._application, self)

    def run(self, flow: Flow[R]) -> R:
        """Carry any flow out: `client.run(Catalog.sleep.list(a, b))` is what `client.sleep.list` does."""
        flow = self._dress(flow)
        try:
            request = next(flow)
            while True:
                if request.after:
                    time.sleep(request.after)
                try:
                    response = self._transport.send(self._address(request)) if request.path else WAITED
                except ConnectionFailed as lost:
                    request = flow.throw(lost)
                else:
                    request = flow.send(response)
        except StopIteration as done:
            value: R = done.value
            return value
        finally:
            flow.close()

    def close(self) -> None:
        """Give the connections back."""
        self._transport.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class AsyncClient(Catalog, _Config[AsyncTransport], AsyncRunner):
    """Ask Oura, and await the answer. **Parameters**: see `Client`."""

    def _default_transport(self) -> AsyncTransport:
        return AsyncHttpcoreTransport(self.base_url)

    @property
    def webhooks(self) -> AsyncWebhooks:
        """See `Client.webhooks`."""
        return AsyncWebhooks(self._application, self)

    async def run(self, flow: Flow[R]) -> R:
        """Carry any flow out. See `Client.run`."""
        flow = self._dress(flow)
        try:
            request = next(flow)
            while True:
                if request.after:
                    await asyncio.sleep(request.after)
                try:
                    response = await self._transport.send(self._address(request)) if request.path else WAITED
                except ConnectionFailed as lost:
                    request = flow.throw(lost)
                else:
                    request = flow.send(response)
        except StopIteration as done:
            value: R = done.value
            return value
        finally:
            flow.close()

    async def close(self) -> None:
        """Give the connections back."""
        await self._transport.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()
