"""Compression: what was packed comes back, what is damaged says so."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ringlet._archive.series.zstd import compress, decompress
from ringlet.errors import ArchiveError


@given(st.binary())
def test_what_was_compressed_comes_back(data: bytes) -> None:
    assert decompress(compress(data)) == data


def test_a_frame_that_is_damaged_or_cut_off_is_refused() -> None:
    frame = compress(bytes(range(256)) * 9)
    for damaged in (b"", frame[:-1], frame[:20], b"junk" + frame, frame[:-1] + bytes([frame[-1] ^ 1])):
        with pytest.raises(ArchiveError, match="damaged") as caught:
            decompress(damaged)
        assert caught.value.cure
