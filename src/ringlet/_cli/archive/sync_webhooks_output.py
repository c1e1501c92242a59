"""How keeping up is told: to people line by line, to programs in JSON.

Rules of this file:
* One line on stdout for each event that was followed; how the rest goes stands on stderr.
* What stays as it is (a type that may not be read, a subscription that is refused) is said once.
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
from .sync_progress import note, tell

if TYPE_CHECKING:
    from datetime import timedelta

    from ..._sync.backfill import Progress, Report
    from ..._sync.follow import Followed
    from ..._sync.subscriber import Standing, Verb
    from ...errors import RingletError
    from .sync_progress import Watcher

DONE: Mapping[Verb, str] = {"make": "made", "move": "moved here", "renew": "renewed", "end": "ended"}
"""What was done about subscriptions, for people."""


class _Glance(msgspec.Struct):
    """What a line shows of a document."""

    day: str | None = None
    start_day: str | None = None
    score: int | None = None


def _glance(one: Followed) -> _Glance:
    try:
        return msgspec.json.decode(one.body or b"{}", type=_Glance)
    except msgspec.MsgspecError:
        return _Glance()


class Telling:
    """Tells people how keeping up goes."""

    def __init__(self, watching: Watcher, door: str) -> None:
        self.watching = watching
        self.door = door
        """Where events come in, for people."""
        self._told: set[tuple[str, str]] = set()
        """What is said once: a data type and its reason."""
        self._synced = False
        self._hears = False
        """Whether a subscription stands."""

    def followed(self, one: Followed) -> None:
        """A line for an event."""
        if one.result == "left out":
            self._once(one.job.data_type, one.note)
            return
        seen = _glance(one)
        score = f"score {seen.score}" if seen.score is not None else ""
        about = [f"{seen.day or seen.start_day or '':<10}", f"{one.result:<9}", f"{score:<9}"]
        what = f"{one.job.data_type:<24}  {one.job.event_type:<6}"
        line = "  ".join([f"{_clock()}  {what}", *about, f"{one.took:.1f} s", one.note])
        click.echo(screen.printable(line).rstrip())

    def subscribed(self, standing: Standing) -> None:
        """What was done about the subscriptions, and what could not be."""
        done = Counter(step.verb for step in standing.steps)
        said = [f"{done[verb]} {word}" for verb, word in DONE.items() if done[verb]]
        if said:
            screen.remark(f"subscriptions: {', '.join(said)}")
        heard, self._hears = self._hears, bool(standing.pairs("make", "move", "renew", "keep"))
        if self._synced and self._hears and not heard:
            screen.remark(f"events come in at {self.door}")
        if held := {data_type for data_type, _ in standing.pairs("leave")}:
            self._once(", ".join(sorted(held)), "subscribed for another address, and polled here instead")
            take_over = command("sync", "--webhooks", "--public-url", "URL", "--take-over")
            self._next(f"{take_over}   (their events come here, and nowhere else)")
        for reason, times in Counter(standing.refused.values()).items():
            self._once(f"{times} subscriptions could not be made", reason)
        if standing.refused:
            sync = command("sync", "--webhooks", "--public-url", "URL")
            self._next(f"{sync}, with one that leads here: {self.door}")

    def progress(self, one: Progress) -> None:
        """A window has ended; only the first round is watched window by window."""
        if not self._synced:
            self.watching.progress(one)

    def round(self, report: Report, everything: bool) -> None:
        """The first round is told as every sync is; of the others, what they brought."""
        if not self._synced:
            self._synced = True
            self.watching.end(report)
            by = f"events come in at {self.door}" if self._hears else "no subscription stands, so by asking"
            screen.remark(f"keeping up; {by}   ^C is safe")
            return
        for one in report.types.values():
            if one.added or one.changed or one.deleted:
                how = "looked through" if everything else "polled"
                screen.remark(f"{_clock()}  {one.kind.name:<24}  {how}: {note(one)}")
            for reason in [one.skipped] if one.skipped and one.offered else one.failures[:1]:
                self._once(one.kind.name, reason)

    def trouble(self, part: str, failed: RingletError, wait: timedelta) -> None:
        """Something that passes."""
        screen.remark(f"! {part}: {failed.message}; again in {wait.total_seconds():.0f} s")

    def _once(self, what: str, reason: str) -> None:
        if (what, reason) not in self._told:
            self._told.add((what, reason))
            screen.remark(screen.printable(f"! {what}: {reason}"))

    def _next(self, step: str) -> None:
        if ("next", step) not in self._told:
            self._told.add(("next", step))
            screen.next_step(step)


class JsonTelling(Telling):
    """Tells programs: one JSON object for each event that was followed, and for each check and round."""

    def followed(self, one: Followed) -> None:
        seen = _glance(one)
        tell(
            event="followed",
            type=one.job.data_type,
            operation=one.job.event_type,
            id=one.job.object_id,
            result=one.result.replace(" ", "_"),
            note=one.note or None,
            day=seen.day or seen.start_day,
            seconds=round(one.took, 3),
        )

    def subscribed(self, standing: Standing) -> None:
        done = Counter(step.verb for step in standing.steps)
        tell(event="subscriptions", done=dict(done))
        super().subscribed(standing)

    def round(self, report: Report, everything: bool) -> None:
        if self._synced:
            types = report.types.values()
            tell(
                event="round",
                everything=everything,
                added=sum(one.added for one in types),
                changed=sum(one.changed for one in types),
                deleted=sum(one.deleted for one in types),
            )
        super().round(report, everything)


def _clock() -> str:
    return f"{datetime.now().astimezone():%H:%M:%S}"
