"""The demo wearer is an ordinary user whose documents are the simulated person's, no more and no fewer."""

import json
import subprocess
import sys
from datetime import date, timedelta

import pytest

from ringlet._api.catalog import TYPES
from ringlet._api.kinds import Documents, Inventory, Samples, Single
from ringlet._api.windows import Span, from_ms, parse_instant
from ringlet._cloud.wearer.demo import DEMO_USER_NAME, REDIRECT_URIS, credentials, populate
from ringlet._cloud.wearer.timeline import POPULATE_BLOCK
from ringlet._oauth.scopes import SCOPES
from ringlet._person.person import Person
from ringlet._webhooks.events import MIN_HASHED_SECRET_LENGTH
from ringlet.archive import Archive
from ringlet.cloud import Clock, Cloud

EVER = Span(parse_instant("2000-01-01"), parse_instant("2100-01-01"))


@pytest.fixture(params=["sqlite", "postgres"])
def database(request):
    return request.param


@pytest.fixture
def clock():
    return Clock.parse("frozen:2026-03-01T12:00:00Z")


@pytest.mark.parametrize("dialect", ["live", "docs"])
@pytest.mark.parametrize("days", [1, 32])  # the second takes two blocks
def test_the_archive_has_what_the_person_writes_byte_for_byte(clock, dialect, days):
    person, now = Person(7, DEMO_USER_NAME, dialect=dialect), clock.now()
    first, last = now.date() - timedelta(days=days - 1), now.date() + timedelta(days=1)
    with Archive.open(":memory:") as archive:
        user = populate(archive, clock, days=days, seed=7, dialect=dialect)
        for name, kind in TYPES.items():
            if isinstance(kind, Single):
                assert archive.single(user, kind) == person.personal_info()
            elif isinstance(kind, Samples):
                rows = [row for _, row in person.samples(name, first, last, now=now)]
                assert archive.page(user, kind, EVER)[0] == b",".join(rows)
            else:
                lived = {item.id: item.body for item in person.documents(name, first, last, now=now)}
                assert sorted(archive.texts(user, kind, EVER)[0]) == sorted(lived.values())
                assert all(archive.document(user, kind, id) == body for id, body in lived.items())


def test_nothing_is_held_that_has_not_happened_yet(clock):
    with Archive.open(":memory:") as archive:
        user = populate(archive, clock, days=3, seed=7)
        for name, kind in TYPES.items():
            if isinstance(kind, Samples):
                stamp = json.loads(archive.latest(user, kind))["timestamp"]
                assert parse_instant(stamp) <= clock.now().timestamp() * 1000, name
        nights = json.loads(b"[%s]" % archive.page(user, TYPES["sleep"], EVER)[0])
        assert all(from_ms(parse_instant(one["bedtime_start"])) < clock.now() for one in nights)


def test_settling_in_twice_changes_nothing(clock):
    with Archive.open(":memory:") as archive:
        assert populate(archive, clock, days=20, seed=7) == populate(archive, clock, days=20, seed=7)
        held = archive.overview(1)
        assert [one.name for one in held] == list(TYPES)[: len(held)] or held
        assert all(one.revisions == 0 for one in held)


def test_settling_in_later_carries_on(clock):
    with Archive.open(":memory:") as archive, Archive.open(":memory:") as at_once:
        populate(archive, clock, days=5, seed=7)
        clock.advance(timedelta(days=3))
        user = populate(archive, clock, days=8, seed=7)
        assert populate(at_once, clock, days=8, seed=7) == user
        for kind in TYPES.values():
            if isinstance(kind, Documents):
                assert archive.texts(user, kind, EVER) == at_once.texts(user, kind, EVER)


def test_progress_is_told_to_the_end(clock):
    told = []
    with Archive.open(":memory:") as archive:
        populate(archive, clock, days=70, seed=7, progress=lambda *said: told.append(said))
        assert told == [("writes the past", 30, 71), ("writes the past", 60, 71), ("writes the past", 71, 71)]
        assert timedelta(days=30) == POPULATE_BLOCK
        told.clear()
        clock.advance(timedelta(days=2, hours=1))
        populate(archive, clock, days=70, seed=7, progress=lambda *said: told.append(said))
        assert told == [("catches up", day, 3) for day in (1, 2, 3)]


SETTLING = """
import sys
import time
from ringlet.archive import Archive
from ringlet.cloud import Clock
from ringlet._cloud.wearer.demo import populate

pieces = 0

def tell(*_):
    global pieces
    pieces += 1
    if pieces == int(sys.argv[2]):
        print("here", flush=True)
        time.sleep(60)

populate(Archive.open(sys.argv[1]), Clock.parse(sys.argv[3]), days=100, seed=7, progress=tell)
"""


