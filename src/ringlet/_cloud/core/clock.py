"""What time it is in the cloud: the real time, or a time that stands still until someone moves it.

Default windows, tokens, codes, the sandbox and the demo wearer live by this clock. Rate limits do not: a
client that is told to come back in 300 seconds waits real ones.
"""

from __future__ import annotations

import re
import time
from datetime import UTC, datetime, timedelta

from ..._api.windows import seconds_to_ms
from ...errors import UsageError
from .signals import Signal


class Clock:
    """The cloud's clock; `frozen_at` is None while it follows the real one."""

    def __init__(self, frozen_at: datetime | None = None) -> None:
        self.frozen_at = frozen_at
        self.ahead = timedelta(0)
        self.moved = Signal()
        """Emitted when it has been moved."""

    @classmethod
    def parse(cls, text: str) -> Clock:
        """`real`, or `frozen:2026-03-01T08:00:00Z` (no zone means UTC). Raises UsageError."""
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
                f"{text!r} is no clock", cure="pass real, or frozen:2026-03-01T08:00:00Z"
            ) from None
        return cls(instant.astimezone(UTC) if instant.tzinfo else instant.replace(tzinfo=UTC))

    def now(self) -> datetime:
        """The time, aware, in UTC."""
        return (self.frozen_at or datetime.now(UTC)) + self.ahead

    def seconds(self) -> float:
        """The same as epoch seconds, for comparisons that happen with every request."""
        base = time.time() if self.frozen_at is None else self.frozen_at.timestamp()
        return base + self.ahead.total_seconds()

    def ms(self) -> int:
        """The same as epoch milliseconds, which is how tables hold it."""
        return seconds_to_ms(self.seconds())

    def advance(self, by: timedelta) -> datetime:
        """Move forward; never back, because what was promised to expire has expired. Raises UsageError."""
        then = self.after(by)
        self.follow(self.ahead + by)
        return then

    def after(self, by: timedelta) -> datetime:
        """What time it will be when it was moved. Raises UsageError where it cannot be moved so."""
        if by < timedelta(0):
            raise UsageError("a clock only goes forward", cure="advance by a positive duration")
        try:
            return self.now() + by
        except OverflowError:
            raise UsageError("the calendar ends with the year 9999", cure="advance by less") from None

    def follow(self, ahead: timedelta) -> None:
        """Be as far ahead as another, unless it is further already."""
        if ahead > self.ahead:
            self.ahead = ahead
            self.moved.emit()


UNITS = {"d": 86_400, "h": 3_600, "m": 60, "s": 1}
_DURATION = re.compile("".join(rf"(?:(\d+(?:\.\d+)?){unit})?" for unit in UNITS))


def duration(text: str) -> timedelta:
    """`1d`, `36h`, `30m`, `1d12h`, or a number of seconds. Raises UsageError."""
    found = _DURATION.fullmatch(text.strip().lower())
    try:
        if found is None or not any(found.groups()):
            return timedelta(seconds=float(text))
        parts = zip(found.groups(), UNITS.values(), strict=True)
        return timedelta(seconds=sum(float(number) * unit for number, unit in parts if number))
    except (ValueError, OverflowError):
        raise UsageError(f"{text!r} is no duration", cure="write 1d, 36h, 30m or 1d12h") from None
