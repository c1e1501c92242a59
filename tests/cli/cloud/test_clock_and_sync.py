"""`ringlet serve --demo` with years to live through first: it says so, and a stop ends it between days."""

import json
import re
import signal

import pytest


@pytest.fixture
def serve(ringlet, tmp_path):
    """Starts a demo that is kept, at a time."""
    begun = []

    def start(at):
        command = ("serve", "--demo", "--days", "2", "--port", "0", "--ready", "json")
        begun.append(ringlet.start(*command, "--clock", f"frozen:{at}", "--db", tmp_path / "demo.db"))
        return begun[-1]

    yield start
    for one in begun:
        one.kill()
        one.communicate()


def left(line):
    """How many days there were to live through, as a line says it."""
    said = re.fullmatch(r"the wearer catches up: ([\d ]+) of ([\d ]+) days\n", line)
    assert said, line
    done, days = (int(number.replace(" ", "")) for number in said.groups())
    assert 0 < done < days
    return days


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_years_to_live_through_are_said_and_a_stop_ends_them(serve, number):
    first = serve("2026-03-01T12:00:00Z")
    assert first.stdout.readline()
    first.terminate()
    assert first.communicate(timeout=30)[1] == ""
    days = []
    for _ in range(2):
        cloud = serve("2076-03-01T12:00:00Z")
        days.append(left(cloud.stderr.readline()))
        cloud.send_signal(number)
        said, told = cloud.communicate(timeout=5)
        assert (said, "Traceback" in told) == ("", False)
        assert cloud.returncode == (0 if number == signal.SIGTERM else 130)
    assert days[0] == 50 * 365 + 13
    assert days[1] < days[0], "what was lived was kept"


def test_a_few_days_are_lived_through_without_a_word(serve):
    for at in ("2026-03-01T12:00:00Z", "2026-03-05T12:00:00Z"):
        cloud = serve(at)
        assert json.loads(cloud.stdout.readline())["api"]
        cloud.terminate()
        assert cloud.communicate(timeout=30)[1] == ""
