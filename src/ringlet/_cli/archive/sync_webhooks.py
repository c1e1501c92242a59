"""`ringlet sync --webhooks`: the run that goes on until it is stopped.

SIGTERM ends it with 0, ^C with 130; either way nothing is lost.
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
from .sync_webhooks_output import JsonTelling, Telling

if TYPE_CHECKING:
    import socket
    from datetime import date

    from ..._archive.archive import Archive
    from ..._client.client import AsyncClient
    from ..._oauth.grant import App
    from .sync_progress import Watcher

PUBLIC = "--public-url https://YOUR.HOST/oura"


@dataclass(frozen=True)
class Door:
    """Where events come in: what Oura calls, and the address here that it leads to.

    Only scheme, host and path of the URL are ever shown: people put secrets into the query.
    """

    url: str = field(repr=False)
    host: str
    port: int
    take_over: bool

    @classmethod
    def parse(cls, public_url: str | None, listen: str, *, take_over: bool) -> Door:
        """From the options. Raises UsageError."""
        if not public_url:
            raise UsageError(
                "Oura must be told where to send events", cure=command("sync", "--webhooks", PUBLIC)
            )
        parts = _split(public_url)
        if parts is None or parts.scheme not in ("http", "https") or not parts.hostname or parts.fragment:
            raise UsageError("--public-url is no http or https URL", cure=f"write it whole: {PUBLIC}")
        if parts.username is not None:
            raise UsageError("--public-url holds a user or a password", cure=f"leave them out: {PUBLIC}")
        address = _split(f"//{listen}")
        if address is None or not address.hostname or address.port is None:
            raise UsageError(f"{listen!r} is no address to listen on", cure="--listen 127.0.0.1:8767")
        return cls(public_url, address.hostname, address.port, take_over)

    @property
    def shown(self) -> str:
        """Both, for people."""
        parts = urlsplit(self.url)
        only = " (which only this machine reaches)" if self.is_local else ""
        return f"{parts.scheme}://{parts.netloc}{parts.path}{only} -> {self.host}:{self.port}"

    @property
    def is_local(self) -> bool:
        """Whether only this machine reaches it."""
        return is_loopback(urlsplit(self.url).hostname or "")


def _split(url: str) -> SplitResult | None:
    try:
        parts = urlsplit(url)
        _ = parts.port  # read now: it is only then that it is looked at
    except ValueError:
        return None
    return parts


def keep_up(
    client: AsyncClient,
    archive: Archive,
    db: str | None,
    door: Door,
    watching: Watcher,
    names: list[str],
    since: date,
    connections: int | None,
) -> int:
    """Sync, and keep up until stopped; the exit code. Raises RingletError."""
    from ..._archive.storage.opening import default_place
    from ..._sync.keeping_up import Callback, KeepingUp

    place = db or default_place()
    if archive.path == ":memory:":
        raise UsageError("events are kept in an archive that others can open", cure="name a file with --db")
    app = application(client)
    telling = (JsonTelling if isinstance(watching, JsonLines) else Telling)(watching, door.shown)

    async def run() -> None:
        with _bound(door) as listener:
            callback = Callback(url=door.url, listener=listener, take_over=door.take_over)
            keeping = KeepingUp(
                client,
                archive,
                place,
                callback,
                telling,
                app=app,
                names=names,
                since=since,
                connections=connections,
            )
            async with client:
                await keeping.run()

    try:
        code = asyncio.run(_until_stopped(run()))
    except KeyboardInterrupt:
        code = 130
    watching.stop()
    screen.remark("Stopped. What came and was not followed yet waits in the archive.")
    return code


def _bound(door: Door) -> socket.socket:
    """The socket that the public URL leads to. Raises RingletError."""
    from ..._net.listen import bind

    try:
        return bind(door.host, door.port)
    except RingletError as refused:
        raise RingletError(
            refused.message, cure="name another with --listen HOST:PORT, and let the public URL lead there"
        ) from None


def application(client: AsyncClient) -> App:
    """Whose subscriptions they are. Raises UsageError where nobody says."""
    if client.app is None or not client.app.client_secret:
        raise UsageError(
            "webhooks belong to an application, and its id and secret are not known",
            cure="export OURA_CLIENT_ID=... OURA_CLIENT_SECRET=..., or sign in with them:"
            f" {command('login')}",
        )
    return client.app


async def _until_stopped(work: Coroutine[Any, Any, None]) -> int:
    """Carry work out that never ends, until a signal says so; the exit code."""
    task = asyncio.ensure_future(work)
    stopped: list[int] = []

    def stop(code: int) -> None:
        stopped.append(code)
        task.cancel()

    if sys.platform != "win32":  # where ^C is a KeyboardInterrupt, and SIGTERM no warning
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGTERM, stop, 0)
        loop.add_signal_handler(signal.SIGINT, stop, 130)
    try:
        await task
    except asyncio.CancelledError:
        if not stopped:
            raise
    return stopped[0]
