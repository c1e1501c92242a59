"""Letting time pass: the clock moves, the wearer lives on, what is due is sent, and it stays so."""

import asyncio
import json
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

import pytest

from ringlet._archive.storage.settings import Setting
from ringlet._cloud.wearer.demo import timeline
from ringlet._net.addresses import AddressPolicy
from ringlet._person.person import Person
from ringlet.archive import Archive
from ringlet.cloud import Clock, Cloud
from ringlet.errors import ArchiveError

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


def test_the_clock_is_shown_and_advanced(live):
    assert live.admin("clock").json == {"now": "2026-03-01T12:00:00+00:00", "frozen": True, "ahead": 0.0}
    assert live.admin("clock", method="POST", advance=90).json == {
        "now": "2026-03-01T12:01:30+00:00",
        "events": 0,
        "settled": True,
        "waiting": 0,
    }
    assert live.admin("clock", method="POST", advance="1d12h").json["now"] == "2026-03-03T00:01:30+00:00"
    assert live.admin("clock").json["ahead"] == 90 + 129_600


@pytest.mark.parametrize(
    "body",
    [
        "",
        "[]",
        "{}",
        '{"advance": "x"}',
        '{"advance": "-1d"}',
        '{"advance": -1}',
        '{"advance": 1e30}',
        '{"advance": 1e12}',
        '{"advance": "99999999d"}',
        '{"advance": 1, "settle": -1}',
        '{"advance": 1, "settle": 1e9}',
        '{"x": 1}',
    ],
)
def test_a_clock_that_cannot_be_moved_so_stays(live, body):
    answer = live("/_ringlet/clock", method="POST", token=live.cloud.admin_token, body=body.encode())
    assert answer.status == 422
    assert answer.json["detail"]
    assert live.admin("clock").json["now"] == "2026-03-01T12:00:00+00:00"


def test_a_cloud_that_starts_anew_is_as_far_ahead_as_before(make_cloud, tmp_path):
    """Or what was promised for a time would wait for it twice."""
    make_cloud(path=tmp_path / "kept.db").admin("clock", method="POST", advance="30d")
    again = make_cloud(path=tmp_path / "kept.db")
    assert again.admin("clock").json["now"] == "2026-03-31T12:00:00+00:00"


def test_clouds_over_one_archive_have_one_clock(make_cloud, tmp_path):
    one, other = (make_cloud(path=tmp_path / "kept.db") for _ in range(2))
    one.admin("clock", method="POST", advance="30d")
    assert other.admin("clock", method="POST", advance="1h").json["now"] == "2026-03-31T13:00:00+00:00"
    assert one.admin("clock").json["now"] == "2026-03-31T13:00:00+00:00"
    assert make_cloud(path=tmp_path / "kept.db").admin("clock").json["now"] == "2026-03-31T13:00:00+00:00"


def test_an_idle_cloud_follows_the_clock_that_another_moved(make_cloud, tmp_path):
    one, other = (make_cloud(path=tmp_path / "kept.db") for _ in range(2))

    async def run():
        async with other.cloud.running(), asyncio.timeout(5):
            await asyncio.sleep(0.05)  # its first look is over
            one.cloud.archive.set_setting(Setting.CLOCK_AHEAD, "86400")
            while other.cloud.clock.now() != NOW + timedelta(days=1):  # noqa: ASYNC110 - told to nobody
                await asyncio.sleep(0.01)

    other.runner.run(run())


def test_a_clock_move_that_cannot_be_stored_is_not_made(live, monkeypatch):
    database = live.cloud.archive.database
    execute = database.execute

    def full(sql, values=()):
        if sql == "COMMIT":
            raise ArchiveError("no space is left", cure="make some")
        return execute(sql, values)

    monkeypatch.setattr(database, "execute", full)
    assert live.admin("clock", method="POST", advance="5d").status == 503
    monkeypatch.undo()
    assert live.admin("clock").json["now"] == "2026-03-01T12:00:00+00:00"
    assert live.admin("clock", method="POST", advance="1d").json["now"] == "2026-03-02T12:00:00+00:00"


