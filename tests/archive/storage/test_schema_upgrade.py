"""Archives of older versions are upgraded completely on opening, or left unchanged."""

from __future__ import annotations

import os
import signal
import sqlite3
import stat
import subprocess
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from threading import Barrier

import pytest

from ringlet._api.catalog import TYPES
from ringlet._api.windows import Span
from ringlet._archive.storage import schema
from ringlet._archive.storage.settings import Setting
from ringlet._receiver.inbox import Inbox
from ringlet.archive import Archive
from ringlet.errors import Action, ArchiveError, Cure

from ... import forked
from . import released
from .released import BEATS, BODY, CONTENTS_1, OLD_BODY, ROWS, contents, write_1

ALL_TIME = Span(0, 2**41)
DAILY = TYPES["daily_sleep"]
FUTURE_STEP = (
    "ALTER TABLE documents ADD COLUMN source TEXT; UPDATE documents SET source = 'oura';"
    "CREATE TABLE shelf (name TEXT PRIMARY KEY)"
)
"""An invented migration of a later version."""


@pytest.fixture
def old(place: str) -> str:
    """An archive of schema version 1."""
    write_1(place)
    return place


@pytest.fixture
def newer(monkeypatch: pytest.MonkeyPatch) -> int:
    """This ringlet has one more step; its schema version."""
    monkeypatch.setattr(schema, "STEPS", (*schema.STEPS, FUTURE_STEP))
    return len(schema.STEPS)


def copies(place: str) -> list[Path]:
    """What lies beside an archive in a file."""
    path = Path(place)
    beside = path.parent.iterdir() if not place.startswith("postgres") else ()
    return sorted(one for one in beside if "before" in one.name)


def version(place: str) -> int | None:
    with Archive.open(place, read_only=True) as archive:
        return archive.database.version


def test_every_released_schema_is_tested() -> None:
    assert list(released.WRITERS) == list(range(1, len(schema.STEPS) + 1))


@pytest.mark.parametrize("write", released.WRITERS.values(), ids=map(str, released.WRITERS))
def test_an_archive_of_every_released_schema_opens_and_is_kept_whole(
    place: str, write: Callable[[str], None]
) -> None:
    write(place)
    assert contents(place) == CONTENTS_1
    with Archive.open(place, create=False) as archive:
        Inbox(archive)
    assert contents(place) == CONTENTS_1
    with Archive.open(place, read_only=True) as archive:
        me, _ = [user.id for user in archive.users()]
        assert archive.texts(me, DAILY, ALL_TIME)[0] == [BODY]
        assert archive.page(me, DAILY, ALL_TIME, "docs")[0] == BODY
        assert archive.revisions(me, DAILY, "a") == [(1740787200001, OLD_BODY)]
        assert archive.single(me, TYPES["personal_info"]) == b'{"id":"me"}'
        assert archive.page(me, TYPES["heartrate"], ALL_TIME)[0] == b",".join(ROWS)
        assert archive.page(me, TYPES["interbeat_interval"], ALL_TIME)[0] == b",".join(BEATS)
        assert archive.done(me, "daily_sleep") == [(1730000000000, 1740960000000)]
        assert archive.setting(Setting.SYNC_BEGUN.of(me)) == "2025-03-03T00:00:00+00:00"


@pytest.mark.parametrize("write", released.WRITERS.values(), ids=map(str, released.WRITERS))
def test_an_archive_of_every_released_schema_takes_new_documents_and_samples(
    place: str, write: Callable[[str], None]
) -> None:
    write(place)
    with Archive.open(place) as archive:
        assert archive.user("new") == 3
        assert archive.put(1, DAILY, OLD_BODY).changed == 1
        assert archive.revisions(1, DAILY, "a")[1][1] == BODY
        more = b'[{"timestamp":"2025-03-01T01:55:00.000Z","bpm":70,"source":"awake"}]'
        assert archive.put_samples(1, TYPES["heartrate"], [more]).changed == 1
        assert archive.page(1, TYPES["heartrate"], ALL_TIME)[0] == b",".join([*ROWS[:-1], more[1:-1]])


def test_an_older_archive_is_upgraded_and_kept_whole(old: str, newer: int) -> None:
    with Archive.open(old, create=False) as archive:
        assert archive.database.version == newer
        assert archive.database.all("SELECT DISTINCT source FROM documents") == [("oura",)]
        assert archive.database.all("SELECT name FROM shelf") == []
        before = archive.generation
        assert archive.document(1, DAILY, "a") == BODY
    assert contents(old) == CONTENTS_1
    with Archive.open(old) as archive:  # once is enough
        assert archive.generation <= before
    assert len(copies(old)) == (not old.startswith("postgres"))


