"""Instants are read alike, one by one and all at once."""

from __future__ import annotations

from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ringlet._api.windows import parse_instant
from ringlet._archive.series.layout import instants


@given(st.lists(st.datetimes(timezones=st.timezones() | st.none()), max_size=5))
def test_many_instants_at_once_are_read_as_one_by_one(moments: list[datetime]) -> None:
    stamps = [moment.isoformat() for moment in moments]
    stamps = [stamp for stamp in stamps if len(stamp) <= 32]  # zones of old have offsets with seconds
    assert instants([stamp.encode() for stamp in stamps]) == [parse_instant(stamp) for stamp in stamps]


def test_a_timestamp_that_closes_its_own_quote_is_refused() -> None:
    with pytest.raises(ValueError, match="Invalid isoformat"):
        instants([b'2026-01-01T00:00:00Z","2026-01-01T00:00:00Z'])
