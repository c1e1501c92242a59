"""The made-up wearer advances with the clock: documents, revisions, deletions, and an event for each."""

import asyncio
import json
import signal
import subprocess
import sys
import time
from collections import Counter
from datetime import UTC, datetime, timedelta
from functools import cache

import pytest

from ringlet._api.catalog import TYPES
from ringlet._api.kinds import Single
from ringlet._api.windows import Span, parse_instant
from ringlet._cloud.wearer.demo import populate, timeline
from ringlet._cloud.webhooks.publisher import SYNC_LATENCY
from ringlet._webhooks.events import WEBHOOK_KINDS
from ringlet.archive import Archive
from ringlet.cloud import Clock, Cloud, CloudSettings

from ...timed import below

EVER = Span(parse_instant("2000-01-01"), parse_instant("2100-01-01"))
BEGIN = datetime(2026, 3, 1, 12, tzinfo=UTC)
DAY = timedelta(days=1)


@pytest.fixture(params=["sqlite", "postgres"])
def place(request, tmp_path):
    return request.getfixturevalue("postgres") if request.param == "postgres" else tmp_path / "cloud.db"


def start(archive, at=BEGIN, days=6, dialect="live"):
    """A demo cloud, settled in."""
    cloud = Cloud(archive, clock=Clock(at), settings=CloudSettings(dialect=dialect))
    life = timeline(archive, cloud.clock, cloud.publisher, seed=7, dialect=dialect, shutdown=cloud.shutdown)
    life.populate(days)
    return cloud, life


def held(archive, user=1):
    """All that can be read."""
    return {
        name: archive.single(user, kind) if isinstance(kind, Single) else archive.page(user, kind, EVER)[0]
        for name, kind in TYPES.items()
    }


@cache
def held_at_once(now, days, dialect="live"):
    """All that can be read of an archive that was populated in one go; computed once for both databases."""
    with Archive.open(":memory:") as archive:
        populate(archive, Clock(now), days=days, seed=7, dialect=dialect)
        return held(archive)


def by_id(texts):
    return {json.loads(text)["id"]: bytes(text) for text in texts}


@pytest.mark.parametrize("dialect", ["live", "docs"])
def test_catching_up_in_steps_stores_the_same_as_populating_at_once(place, dialect):
    """Documents and samples, byte for byte, whatever the steps are."""
    with Archive.open(place) as archive:
        cloud, life = start(archive, dialect=dialect)
        for step in (timedelta(minutes=1), timedelta(hours=7), DAY, 9 * DAY):
            cloud.clock.advance(step)
            life.catch_up()
        now = cloud.clock.now()
        assert held(archive) == held_at_once(now, (now - BEGIN).days + 6, dialect)


