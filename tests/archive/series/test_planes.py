"""Planes take little room, and are not made where they would take much."""

from __future__ import annotations

import pytest

from ringlet._archive.series.packing import rows_of
from ringlet._archive.series.planes import Planes


def test_a_very_wide_column_is_not_padded() -> None:
    rows = [b'{"a":"x"}', b'{"a":"' + b"y" * 5000 + b'"}']
    assert Planes.of(b",".join(rows)) is None
    assert rows_of(b",".join(rows)).text(0, 2) == b",".join(rows)


def test_what_is_constant_is_stored_once() -> None:
    rows = [b'{"timestamp":"2026-01-01T00:00:00Z","bpm":60}'] * 1000
    assert len(rows_of(b",".join(rows)).pack()) < 150


def test_a_cut_pads_no_wider_than_its_own_rows() -> None:
    rows = [b'{"timestamp":"2026-01-01T00:00:0%dZ","source":"%s"}' % (i, b"rest" * (1 + i)) for i in range(4)]
    planes = Planes.of(b",".join(rows))
    assert planes is not None
    assert planes.cut(0, 1).pack() == rows_of(rows[0]).pack()
    assert planes.cut(1, 2).timestamps() == [b"2026-01-01T00:00:01Z"]


@pytest.mark.parametrize("gap", [b"", b" ", b"\n  "])
def test_blanks_are_part_of_the_layout(gap: bytes) -> None:
    text = b",".join(b"{" + gap + b'"a":' + gap + b"%d}" % i for i in range(120))
    planes = Planes.of(text)
    assert planes is not None
    assert planes.text(0, 120) == text
