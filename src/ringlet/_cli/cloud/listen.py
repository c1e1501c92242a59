"""`ringlet listen`: prints the events of the user's own cloud as they happen, and forwards them.

`ringlet listen` reads the cloud's event log, so it needs neither a subscription nor a public address.
"""

from __future__ import annotations

import json
import os
import signal
from contextlib import ExitStack
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import click

from ...errors import UsageError
from ..shared import next_steps, options, screen

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType

    from ..._webhooks.events import Event
    from .bookmark import Bookmark
    from .event_log import EventLog, Start
    from .forwarding import Forwarder


@click.command()
@click.option(
    "--forward-to",
    metavar="URL",
    help="Post each event there, signed as Oura does; a port alone is one of this machine.",
)
@click.option("--events", metavar="A,B", help="Only these, as in 'sleep.*,daily_*.update'.")
@click.option("--from-start", is_flag=True, help="From the first event the cloud remembers.")
@click.option("--from-now", is_flag=True, help="Leave out what happened since the last listen.")
@options.secret(
    "--verification-token",
    "RINGLET_VERIFICATION_TOKEN",
    "Check first that the receiver answers the challenge.",
    metavar="TOKEN",
    on_demand=True,
)
@click.option(
    "--print-secret", is_flag=True, help="Print the secret that forwarded events are signed with, and end."
)
@options.own_cloud
@options.as_json
def listen(
    forward_to: str | None,
    events: str | None,
    from_start: bool,
    from_now: bool,
    verification_token: str | None,
    print_secret: bool,
    base_url: str | None,
    as_json: bool,
) -> None:
    """Follow the events of your cloud: print them, forward them.

    The command stores how far it has read, and continues from there when it is started again. Forwarded
    events are signed with OURA_CLIENT_SECRET if that is set, so that a receiver needs no change.

    \b
    ringlet listen
    ringlet listen --forward-to localhost:8000/oura/ --events 'sleep.*,daily_*.update'
    """
    from ..shared.control_client import ControlClient
    from ..shared.event_names import wanted_events
    from .bookmark import Bookmark, signing_secret
    from .event_log import LONG_POLL_S, EventLog

    if print_secret:
        click.echo(signing_secret())
        return
    if from_start and from_now:
        raise UsageError("--from-start and --from-now exclude each other", cure="leave one out")
    if verification_token is not None and not verification_token.strip():
        raise UsageError(
            "the verification token is empty",
            cure="export RINGLET_VERIFICATION_TOKEN as the receiver knows it, or leave the option out",
        )
    if verification_token and not forward_to:
        raise UsageError("--verification-token needs a receiver", cure="add --forward-to URL")
    wanted = wanted_events(events)
    signal.signal(signal.SIGTERM, _leave)
    with ExitStack() as until_the_end:
        control = until_the_end.enter_context(ControlClient(base_url, timeout=LONG_POLL_S + 10))
        forwarder = None
        if forward_to:
            tell = screen.remark if as_json else click.echo
            if "?" in forward_to:
                next_steps.hide(click.get_current_context().meta, forward_to)
            forwarder = until_the_end.enter_context(_forwarder(forward_to, lambda text: tell(f"  {text}")))
            if verification_token:
                forwarder.prove(verification_token)
        receiver = forwarder.receiver if forwarder else ""
        bookmark = until_the_end.enter_context(Bookmark(control.base_url, receiver))
        log = EventLog(control, bookmark, screen.remark)
        try:
            _announce(log, _behind(log, _start(bookmark, from_start, from_now)), forwarder)
            for event in log.follow(wanted):
                click.echo(json_line(event) if as_json else line(event))
                if forwarder:
                    forwarder.forward(event)
        except KeyboardInterrupt:
            screen.remark(f"stopped{'; the next listen goes on from here' if bookmark.is_ours else ''}")


def _forwarder(url: str, say: Callable[[str], None]) -> Forwarder:
    from .bookmark import signing_secret
    from .forwarding import Forwarder, receiver_url

    def suggest_leaving_out() -> None:
        skip = next_steps.repeat("--from-now")
        screen.next_step(f"repair the receiver; or leave out all events that wait for it: {skip}")

    return Forwarder(receiver_url(url), signing_secret(), say, on_stuck=suggest_leaving_out)


def json_line(event: Event) -> str:
    """Format an event as JSON. It is ASCII, because ids are untrusted text that a terminal may show."""
    return json.dumps(json.loads(event.body), separators=(",", ":"))


def line(event: Event) -> str:
    """Format an event as a line of text: its time, its name, the id of the document and that of the user."""
    try:
        at = datetime.fromisoformat(event.event_time).astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S")
    except (ValueError, OverflowError):
        at = event.event_time
    name = f"{event.data_type}.{event.event_type}"
    return screen.printable(f"{at}  {name:<31}  {event.object_id:<36}  {event.user_id}")


def _start(bookmark: Bookmark, from_start: bool, from_now: bool) -> Start:
    if from_start:
        return "start"
    return "now" if from_now or not bookmark.is_ours else "kept"


def _behind(log: EventLog, start: Start) -> str:
    """Open the log at `start`. Returns text that says how far this is behind the newest event."""
    before = log.bookmark.place
    if waiting := log.open(start):
        return f"{waiting} event{'s' * (waiting != 1)} behind"
    now = log.bookmark.place
    another = start == "kept" and before and now and before.log != now.log
    return "where nothing has happened yet" if another else "from now on"


def _announce(log: EventLog, behind: str, forwarder: Forwarder | None) -> None:
    """Print the address of the cloud, where in its log reading begins, and where events are forwarded."""
    ends = "^C stops; the place is stored" if log.bookmark.is_ours else "another listen stores the place"
    screen.remark(f"listening to {log.control.base_url}, {behind}; {ends}")
    if forwarder:
        given = bool(os.environ.get("OURA_CLIENT_SECRET"))
        key = "OURA_CLIENT_SECRET" if given else "the secret that `ringlet listen --print-secret` prints"
        screen.remark(f"forwarding to {forwarder.shown_url}, signed with {key}")
        if not log.bookmark.is_ours:
            screen.remark("another listen forwards to it, too: each event arrives twice")


def _leave(number: int, frame: FrameType | None) -> None:
    # SIGTERM raises KeyboardInterrupt, as ^C does. KeyboardInterrupt closes a running event loop, and
    # SystemExit would not.
    signal.raise_signal(signal.SIGINT)
