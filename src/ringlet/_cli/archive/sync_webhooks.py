"""`ringlet sync --webhooks`: syncs continuously until it is stopped.

The exit code is 0 after SIGTERM and 130 after ^C. No events are lost then: events whose documents were not
fetched yet are stored in the archive.
"""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import Coroutine
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import SplitResult, urlsplit

from ..._net.loopback import is_loopback
from ...errors import RingletError, UsageError
from ..shared import screen
from ..shared.next_steps import command
from .sync_progress import JsonLines
from .sync_webhooks_output import JsonOutput, Output

if TYPE_CHECKING:
    import socket
    from datetime import date

    from ..._archive.archive import Archive
    from ..._client.client import AsyncClient
    from ..._oauth.grant import App
    from .sync_progress import Watcher

PUBLIC_URL = "--public-url https://YOUR.HOST/oura"


@dataclass(frozen=True)
class WebhookEndpoint:
    """The callback URL that Oura sends events to, and the local address that they reach.

    Only scheme, host and path of the URL are shown, because its query may contain a secret. `take_over` says
    whether existing subscriptions with another callback URL are moved to this one.
    """

    url: str = field(repr=False)
    host: str
    port: int
    take_over: bool

    @classmethod
    def parse(cls, public_url: str | None, listen: str, *, take_over: bool) -> WebhookEndpoint:
        """Build the endpoint from --public-url and --listen. Raises UsageError if one is not valid."""
        if not public_url:
            raise UsageError(
                "expected the URL that Oura sends events to",
                cure=command("sync", "--webhooks", PUBLIC_URL),
            )
        parts = _split(public_url)
        if parts is None or parts.scheme not in ("http", "https") or not parts.hostname or parts.fragment:
            raise UsageError(
                "--public-url starts with http:// or https:// and has no fragment",
                cure=f"write {PUBLIC_URL}",
            )
        if parts.username is not None:
            raise UsageError("--public-url has no user and password", cure=f"leave them out: {PUBLIC_URL}")
        address = _split(f"//{listen}")
        if address is None or not address.hostname or address.port is None:
            raise UsageError(
                f"--listen expects HOST:PORT, and {listen!r} is not", cure="--listen 127.0.0.1:8767"
            )
        return cls(public_url, address.hostname, address.port, take_over)

    @property
    def shown(self) -> str:
        """The callback URL and the local address, as text for the user."""
        parts = urlsplit(self.url)
        only = " (which only this machine reaches)" if self.is_local else ""
        return f"{parts.scheme}://{parts.netloc}{parts.path}{only} -> {self.host}:{self.port}"

    @property
    def is_local(self) -> bool:
        """Whether only this machine can reach the callback URL."""
        return is_loopback(urlsplit(self.url).hostname or "")


def _split(url: str) -> SplitResult | None:
    try:
        parts = urlsplit(url)
        _ = parts.port  # reading the port raises ValueError if it is not a valid number
    except ValueError:
        return None
    return parts


def run_until_stopped(
    client: AsyncClient,
    archive: Archive,
    db: str | None,
    endpoint: WebhookEndpoint,
    watcher: Watcher,
    names: list[str],
    since: date,
    connections: int | None,
) -> int:
    """Sync continuously until stopped. Returns the exit code.

    Raises UsageError for an archive in memory or without an application, and RingletError for errors that do
    not pass by themselves.
    """
    from ..._archive.storage.opening import default_place
    from ..._sync.continuous import CallbackEndpoint, ContinuousSync

    place = db or default_place()
    if archive.path == ":memory:":
        raise UsageError("webhooks need an archive on disk or on a server", cure="name a file with --db")
    app = application(client)
    output = (JsonOutput if isinstance(watcher, JsonLines) else Output)(watcher, endpoint.shown)

    async def run() -> None:
        with _bound(endpoint) as listener:
            callback = CallbackEndpoint(url=endpoint.url, listener=listener, take_over=endpoint.take_over)
            sync = ContinuousSync(
                client,
                archive,
                place,
                callback,
                output,
                app=app,
                names=names,
                since=since,
                connections=connections,
            )
            async with client:
                await sync.run()

    try:
        code = asyncio.run(_until_stopped(run()))
    except KeyboardInterrupt:
        code = 130
    watcher.stop()
    screen.remark("Stopped. Events that were received and not followed yet are stored in the archive.")
    return code


def _bound(endpoint: WebhookEndpoint) -> socket.socket:
    """Open the socket that requests to the public URL reach. Raises RingletError if it cannot listen."""
    from ..._net.listen import bind

    try:
        return bind(endpoint.host, endpoint.port)
    except RingletError as refused:
        raise RingletError(
            refused.message, cure="name another with --listen HOST:PORT, and let the public URL lead there"
        ) from None


def application(client: AsyncClient) -> App:
    """The application that owns the subscriptions. Raises UsageError if its id or secret is not known."""
    if client.app is None or not client.app.client_secret:
        raise UsageError(
            "webhooks need the id and the secret of your application",
            cure="export OURA_CLIENT_ID=... OURA_CLIENT_SECRET=..., or sign in with them:"
            f" {command('login')}",
        )
    return client.app


async def _until_stopped(work: Coroutine[Any, Any, None]) -> int:
    """Run `work`, which never ends, until SIGTERM or SIGINT. Returns the exit code."""
    task = asyncio.ensure_future(work)
    stopped: list[int] = []

    def stop(code: int) -> None:
        stopped.append(code)
        task.cancel()

    if sys.platform != "win32":
        # Windows has no signal handlers in asyncio: ^C raises KeyboardInterrupt there.
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGTERM, stop, 0)
        loop.add_signal_handler(signal.SIGINT, stop, 130)
    try:
        await task
    except asyncio.CancelledError:
        if not stopped:
            raise
    return stopped[0]