def test_a_copy_of_the_file_is_left_as_it_was(
    tmp_path: Path, newer: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = tmp_path / "oura.db"
    write_1(str(place))
    Archive.open(place).close()
    (copy,) = copies(str(place))
    assert copy.name == f"oura.db.before-{newer}"
    assert stat.S_IMODE(copy.stat().st_mode) == 0o600
    assert contents(str(copy)) == CONTENTS_1
    monkeypatch.undo()  # an older ringlet
    with Archive.open(copy) as archive:
        assert archive.document(1, DAILY, "a") == BODY
    with pytest.raises(ArchiveError, match="newer ringlet"):
        Archive.open(place)


def test_a_copy_is_never_overwritten(tmp_path: Path, newer: int) -> None:
    place = tmp_path / "oura.db"
    write_1(str(place))
    mine = tmp_path / f"oura.db.before-{newer}"
    mine.write_text("mine")
    Archive.open(place).close()
    assert mine.read_text() == "mine"
    assert [one.name for one in copies(str(place))] == [mine.name, f"{mine.name}.2"]
    assert contents(f"{mine}.2") == CONTENTS_1


def test_where_no_copy_can_be_made_nothing_is_upgraded(tmp_path: Path, newer: int) -> None:
    place = tmp_path / "oura.db"
    write_1(str(place))
    (tmp_path / f"oura.db.before-{newer}.partial").mkdir()  # in its way
    with pytest.raises(ArchiveError, match="cannot be written") as caught:
        Archive.open(place)
    assert caught.value.cure
    with closing(sqlite3.connect(place)) as connection:
        assert connection.execute("PRAGMA user_version").fetchone() == (1,)
    assert contents(str(place)) == CONTENTS_1


def test_an_older_archive_is_not_read_without_being_upgraded(old: str, newer: int) -> None:
    with pytest.raises(ArchiveError, match="older ringlet") as caught:
        Archive.open(old, read_only=True)
    assert isinstance(caught.value.cure, Cure)
    assert caught.value.cure.action is Action.SYNC
    assert copies(old) == []
    Archive.open(old).close()
    assert version(old) == newer


def test_an_upgrade_that_fails_leaves_the_archive_as_it_was(
    old: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(schema, "STEPS", (*schema.STEPS, FUTURE_STEP, "INSERT INTO nowhere VALUES (1)"))
        for _ in range(2):
            with pytest.raises(ArchiveError, match="nowhere"):
                Archive.open(old)
    assert copies(old) == []
    assert version(old) == len(schema.STEPS)
    assert contents(old) == CONTENTS_1
    monkeypatch.setattr(schema, "STEPS", (*schema.STEPS, FUTURE_STEP))
    Archive.open(old).close()
    assert version(old) == len(schema.STEPS)
    assert contents(old) == CONTENTS_1


UPGRADE = """
import sys
from ringlet._archive.storage import schema
from ringlet.archive import Archive

def run_and_wait(database, steps):
    run_steps(database, steps)
    print("half way", flush=True)
    sys.stdin.read()

run_steps, schema.run_steps = schema.run_steps, run_and_wait
schema.STEPS += (sys.argv[2],)
Archive.open(sys.argv[1])
"""


def test_an_upgrade_that_is_killed_is_made_the_next_time(old: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for _ in range(2):
        with forked.start(["-c", UPGRADE, old, FUTURE_STEP], stdin=subprocess.PIPE) as child:
            assert child.stdout
            assert child.stdout.readline() == "half way\n"
            os.kill(child.pid, signal.SIGKILL)
        assert version(old) == len(schema.STEPS)
        assert contents(old) == CONTENTS_1
    monkeypatch.setattr(schema, "STEPS", (*schema.STEPS, FUTURE_STEP))
    Archive.open(old, timeout=30).close()
    assert version(old) == len(schema.STEPS)
    assert contents(old) == CONTENTS_1
    assert all(contents(str(copy)) == CONTENTS_1 for copy in copies(old))


def test_of_those_who_open_an_older_archive_at_once_one_upgrades_it(old: str, newer: int) -> None:
    many = 4
    ready = Barrier(many)

    def start(_: int) -> int | None:
        ready.wait()
        with Archive.open(old, timeout=60) as archive:
            return archive.database.version

    with ThreadPoolExecutor(many) as pool:
        assert set(pool.map(start, range(many))) == {newer}
    assert contents(old) == CONTENTS_1
    assert len(copies(old)) <= 1
