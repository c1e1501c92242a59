"""`ringlet listen`: what happens in a cloud of one's own, as it happens, and on to a receiver.

No subscription and no public address are needed: the log of events is read from here.
"""

from __future__ import annotations

import json
import os
import signal
from contextlib import ExitStack
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import click

from ..errors import UsageError
from . import options, screen

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType

    from ..events import Event
    from .event_log import EventLog, Start
    from .forwarding import Forwarder


@click.command()
@click.option("--forward-to", metavar="URL", help="Post each event there, signed as Oura signs.")
@click.option("--events", metavar="A,B", help="Only these, as in 'sleep.*,daily_*.update'.")
@click.option("--from-start", "start", flag_value="start", help="From the first event the cloud remembers.")
@click.option("--from-now", "start", flag_value="now", help="Leave out what happened since the last time.")
@click.option("--verification-token", metavar="TOKEN", help="Let the receiver answer the challenge first.")
@click.option("--print-secret", is_flag=True, help="Print what forwarded events are signed with, and end.")
@options.own_cloud
@options.as_json
def listen(
    forward_to: str | None,
    events: str | None,
    start: Start | None,
    verification_token: str | None,
    print_secret: bool,
    base_url: str | None,
    as_json: bool,
) -> None:
    """Follow a cloud's events: print them, forward them.

    It keeps its place: started again, it goes on from where it was and misses nothing. Events are signed with
    OURA_CLIENT_SECRET where that is set, so that a receiver needs no change.

    \b
    ringlet listen
    ringlet listen --forward-to localhost:8000/oura --events 'sleep.*,daily_*.update'
    """
    from .bookmark import Bookmark, signing_secret
    from .event_log import WAIT, EventLog
    from .event_names import wanted_events
    from .tiller import Tiller

    if print_secret:
        click.echo(signing_secret())
        return
    if verification_token and not forward_to:
        raise UsageError(
            "a verification token is for a receiver, and none is named", cure="add --forward-to URL"
        )
    wanted = wanted_events(events)
    signal.signal(signal.SIGTERM, _leave)
    with ExitStack() as until_the_end:
        tiller = until_the_end.enter_context(Tiller(base_url, timeout=WAIT + 10))
        forwarder = None
        if forward_to:
            tell = screen.remark if as_json else click.echo
            forwarder = until_the_end.enter_context(_forwarder(forward_to, lambda text: tell(f"  {text}")))
            if verification_token:
                forwarder.prove(verification_token)
        bookmark = until_the_end.enter_context(Bookmark(tiller.base_url, forwarder.url if forwarder else ""))
        log = EventLog(tiller, bookmark, screen.remark)
        waiting = log.open(start or ("kept" if bookmark.is_kept else "now"))
        _announce(log, waiting, forwarder)
        try:
            for event in log.follow(wanted):
                click.echo(json_line(event) if as_json else line(event))
                if forwarder:
                    forwarder.forward(event)
        except KeyboardInterrupt:
            screen.remark(f"stopped{'; the next listen goes on from here' if bookmark.is_kept else ''}")


def _forwarder(url: str, say: Callable[[str], None]) -> Forwarder:
    from .bookmark import signing_secret
    from .forwarding import Forwarder, receiver_url

    return Forwarder(receiver_url(url), signing_secret(), say)


def json_line(event: Event) -> str:
    """One event for programs; in ASCII, because what others chose to write may end on a terminal."""
    return json.dumps(json.loads(event.body), separators=(",", ":"))


def line(event: Event) -> str:
    """One event for people: when it happened, what, to which document, whose."""
    try:
        at = datetime.fromisoformat(event.event_time).astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S")
    except (ValueError, OverflowError):
        at = event.event_time
    name = f"{event.data_type}.{event.event_type}"
    return screen.printable(f"{at}  {name:<31}  {event.object_id:<36}  {event.user_id}")


def _announce(log: EventLog, waiting: int, forwarder: Forwarder | None) -> None:
    """How it begins, in a line or two."""
    behind = f"{waiting} event{'s' * (waiting != 1)} behind" if waiting else "from now on"
    ends = "^C ends it, and keeps the place" if log.bookmark.is_kept else "another one keeps the place"
    screen.remark(f"listening to {log.tiller.base_url}, {behind}; {ends}")
    if forwarder:
        given = bool(os.environ.get("OURA_CLIENT_SECRET"))
        key = "OURA_CLIENT_SECRET" if given else "the secret that `ringlet listen --print-secret` prints"
        screen.remark(f"forwarding to {forwarder.shown_url}, signed with {key}")


def _leave(number: int, frame: FrameType | None) -> None:
    # As ^C does: a loop that is forwarding knows how to end cleanly by that, and not by an exit.
    signal.raise_signal(signal.SIGINT)
