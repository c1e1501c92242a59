"""When the parts of a run that goes on are due, and how long they wait."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ringlet._sync.continuous import RECONCILE_AT, RECONCILE_SPREAD, night_after
from ringlet._sync.failures import MAX_BACK_OFF_S, back_off, single_error
from ringlet.errors import ArchiveError, ConnectionFailed, InvalidToken


@pytest.fixture(params=["UTC", "America/Los_Angeles", "Pacific/Kiritimati"])
def zone(request: pytest.FixtureRequest) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TZ", request.param)
        time.tzset()
        yield
    time.tzset()


@pytest.mark.usefixtures("zone")
def test_there_is_a_round_every_night_between_three_and_five() -> None:
    @given(
        st.datetimes(datetime(2020, 1, 1), datetime(2035, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001
        st.timedeltas(timedelta(0), RECONCILE_SPREAD),
    )
    def law(instant: datetime, late: timedelta) -> None:
        night = night_after(instant, late)
        here = (night - late).astimezone()
        assert timedelta(0) < night - instant <= timedelta(hours=26), "clocks are put forward and back"
        assert abs(here.hour - RECONCILE_AT.hour) <= 1
        assert night_after(night, late) - night <= timedelta(hours=25)

    law()


def test_waits_double_up_to_ten_minutes() -> None:
    waits = [back_off(failures) for failures in range(1, 2_000)]
    assert waits[:5] == [1, 2, 4, 8, 16]
    assert waits == sorted(waits)
    assert waits[-1] == MAX_BACK_OFF_S == 600


def test_of_tasks_that_fail_together_the_first_error_is_raised() -> None:
    lost = ConnectionFailed("gone")
    with pytest.raises(ConnectionFailed), single_error():
        raise ExceptionGroup("", [ExceptionGroup("", [lost]), InvalidToken("dead")])


def test_an_unexpected_error_is_not_hidden_by_an_expected_one() -> None:
    with pytest.raises(ExceptionGroup), single_error():
        raise ExceptionGroup("", [ArchiveError("full"), ZeroDivisionError()])
    with pytest.raises(BaseExceptionGroup), single_error():
        raise BaseExceptionGroup("", [ZeroDivisionError()])
