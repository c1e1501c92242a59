"""`ringlet clock`: shows the time in the user's own cloud, and moves it forward."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import click

from ...errors import UsageError
from ..shared import options, screen
from ..shared.next_steps import command

ADVANCE_TIMEOUT_S = 600.0
"""How many seconds to wait for the response. The cloud first creates the data of the simulated wearer."""
MAX_ADVANCE = timedelta(days=3650)
"""The longest advance. A longer one would take many minutes, and is most likely a typing mistake."""


class _Clock(click.Group):
    """A click group that runs its command `show` if no subcommand is given."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if not args or (args[0].startswith("-") and args[0] not in ctx.help_option_names):
            args = ["show", *args]
        return super().parse_args(ctx, args)


@click.group(cls=_Clock)
def clock() -> None:
    """Show the time in your cloud, and move it forward.

    The clock never goes back. The archive stores how far it was moved, also for the next start of the cloud.

    \b
    ringlet clock
    ringlet clock advance 1d
    """


@clock.command()
@options.own_cloud
@options.as_json
def show(base_url: str | None, as_json: bool) -> None:
    """Show the time in your cloud."""
    from ..shared.control_client import ControlClient

    with ControlClient(base_url) as control:
        said: dict[str, Any] = control.get("clock")
    if as_json:
        click.echo(json.dumps({"v": 1, **said}))
        return
    ahead = f", moved by {screen.duration(said['ahead'])}" if said["ahead"] else ""
    click.echo(f"{said['now']}  ({'standing still' if said['frozen'] else 'running'}{ahead})")


@clock.command()
@click.argument("duration")
@click.option(
    "--settle",
    type=click.FloatRange(0, 300),
    default=10.0,
    show_default=True,
    help="Seconds to wait until all that is due has been sent.",
)
@options.own_cloud
@options.as_json
def advance(duration: str, settle: float, base_url: str | None, as_json: bool) -> int:
    """Move the clock forward: 1d, 36h, 30m, 1d12h.

    A simulated wearer gets new data for that time, and webhooks are sent for the data.
    """
    from ..shared.control_client import ControlClient

    by = seconds(duration)
    with ControlClient(base_url, timeout=ADVANCE_TIMEOUT_S) as control:
        try:
            done = control.post("clock", {"advance": by, "settle": settle})
        except KeyboardInterrupt:
            # The cloud completes the request although the command has ended. Repeating the command would move
            # the clock once more.
            screen.remark(f"\nerror: interrupted, but the clock has moved\nnext: {command('clock')}")
            return 130
    if as_json:
        click.echo(json.dumps({"v": 1, **done}))
    else:
        click.echo(f"{done['now']}  {screen.count(done['events'])} events, {waiting(done)}")
    return 0


def seconds(text: str) -> float:
    """Parse a duration into seconds.

    Raises UsageError if the text is not a duration, or if the duration is negative or above `MAX_ADVANCE`.
    """
    from ..._cloud.core.clock import duration

    by = duration(text)
    if by < timedelta(0):
        raise UsageError(
            f"the clock only moves forward, and {text} is negative", cure=command("clock advance", "1d")
        )
    if by > MAX_ADVANCE:
        raise UsageError(
            f"the clock moves by at most {MAX_ADVANCE.days}d at once, and {text} is more",
            cure=f"{command('clock advance', f'{MAX_ADVANCE.days}d')}, or less",
        )
    return by.total_seconds()


def waiting(done: dict[str, Any]) -> str:
    """Say how many deliveries are still to be sent. Failed deliveries are not an error of `clock advance`."""
    left = screen.count(done["waiting"])
    if not done["settled"]:
        return f"{left} deliveries still on their way"
    return f"{left} deliveries due later" if done["waiting"] else "everything delivered"
