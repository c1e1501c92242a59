"""`ringlet sync` over real sockets: what it fetches, and how it ends when something is in the way."""

import json
import signal
import socket
import sqlite3
from contextlib import closing

import pytest

from ringlet._api.catalog import TYPES
from ringlet._cli.shared import archives

from ... import forked
from ..fixed_response_server import fixed_response_server

SINCE = ("--since", "2026-02-01")
"""Shortly before the days of the cloud. Without it a sync asks for ten years, in a thousand requests."""


def test_everything_lands_in_the_default_archive_and_a_second_run_adds_nothing(ringlet, ready):
    here = ringlet.at(ready)
    first = here("sync")
    assert first.returncode == 0, first.stderr
    assert f"{len(TYPES)} of {len(TYPES)} types complete" in first.stdout
    assert first.stderr.endswith("next: ringlet show night\n")
    archive = ringlet.home / "data" / "ringlet" / "archive.db"
    assert archive.stat().st_mode & 0o077 == 0
    second = here("sync", "--types", "sleep,daily_sleep")
    assert "2 of 2 types complete, 0 added, 0 changed" in second.stdout


def test_json_is_one_line_per_type_and_a_last_one(ringlet, ready):
    done = ringlet.at(ready)(
        "sync", "--json", "--since", "2026-01", "--types", "daily-sleep,vo2_max,personal_info"
    )
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert {line["name"] for line in lines[:-1]} == {"daily_sleep", "vO2_max", "personal_info"}
    assert all(line["v"] == 1 and line["complete"] for line in lines[:-1])
    last = lines[-1]
    assert last["event"] == "done"
    assert last["collections"] == {"ok": 3, "skipped": 0, "failed": 0}
    assert last["added"] == sum(line["added"] for line in lines[:-1]) > 10
    assert last["exit"] == done.returncode == 0


def test_fast_brings_the_same(ringlet, ready):
    done = ringlet.at(ready)("sync", "--fast", "--types", "daily_sleep", "--since", "2026-01-15")
    assert done.returncode == 0, done.stderr
    assert "1 of 1 types complete, 12 added" in done.stdout


def test_fast_without_aiohttp_names_the_extra(ringlet, ready, tmp_path):
    """The spelling of the extra is what someone will paste."""
    blocker = tmp_path / "sitecustomize.py"
    blocker.write_text("import sys\nsys.modules['aiohttp'] = None\n")
    done = ringlet.at(ready)("sync", "--fast", PYTHONPATH=str(tmp_path))
    assert done.returncode == 1
    assert done.stderr.endswith("next: pip install 'ringlet[fast]'\n")


def test_a_scope_that_was_not_granted_leaves_its_types_out(ringlet, ready, token_for):
    done = ringlet.at(ready)("sync", *SINCE, OURA_ACCESS_TOKEN=token_for("personal", "daily"))
    assert done.returncode == 3
    assert "! daily_spo2: " in done.stderr
    assert "the scope 'spo2' was not granted" in done.stderr
    last = done.stderr.splitlines()[-1]
    assert last.startswith("next: ")
    assert "--types sleep,daily_sleep," in last
    assert "spo2" not in last


def test_a_wrong_token(ringlet, ready):
    done = ringlet.at(ready)("sync", OURA_ACCESS_TOKEN="secret-and-wrong")
    assert done.returncode == 4
    assert "error: 401" in done.stderr
    assert done.stderr.endswith("next: ringlet login, or export a fresh OURA_ACCESS_TOKEN\n")
    assert "secret-and-wrong" not in done.stderr


def test_no_token(ringlet):
    done = ringlet("sync")
    assert done.returncode == 4
    assert "error: no access token was found\n" in done.stderr
    assert "next: ringlet login" in done.stderr


@pytest.mark.parametrize(
    ("args", "code"), [([], 4), (["--webhooks", "--public-url", "https://example.org/oura"], 4)]
)
def test_who_cannot_ask_leaves_nothing_behind(ringlet, tmp_path, args, code):
    archive = tmp_path / "new" / "a.db"
    done = ringlet("sync", "--db", archive, *args)
    assert done.returncode == code
    assert "error: no access token was found\n" in done.stderr
    assert not archive.parent.exists()
    assert not list(ringlet.home.rglob("*.db"))


def test_webhooks_without_an_application_leave_nothing_behind(ringlet, ready, tmp_path):
    archive = tmp_path / "new" / "a.db"
    done = ringlet.at(ready)(
        "sync", "--db", archive, "--webhooks", "--public-url", "https://example.org/oura"
    )
    assert done.returncode == 2
    assert "webhooks need the id and the secret of your application" in done.stderr
    assert not archive.parent.exists()


def test_a_wrong_place_is_said_once_somebody_can_ask(ringlet, ready, tmp_path, refused):
    refused(ringlet.at(ready)("sync", "--db", tmp_path), 6, "is a directory", "name a file in it")


@pytest.mark.parametrize("database", ["sqlite", "postgres"])
def test_a_demo_clouds_own_archive_is_no_place_for_a_sync(ringlet, tmp_path, refused, database, request):
    place = request.getfixturevalue("postgres") if database == "postgres" else tmp_path / "cloud.db"
    with ringlet.serve("--demo", "--days", "3", "--db", place) as cloud:
        done = ringlet.at(cloud)("sync", RINGLET_DB=str(place))
        refused(done, 2, "is the archive that a demo cloud serves from", "name another with --db")
        synced = ringlet.at(cloud)("sync", "--db", tmp_path / "mine.db", "--types", "daily_sleep")
        assert synced.returncode == 0, synced.stderr


