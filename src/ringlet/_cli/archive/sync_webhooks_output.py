"""Prints what a continuous sync does: lines for people, JSON for programs.

Rules of this file:
* Each event whose document was fetched is one line on stdout. All other lines go to stderr.
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


def _glance(followed: FollowedJob) -> _Glance:
    try:
        return msgspec.json.decode(followed.body or b"{}", type=_Glance)
    except msgspec.MsgspecError:
        return _Glance()


class Output:
    """Prints what a continuous sync does, as text for people."""

    def __init__(self, watcher: Watcher, endpoint: str) -> None:
        self.watcher = watcher
        self.endpoint = endpoint
        """The callback URL and the local address, as text for the user."""
        self._reported: set[tuple[str, str]] = set()
        """The problems that were reported already: pairs of a data type and a reason."""
        self._synced = False
        self._subscribed = False
        """Whether there is at least one subscription for this sync's callback URL."""

    def followed(self, followed: FollowedJob) -> None:
        """Print a line for an event whose document was fetched."""
        if followed.result == "left out":
            self._once(followed.job.data_type, followed.note)
            return
        seen = _glance(followed)
        score = f"score {seen.score}" if seen.score is not None else ""
        about = [f"{seen.day or seen.start_day or '':<10}", f"{followed.result:<9}", f"{score:<9}"]
        what = f"{followed.job.data_type:<24}  {followed.job.event_type:<6}"
        line = "  ".join([f"{_clock()}  {what}", *about, f"{followed.took:.1f} s", followed.note])
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

    def progress(self, progress: TypeProgress) -> None:
        """Show that a window of the first backfill has ended. Later backfills do not show their windows."""
        if not self._synced:
            self.watcher.progress(progress)

    def round(self, report: BackfillReport, everything: bool) -> None:
        """Print the full result of the first backfill, and the changes that a later backfill found.

        `everything` says whether it was a backfill of all data types, not only of the polled ones.
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
        for progress in report.types.values():
            if progress.added or progress.changed or progress.deleted:
                how = "looked through" if everything else "polled"
                screen.remark(f"{_clock()}  {progress.kind.name:<24}  {how}: {note(progress)}")
            for reason in (
                [progress.skipped] if progress.skipped and progress.offered else progress.failures[:1]
            ):
                self._once(progress.kind.name, reason)

    def trouble(self, part: str, failed: RingletError, wait: timedelta) -> None:
        """Print that a part of the sync has failed, and after which time it is tried again."""
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
    """Prints a JSON object for each followed event, each check of subscriptions, and each backfill."""

    def followed(self, followed: FollowedJob) -> None:
        seen = _glance(followed)
        print_json(
            event="followed",
            type=followed.job.data_type,
            operation=followed.job.event_type,
            id=followed.job.object_id,
            result=followed.result.replace(" ", "_"),
            note=followed.note or None,
            day=seen.day or seen.start_day,
            seconds=round(followed.took, 3),
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
                added=sum(progress.added for progress in types),
                changed=sum(progress.changed for progress in types),
                deleted=sum(progress.deleted for progress in types),
            )
        super().round(report, everything)


def _clock() -> str:
    return f"{datetime.now().astimezone():%H:%M:%S}"
