"""The cloud's clock: real or standing still, and only ever forward."""

from datetime import UTC, datetime, timedelta

import pytest

from ringlet._cloud.core.clock import Clock, duration
from ringlet.errors import UsageError


@pytest.mark.parametrize(
    "text", ["frozen:2026-03-01T08:00:00Z", "frozen:2026-03-01T08:00:00", "frozen:2026-03-01T10:00:00+02:00"]
)
def test_a_frozen_clock_shows_the_instant_it_was_given(text: str) -> None:
    clock = Clock.parse(text)
    assert clock.now() == datetime(2026, 3, 1, 8, tzinfo=UTC)
    assert clock.now().utcoffset() == timedelta(0)
    assert clock.now() == clock.now()


def test_the_real_clock_goes() -> None:
    clock = Clock.parse("real")
    before = datetime.now(UTC)
    assert before <= clock.now() <= datetime.now(UTC)
    assert clock.frozen_at is None


@pytest.mark.parametrize("text", ["", "x60", "frozen", "frozen:", "frozen:soon", "thawed:2026-03-01", "Real"])
def test_anything_else_is_no_clock(text: str) -> None:
    with pytest.raises(UsageError, match="is not a clock"):
        Clock.parse(text)


@pytest.mark.parametrize("text", ["real", "frozen:2026-03-01T08:00:00Z"])
def test_both_can_be_moved_forward(text: str) -> None:
    clock = Clock.parse(text)
    before = clock.now()
    after = clock.advance(timedelta(days=40))
    assert timedelta(0) <= after - before - timedelta(days=40) < timedelta(minutes=1)
    assert abs(clock.seconds() - clock.now().timestamp()) < 60


def test_seconds_and_now_are_the_same_time() -> None:
    clock = Clock.parse("frozen:2026-03-01T08:00:00.250Z")
    clock.advance(timedelta(seconds=0.5))
    assert clock.seconds() == clock.now().timestamp()


def test_a_clock_never_goes_back() -> None:
    clock = Clock.parse("frozen:2026-03-01T08:00:00Z")
    with pytest.raises(UsageError, match="only goes forward"):
        clock.advance(timedelta(seconds=-1))
    assert clock.now() == datetime(2026, 3, 1, 8, tzinfo=UTC)


def test_a_clock_does_not_run_off_the_calendar() -> None:
    """A time that cannot be told would leave every later answer broken."""
    clock = Clock.parse("frozen:2026-03-01T08:00:00Z")
    with pytest.raises(UsageError, match="9999"):
        clock.advance(timedelta(days=9_999_999))
    assert clock.now() == datetime(2026, 3, 1, 8, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("1d", 86_400),
        ("36h", 129_600),
        ("30m", 1_800),
        ("45s", 45),
        ("1d12h", 129_600),
        ("1D2h3m4s", 93_784),
        ("1.5h", 5_400),
        ("90", 90),
        (" 90.5 ", 90.5),
    ],
)
def test_a_duration_is_read_as_people_write_it(text: str, seconds: float) -> None:
    assert duration(text) == timedelta(seconds=seconds)


@pytest.mark.parametrize(
    "text", ["", "d", "1x", "12h1d", "1d 12h tomorrow", "nan", "inf", "1e400", "9" * 400 + "d"]
)
def test_what_is_no_duration_says_how_to_write_one(text: str) -> None:
    with pytest.raises(UsageError, match="is not a duration") as refused:
        duration(text)
    assert "36h" in refused.value.cure


def test_an_observer_of_the_clock_is_notified_of_a_move() -> None:
    clock, told = Clock.parse("frozen:2026-03-01T08:00:00Z"), list[datetime]()
    clock.moved.connect(lambda: told.append(clock.now()))
    clock.advance(timedelta(hours=1))
    assert told == [datetime(2026, 3, 1, 9, tzinfo=UTC)]
