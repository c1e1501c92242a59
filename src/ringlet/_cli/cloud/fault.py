"""`ringlet fault`: makes requests to the user's own cloud fail on purpose."""

from __future__ import annotations

import json
from typing import Any

import click

from ...errors import UsageError
from ..shared import options, screen


@click.group()
def fault() -> None:
    """Make requests to your cloud fail on purpose.

    \b
    ringlet fault add status '/v2/usercollection/*' --status 503 --times 3
    ringlet fault clear
    """


@fault.command()
@click.argument("act", type=click.Choice(["drop", "status", "delay"]))
@click.argument("path")
@click.option("--status", type=click.IntRange(400, 599), help="What to answer.  [default: 503]")
@click.option("--seconds", type=click.FloatRange(0, 600), help="How long to wait.  [default: 1]")
@click.option("--probability", type=click.FloatRange(0, 1), help="How likely.  [default: 1]")
@click.option("--times", type=click.IntRange(1), help="How many requests it strikes.  [default: all]")
@options.own_cloud
@options.as_json
def add(act: str, path: str, base_url: str | None, as_json: bool, **rest: float | None) -> None:
    """Make requests to PATH fail; a `*` at its end means all paths that begin so.

    drop: the request is carried out, but its answer is lost. status: the request is answered with an error,
    and not carried out. delay: the answer comes late.
    """
    from ..shared.control_client import ControlClient

    check_path(path)
    given = {name: value for name, value in rest.items() if value is not None}
    with ControlClient(base_url) as control:
        added = control.post("faults", {"act": act, "path": path, **given})
    click.echo(json.dumps({"v": 1, **added}) if as_json else line(added))


@fault.command(name="list")
@options.own_cloud
@options.as_json
def list_(base_url: str | None, as_json: bool) -> None:
    """List the faults that your cloud injects on purpose."""
    from ..shared.control_client import ControlClient

    with ControlClient(base_url) as control:
        rules = control.get("faults")
    if as_json:
        click.echo(json.dumps({"v": 1, "faults": rules}))
        return
    for rule in rules:
        click.echo(line(rule))
    if not rules:
        screen.remark("no faults are set")


@fault.command()
@options.own_cloud
@options.as_json
def clear(base_url: str | None, as_json: bool) -> None:
    """Remove all faults from your cloud."""
    from ..shared.control_client import ControlClient

    with ControlClient(base_url) as control:
        control.delete("faults")
    if as_json:
        click.echo(json.dumps({"v": 1, "faults": []}))
    else:
        screen.remark("all faults are removed")


def check_path(path: str) -> None:
    """Check the path of a fault. Raises UsageError if it does not begin with a slash."""
    if not path.startswith("/"):
        raise UsageError(
            f"a path begins with a slash, and {path!r} does not",
            cure="write the whole path, as in '/v2/usercollection/sleep', or '/v2/*' for all that begin so",
        )


def line(rule: dict[str, Any]) -> str:
    """Format a fault as one line of text for the user."""
    what = {"status": f"status {rule['status']}", "delay": f"delay {rule['seconds']:g} s"}
    likely = "" if rule["probability"] == 1 else f", {rule['probability']:.0%} of them"
    left = "" if rule["times"] is None else f", {rule['times']} more"
    return f"{what.get(rule['act'], rule['act']):<12} {screen.printable(rule['path'])}{likely}{left}"
