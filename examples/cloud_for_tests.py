"""Tests a program of your own against a cloud of its own: `pytest cloud_for_tests.py`.

The cloud is another process on a free port with a simulated wearer, and leaves nothing behind. Its clock
stands still, so that every run sees the same documents.
"""

import json
import subprocess
import sys
from collections.abc import Iterator
from datetime import date, timedelta

import pytest

from ringlet import Client

SERVE = ["-m", "ringlet", "serve", "--demo", "--days", "20", "--port", "0", "--ready", "json"]
TODAY = date(2026, 3, 1)


def average_sleep_hours(client: Client, last: date) -> float:
    """The function under test, from your own program."""
    nights = client.sleep.list(last - timedelta(days=6), last)
    asleep = [one.total_sleep_duration or 0 for one in nights if one.type == "long_sleep"]
    return sum(asleep) / len(asleep) / 3600


@pytest.fixture(scope="session")
def client() -> Iterator[Client]:
    command = [sys.executable, *SERVE, "--clock", f"frozen:{TODAY}T12:00:00Z"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as cloud:
        assert cloud.stdout
        ready = json.loads(cloud.stdout.readline())  # written once the cloud answers
        with Client(ready["access_token"], base_url=ready["api"]) as client:
            yield client
        cloud.terminate()


def test_an_average_is_in_hours(client: Client) -> None:
    assert 4 < average_sleep_hours(client, TODAY) < 11
