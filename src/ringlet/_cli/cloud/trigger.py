"""`ringlet trigger`: makes an event happen in the user's own cloud."""

from __future__ import annotations

import json
from typing import Any

import click

from ...errors import UsageError
from ..shared import options, screen
from ..shared.next_steps import command, repeat

TRIGGER_TIMEOUT_S = 600.0
"""How many seconds to wait for the response, which comes after the last of up to 10,000 events."""


@click.command()
@click.argument("event", metavar="TYPE.OPERATION", required=False)
@options.user
@click.option("--override", "overrides", multiple=True, metavar="KEY=VALUE", help="A field of the document.")
@click.option("--count", type=click.IntRange(1, 10_000), default=1, show_default=True, help="How often.")
@click.option("--list", "listing", is_flag=True, help="Every event there is, and end.")
@options.own_cloud
@options.as_json
def trigger(
    event: str | None,
    user: str | None,
    overrides: tuple[str, ...],
    count: int,
    listing: bool,
    base_url: str | None,
    as_json: bool,
) -> int:
    """Make an event happen in your cloud, so that webhooks are sent.

    update changes the newest document of the data type. create stores a copy of it with today's date. delete
    deletes it. The event is also sent if the wearer has no document of the data type.

    \b
    ringlet trigger sleep.update
    ringlet trigger daily_sleep.update --override score=61 --override contributors.deep_sleep=40
    """
    from ..shared.control_client import ControlClient

    if listing:
        click.echo(json.dumps({"v": 1, "events": names()}) if as_json else "\n".join(names()))
        return 0
    if event is None:
        raise UsageError(
            "expected the name of an event",
            cure=f"name one, as in sleep.update; {command('trigger', '--list')} shows all",
        )
    wanted: dict[str, Any] = {"event": event, "override": overridden(overrides), "count": count}
    with ControlClient(base_url, timeout=TRIGGER_TIMEOUT_S) as control:
        done = control.post("trigger", wanted | ({"user": user} if user else {}))
    if as_json:
        click.echo(json.dumps({"v": 1, **done}))
    else:
        click.echo(result_line(done))
    if done["count"] == count:
        return 0
    happened, left = screen.count(done["count"]), count - done["count"]
    screen.remark(f"error: {happened} of {screen.count(count)} happened: the cloud is stopping, or busy")
    screen.next_step(f"when it answers again: {repeat('--count', str(left))}")
    return 1


def result_line(done: dict[str, Any]) -> str:
    """Format a line of text: the last event that happened, and how many subscriptions receive it."""
    event = done["event"]
    received_by = {0: f"no subscription wants it ({command('listen')} shows it)", 1: "1 subscription"}.get(
        done["subscriptions"], f"{done['subscriptions']} subscriptions"
    )
    unchanged = "" if done["changed"] else "; no document changed"
    return f"{event['data_type']}.{event['event_type']}  {event['object_id']}  {received_by}{unchanged}"


def names() -> list[str]:
    """The names of all events."""
    from ..._webhooks.events import DATA_TYPES, EVENT_TYPES

    return [f"{data_type}.{operation}" for data_type in DATA_TYPES for operation in EVENT_TYPES]


def overridden(pairs: tuple[str, ...]) -> dict[str, Any]:
    """Parse fields written as `KEY=VALUE`. A value is parsed as JSON if possible, else it is text.

    Raises UsageError for a field without `=` or without a key.
    """
    found: dict[str, Any] = {}
    for pair in pairs:
        name, equals, text = pair.partition("=")
        if not name or not equals:
            raise UsageError(
                f"--override takes KEY=VALUE, not {pair!r}", cure="write KEY=VALUE, as in score=61"
            )
        try:
            found[name] = json.loads(text)
        except ValueError:
            found[name] = text
    return found