def test_an_archive_that_a_demo_kept_is_one(ringlet, ready, tmp_path):
    """As `ringlet demo --db` makes it; a slow test of the demo does the same after a whole demo."""
    archives.for_demo(str(tmp_path / "kept.db")).close()
    for types in ("daily_sleep", "sleep"):
        done = ringlet.at(ready)("sync", "--db", tmp_path / "kept.db", "--types", types, *SINCE)
        assert done.returncode == 0, done.stderr


def test_a_kept_sign_in_is_used_by_its_name(ringlet, ready):
    tokens = ringlet.home / "config" / "ringlet" / "tokens"
    tokens.mkdir(parents=True)
    (tokens / "work.json").write_text(json.dumps({"access_token": ready["access_token"]}))
    done = ringlet.at(ready)("sync", "--profile", "work", "--types", "sleep", OURA_ACCESS_TOKEN="wrong")
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("args", "error", "cure"),
    [
        (["--since", "31.12.2025"], "'31.12.2025' is not a date", "2026-11-19"),
        (["--since", "0024-01-01"], "the year 0024", "2026-11-19"),
        (["--since", "2099-01-01"], "start 2099-01-01 is after end", "begin with today or an earlier day"),
        (["--types", "sleeep"], "'sleeep' is not a data type", "did you mean sleep?"),
        (["--types", "sleep,xyz"], "'xyz' is not a data type", "choose from sleep, daily_sleep, "),
        (["--types", " , "], "expects names of data types", "leave it out"),
        (["--connections", "0"], "0 is not in the range", "ringlet sync --help"),
        (["--profile", "../x"], "cannot be a profile name", "letters"),
    ],
)
def test_what_cannot_be_meant_is_refused_before_anything_is_made(ringlet, refused, args, error, cure):
    done = ringlet("sync", *args)
    refused(done, 1 if "--profile" in args else 2, error, cure)


def test_a_server_that_is_not_there(ringlet):
    with socket.create_server(("127.0.0.1", 0)) as once:
        port = once.getsockname()[1]
    there = {"OURA_API_BASE_URL": f"http://127.0.0.1:{port}", "OURA_ACCESS_TOKEN": "any"}
    process = ringlet.start("sync", **there)
    line = next(line for line in process.stderr if line.startswith("no answer"))
    assert "^C is safe" in line
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=30)
    assert process.returncode == 130


def test_interrupted_it_says_what_is_saved_and_how_to_go_on(ringlet, tmp_path):
    """The other side takes the connection and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        named = ("--db", str(tmp_path / "a.db"), "--base-url", url)
        process = ringlet.start("sync", *named, OURA_ACCESS_TOKEN="any")
        connection, _ = silent.accept()
        with connection:
            connection.recv(1)
            process.send_signal(signal.SIGINT)
            _, said = process.communicate(timeout=30)
    assert process.returncode == 130
    assert f"Stopped. Saved 0 rows, 0 of {len(TYPES)} types complete." in said
    assert said.endswith(f"next: ringlet sync {' '.join(named)}\n")


def test_a_wait_too_long_to_sit_out_ends_with_5(ringlet):
    with fixed_response_server(429, {"retry-after": "1000"}, b'{"detail":"Too many requests"}') as url:
        done = ringlet("sync", OURA_API_BASE_URL=url, OURA_ACCESS_TOKEN="any")
    assert done.returncode == 5
    assert "rate limit reached" in done.stderr
    assert "error: 429: Too many requests" in done.stderr
    assert "next: run it again after " in done.stderr


def test_an_answer_that_is_not_ouras(ringlet):
    with fixed_response_server(200, {}, b"<html>") as url:
        done = ringlet("sync", OURA_API_BASE_URL=url, OURA_ACCESS_TOKEN="any")
    assert done.returncode == 1
    assert "error: 502: the answer is not what this route returns" in done.stderr


def test_an_archive_held_by_another_program(ringlet, ready, tmp_path):
    here, archive = ringlet.at(ready), tmp_path / "held.db"
    assert here("sync", "--db", archive, "--types", "personal_info").returncode == 0
    with closing(sqlite3.connect(archive, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        done = here("sync", "--db", archive, "--types", "sleep", *SINCE)
        other.execute("ROLLBACK")
    assert done.returncode == 6
    assert "is locked by another program" in done.stderr
    assert "next: let it finish" in done.stderr


SYNC_WITH_SMALL_FILES = """
import resource
from ringlet._cli.main import main
resource.setrlimit(resource.RLIMIT_FSIZE, (150_000, 150_000))
main()
"""


def test_a_full_disk_keeps_what_was_saved(ringlet, ready, tmp_path):
    """A limit on the size of files stands in for the disk."""
    archive = tmp_path / "small.db"
    done = forked.run(
        ["-c", SYNC_WITH_SMALL_FILES, "sync", *SINCE, "--db", archive], env=ringlet.at(ready).env()
    )
    assert done.returncode == 6, done.stderr
    assert "error: " in done.stderr
    assert "space" in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr
    assert ringlet("status", "--db", archive).returncode == 0
    assert ringlet.at(ready)("sync", *SINCE, "--db", archive).returncode == 0, "with space again it goes on"
