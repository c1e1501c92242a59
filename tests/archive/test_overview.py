"""What is held, counted type by type."""

from __future__ import annotations

from ringlet._api.catalog import TYPES
from ringlet.archive import Archive


def test_the_overview_counts_what_is_held(archive: Archive, me: int) -> None:
    archive.put(
        me, TYPES["daily_sleep"], b'[{"id":"a","day":"2026-01-01"},{"id":"b","day":"2026-01-03"}]', seen_at=5
    )
    archive.put(me, TYPES["daily_sleep"], b'{"id":"b","day":"2026-01-03","score":1}', seen_at=7)
    archive.put_samples(
        me, TYPES["heartrate"], [b'[{"timestamp":"2026-02-01T00:00:00Z","bpm":60}]'], seen_at=9
    )
    sleep, heart = archive.overview(me)
    assert sleep[:5] == ("daily_sleep", 2, "2026-01-01", "2026-01-03", 1)
    assert sleep.last_seen_at == 7
    assert heart[:5] == ("heartrate", 1, "2026-02-01", "2026-02-01", 0)
    assert archive.overview(archive.user("somebody else")) == []
