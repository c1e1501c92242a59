"""The clients of Oura's API: `Client` blocks, `AsyncClient` awaits.

Flows (see `wire`) decide which requests to send, when to retry, and what a response means. The clients only
run flows: they send the requests and sleep the waits. The base URL and the sign-in come from the arguments,
else from the environment.
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
from .._api.kinds import ROOT, SANDBOX
from .._api.runners import AsyncRunner, Runner
from .._api.wire import WAITED, Flow, R, Request, RetryPolicy, with_retries
from .._oauth.grant import App, Hosts, Tokens, hosts_at
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
            "a base URL has no user, password, query or fragment",
            cure=f"write scheme, host and path alone, as in {OURA_API}",
        )
    if not url.startswith(("https://", "http://")):
        raise UsageError("a base URL starts with http:// or https://", cure=f"write it as in {OURA_API}")
    return url.removesuffix("/usercollection").removesuffix("/v2").rstrip("/")


def app_from(client_id: str | None, client_secret: str | None) -> App | None:
    """The application that renews tokens: from the arguments, else OURA_CLIENT_ID and OURA_CLIENT_SECRET."""
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
        self.base_url: str = base_url_from(base_url)
        self.hosts: Hosts = hosts_at(self.base_url)
        self.sandbox = sandbox
        self.retry_policy: RetryPolicy = retry_policy or RetryPolicy()
        self.app = app_from(client_id, client_secret)
        if not (token or token_store or profile):
            if sandbox:
                token = os.environ.get("OURA_ACCESS_TOKEN") or "sandbox"  # The sandbox accepts any token.
            else:
                profile = os.environ.get("RINGLET_PROFILE")
                token = None if profile else os.environ.get("OURA_ACCESS_TOKEN")
        if token:
            self.token_store: TokenStore = MemoryTokenStore(Tokens(access_token=token))
        elif token_store:
            self.token_store = token_store
        else:
            sign_in = SignIn(profile or DEFAULT)
            self.token_store = sign_in.token_store
            self.app = self.app or sign_in.app
        self._transport: T = self._default_transport() if transport is None else transport

    @property
    def _application(self) -> App:
        """The application that owns webhook subscriptions; without a secret their calls raise UsageError."""
        return self.app or App(client_id="")

    @abstractmethod
    def _default_transport(self) -> T: ...

    def _with_token_and_retries(self, flow: Flow[R]) -> Flow[R]:
        return with_retries(
            with_token(flow, self.token_store, self.app, self.hosts, clock=time.time), self.retry_policy
        )

    def _routed(self, request: Request) -> Request:
        if self.sandbox and request.path.startswith(ROOT):
            return replace(request, path=SANDBOX + request.path.removeprefix(ROOT))
        return request


class Client(Catalog, _Config[Transport], Runner):
    """A client of Oura's API that blocks.

        with Client(token) as client:
            for night in client.sleep.list(date(2026, 1, 1), date(2026, 1, 31)):
                print(night.day, night.total_sleep_duration)

    Each data type of the table is an attribute; `webhooks` are the application's subscriptions.

    Args:
        token: an access token. It is used as it is, and never renewed.
        token_store: where tokens are stored; they are renewed where the application is known.
        profile: the name of a sign-in that `ringlet login` stored. Without these three: the sign-in that
            RINGLET_PROFILE names, else OURA_ACCESS_TOKEN, else the sign-in named `default`.
        client_id, client_secret: the application that renews tokens and owns webhook subscriptions. Else
            OURA_CLIENT_ID and OURA_CLIENT_SECRET, else the application of the sign-in.
        base_url: the cloud to ask, with or without `/v2/usercollection`. Else OURA_API_BASE_URL, else Oura's.
        sandbox: read Oura's sandbox: made-up data, without an account.
        retry_policy: how often a failed request is sent again; see `RetryPolicy`.
        transport: what sends requests, for tests.

    Raises:
        UsageError: `base_url` is not the URL of a cloud.
        RingletError: the sign-in cannot be read, or its name is invalid.

    No request is sent here: a missing or expired token shows at the first one.
    """

    def _default_transport(self) -> Transport:
        return HttpcoreTransport(self.base_url)

    @property
    def webhooks(self) -> Webhooks:
        """The application's webhook subscriptions; they need its id and secret, not a token."""
        return Webhooks(self._application, self)

    def run(self, flow: Flow[R]) -> R:
        """Run a flow and return its value, as in `client.run(Catalog.sleep.list(a, b))`.

        Raises what the flow raises, and what every request may raise: NotSignedIn, OAuthError,
        ConnectionFailed and the subclasses of ApiError.
        """
        flow = self._with_token_and_retries(flow)
        try:
            request = next(flow)
            while True:
                if request.after:
                    time.sleep(request.after)
                try:
                    response = self._transport.send(self._routed(request)) if request.path else WAITED
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
        """Close the connections. `with` does so at its end."""
        self._transport.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class AsyncClient(Catalog, _Config[AsyncTransport], AsyncRunner):
    """A client of Oura's API whose methods are awaited. Arguments and errors: see `Client`."""

    def _default_transport(self) -> AsyncTransport:
        return AsyncHttpcoreTransport(self.base_url)

    @property
    def webhooks(self) -> AsyncWebhooks:
        """See `Client.webhooks`."""
        return AsyncWebhooks(self._application, self)

    async def run(self, flow: Flow[R]) -> R:
        """Run a flow and return its value. See `Client.run`."""
        flow = self._with_token_and_retries(flow)
        try:
            request = next(flow)
            while True:
                if request.after:
                    await asyncio.sleep(request.after)
                try:
                    response = await self._transport.send(self._routed(request)) if request.path else WAITED
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
        """Close the connections. `with` does so at its end."""
        await self._transport.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()
