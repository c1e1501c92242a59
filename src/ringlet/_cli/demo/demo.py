"""`ringlet demo`: shows a cloud, a sign-in, a sync and a webhook, without an account or a network."""

from __future__ import annotations

import os
import time
from collections.abc import Generator
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any

import click

from ..shared import screen
from ..shared.next_steps import command

if TYPE_CHECKING:
    from ..._archive.archive import Archive
    from ..._client.client import AsyncClient
    from ..._oauth.grant import Tokens
    from ..._sync.backfill import BackfillReport
    from ..._sync.follower import FollowedJob
    from ..._webhooks.events import EventType
    from .demo_cloud import Child


WEBHOOK_TIMEOUT_S = 20.0
"""How many seconds to wait until the webhook was received and its document fetched. Usually it takes two."""
DATA_TYPE = "enhanced_tag"
OPERATION: EventType = "create"
"""The event that the demo triggers, subscribes to, and follows."""
TICK = click.style("✓", fg="green")


@click.command()
# Fetching more days would exceed the cloud's rate limit, which is Oura's: 5,000 requests in 5 minutes.
@click.option("--days", type=click.IntRange(1, 4000), default=400, show_default=True, help="How many days.")
@click.option(
    "--seed", type=int, default=7, show_default=True, help="Another number is another simulated wearer."
)
@click.option("--db", metavar="PATH|URL", help="Keep the archive here.  [default: deleted at the end]")
@click.option("--keep", is_flag=True, help="Leave the cloud running until ^C.")
@click.option("--open", "open_browser", is_flag=True, help="The same, with its portal in a browser.")
def demo(days: int, seed: int, db: str | None, keep: bool, open_browser: bool) -> None:
    """Show what ringlet does, on this machine, without an account or a network.

    Starts a cloud with a simulated wearer, signs in through OAuth2, fetches everything over HTTP into an
    archive, follows a webhook, draws last night, and ends.
    """
    import asyncio

    from .demo_cloud import cloud
    from .headless_sign_in import sign_in

    with ExitStack() as until_the_end:
        archive = until_the_end.enter_context(_archive(db))
        with step() as report_step:
            child = until_the_end.enter_context(cloud(days, seed))
            report_step(
                f"an Oura Cloud on this machine, {child.ready['api']}, with {days} days of a simulated wearer"
            )
        with step() as report_step:
            tokens = sign_in(child.ready)
            report_step(f"signed in: consent page, code, PKCE; {len(tokens.scopes)} scopes granted")
        with step() as report_step:
            report = asyncio.run(_fetch(child.ready, tokens, archive))
            report_step(_fetched(report))
        if report.stopped_by:
            raise report.stopped_by
        with step() as report_step:
            followed = asyncio.run(_follow_one(child.ready, tokens, archive, db or archive.path))
            report_step(
                f"followed a webhook: {DATA_TYPE}.{OPERATION}, signed; the document was {followed.result}"
            )
        _show_result(archive, "" if db else "deleted at the end; --db PATH keeps it")
        if keep or open_browser:
            _keep_running(child, archive, open_browser)
        else:
            keep_it = command("demo", "--keep")
            screen.next_step(f"{keep_it}   (leaves the cloud running, and prints how to reach it)")


@contextmanager
def step() -> Generator[Any]:
    """Show one step of the demo: a spinner while it runs, then its line with a tick and its duration."""
    began = time.monotonic()
    lines: list[str] = []
    with ExitStack() as until_done:
        if screen.can_redraw():
            until_done.enter_context(screen.remarks().status("..."))
        yield lines.append
    took = f"{time.monotonic() - began:.1f} s"
    for line in lines:
        tick, dim = ("✓", took) if "NO_COLOR" in os.environ else (TICK, click.style(took, dim=True))
        screen.remark(f"{tick} {line}  {dim}")


@contextmanager
def _archive(db: str | None) -> Generator[Archive]:
    """Open the archive of the demo at `db`, or without `db` in a directory that is deleted at the end."""
    import tempfile

    from ..shared import archives

    # Windows does not delete a file that is still open.
    with (
        tempfile.TemporaryDirectory(prefix="ringlet-demo-", ignore_cleanup_errors=True) as directory,
        archives.for_demo(db or f"{directory}/archive.db") as archive,
    ):
        yield archive


