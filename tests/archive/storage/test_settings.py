"""Settings: kept until they are removed, and found by the keys that older archives hold."""

from __future__ import annotations

import pytest

from ringlet._archive.storage.settings import Setting
from ringlet.archive import Archive

STORED = {
    "room inbox": Setting.SCHEMA_STEP.of("inbox"),
    "demo": Setting.DEMO,
    "demo application of 1": Setting.DEMO_APPLICATION.of(1),
    "life of 1": Setting.TIMELINE.of(1),
    "clock ahead": Setting.CLOCK_AHEAD,
    "webhook log": Setting.EVENT_LOG_ID,
    "inbox held by": Setting.INBOX_OWNER,
    "sync.1.begun": Setting.SYNC_BEGUN.of(1),
    "sync.1.unfinished": Setting.SYNC_UNFINISHED.of(1),
    "webhooks.a{}b.made": Setting.SUBSCRIPTION_IDS.of("a{}b"),
}


def test_a_setting_is_stored_until_it_is_removed(archive: Archive) -> None:
    assert archive.setting(Setting.DEMO) is None
    archive.set_setting(Setting.DEMO, "no")
    archive.set_setting(Setting.DEMO, "yes")
    assert archive.setting(Setting.DEMO) == "yes"
    archive.set_setting(Setting.DEMO, None)
    assert archive.setting(Setting.DEMO) is None


@pytest.mark.parametrize("stored", STORED)
def test_a_setting_is_found_by_the_key_that_older_archives_hold(archive: Archive, stored: str) -> None:
    archive.database.execute("INSERT INTO settings (name, value) VALUES (?, 'kept')", (stored,))
    assert archive.setting(STORED[stored]) == "kept"


def test_every_key_is_checked_above() -> None:
    assert len(STORED) == len(Setting)


def test_a_setting_of_each_owner_is_not_read_without_the_owner(archive: Archive) -> None:
    with pytest.raises(AssertionError, match="of"):
        archive.setting(Setting.TIMELINE)
    with pytest.raises(AssertionError, match="whole archive"):
        Setting.DEMO.of(1)
