"""Reads a cloud's event log from a bookmark on, without end.

Rules of this file:
* The bookmark moves only after the caller has handled an event, that is, when it asks for the next event.
* If the cloud has pruned events that were not read yet, the user is told how many.
* If a new cloud answers at the same address, its log is read from the first event on, and the user is told.
* A cloud that does not answer is requested again until it answers; the outage and its end are reported once
  each. A refusal is raised as an error, since a retry would get the same answer.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Generator
from typing import Literal, TypeAlias

import msgspec

from ..._api.wire import DECODE_ERRORS, RetryPolicy
from ..._webhooks.events import Event
from ...errors import ConnectionFailed, RateLimited, ServerError
from ..shared.control_client import ControlClient
from ..shared.next_steps import command
from .bookmark import Bookmark, Place

LONG_POLL_S = 20.0
"""How long the cloud may keep a request open while no event happens (long polling)."""
POLL_S = 0.5
"""The pause between two requests to a cloud that answers long polls at once, because it is shutting down."""
MAX_EVENTS_PER_ANSWER = 200
UNAVAILABLE = (ConnectionFailed, ServerError, RateLimited)

Start: TypeAlias = Literal["kept", "start", "now"]
"""Where to begin.

`kept`: at the bookmark, or `now` without one; `start`: at the oldest event; `now`: after the newest event.
"""


class _Line(msgspec.Struct, frozen=True):
    seq: int
    event: Event


class _Page(msgspec.Struct, frozen=True):
    log: str
    oldest: int
    newest: int
    events: list[_Line]


class EventLog:
    """Reads the event log of one cloud. `say` is called with messages for the user."""

    def __init__(self, control: ControlClient, bookmark: Bookmark, say: Callable[[str], None]) -> None:
        self.control = control
        self.bookmark = bookmark
        self.say = say
        self._retry_policy = RetryPolicy(first_wait_s=0.25, max_wait_s=5.0)
        self._place = Place("", 0)

    def open(self, start: Start = "kept") -> int:
        """Set the place to begin at. Returns how many events follow it. Raises ApiError, ConnectionFailed."""
        page = self._ask(0, limit=1)
        kept = self.bookmark.place
        if start == "start":
            self._place = _beginning(page)
        elif start == "now" or kept is None:
            self._place = Place(page.log, page.newest)
        else:
            self._place = self._same(kept, page)
        self.bookmark.move(self._place)
        return page.newest - self._place.seq

    def follow(self, wanted: Callable[[Event], bool]) -> Generator[Event]:
        """Yield the events after the place, then new events, without end.

        Raises ApiError where the cloud refuses.
        """
        while True:
            began = time.monotonic()
            page = self._next_page()
            news = [line for line in page.events if line.seq > self._place.seq]
            if not news and time.monotonic() - began < POLL_S:
                time.sleep(POLL_S)  # The cloud answered at once instead of waiting for an event.
            for line in news:
                if wanted(line.event):
                    yield line.event
                    self.bookmark.move(Place(page.log, line.seq))
                self._place = Place(page.log, line.seq)
            self.bookmark.move(self._place)

    def _next_page(self) -> _Page:
        """Request the events after the place.

        Waits for an event, and retries while the cloud does not answer.
        """
        failures, wait = 0, LONG_POLL_S
        while True:
            try:
                page = self._ask(self._place.seq, wait=wait)
            except UNAVAILABLE as failure:
                if not failures:
                    self.say(f"the cloud does not answer ({failure.message}); trying until it does")
                failures += 1
                time.sleep(self._retry_policy.wait_s(failures))
                wait = 0.0  # The next answer must come at once: it may be that of a new cloud.
                continue
            if failures:
                self.say("the cloud answers again")
            place = self._same(self._place, page)
            if place == self._place:
                return page
            self._place, failures, wait = place, 0, 0.0

    def _same(self, place: Place, page: _Page) -> Place:
        """The place to continue from: `place`, or another if the log is new, was reset or has been pruned."""
        if place.log != page.log:
            self.say(
                "this is another cloud than before at this address: reading its events from the first on"
            )
            return _beginning(page)
        if place.seq > page.newest:
            self.say(
                "this cloud lacks the last events that were read, as after a restore: going on from here"
            )
            return Place(page.log, page.newest)
        if (gone := page.oldest - 1 - place.seq) > 0:
            noun, verb = ("event", "is") if gone == 1 else ("events", "are")
            self.say(f"{gone} {noun} that came before {verb} gone")
            return _beginning(page)
        return place

    def _ask(self, after: int, *, wait: float = 0.0, limit: int = MAX_EVENTS_PER_ANSWER) -> _Page:
        said = self.control.get("events", after=after, log=self._place.log or None, wait=wait, limit=limit)
        try:
            return msgspec.convert(said, _Page)
        except DECODE_ERRORS:
            raise ServerError(
                f"the log of {self.control.base_url} cannot be read",
                status=502,
                cure=f"see that cloud and program are of one version: {command('--version')}",
            ) from None


def _beginning(page: _Page) -> Place:
    return Place(page.log, page.oldest - 1)
