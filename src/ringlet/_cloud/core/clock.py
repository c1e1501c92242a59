"""The cloud's clock, which runs with the real time or is frozen at an instant, and can be advanced.

The default dates of requests, the expiry of codes and tokens, the sandbox and the simulated wearer use this
clock. Rate limits use the real time, because a client that gets `Retry-After: 300` waits 300 real seconds.
"""

from __future__ import annotations

import re
import time
from datetime import UTC, datetime, timedelta

from ..._api.windows import seconds_to_ms
from ...errors import UsageError
from .signals import Signal


class Clock:
    """The cloud's clock. It stands still at `frozen_at`, or runs with the real time if that is None."""

    def __init__(self, frozen_at: datetime | None = None) -> None:
        self.frozen_at = frozen_at
        self.ahead: timedelta = timedelta(0)
        """How far the clock was advanced beyond `frozen_at` or the real time."""
        self.moved: Signal = Signal()
        """Emitted after the clock was advanced."""

    @classmethod
    def parse(cls, text: str) -> Clock:
        """Parse `real`, or `frozen:2026-03-01T08:00:00Z` (no zone means UTC). Raises UsageError."""
        if text == "real":
            return cls()
        mode, _, when = text.partition(":")
        try:
            if mode != "frozen":
                raise ValueError(text)
            instant = datetime.fromisoformat(when)
            if not 2010 <= instant.year <= 2099:
                raise ValueError(when)
        except ValueError:
            raise UsageError(
                f"{text!r} is not a clock",
                cure="pass real, or frozen:2026-03-01T08:00:00Z",
            ) from None
        return cls(instant.astimezone(UTC) if instant.tzinfo else instant.replace(tzinfo=UTC))

    def now(self) -> datetime:
        """The clock's time as an aware datetime in UTC."""
        return (self.frozen_at or datetime.now(UTC)) + self.ahead

    def seconds(self) -> float:
        """The clock's time in epoch seconds. It is read at every data request, so it is faster than `now`."""
        base = time.time() if self.frozen_at is None else self.frozen_at.timestamp()
        return base + self.ahead.total_seconds()

    def ms(self) -> int:
        """The clock's time in epoch milliseconds, the unit in which the cloud's tables store times."""
        return seconds_to_ms(self.seconds())

    def advance(self, by: timedelta) -> datetime:
        """Advance the clock, and return its new time. Raises UsageError, as `after` does.

        A clock never goes back, so that what has expired stays expired.
        """
        then = self.after(by)
        self.follow(self.ahead + by)
        return then

    def after(self, by: timedelta) -> datetime:
        """The time that `advance(by)` would return. Raises UsageError if `by` is negative or too long."""
        if by < timedelta(0):
            raise UsageError("a clock only goes forward", cure="advance by a positive duration")
        try:
            return self.now() + by
        except OverflowError:
            raise UsageError("the calendar ends with the year 9999", cure="advance by less") from None

    def follow(self, ahead: timedelta) -> None:
        """Catch up with another process's clock, which was advanced by `ahead` in total. Never goes back."""
        if ahead > self.ahead:
            self.ahead = ahead
            self.moved.emit()


UNITS = {"d": 86_400, "h": 3_600, "m": 60, "s": 1}
_DURATION = re.compile("".join(rf"(?:(\d+(?:\.\d+)?){unit})?" for unit in UNITS))


def duration(text: str) -> timedelta:
    """Parse a duration: `1d`, `36h`, `30m`, `1d12h`, or a number of seconds. Raises UsageError."""
    found = _DURATION.fullmatch(text.strip().lower())
    try:
        if found is None or not any(found.groups()):
            return timedelta(seconds=float(text))
        parts = zip(found.groups(), UNITS.values(), strict=True)
        return timedelta(seconds=sum(float(number) * unit for number, unit in parts if number))
    except (ValueError, OverflowError):
        raise UsageError(f"{text!r} is not a duration", cure="write 1d, 36h, 30m or 1d12h") from None
