"""`ringlet clock`: what time it is in a cloud of one's own, and letting time pass there."""

from __future__ import annotations

import json
from typing import Any

import click

from . import options, screen

PATIENCE = 600.0
"""Seconds to wait for a cloud that lives on: years take a while."""


@click.group(invoke_without_command=True)
@click.pass_context
def clock(context: click.Context) -> None:
    """What time it is in a cloud of your own, and letting time pass there.

    A clock never goes back; a cloud that keeps its archive stays as far ahead when it starts anew.

    \b
    ringlet clock
    ringlet clock advance 1d
    """
    if context.invoked_subcommand is None:
        context.invoke(show)


@clock.command()
@options.own_cloud
@options.as_json
def show(base_url: str | None = None, as_json: bool = False) -> None:
    """What time it is."""
    from .tiller import Tiller

    with Tiller(base_url) as tiller:
        said: dict[str, Any] = tiller.get("clock")
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
def advance(duration: str, settle: float, base_url: str | None, as_json: bool) -> None:
    """Let time pass: 1d, 36h, 30m, 1d12h. A made-up wearer lives on, and webhooks tell of it."""
    from .tiller import Tiller

    with Tiller(base_url, timeout=PATIENCE) as tiller:
        done = tiller.post("clock", {"advance": duration, "settle": settle})
    if as_json:
        click.echo(json.dumps({"v": 1, **done}))
        return
    click.echo(f"{done['now']}  {screen.count(done['events'])} events, {waiting(done)}")


def waiting(done: dict[str, Any]) -> str:
    """What became of the deliveries, in words. Raises nothing: a receiver that is away is no failure."""
    left = screen.count(done["waiting"])
    if not done["settled"]:
        return f"{left} deliveries still on their way"
    return f"{left} deliveries due later" if done["waiting"] else "everything delivered"
