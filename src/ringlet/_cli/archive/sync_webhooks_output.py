"""Prints what a continuous sync does: lines for people, JSON for programs.

Rules of this file:
* Each followed event is one line on stdout. All other lines go to stderr.
* A lasting problem (a data type without a granted scope, a refused subscription) is reported once.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING

import click
import msgspec

from ..shared import screen
from ..shared.next_steps import command
from .sync_progress import note, print_json

if TYPE_CHECKING:
    from datetime import timedelta

    from ..._sync.backfill import BackfillReport, TypeProgress
    from ..._sync.follower import FollowedJob
    from ..._sync.subscriber import SubscriptionAction, SubscriptionReport
    from ...errors import RingletError
    from .sync_progress import Watcher

ACTION_TEXTS: Mapping[SubscriptionAction, str] = {
    "make": "made",
    "move": "moved here",
    "renew": "renewed",
    "end": "ended",
}
"""The word that is printed for each action on subscriptions."""


class _Glance(msgspec.Struct):
    """The fields of a document that are shown in the line of a followed event."""

    day: str | None = None
    start_day: str | None = None
    score: int | None = None


def _glance(one: FollowedJob) -> _Glance:
    try:
        return msgspec.json.decode(one.body or b"{}", type=_Glance)
    except msgspec.MsgspecError:
        return _Glance()


class Output:
    """Reports a continuous sync to people."""

    def __init__(self, watcher: Watcher, endpoint: str) -> None:
        self.watcher = watcher
        self.endpoint = endpoint
        """The callback URL and the local address, as text for the user."""
        self._reported: set[tuple[str, str]] = set()
        """The problems that were reported already: pairs of a data type and a reason."""
        self._synced = False
        self._subscribed = False
        """Whether there is at least one subscription for our callback URL."""

    def followed(self, one: FollowedJob) -> None:
        """Print a line for a followed event."""
        if one.result == "left out":
            self._once(one.job.data_type, one.note)
            return
        seen = _glance(one)
        score = f"score {seen.score}" if seen.score is not None else ""
        about = [f"{seen.day or seen.start_day or '':<10}", f"{one.result:<9}", f"{score:<9}"]
        what = f"{one.job.data_type:<24}  {one.job.event_type:<6}"
        line = "  ".join([f"{_clock()}  {what}", *about, f"{one.took:.1f} s", one.note])
        click.echo(screen.printable(line).rstrip())

    def subscribed(self, standing: SubscriptionReport) -> None:
        """Print how many subscriptions were made, moved, renewed and deleted, and which were refused."""
        done = Counter(step.action for step in standing.steps)
        said = [f"{done[action]} {word}" for action, word in ACTION_TEXTS.items() if done[action]]
        if said:
            screen.remark(f"subscriptions: {', '.join(said)}")
        had_any, self._subscribed = self._subscribed, bool(standing.pairs("make", "move", "renew", "keep"))
        if self._synced and self._subscribed and not had_any:
            screen.remark(f"events come in at {self.endpoint}")
        if elsewhere := {data_type for data_type, _ in standing.pairs("leave")}:
            self._once(", ".join(sorted(elsewhere)), "subscribed for another address, so they are polled")
            take_over = command("sync", "--webhooks", "--public-url", "URL", "--take-over")
            self._next(f"{take_over}   (their events come here, and nowhere else)")
        for reason, times in Counter(standing.refused.values()).items():
            self._once(f"{times} subscriptions could not be made", reason)
        if standing.refused:
            sync = command("sync", "--webhooks", "--public-url", "URL")
            self._next(f"{sync}, with one that leads here: {self.endpoint}")

    def progress(self, one: TypeProgress) -> None:
        """A window has ended. Only the first backfill shows its windows."""
        if not self._synced:
            self.watcher.progress(one)

    def round(self, report: BackfillReport, everything: bool) -> None:
        """A backfill has ended.

        Print the full result of the first backfill, and the changes of later ones.
        """
        if not self._synced:
            self._synced = True
            self.watcher.end(report)
            by = (
                f"events come in at {self.endpoint}"
                if self._subscribed
                else "polling, for want of subscriptions"
            )
            screen.remark(f"syncing continuously; {by}   ^C is safe")
            return
        for one in report.types.values():
            if one.added or one.changed or one.deleted:
                how = "looked through" if everything else "polled"
                screen.remark(f"{_clock()}  {one.kind.name:<24}  {how}: {note(one)}")
            for reason in [one.skipped] if one.skipped and one.offered else one.failures[:1]:
                self._once(one.kind.name, reason)

    def trouble(self, part: str, failed: RingletError, wait: timedelta) -> None:
        """Print that a part of the sync has failed, and when it is tried again."""
        screen.remark(f"! {part}: {failed.message}; trying again in {wait.total_seconds():.0f} s")

    def _once(self, what: str, reason: str) -> None:
        if (what, reason) not in self._reported:
            self._reported.add((what, reason))
            screen.remark(screen.printable(f"! {what}: {reason}"))

    def _next(self, step: str) -> None:
        if ("next", step) not in self._reported:
            self._reported.add(("next", step))
            screen.next_step(step)


class JsonOutput(Output):
    """Reports a continuous sync to programs: one JSON object for each followed event, check and backfill."""

    def followed(self, one: FollowedJob) -> None:
        seen = _glance(one)
        print_json(
            event="followed",
            type=one.job.data_type,
            operation=one.job.event_type,
            id=one.job.object_id,
            result=one.result.replace(" ", "_"),
            note=one.note or None,
            day=seen.day or seen.start_day,
            seconds=round(one.took, 3),
        )

    def subscribed(self, standing: SubscriptionReport) -> None:
        done = Counter(step.action for step in standing.steps)
        print_json(event="subscriptions", done=dict(done))
        super().subscribed(standing)

    def round(self, report: BackfillReport, everything: bool) -> None:
        if self._synced:
            types = report.types.values()
            print_json(
                event="round",
                everything=everything,
                added=sum(one.added for one in types),
                changed=sum(one.changed for one in types),
                deleted=sum(one.deleted for one in types),
            )
        super().round(report, everything)


def _clock() -> str:
    return f"{datetime.now().astimezone():%H:%M:%S}"