def _client(ready: dict[str, Any], tokens: Tokens) -> AsyncClient:
    from ..._client.client import AsyncClient
    from ..._client.token_stores import MemoryTokenStore

    return AsyncClient(
        base_url=ready["api"],
        token_store=MemoryTokenStore(tokens),
        client_id=ready["client_id"],
        client_secret=ready["client_secret"],
    )


async def _fetch(ready: dict[str, Any], tokens: Tokens, archive: Archive) -> BackfillReport:
    from ..._sync.backfill import Backfill

    async with _client(ready, tokens) as client:
        return await Backfill(client, archive).run()


async def _follow_one(ready: dict[str, Any], tokens: Tokens, archive: Archive, place: str) -> FollowedJob:
    """Create a subscription, trigger an event, receive it, and fetch its document into the archive."""
    import asyncio
    import secrets

    from ..._api.catalog import TYPES
    from ..._net.listen import bind
    from ..._receiver.receiver import Receiver
    from ..._receiver.server import serving
    from ..._sync.failures import single_error
    from ..._sync.follower import EventFollower
    from ..shared.control_client import ControlClient

    verification_token = secrets.token_urlsafe(32)
    receiver = Receiver(ready["client_secret"], verification_token, inbox=place)
    done: asyncio.Future[FollowedJob] = asyncio.get_running_loop().create_future()
    with bind("127.0.0.1", 0) as listener, ControlClient(ready["api"], ready["admin_token"]) as control:
        callback = f"http://127.0.0.1:{listener.getsockname()[1]}"
        async with (
            serving(receiver, listener),
            _client(ready, tokens) as client,
            asyncio.timeout(WEBHOOK_TIMEOUT_S),
        ):
            await client.webhooks.create(callback, verification_token, OPERATION, DATA_TYPE)
            await asyncio.to_thread(control.post, "trigger", {"event": f"{DATA_TYPE}.{OPERATION}"})
            with single_error():
                async with asyncio.TaskGroup() as group:
                    follow = EventFollower(
                        client, archive, ready["user_id"], names=TYPES, on_followed=done.set_result
                    )
                    following = group.create_task(follow.run())
                    followed = await done
                    following.cancel()
            return followed


def _fetched(report: BackfillReport) -> str:
    types = report.types.values()
    rows, pages = sum(one.added for one in types), sum(one.pages for one in types)
    whole = sum(one.complete for one in types)
    return f"fetched {whole} data types over HTTP: {screen.count(rows)} rows in {screen.count(pages)} pages"


def _show_result(archive: Archive, remark: str) -> None:
    """Print a picture of the last night, and a table of what the archive contains."""
    from ..archive import nights
    from ..archive import status_table as holdings
    from ..archive.night_chart import picture

    out = screen.results()
    user = archive.users()[-1]
    day = nights.newest(archive, user.id)
    night = nights.night_of(archive, user.id, day)[0] if day else None
    out.print()
    if night:
        out.print(picture(night, out.width), soft_wrap=True)
        out.print()
    out.print(holdings.table(archive, user, time.time(), out.width))
    out.print(holdings.footer(archive, [user], remark), soft_wrap=True)


def _keep_running(child: Child, archive: Archive, open_browser: bool) -> None:
    """Print how to reach the cloud, and wait for ^C."""
    from ..cloud.ready import open_portal

    ready = child.ready
    try:
        click.echo(f"\nexport OURA_API_BASE_URL={ready['api']} OURA_ACCESS_TOKEN={ready['access_token']}")
        click.echo(f"export RINGLET_DB={archive.path} RINGLET_ADMIN_TOKEN={ready['admin_token']}")
        screen.remark("the cloud runs until ^C")
        if open_browser:
            open_portal(ready["api"])
        child.process.wait()
    except KeyboardInterrupt:
        screen.remark("")  # This ends the line on which the terminal has shown ^C.
