"""The clients of Oura's API: `Client` blocks, `AsyncClient` awaits.

Flows (see `wire`) decide which requests to send, when to retry, and what a response means. The clients only
run flows: they send the requests and wait between them. The base URL and the sign-in are taken from the
arguments, else from the environment.
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
    """The base URL of the API, without a path: `text`, or else OURA_API_BASE_URL, or else Oura's own.

    The path `/v2/usercollection`, which some programs add, is removed. Raises UsageError, which does not
    quote the URL, since it may contain a password.
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
    """The application of the arguments, else of OURA_CLIENT_ID and OURA_CLIENT_SECRET; None without an id."""
    id = client_id or os.environ.get("OURA_CLIENT_ID")
    secret = client_secret or os.environ.get("OURA_CLIENT_SECRET", "")
    return App(client_id=id, client_secret=secret) if id else None


T = TypeVar("T")


class _Config(ABC, Generic[T]):
    """The base class of both clients: their arguments, and the tokens and retries of every flow they run."""

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
        """The application that owns the webhook subscriptions. Their methods need its secret."""
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

    Each data type is an attribute with methods (see `ringlet.TYPES`), e.g. `client.heartrate.latest()`.

    Args:
        token: an access token. It is never renewed.
        token_store: where tokens are stored. They are renewed if the application is known (`client_id`).
        profile: the name of a sign-in that `ringlet login` stored. Without `token`, `token_store` and
            `profile`, the client uses the sign-in that RINGLET_PROFILE names, else the token
            OURA_ACCESS_TOKEN, else the sign-in named `default`.
        client_id, client_secret: the application that renews tokens and owns webhook subscriptions. Default:
            OURA_CLIENT_ID and OURA_CLIENT_SECRET, else the application of the sign-in.
        base_url: the URL of Oura's API or of an emulated cloud. Default: OURA_API_BASE_URL, else Oura's API.
        sandbox: whether to request the made-up data of Oura's sandbox, which needs no account.
        retry_policy: how often a failed request is sent again; see `RetryPolicy`.
        transport: sends the requests; for tests and other HTTP libraries (see `Transport`).

    Raises:
        UsageError: `base_url` is not a valid base URL.
        RingletError: the sign-in cannot be read, or its name is invalid.

    Making a client sends no request, so a missing or expired token is noticed at the first call.
    """

    def _default_transport(self) -> Transport:
        return HttpcoreTransport(self.base_url)

    @property
    def webhooks(self) -> Webhooks:
        """Methods for the application's webhook subscriptions. They need its id and secret, not a token."""
        return Webhooks(self._application, self)

    def run(self, flow: Flow[R]) -> R:
        """Run a flow and return its value, as in `client.run(Catalog.sleep.list(a, b))`.

        Raises the errors of the flow, and those of every request: NotSignedIn, OAuthError, ConnectionFailed,
        and the subclasses of ApiError.
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
        """Close the connections; the end of a `with` block does it, too."""
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
        """The methods for the application's webhook subscriptions; see `Client.webhooks`."""
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
        """Close the connections; the end of an `async with` block does it, too."""
        await self._transport.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()