@asynccontextmanager
async def receiver(status):
    """A callback that answers with a status, and keeps the bodies that came."""
    bodies = []

    async def take(reader, writer):
        head = await reader.readuntil(b"\r\n\r\n")
        length = int(head.lower().partition(b"content-length: ")[2].split(b"\r\n")[0])
        bodies.append(await reader.readexactly(length))
        writer.write(b"HTTP/1.1 %d OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n" % status)
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(take, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        yield f"http://127.0.0.1:{port}/hook", bodies


def advanced(status, *steps):
    """What each step says, and which events a receiver got, in a demo cloud with one subscriber."""

    async def run():
        with Archive.open(":memory:") as archive:
            cloud = Cloud(archive, clock=Clock(NOW), callbacks=AddressPolicy.parse("dev"))
            life = timeline(archive, cloud.clock, cloud.publisher, seed=7)
            life.populate(3)
            cloud.add_timeline(life)
            app, _ = cloud.grants.apps.register("App", ["https://app.example/"])
            cloud.grants.issue(app, life.user, ["daily"])
            async with cloud.running(), receiver(status) as (url, bodies):
                for event_type in ("create", "update"):
                    cloud.subscriptions.create(app, url, event_type, "daily_activity")
                said = [json.loads((await post(cloud, step)).decode()) for step in steps]
                return said, [json.loads(body) for body in bodies]

    return asyncio.run(run())


async def post(cloud, body):
    said = []
    scope = {
        "type": "http",
        "method": "POST",
        "path": "/_ringlet/clock",
        "query_string": b"",
        "headers": [(b"authorization", f"Bearer {cloud.admin_token}".encode())],
    }

    async def receive():
        return {"type": "http.request", "body": json.dumps(body).encode(), "more_body": False}

    async def send(message):
        said.append(message)

    await cloud(scope, receive, send)
    return said[1]["body"]


def test_a_day_makes_events_and_settles_when_all_that_is_due_was_sent():
    [said], events = advanced(200, {"advance": "1d", "settle": 10})
    assert said["settled"]
    assert said["events"] > 10
    assert said["waiting"] == 0
    assert {one["event_type"] for one in events} == {"create", "update"}
    assert {one["data_type"] for one in events} == {"daily_activity"}


@pytest.mark.slow
def test_a_subscriber_is_notified_of_everything_before_its_subscription_expires():
    [said], events = advanced(200, {"advance": "100d", "settle": 60})
    assert said["settled"]
    days = {datetime.fromisoformat(one["event_time"]).date() for one in events}
    assert days >= {NOW.date() + timedelta(days=day) for day in range(1, 89)}
    assert max(days) <= (NOW + timedelta(days=90)).date()


def test_an_event_is_sent_half_a_minute_after_it_happened():
    changes = Person(7, "demo").changes(NOW, NOW + timedelta(days=1))
    first = next(one.at for one in changes if one.name == "daily_activity") - NOW
    wait, rest = {"advance": first.total_seconds() + 29, "settle": 5}, {"advance": 1, "settle": 5}
    [said], events = advanced(200, wait)
    assert said["settled"]
    assert said["waiting"] == 1
    assert not events
    _, [event] = advanced(200, wait, rest)
    assert datetime.fromisoformat(event["event_time"]) == NOW + first


def test_a_receiver_that_fails_is_waited_for_no_longer_than_its_next_attempt():
    [said], events = advanced(500, {"advance": "1d", "settle": 10})
    assert said["settled"], "what is due later is not due"
    assert said["waiting"] == len(events) > 0


def test_without_waiting_the_answer_counts_the_pending_deliveries():
    [said], _ = advanced(200, {"advance": "1d"})
    assert not said["settled"]
    assert said["waiting"] > 0
