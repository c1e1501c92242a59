"""Reads a cloud's event log, beginning at a bookmark, and waits for new events without end.

Rules of this file:
* The bookmark moves only after the caller has handled an event, that is, when it asks for the next event.
* If the cloud has deleted events that were not read yet, a message says how many.
* If a new cloud answers at the same address, a message says so, and its log is read from the first event on.
* Requests to a cloud that does not answer are repeated until it answers. One message reports the outage, and
  one its end. If the cloud refuses a request, an error is raised, because a retry would get the same answer.
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
"""How many seconds the cloud may keep a request open while no event happens (long polling)."""
POLL_S = 0.5
"""The pause in seconds between two requests, if the cloud answers at once because it is shutting down."""
MAX_EVENTS_PER_ANSWER = 200
UNAVAILABLE = (ConnectionFailed, ServerError, RateLimited)

Start: TypeAlias = Literal["kept", "start", "now"]
"""Where reading begins.

`start`: at the oldest event. `now`: after the newest event. `kept`: at the bookmark; without a bookmark, the
same as `now`.
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
        """Set the place where `follow` begins. Returns how many events come after the place.

        Raises ApiError if the cloud refuses the request, ConnectionFailed if it does not answer.
        """
        page = self._ask(0, limit=1)
        kept = self.bookmark.place
        if start == "start":
            self._place = _beginning(page)
        elif start == "now" or kept is None:
            self._place = Place(page.log, page.newest)
        else:
            self._place = self._continue_at(kept, page)
        self.bookmark.move(self._place)
        return page.newest - self._place.seq

    def follow(self, wanted: Callable[[Event], bool]) -> Generator[Event]:
        """Yield the wanted events after the place, then new events as they happen, without end.

        Raises ApiError if the cloud refuses a request.
        """
        while True:
            began = time.monotonic()
            page = self._next_page()
            news = [line for line in page.events if line.seq > self._place.seq]
            if not news and time.monotonic() - began < POLL_S:
                time.sleep(POLL_S)  # The cloud answered at once, without an event: do not ask again at once.
            for line in news:
                if wanted(line.event):
                    yield line.event
                    self.bookmark.move(Place(page.log, line.seq))
                self._place = Place(page.log, line.seq)
            self.bookmark.move(self._place)

    def _next_page(self) -> _Page:
        """Request the events after the place, and wait until there is one or `LONG_POLL_S` are over.

        While the cloud does not answer, the request is repeated.
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
                wait = 0.0  # The next answer must come at once, because it shows whether the cloud is new.
                continue
            if failures:
                self.say("the cloud answers again")
            place = self._continue_at(self._place, page)
            if place == self._place:
                return page
            self._place, failures, wait = place, 0, 0.0

    def _continue_at(self, place: Place, page: _Page) -> Place:
        """Return the place to continue from: `place`, or another one if the log does not have `place`."""
        if place.log != page.log:
            self.say(
                "this is another cloud than before at this address: reading its events from the first on"
            )
            return _beginning(page)
        if place.seq > page.newest:
            self.say(
                "this cloud lacks the last events that were read, as after a restore: going on with new ones"
            )
            return Place(page.log, page.newest)
        if (gone := page.oldest - 1 - place.seq) > 0:
            noun, verb = ("event", "is") if gone == 1 else ("events", "are")
            self.say(f"{gone} older {noun} {verb} no longer in the cloud's log")
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
                cure=f"check that the cloud has the same version as this program: {command('--version')}",
            ) from None


def _beginning(page: _Page) -> Place:
    return Place(page.log, page.oldest - 1)
