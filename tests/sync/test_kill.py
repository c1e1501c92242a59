"""kill -9, twenty times during one backfill: nothing lost, nothing doubled, next to nothing fetched again."""

from __future__ import annotations

import json
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from ringlet.archive import Archive

from .conftest import PATIENT, PROCESSES, Asked, Running, holdings

KILLS = 20
SINCE = "2025-01-01"


def start(cloud: Running, archive: Path, connections: int) -> subprocess.Popen[bytes]:
    """A sync in a process of its own."""
    spec = {
        "api": cloud.api,
        "token": cloud.token,
        "path": str(archive),
        "since": SINCE,
        "connections": connections,
    }
    return subprocess.Popen([sys.executable, str(PROCESSES), "sync", json.dumps(spec)])


def runs(asked: list[Asked]) -> int:
    """How many runs there were: each begins with the question who one is."""
    return sum(one.type == "personal_info" for one in asked)


def wait_for_run(cloud: Running, number: int, process: subprocess.Popen[bytes]) -> None:
    """Until the cloud has answered the first request of the so-many-th run."""
    for _ in range(PATIENT * 100):
        if runs(cloud.asked()) >= number:
            return
        assert process.poll() is None, "the sync ended before it asked anything"
        time.sleep(0.01)
    raise AssertionError("the sync never asked anything")


def run_to_the_end(cloud: Running, archive: Path, connections: int) -> float:
    """Seconds from its first answer to its end."""
    before = runs(cloud.asked())
    process = start(cloud, archive, connections)
    wait_for_run(cloud, before + 1, process)
    began = time.monotonic()
    assert process.wait(PATIENT) == 0
    return time.monotonic() - began


def windows(asked: list[Asked]) -> Counter[tuple[str, str, str]]:
    """How often each window was begun, without who one is."""
    return Counter(one.window for one in asked if one.opens and one.type != "personal_info")


@pytest.mark.slow
@pytest.mark.parametrize(("connections", "latency"), [(1, 0.02), (8, 0.1)])
def test_killed_twenty_times_a_backfill_still_brings_everything_once(
    serve: Callable[..., Running],
    tmp_path: Path,
    record_property: Callable[[str, object], None],
    connections: int,
    latency: float,
) -> None:
    """Each kill costs at most the windows that were under way: one per connection."""
    cloud = serve(latency=latency)
    whole = run_to_the_end(cloud, tmp_path / "undisturbed.db", connections)
    undisturbed = cloud.asked()
    assert set(windows(undisturbed).values()) == {1}

    mine = tmp_path / "mine.db"
    dice = random.Random()
    for kill in range(KILLS):
        process = start(cloud, mine, connections)
        wait_for_run(cloud, 1 + kill + 1, process)
        # On average six tenths of the work are done when the last one is killed.
        time.sleep(dice.uniform(0, 1.2 * whole / KILLS))
        process.kill()
        assert process.wait(PATIENT) == -signal.SIGKILL
    disturbed = len(cloud.asked()) - len(undisturbed)
    run_to_the_end(cloud, mine, connections)

    # Nothing lost, nothing doubled.
    with (
        Archive.open(mine, read_only=True) as archive,
        Archive.open(cloud.path, read_only=True) as oura,
        Archive.open(tmp_path / "undisturbed.db", read_only=True) as reference,
    ):
        assert holdings(archive) == holdings(oura) == holdings(reference)
        [user] = archive.users()
        for kind in reference.overview(user.id):
            assert archive.done(user.id, kind.name) == reference.done(user.id, kind.name)
        assert all(one.revisions == 0 for one in archive.overview(user.id))

    # Next to nothing fetched again: the same windows as in an undisturbed run, a few of them more than once.
    asked = cloud.asked()[len(undisturbed) :]
    begun = windows(asked)
    assert set(begun) == set(windows(undisturbed))
    again = begun.total() - len(begun)
    figures = {
        "connections": connections,
        "kills": KILLS,
        "windows": len(begun),
        "windows begun again": again,
        "per kill": again / KILLS,
        "requests undisturbed": len(undisturbed),
        "requests": len(asked),
        "of these before the last run": disturbed,
    }
    print(f"\n{figures}")  # noqa: T201  # figures to see with -s
    record_property("kill storm", figures)
    assert runs(asked) == KILLS + 1
    assert disturbed > 2 * KILLS
    assert again <= KILLS * connections
