"""`ringlet sync`: fetches what is missing into the archive."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from ...errors import NotSignedIn, RingletError, UsageError
from ..shared import options

if TYPE_CHECKING:
    from datetime import date

    from ..._archive.archive import Archive
    from ..._client.client import AsyncClient
    from ..._sync.backfill import BackfillReport
    from ..shared.wait_notices import NotifyingTransport
    from .sync_progress import Watcher


@click.command()
@options.db
@options.base_url
@options.profile
@click.option("--since", metavar="DATE", help="Not further back: 30d, 2026-01 or 2026-01-19.")
@click.option("--types", metavar="A,B", help="Only these data types.")
@click.option(
    "--connections",
    type=click.IntRange(1, 64),
    help="How many requests at once.  [default: 1 to a server nearby, 8 to one further away]",
)
@options.as_json
@click.option("--fast", is_flag=True, help="Use aiohttp, which needs less CPU: pip install 'ringlet[fast]'.")
@click.option("--webhooks", is_flag=True, help="Then go on by webhooks until stopped.")
@click.option(
    "--public-url", metavar="URL", help="Where Oura reaches the address of --listen, with --webhooks."
)
@click.option(
    "--listen", metavar="HOST:PORT", default="127.0.0.1:8767", show_default=True, help="For events."
)
@click.option("--take-over", is_flag=True, help="Move subscriptions with another callback URL to this one.")
def sync(
    db: str | None,
    base_url: str | None,
    profile: str | None,
    since: str | None,
    types: str | None,
    connections: int | None,
    as_json: bool,
    fast: bool,
    webhooks: bool,
    public_url: str | None,
    listen: str,
    take_over: bool,
) -> int:
    """Fetch what is missing into the archive. Safe to stop at any time, and to run again.

    Exit code 3 means that some data types could not be read; stderr says why.

    With --webhooks the sync continues until it is stopped: it subscribes to the data types, fetches the
    document of each event, polls the types that have no webhook, and fetches the last days again once a
    night. This needs the application's id and secret.
    """
    import asyncio

    from ..shared import archives
    from . import sync_webhooks

    names = _types(types)
    first = _since(since)
    if (public_url or take_over) and not webhooks:
        raise UsageError("--public-url and --take-over need --webhooks", cure="add --webhooks")
    endpoint = (
        sync_webhooks.WebhookEndpoint.parse(public_url, listen, take_over=take_over) if webhooks else None
    )
    client, transport = _client(base_url, profile, connections, fast)
    # These checks come before the archive is created, so that a sync that cannot start leaves no file behind.
    if client.token_store.load() is None:
        raise NotSignedIn("no access token was found")
    if endpoint:
        sync_webhooks.application(client)
    with archives.for_sync(db) as archive, _watcher(archive.path, names, as_json) as watcher:
        transport.on_wait = watcher.waiting
        if endpoint:
            return sync_webhooks.run_until_stopped(
                client, archive, db, endpoint, watcher, names, first, connections
            )
        try:
            report = asyncio.run(_run(client, archive, names, first, connections, watcher))
        except KeyboardInterrupt:
            watcher.interrupted()
            return 130
        watcher.end(report)
    if report.stopped_by:
        raise report.stopped_by
    return report.exit_code


def _watcher(path: str, names: list[str], as_json: bool) -> Watcher:
    """Create the watcher that shows the progress: bars on a terminal, lines elsewhere, JSON for programs."""
    from ..shared import screen

    if as_json or not screen.can_redraw():
        from .sync_progress import JsonLines, Lines

        return JsonLines(path, names) if as_json else Lines(path, names)
    from .sync_bars import Bars

    return Bars(path, names)


async def _run(
    client: AsyncClient,
    archive: Archive,
    names: list[str],
    since: date,
    connections: int | None,
    watcher: Watcher,
) -> BackfillReport:
    from ..._sync.backfill import Backfill

    async with client:
        backfill = Backfill(
            client, archive, types=names, since=since, connections=connections, on_progress=watcher.progress
        )
        return await backfill.run()


def _client(
    base_url: str | None, profile: str | None, connections: int | None, fast: bool
) -> tuple[AsyncClient, NotifyingTransport]:
    """Create the client of the sync. Also returns its transport, because the command sets its `on_wait`."""
    from ..._client.client import AsyncClient, base_url_from
    from ..._client.transport import AiohttpTransport, AsyncHttpcoreTransport
    from ..shared.wait_notices import NotifyingTransport

    if fast:
        _need_aiohttp()
    transport = (AiohttpTransport if fast else AsyncHttpcoreTransport)(
        base_url_from(base_url), connections=connections or 8
    )
    notifying = NotifyingTransport(transport)
    return AsyncClient(base_url=base_url, profile=profile, transport=notifying), notifying


def _need_aiohttp() -> None:
    from importlib.util import find_spec

    if find_spec("aiohttp") is None:
        raise RingletError("--fast needs aiohttp, which is not installed", cure="pip install 'ringlet[fast]'")


def _types(text: str | None) -> list[str]:
    """Parse a comma-separated list of data types. Returns them in the order of the catalog.

    None means all data types. Raises UsageError for an unknown name or an empty list.
    """
    from ..._api.catalog import TYPES, kind_named
    from ..shared.suggest import nearest

    if text is None:
        return list(TYPES)
    named: set[str] = set()
    for word in filter(None, (word.strip() for word in text.split(","))):
        try:
            named.add(kind_named(word).name)
        except KeyError:
            raise UsageError(f"{word!r} is not a data type", cure=nearest(word, list(TYPES))) from None
    if not named:
        raise UsageError(
            "--types expects names of data types", cure="e.g. --types sleep,daily_sleep, or leave it out"
        )
    return [name for name in TYPES if name in named]


def _since(text: str | None) -> date:
    from ..._sync.plan import FIRST_RINGS
    from ..shared.dates import since, today_here

    return since(text, today_here()) if text else FIRST_RINGS
