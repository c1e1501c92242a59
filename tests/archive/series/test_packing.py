"""Whatever rows go into a run, the very same bytes come out, whole and in slices."""

from __future__ import annotations

import json

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ringlet._archive.series.layout import split
from ringlet._archive.series.packing import rows_of, unpack

numbers = st.floats(allow_nan=False, allow_infinity=False)
scalars = st.none() | st.booleans() | st.integers() | numbers | st.text()
anything = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3)
)
keys = st.text(max_size=6)


@st.composite
def spelled(draw: st.DrawFn, value: object) -> bytes:
    """A value as JSON text, in one of the ways to write it."""
    return json.dumps(
        value,
        ensure_ascii=draw(st.booleans()),
        indent=draw(st.sampled_from([None, 0, 1])),
        separators=draw(st.sampled_from([(",", ":"), (", ", ": "), (" ,\t", "\n:")])),
    ).encode("utf-8", "replace")


@st.composite
def any_rows(draw: st.DrawFn) -> list[bytes]:
    values = draw(st.lists(anything, min_size=1, max_size=8))
    return [draw(spelled(value)) for value in values]


@st.composite
def like_rows(draw: st.DrawFn) -> list[bytes]:
    """Rows that share their keys, and mostly their layout."""
    names = draw(st.lists(keys, min_size=1, max_size=4, unique=True))
    values = draw(
        st.lists(st.lists(scalars, min_size=len(names), max_size=len(names)), min_size=1, max_size=12)
    )
    gap = draw(st.sampled_from([",", ", ", ",\n "]))
    return [
        json.dumps(dict(zip(names, row, strict=True)), separators=(gap, ":"), ensure_ascii=False).encode(
            "utf-8", "surrogatepass"
        )
        for row in values
    ]


def same(rows: list[bytes]) -> None:
    text = b",".join(rows)
    made = rows_of(text)
    assert made.n == len(rows)
    found = unpack(made.encoding, made.pack(), made.n)
    for packed in (made, found):
        assert packed.text(0, packed.n) == text
        for start in range(len(rows)):
            for stop in range(start + 1, len(rows) + 1):
                part = b",".join(rows[start:stop])
                assert packed.text(start, stop) == part
                cut = packed.cut(start, stop)
                assert cut.n == stop - start
                assert cut.text(0, cut.n) == part
                assert unpack(cut.encoding, cut.pack(), cut.n).text(0, cut.n) == part


def readable(rows: list[bytes]) -> bool:
    try:
        return len(split(b"[" + b",".join(rows) + b"]")) == len(rows)
    except msgspec.MsgspecError:
        return False


@given(any_rows())
def test_any_rows_come_back(rows: list[bytes]) -> None:
    same([row for row in rows if readable([row])] or [b"{}"])


@given(like_rows())
def test_like_rows_come_back(rows: list[bytes]) -> None:
    if readable(rows):
        same(rows)


@given(
    st.lists(
        st.tuples(
            st.datetimes(),
            st.integers(0, 300),
            st.sampled_from(["awake", "rest", "workout", "a,b", 'a"},{"bpm', "[", "{", "é"]),
        ),
        min_size=1,
        max_size=30,
    )
)
def test_rows_of_a_series_come_back_and_know_their_instants(
    values: list[tuple[object, int, str]],
) -> None:
    rows = [
        json.dumps({"timestamp": f"{at}+00:00".replace(" ", "T"), "bpm": bpm, "source": source}).encode()
        for at, bpm, source in values
    ]
    same(rows)
    packed = rows_of(b",".join(rows))
    assert packed.timestamps() == [json.loads(row)["timestamp"].encode() for row in rows]


@pytest.mark.parametrize(
    "rows",
    [
        [b'{"a":1}'],
        [b'{"a":"","b":""}', b'{"a":"","b":""}'],
        [b'{"a":"\\u0000"}', b'{"a":"x"}'],
        [b'{"a":1,"b":2}', b'{"a":1}', b'{"a":1,"b":2,"c":3}'],
        [b'{"a":1,"b":2}', b'{"a":"p,q},{r","b":2}'],
        [b'{"a":1,"b":2}', b'{"a":[{"a":1,"b":2},{"a":1,"b":2}],"b":2}'],
        [b'{"a":{"a":1}}', b'{"a":{"a":2}}'],
        [b'{"a":1,"a":2}', b'{"a":3,"a":4}'],
        [b'{"timestamp":1}', b"{}", b"[]", b"null"],
        [b'{ "a" : 1 }', b'{ "a" : 22 }', b'{ "a" : null }'],
        [b'{"a":1,"b":"x,y"}', b'{"a":1,"b":"x"}'],
    ],
)
def test_odd_rows_come_back(rows: list[bytes]) -> None:
    same(rows)


def test_rows_alike_are_stored_as_planes_and_others_as_text() -> None:
    assert rows_of(b'{"a":1},{"a":22},{"a":null}').encoding == "planes"
    assert rows_of(b'{"a":1},{"b":2}').encoding == "text"
    assert rows_of(b'{"a":1},{"a":[2]}').encoding == "text"


def test_blanks_between_rows_are_dropped_and_blanks_within_are_kept() -> None:
    packed = rows_of(b'{"a": 1},\n  {"a": 2}')
    assert packed.encoding == "planes"
    assert packed.text(0, 2) == b'{"a": 1},{"a": 2}'


def test_rows_without_a_timestamp_say_so() -> None:
    for text in (b'{"bpm":1}', b'{"timestamp":1,"bpm":1}', b"[1]", b"{}"):
        packed = rows_of(text)
        with pytest.raises(ValueError, match="without a timestamp"):
            packed.timestamps()


@pytest.mark.parametrize("layout", ['{{"timestamp":"{}","bpm":1}}', '{{"bpm":1,"timestamp":"{}"\n}}'])
def test_timestamps_of_unequal_length_are_read(layout: str) -> None:
    stamps = [
        "2026-01-01T00:00:00Z",
        "2026-01-01T00:00:00.500+00:00",
        "2026-01-01T02:00:00+02:00",
        "2026-01-01",
    ]
    packed = rows_of(b",".join(layout.format(stamp).encode() for stamp in stamps))
    assert packed.encoding == "planes"
    assert packed.timestamps() == [stamp.encode() for stamp in stamps]