@pytest.mark.slow
@pytest.mark.parametrize("pieces", [1, 3, 4])
def test_a_settling_that_was_killed_goes_on_at_its_instant_and_keeps_nothing_that_is_gone(
    request, tmp_path, database, pieces
):
    """What is deleted between the two starts, here a workout, is as gone as if there had been one."""
    begin = "frozen:2026-03-13T12:00:00Z"
    place = request.getfixturevalue("postgres") if database == "postgres" else tmp_path / "demo.db"
    command = [sys.executable, "-c", SETTLING, place, str(pieces), begin]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as settling:
        assert settling.stdout.readline() == b"here\n"
        settling.kill()
    clock = Clock.parse(begin)
    clock.advance(timedelta(days=2))
    with Archive.open(place) as archive, Archive.open(":memory:") as unkilled:
        users = [populate(one, clock, days=102, seed=7) for one in (archive, unkilled)]
        for name, kind in TYPES.items():
            held = [
                one.single(user, kind) if isinstance(kind, Single) else one.page(user, kind, EVER)[0]
                for one, user in zip((archive, unkilled), users, strict=True)
            ]
            assert held[0] == held[1], name


def test_seeds_are_different_people(clock):
    people = set()
    for seed in (1, 2, 3):
        with Archive.open(":memory:") as archive:
            user = populate(archive, clock, days=1, seed=seed)
            people.add(archive.single(user, TYPES["personal_info"]))
    assert len(people) == 3


def test_credentials_open_everything_and_are_printed_by_nothing(clock):
    with Archive.open(":memory:") as archive:
        user = populate(archive, clock, days=1, seed=7)
        cloud = Cloud(archive, clock=clock)
        given = credentials(cloud.grants, user, dict(archive.users())[user])
        assert cloud.grants.access(given.access_token).scopes == set(SCOPES)
        assert cloud.grants.apps.get(given.client_id).redirect_uris == given.redirect_uris == REDIRECT_URIS
        assert cloud.grants.refresh(
            cloud.grants.apps.authenticate(given.client_id, given.client_secret), given.refresh_token
        )
        for secret in (given.access_token, given.refresh_token, given.client_secret):
            assert secret not in repr(given)


def test_an_archive_has_one_demo_application_which_keeps_its_secret(clock):
    with Archive.open(":memory:") as archive:
        user = populate(archive, clock, days=1, seed=7)
        apps = (grants := Cloud(archive, clock=clock).grants).apps
        first, again = credentials(grants, user, "demo"), credentials(grants, user, "demo")
        assert [app.client_id for app in apps.of(user)] == [first.client_id] == [again.client_id]
        assert first.client_secret == again.client_secret
        assert len(first.client_secret) >= MIN_HASHED_SECRET_LENGTH
        assert apps.authenticate(first.client_id, first.client_secret).approved
        assert grants.access(first.access_token), "what was granted stays granted"
        apps.rotate_secret(first.client_id)
        assert credentials(grants, user, "demo").client_secret == first.client_secret
        assert apps.authenticate(first.client_id, first.client_secret)
        assert not any(
            first.client_secret in str(row) for row in archive.database.all("SELECT * FROM settings")
        )


def test_two_archives_have_two_secrets(clock):
    given = []
    for _ in range(2):
        with Archive.open(":memory:") as archive:
            user = populate(archive, clock, days=1, seed=7)
            given.append(credentials(Cloud(archive, clock=clock).grants, user, "demo").client_secret)
    assert given[0] != given[1]


def test_a_demo_application_that_was_changed_stays_so_and_one_that_was_deleted_is_made_anew(clock):
    with Archive.open(":memory:") as archive:
        user = populate(archive, clock, days=1, seed=7)
        grants = Cloud(archive, clock=clock).grants
        first = credentials(grants, user, "demo")
        grants.apps.change(first.client_id, name="Mine", redirect_uris=["https://mine.example/"])
        again = credentials(grants, user, "demo")
        assert (again.client_id, again.redirect_uris) == (first.client_id, ("https://mine.example/",))
        grants.apps.delete(first.client_id)
        anew = credentials(grants, user, "demo")
        assert anew.client_id != first.client_id
        assert credentials(grants, user, "demo").client_id == anew.client_id


def test_rings_are_held_from_the_first_on(clock):
    with Archive.open(":memory:") as archive:
        user = populate(archive, clock, days=2, seed=7)
        kind = TYPES["ring_configuration"]
        assert isinstance(kind, Inventory)
        rings = [json.loads(one) for one in archive.texts(user, kind, EVER)[0]]
        assert rings
        stamps = [one["set_up_at"] for one in rings]
        assert stamps == sorted(stamps)
        assert stamps[0][:10] < date(2026, 2, 1).isoformat()
