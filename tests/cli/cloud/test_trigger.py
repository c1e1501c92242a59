"""`ringlet trigger --count`: thousands of events delay nobody, and no end."""

import dataclasses
import http.client
import json
import signal
import sqlite3
import time
from itertools import pairwise
from urllib.parse import urlsplit

import pytest

from ...timed import below

TOKEN = "an admin token"


@pytest.fixture
def cloud(ringlet, tmp_path):
    """A cloud that keeps its archive, the program pointed at it, and how many events there are."""
    process = ringlet.start(
        *("serve", "--demo", "--days", "2", "--port", "0", "--ready", "json"),
        *("--db", tmp_path / "cloud.db"),
        RINGLET_ADMIN_TOKEN=TOKEN,
    )
    ready = json.loads(process.stdout.readline())
    there = {"OURA_API_BASE_URL": ready["api"], "RINGLET_ADMIN_TOKEN": TOKEN}
    yield process, dataclasses.replace(ringlet, variables=there)
    process.terminate()
    process.communicate(timeout=30)


@pytest.fixture
def connection(cloud):
    one = http.client.HTTPConnection(urlsplit(cloud[1].variables["OURA_API_BASE_URL"]).netloc, timeout=30)
    yield one
    one.close()


def newest(connection):
    connection.request("GET", "/_ringlet/events?limit=1", headers={"authorization": f"Bearer {TOKEN}"})
    return json.loads(connection.getresponse().read())["newest"]


def happened(path):
    with sqlite3.connect(path) as database:
        [count] = database.execute("SELECT count(*) FROM webhook_events").fetchone()
    database.close()
    return count


@pytest.mark.slow
def test_others_are_answered_while_thousands_happen(cloud, connection):
    """Between any two events, not after some hundreds."""
    trigger = cloud[1].start("trigger", "meal.create", "--count", "2000", "--json")
    seen = {0}
    while max(seen) < 2000:
        seen.add(newest(connection))
    done = json.loads(trigger.communicate(timeout=60)[0])
    assert (trigger.returncode, done["count"], done["seq"]) == (0, 2000, 2000)
    assert len(seen) > 50, "of the 2,000 numbers"
    waits = sorted(after - before for before, after in pairwise(sorted(seen)))
    assert waits[len(waits) // 2] < 40, "events that happen while one request is answered"


def test_who_stops_the_cloud_ends_it_between_two_and_is_told_how_many_there_were(cloud, connection, tmp_path):
    process, ringlet = cloud
    trigger = ringlet.start("trigger", "meal.create", "--count", "10000", "--json")
    while not newest(connection):
        pass
    began = time.monotonic()
    process.terminate()
    assert process.communicate(timeout=30)[1] == ""
    assert process.returncode == 0
    assert below(time.monotonic() - began, 5)
    said, told = trigger.communicate(timeout=30)
    count = json.loads(said)["count"]
    assert 0 < count < 10_000
    assert count == happened(tmp_path / "cloud.db")
    assert trigger.returncode == 1
    assert told.endswith(
        f"next: when it answers again: ringlet trigger meal.create --json --count {10_000 - count}\n"
    )


def test_who_hangs_up_wants_no_more_of_it(cloud, connection):
    trigger = cloud[1].start("trigger", "meal.create", "--count", "10000")
    while not newest(connection):
        pass
    trigger.send_signal(signal.SIGINT)
    trigger.communicate(timeout=30)
    until = time.monotonic() + 10
    while (before := newest(connection)) < 10_000 and time.monotonic() < until:
        time.sleep(0.2)
        if newest(connection) == before:
            break
    assert before < 10_000
