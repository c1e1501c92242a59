"""`ringlet show night` on a real archive."""

import json
from datetime import UTC, date, datetime, timedelta

import pytest

from ringlet._api.catalog import TYPES
from ringlet.archive import Archive


def test_the_newest_night_by_itself(ringlet, synced):
    done = ringlet("show", "night", "--db", synced)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[0].startswith("Night of ")
    assert [line[:7] for line in lines[2:6]] == [" awake ", "   REM ", " light ", "  deep "]
    assert "█" in lines[4]
    assert any(line.startswith("    HR ") and "lowest" in line for line in lines)
    assert any(line.startswith("Total sleep  ━") for line in lines)


def test_a_named_day_and_its_document(ringlet, synced):
    said = ringlet("show", "night", "--db", synced, "--date", "2026-02-25")
    assert said.stdout.startswith("Night of Wed 25 Feb 2026   ")
    document = ringlet("show", "night", "--db", synced, "--date", "2026-02-25", "--json").stdout
    assert not document.endswith("\n")
    with Archive.open(synced, read_only=True) as archive:
        ((user, _),) = archive.users()
        assert archive.document(user, TYPES["sleep"], json.loads(document)["id"]) == document.encode()


def test_yesterday_is_a_date(ringlet, synced):
    done = ringlet("show", "night", "--db", synced, "--date", "yesterday")
    assert done.returncode == 0
    assert "the nearest: 2026-03-01" in done.stderr


def test_a_day_without_a_night_names_the_nearest(ringlet, synced):
    done = ringlet("show", "night", "--db", synced, "--date", "2020-02-29")
    assert done.returncode == 0
    assert done.stdout == ""
    said, cure = done.stderr.splitlines()
    assert said.startswith("the archive has no night for Sat 2020-02-29; the nearest: ")
    nearest = said.rpartition(" ")[2]
    assert cure == f"next: ringlet show night --db {synced} --date {nearest}"
    assert ringlet(*cure.removeprefix("next: ringlet ").split()).stdout


def made(path, *nights, user="me"):
    """An archive with sleeps of so many hours on these days."""
    documents = []
    for number, (day, type, hours) in enumerate(nights):
        start = datetime.combine(day, datetime.min.time(), UTC)
        documents.append(
            {
                "id": f"{user}-{number}",
                "day": day.isoformat(),
                "type": type,
                "bedtime_start": start.isoformat(),
                "bedtime_end": (start + timedelta(hours=hours)).isoformat(),
                "sleep_phase_5_min": "2" * 12 * hours,
            }
        )
    with Archive.open(path) as archive:
        archive.put(archive.user(user), TYPES["sleep"], json.dumps(documents).encode())


def test_a_nap_after_the_night_does_not_hide_it(ringlet, tmp_path):
    """The newest document is a nap, on a day of its own."""
    night, nap = date(2026, 3, 1), date(2026, 3, 2)
    made(tmp_path / "a.db", (night, "long_sleep", 8), (nap, "late_nap", 1))
    assert ringlet("show", "night", "--db", tmp_path / "a.db").stdout.startswith("Night of Sun 1 Mar 2026")
    said = ringlet("show", "night", "--db", tmp_path / "a.db", "--date", "2026-03-02").stdout
    assert said.startswith("Nap on Mon 2 Mar 2026")


def test_nights_on_both_sides_are_named(ringlet, tmp_path):
    made(tmp_path / "a.db", (date(2026, 3, 1), "long_sleep", 8), (date(2026, 3, 5), "long_sleep", 8))
    said = ringlet("show", "night", "--db", tmp_path / "a.db", "--date", "2026-03-03").stderr
    assert "the nearest: 2026-03-01 and 2026-03-05" in said


def test_the_sleepers_clock_not_this_machines(ringlet, synced):
    titles = {
        ringlet("show", "night", "--db", synced, TZ=zone).stdout.splitlines()[0]
        for zone in ("UTC", "Pacific/Kiritimati", "America/Los_Angeles")
    }
    assert len(titles) == 1


def test_several_people(ringlet, tmp_path, refused):
    for user in ("one", "two"):
        made(tmp_path / "a.db", (date(2026, 3, 1), "long_sleep", 8), user=user)
    refused(ringlet("show", "night", "--db", tmp_path / "a.db"), 2, "2 users: one, two", "--user one")
    assert ringlet("show", "night", "--db", tmp_path / "a.db", "--user", "two").returncode == 0


def test_an_archive_without_nights(ringlet, tmp_path):
    with Archive.open(tmp_path / "a.db"):
        pass
    done = ringlet("show", "night", "--db", tmp_path / "a.db")
    assert done.returncode == 0
    assert done.stderr == f"the archive has no nights yet\nnext: ringlet sync --db {tmp_path / 'a.db'}\n"


@pytest.mark.parametrize("text", ["0024-11-19", "19.11.2026", "2026-11", "7d"])
def test_dates_that_name_no_day(ringlet, synced, refused, text):
    refused(ringlet("show", "night", "--db", synced, "--date", text), 2, "", "2026-11-19")
