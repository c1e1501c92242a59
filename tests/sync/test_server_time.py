"""The server's time, from what it says."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ringlet._api.wire import Request, Response, ask
from ringlet._sync.server_time import ServerTime

YEAR_AGO = datetime.now(UTC).replace(microsecond=0) - timedelta(days=365)

FAR_AWAY = (
    "Fri, 31 Dec 9999 23:59:59 GMT",
    "Fri, 31 Dec 9999 23:59:59 -2359",
    "Sat, 01 Jan 0100 00:00:00 GMT",
    "Tue, 01 Jan 2300 00:00:00 GMT",
    "Tue, 15 Nov 1994 08:12:31 +99999999999999999999",
)


def hear(time: ServerTime, date: str | None) -> None:
    flow = time.observe(ask(Request(path="/x")))
    assert next(flow).path == "/x"
    with pytest.raises(StopIteration) as done:
        flow.send(Response(200, b"as it came", {} if date is None else {"date": date}))
    assert done.value.value == b"as it came"


def test_server_time_is_the_local_clock_until_a_response_has_a_date() -> None:
    time = ServerTime()
    assert abs(time.now() - datetime.now(UTC)) < timedelta(seconds=1)


def test_the_second_in_a_date_header_counts_as_over() -> None:
    """What was measured within it is not left out."""
    time = ServerTime()
    hear(time, f"{YEAR_AGO:%a, %d %b %Y %H:%M:%S GMT}")
    assert timedelta(seconds=1) <= time.now() - YEAR_AGO < timedelta(seconds=2)


@pytest.mark.parametrize(
    "date", [None, "", "yesterday", "Tue, 99 Nov 1994 08:12:31 GMT", "é" * 200, *FAR_AWAY]
)
def test_a_response_without_a_date_changes_nothing(date: str | None) -> None:
    time = ServerTime()
    hear(time, f"{YEAR_AGO:%a, %d %b %Y %H:%M:%S GMT}")
    hear(time, date)
    assert time.now() - YEAR_AGO < timedelta(seconds=2)


@given(
    st.text() | st.from_regex(r"\A[A-Z][a-z]{2}, [0-9]+ [A-Z][a-z]{2} [0-9 ]+:[0-9]+(:[0-9]+)? [+-]?\w*\Z")
)
def test_whatever_an_answer_says_there_is_a_time_to_reckon_with(date: str) -> None:
    time = ServerTime()
    hear(time, date)
    assert abs(time.now() - datetime.now(UTC)) <= timedelta(days=36_600)


def test_a_date_without_a_zone_is_utc() -> None:
    time = ServerTime()
    hear(time, f"{YEAR_AGO:%a, %d %b %Y %H:%M:%S} -0000")
    assert timedelta(seconds=1) <= time.now() - YEAR_AGO < timedelta(seconds=2)