def test_everything_that_happens_is_told_once_at_its_time_and_due_30_seconds_later(place):
    with Archive.open(place) as archive:
        cloud, life = start(archive)
        assert cloud.events.newest == 0, "nobody is told of what was there from the beginning"
        client_id, _ = cloud.grants.apps.register("App", ["https://app.example/"])
        cloud.grants.issue(client_id, life.user, ["daily"])
        for name in WEBHOOK_KINDS:
            for event_type in ("create", "update", "delete"):
                cloud.subscriptions.create(client_id, "https://app.example/hook", event_type, name)
        cloud.clock.advance(15 * DAY)
        lived = life.catch_up()
        log = cloud.events.after(0, 10_000)
        told = Counter(one.event_type for one in log)
        assert lived.events == len(log)
        assert (lived.created, lived.updated, lived.deleted) == (
            told["create"],
            told["update"],
            told["delete"],
        )
        assert min(told.values()) > 0
        assert [one.at for one in log] == sorted(one.at for one in log)
        due = dict(archive.database.all("SELECT event_seq, due_at FROM webhook_deliveries"))
        assert due == {one.seq: one.at + SYNC_LATENCY // timedelta(milliseconds=1) for one in log}
        for one in log:
            event = json.loads(one.body)
            assert datetime.fromisoformat(event["event_time"]).timestamp() * 1000 == one.at
        assert life.catch_up().events == 0


def test_some_sleep_is_synced_late_and_some_is_updated():
    """It is synced when the app is opened: sometimes in the evening of its day or on the next day."""
    with Archive.open(":memory:") as archive:
        cloud, life = start(archive)
        cloud.clock.advance(40 * DAY)
        life.catch_up()
        log = [one for one in cloud.events.after(0, 10_000) if one.data_type == "daily_sleep"]
        days = {id: json.loads(text)["day"] for id, text in documents(archive, life.user, "daily_sleep")}
        at = {(json.loads(one.body)["object_id"], one.event_type): one.at for one in log}
        created = {days[id]: moment for (id, event_type), moment in at.items() if event_type == "create"}
        late = [day for day, moment in created.items() if moment - parse_instant(day) > 15 * 3_600_000]
        assert 0 < len(late) < 20
        assert sum(event_type == "update" for _, event_type in at) > 2


def documents(archive, user, name):
    return by_id(archive.texts(user, TYPES[name], EVER)[0]).items()


def test_a_deleted_document_is_gone_and_its_event_names_it(place):
    with Archive.open(place) as archive:
        cloud, life = start(archive)
        cloud.clock.advance(15 * DAY)
        assert life.catch_up().deleted > 0
        for one in cloud.events.after(0, 10_000):
            if one.event_type == "delete":
                id = json.loads(one.body)["object_id"]
                assert archive.document(life.user, WEBHOOK_KINDS[one.data_type], id) is None


def test_a_cloud_that_starts_again_catches_up_with_events(place):
    with Archive.open(place) as archive:
        start(archive)
    with Archive.open(place) as archive:
        cloud, _ = start(archive, BEGIN + 3 * DAY)
        assert cloud.events.newest > 20
        assert held(archive) == held_at_once(cloud.clock.now(), 9)


def test_more_of_the_past_can_be_written_later_without_events(place):
    with Archive.open(place) as archive:
        start(archive, days=3)
        cloud, _ = start(archive, days=40)
        assert cloud.events.newest == 0
        assert held(archive) == held_at_once(cloud.clock.now(), 40)


def test_a_clock_behind_the_archive_changes_nothing(place):
    with Archive.open(place) as archive:
        start(archive)
        before = held(archive)
        _, life = start(archive, BEGIN - 2 * DAY, days=4)
        assert life.catch_up().events == 0
        assert held(archive) == before


def test_two_processes_over_one_archive_write_each_step_once(place):
    with Archive.open(place) as one, Archive.open(place) as two:
        first, life = start(one)
        second, double = start(two)
        for clock in (first.clock, second.clock):
            clock.advance(4 * DAY)
        steps, others = life._steps(first.clock.ms()), double._steps(second.clock.ms())
        while next(steps, None) is not None and next(others, None) is not None:
            pass
        assert held(one) == held_at_once(first.clock.now(), 10)
        bodies = [entry.body for entry in first.events.after(0, 10_000)]
        assert len(bodies) == len(set(bodies))


def test_it_lives_on_by_itself_while_the_cloud_runs(place):
    async def run():
        with Archive.open(place) as archive:
            cloud, life = start(archive)
            cloud.add_timeline(life)
            cloud.clock.advance(DAY)
            async with cloud.running():
                for _ in range(200):
                    if cloud.events.newest > 5:
                        break
                    await asyncio.sleep(0.05)
            return cloud.events.newest

    assert asyncio.run(run()) > 5


def test_it_waits_for_others_who_write(place):
    async def run():
        with Archive.open(place) as archive, Archive.open(place) as other:
            cloud, life = start(archive)
            cloud.clock.advance(DAY)
            with other.transaction():
                other.set_setting("busy", "yes")
                living = asyncio.create_task(life.advance())
                await asyncio.sleep(0.5)
            return (await living).events

    assert asyncio.run(run()) > 5


@pytest.mark.slow
def test_a_year_lets_others_have_their_turn():
    async def run():
        with Archive.open(":memory:") as archive:
            cloud, life = start(archive)
            cloud.clock.advance(60 * DAY)
            living = asyncio.create_task(life.advance())
            turns, longest = 0, 0.0
            while not living.done():
                before = time.perf_counter()
                await asyncio.sleep(0)
                turns, longest = turns + 1, max(longest, time.perf_counter() - before)
            return turns, longest

    turns, longest = asyncio.run(run())
    assert turns >= 60
    assert below(longest, 1)


@pytest.mark.slow
def test_when_the_cloud_leaves_the_rest_is_lived_at_the_next_start(place):
    async def run(cloud, life):
        cloud.clock.advance(60 * DAY)
        living = asyncio.create_task(life.advance())
        await asyncio.sleep(0.1)
        cloud.shut_down()
        return await asyncio.wait_for(living, 5)

    with Archive.open(place) as archive, Archive.open(":memory:") as other:
        cloud, life = start(archive)
        cloud.add_timeline(life)
        lived = asyncio.run(run(cloud, life))
        _, again = start(archive, BEGIN + 60 * DAY)
        whole, at_once = start(other)
        whole.clock.advance(60 * DAY)
        assert 0 < lived.events < at_once.catch_up().events
        assert again.catch_up().events == 0, "settling in lived it"
        for name in ("sleep", "daily_activity"):
            assert documents(archive, life.user, name) == documents(other, at_once.user, name)


LIVING = """
import sys
from datetime import datetime, timedelta
from ringlet.archive import Archive
from ringlet.cloud import Clock, Cloud
from ringlet._cloud.wearer.demo import timeline

archive = Archive.open(sys.argv[1])
cloud = Cloud(archive, clock=Clock(datetime.fromisoformat(sys.argv[2])))
life = timeline(archive, cloud.clock, cloud.publisher, seed=7)
print("begun", flush=True)
life.populate(6)
print("done", flush=True)
"""


@pytest.mark.slow
def test_killed_at_any_moment_it_neither_doubles_nor_loses(place):
    with Archive.open(place) as archive:
        start(archive)
    until = BEGIN + 60 * DAY
    for pause in (0.03, 0.1, 0.2, 0.3):
        with subprocess.Popen(
            [sys.executable, "-c", LIVING, str(place), until.isoformat()], stdout=subprocess.PIPE
        ) as living:
            assert living.stdout.readline() == b"begun\n"
            time.sleep(pause)
            living.send_signal(signal.SIGKILL)
            assert living.wait() == -signal.SIGKILL
    with Archive.open(place) as archive, Archive.open(":memory:") as unkilled:
        cloud, _ = start(archive, until)
        other, _ = start(unkilled)
        other.clock.advance(60 * DAY)
        timeline(unkilled, other.clock, other.publisher, seed=7).catch_up()
        assert held(archive) == held(unkilled)
        bodies = [[one.body for one in each.events.after(0, 10_000)] for each in (cloud, other)]
        assert bodies[0] == bodies[1]
