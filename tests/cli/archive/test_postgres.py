"""The verbs on a PostgreSQL database: what is synced into it is told, kept to the byte, and served again."""

import json
import urllib.request

from ringlet._api.catalog import TYPES
from ringlet._api.windows import FIRST_MS, LAST_MS, Span
from ringlet.archive import Archive

SOME = ("personal_info", "ring_configuration", "sleep", "daily_sleep", "heartrate")


def answer(url, token, body=None):
    asked = urllib.request.Request(url, body, {"authorization": f"Bearer {token}"})
    with urllib.request.urlopen(asked, timeout=30) as response:
        return json.load(response)


def token_at(ready, user):
    """A token of the test's own: its requests are counted apart from everybody else's."""
    asked = {"user": user, "scopes": ["personal", "daily", "heartrate", "ring_configuration"]}
    made = answer(f"{ready['api']}/_ringlet/tokens", ready["admin_token"], json.dumps(asked).encode())
    return made["access_token"]


def test_what_is_synced_into_it_is_told_kept_to_the_byte_and_served(ringlet, ready, postgres, tmp_path):
    bearer, file = token_at(ready, ready["user_id"]), tmp_path / "archive.db"
    here = ringlet.at({**ready, "access_token": bearer})
    sync = ("sync", "--since", "2026-02", "--types", ",".join(SOME))
    for db in (file, postgres):
        done = here(*sync, "--db", db)
        assert done.returncode == 0, done.stderr
        assert "5 of 5 types complete" in done.stdout
    again = here(*sync, "--db", postgres)
    assert "5 of 5 types complete, 0 added, 0 changed" in again.stdout

    told = json.loads(ringlet("status", "--db", postgres, "--json").stdout)
    assert told["archive"] == postgres
    assert told["bytes"] > 100_000
    (person,) = told["users"]
    assert {one["name"]: one["rows"] for one in person["types"]}["daily_sleep"] == 12
    assert postgres in ringlet("status", RINGLET_DB=postgres).stdout

    with Archive.open(postgres, read_only=True) as one, Archive.open(file, read_only=True) as other:
        assert one.users() == other.users()
        for name in SOME:
            for profile in ("live", "docs"):
                asked = (1, TYPES[name], Span(FIRST_MS, LAST_MS), profile)
                assert one.page(*asked) == other.page(*asked)

    with ringlet.serve("--db", postgres) as served:
        token = token_at(served, ready["user_id"])
        for path in ("daily_sleep?start_date=2026-02-20&end_date=2026-02-25", "heartrate?latest=true"):
            page = answer(f"{served['api']}/v2/usercollection/{path}", token)
            assert page["data"]
            assert page == answer(f"{ready['api']}/v2/usercollection/{path}", bearer)


def test_a_server_that_is_away_is_told_with_what_to_do(ringlet, refused):
    done = ringlet("status", "--db", "postgresql://me:secret@127.0.0.1:1/oura")
    refused(done, 6, "cannot connect to postgresql://me@127.0.0.1:1/oura", "see that the server runs")
    assert "secret" not in done.stderr
