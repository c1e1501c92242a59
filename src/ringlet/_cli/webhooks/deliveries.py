"""`ringlet webhooks deliveries` and `resend`: show what the user's own cloud sent, and send it again.

Oura does not show deliveries. Both commands use the control API of a cloud that `ringlet serve` runs.

Rules of this file:
* The query of a callback URL may contain a secret and is not shown. `--json` prints what the cloud sent.
* The response of a receiver is untrusted: only its beginning is shown, with control characters replaced.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import click

from ...errors import UsageError
from ..shared import options, screen

if TYPE_CHECKING:
    from ..shared.control_client import ControlClient

SHOWN_CHARACTERS = 80
"""How many characters of a response's body, and of each of its headers, are shown."""


@click.command()
@click.argument("id", required=False, type=click.IntRange(1), metavar="[ID]")
@click.option("--state", type=click.Choice(["waiting", "delivered", "failed"]), help="Only these.")
@click.option("--subscription", metavar="ID", help="Only what goes to this one.")
@click.option("--limit", type=click.IntRange(1, 1000), default=20, show_default=True, help="How many.")
@options.own_cloud
@options.as_json
def deliveries(
    id: int | None,
    state: str | None,
    subscription: str | None,
    limit: int,
    base_url: str | None,
    as_json: bool,
) -> None:
    """Show the events that your cloud sent, newest first; with an ID, all attempts of one delivery."""
    from ..shared.control_client import ControlClient

    with ControlClient(base_url) as control:
        if id is not None:
            said = control.get(f"deliveries/{id}")
        else:
            said = control.get("deliveries", state=state, subscription=subscription, limit=limit)
    if as_json:
        click.echo(json.dumps({"v": 1, **said}))
    elif id is not None:
        click.echo("\n".join([_row(said), *map(_attempt, said["tries"])]))
    else:
        for one in said["deliveries"]:
            click.echo(_row(one))
        counts = ", ".join(f"{count} {name}" for name, count in said["counts"].items())
        screen.remark(counts or "nothing was sent yet")


@click.command()
@click.argument("ids", nargs=-1, type=click.IntRange(1), metavar="[ID]...")
@click.option("--failed", is_flag=True, help="All that failed at their last try.")
@click.option(
    "--since",
    metavar="WHEN",
    help="All since then, by the cloud's clock: 2h, 1d, or 2026-11-19T08:00:00Z.",
)
@options.own_cloud
@options.as_json
def resend(
    ids: tuple[int, ...], failed: bool, since: str | None, base_url: str | None, as_json: bool
) -> None:
    """Make your cloud send deliveries again."""
    from ..shared.control_client import ControlClient

    if bool(ids) + failed + bool(since) != 1:
        raise UsageError("expected ids of deliveries", cure="name their ids, or --failed, or --since 2h")
    with ControlClient(base_url) as control:
        if ids:
            replayed = sum(control.post(f"deliveries/{id}/replay")["replayed"] for id in ids)
        else:
            wanted = {"failed": True} if since is None else _range(control, since)
            replayed = control.post("deliveries/replay", wanted)["replayed"]
    click.echo(json.dumps({"v": 1, "replayed": replayed}) if as_json else f"{replayed} sent again")


def _range(control: ControlClient, since: str) -> dict[str, str]:
    """Build the body of the request that sends all deliveries since `since` (cloud's clock) again.

    Raises UsageError if `since` is neither a duration nor an instant.
    """
    from ..._cloud.core.clock import duration
    from ..._cloud.webhooks.publisher import RETENTION

    now = datetime.fromisoformat(control.get("clock")["now"])
    try:
        first = datetime.fromisoformat(since)
    except ValueError:
        try:
            first = now - min(duration(since), RETENTION)
        except UsageError:
            raise UsageError(
                f"{since!r} is neither a duration nor an instant",
                cure="write --since 2h, 1d, or an instant as in 2026-11-19T08:00:00Z",
            ) from None
    first = first if first.tzinfo else first.replace(tzinfo=UTC)
    return {"from": first.isoformat(), "to": now.isoformat()}


def _row(one: dict[str, Any]) -> str:
    name = f"{one['data_type']}.{one['event_type']}"
    tries = one["attempts"]
    state = one["state"] + (f", {tries} tries" if tries > 1 else "")
    if one["due_at"] is not None:
        state += f", next at {_at(one['due_at'])}"
    where = one["callback_url"].partition("?")[0]
    return screen.printable(f"{one['id']:>6}  {_at(one['at'])}  {name:<31}  {state:<20}  {where}")


def _attempt(one: dict[str, Any]) -> str:
    status = one["status"] if one["status"] is not None else one["reason"]
    said = f"  {one['response'][:SHOWN_CHARACTERS]!r}" if one["response"] else ""
    lines = [f"        {one['number']:>2}. {_at(one['began_at'])}  {status}  {one['took']} ms{said}"]
    headers = (f"{name}: {value}" for name, value in one["response_headers"].items())
    lines += [f"            {header[:SHOWN_CHARACTERS]}" for header in headers]
    return "\n".join(map(screen.printable, lines))


def _at(ms: int) -> str:
    return f"{datetime.fromtimestamp(ms / 1000, UTC):%Y-%m-%d %H:%M:%S}"
