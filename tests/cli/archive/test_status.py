"""`ringlet status`: every type of the table, synced or not."""

import json
import sqlite3
from contextlib import closing

import pytest

from ringlet._api.catalog import TYPES


def test_every_type_has_a_line(ringlet, synced):
    done = ringlet("status", "--db", synced)
    assert done.returncode == 0
    lines = {line.split()[0]: line for line in done.stdout.splitlines()}
    assert all(name in lines for name in TYPES)
    assert lines["daily_sleep"].split()[1] == "12"
    assert " .. " in lines["sleep"]
    assert "none there" in lines["rest_mode_period"]
    assert "types" in done.stdout
    assert done.stderr == ""


def test_what_was_never_asked_for_is_not_synced(ringlet, ready, tmp_path):
    ringlet.at(ready)("sync", "--db", tmp_path / "a.db", "--types", "personal_info")
    said = ringlet("status", "--db", tmp_path / "a.db").stdout
    assert said.count("not synced") == len(TYPES) - 1


@pytest.mark.parametrize("columns", [45, 60, 80])
def test_a_narrow_screen_leaves_columns_out_and_cuts_no_number(ringlet, synced, columns):
    wide = ringlet("status", "--db", synced, COLUMNS="100").stdout.splitlines()
    narrow = ringlet("status", "--db", synced, COLUMNS=str(columns)).stdout.splitlines()
    rows = {line.split()[0]: line.split()[1] for line in wide if line.startswith(tuple(TYPES))}
    seen = {line.split()[0]: line.split()[1] for line in narrow if line.startswith(tuple(TYPES))}
    assert seen == rows
    assert all(len(line.rstrip()) <= columns for line in narrow if line.startswith(tuple(TYPES)))


def test_json(ringlet, synced, ready):
    document = json.loads(ringlet("status", "--db", synced, "--json").stdout)
    assert document["v"] == 1
    assert document["archive"] == str(synced)
    (user,) = document["users"]
    assert user["name"] == ready["user_id"]
    held = {one["name"]: one for one in user["types"]}
    assert held["daily_sleep"]["rows"] == 12
    assert held["heartrate"]["rows"] > 1000


def test_old_news_ends_in_a_hint(ringlet, ready, tmp_path):
    archive = tmp_path / "old.db"
    ringlet.at(ready)("sync", "--db", archive, "--types", "sleep,heartrate")
    with closing(sqlite3.connect(archive)) as file:
        for table in ("documents", "chunks"):
            file.execute(f"UPDATE {table} SET seen_at = seen_at - 3 * 86400000")
        file.commit()
    done = ringlet("status", "--db", archive)
    assert " 3 d " in done.stdout
    assert done.stderr == f"next: ringlet sync --db {archive}\n"


def test_no_archive(ringlet, refused):
    refused(ringlet("status"), 6, "no archive exists at", "ringlet sync")


def test_nobody_of_that_name(ringlet, synced, refused, ready):
    done = ringlet("status", "--db", synced, "--user", "x")
    refused(done, 2, "'x' is not a user of this archive", f"--user {ready['user_id']}")


def test_it_does_not_wait_for_a_sync(ringlet, synced):
    with closing(sqlite3.connect(synced, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        assert ringlet("status", "--db", synced).returncode == 0
        other.execute("ROLLBACK")


def test_no_colour_without_a_terminal(ringlet, synced):
    assert "\x1b" not in ringlet("status", "--db", synced).stdout
