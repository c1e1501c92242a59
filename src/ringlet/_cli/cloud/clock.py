"""`ringlet clock`: what time it is in a cloud of one's own, and letting time pass there."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import click

from ...errors import UsageError
from ..shared import options, screen
from ..shared.next_steps import command

PATIENCE = 600.0
"""Seconds to wait for a cloud that lives on: years take a while."""
LONGEST = timedelta(days=3650)
"""How much may pass at once: a wearer would live on for many minutes, or for ever where a finger slipped."""


class _Clock(click.Group):
    """Without a verb it shows the time, with the options of `show`."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if not args or (args[0].startswith("-") and args[0] not in ctx.help_option_names):
            args = ["show", *args]
        return super().parse_args(ctx, args)


@click.group(cls=_Clock)
def clock() -> None:
    """Show the time in your cloud, and move it forward.

    It never goes back. A cloud on the same archive is as far ahead when it starts again.

    \b
    ringlet clock
    ringlet clock advance 1d
    """


@clock.command()
@options.own_cloud
@options.as_json
def show(base_url: str | None, as_json: bool) -> None:
    """What time it is."""
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
    """Let time pass: 1d, 36h, 30m, 1d12h. A made-up wearer lives on, and webhooks tell of it."""
    from ..shared.control_client import ControlClient

    by = seconds(duration)
    with ControlClient(base_url, timeout=PATIENCE) as control:
        try:
            done = control.post("clock", {"advance": by, "settle": settle})
        except KeyboardInterrupt:
            # What was asked for goes on there; to ask again would let as much time pass once more.
            screen.remark(f"\nerror: interrupted, but the clock has moved\nnext: {command('clock')}")
            return 130
    if as_json:
        click.echo(json.dumps({"v": 1, **done}))
    else:
        click.echo(f"{done['now']}  {screen.count(done['events'])} events, {waiting(done)}")
    return 0


def seconds(text: str) -> float:
    """How much time is meant to pass. Raises UsageError where that is no duration, or no good one."""
    from ..._cloud.core.clock import duration

    by = duration(text)
    if by < timedelta(0):
        raise UsageError(
            f"{text} leads back, and a clock only goes forward", cure=command("clock advance", "1d")
        )
    if by > LONGEST:
        raise UsageError(
            f"{text} is too much at once: {LONGEST.days}d is the most",
            cure=f"{command('clock advance', f'{LONGEST.days}d')}, or less",
        )
    return by.total_seconds()


def waiting(done: dict[str, Any]) -> str:
    """What became of the deliveries, in words. Raises nothing: a receiver that is away is no failure."""
    left = screen.count(done["waiting"])
    if not done["settled"]:
        return f"{left} deliveries still on their way"
    return f"{left} deliveries due later" if done["waiting"] else "everything delivered"
