"""`ringlet trigger`, `clock`, `fault` and `scenario`: steering a cloud of one's own from the command line."""

import dataclasses
import json
import urllib.error
import urllib.request
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

import pytest

from ringlet.webhooks import DATA_TYPES, EVENT_TYPES


@pytest.fixture
def own(ringlet):
    """The program, pointed at a demo cloud of its own whose clock stands still."""
    cloud = ringlet.start(
        *("serve", "--demo", "--days", "6", "--clock", "frozen:2026-03-01T12:00:00Z"),
        *("--port", "0", "--ready", "json", "--admin-token", "an admin token"),
    )
    ready = json.loads(cloud.stdout.readline())
    there = {"OURA_API_BASE_URL": ready["api"], "RINGLET_ADMIN_TOKEN": "an admin token"}
    yield dataclasses.replace(ringlet, variables=there)
    cloud.terminate()
    assert cloud.communicate(timeout=30)[1] == ""
    assert cloud.returncode == 0


def said(done):
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return done.stdout


def test_trigger_makes_an_event_and_says_who_hears(own, refused):
    line = said(own("trigger", "daily_sleep.update", "--override", "score=61"))
    assert line.startswith("daily_sleep.update  ")
    assert "no subscription wants it" in line
    assert "no document changed" not in line
    done = json.loads(said(own("trigger", "meal.delete", "--count", "3", "--json")))
    assert done["event"]["data_type"] == "meal"
    assert (done["v"], done["seq"], done["changed"], done["subscriptions"]) == (1, 4, False, 0)
    refused(own("trigger", "sleepy.update"), 2, "did you mean 'sleep'", "")
    refused(own("trigger", "daily_sleep.update", "--override", "scor=1"), 2, "did you mean 'score'", "")
    refused(own("trigger", "sleep.update", "--user", "nobody"), 1, "no wearer 'nobody'", "")


def test_trigger_knows_every_event_without_a_cloud(ringlet, refused):
    assert len(said(ringlet("trigger", "--list")).split()) == len(DATA_TYPES) * len(EVENT_TYPES)
    refused(ringlet("trigger"), 2, "which event?", "sleep.update")
    refused(ringlet("trigger", "sleep.update"), 2, "none is named", "ringlet serve --demo")
    refused(ringlet("trigger", "sleep.update", "--override", "score"), 2, "is no override", "score=61")


def test_clock_tells_and_moves_the_time_and_answers_are_dated_by_it(own, refused):
    assert said(own("clock")) == "2026-03-01T12:00:00+00:00  (standing still)\n"
    done = json.loads(said(own("clock", "advance", "1d12h", "--json")))
    assert done["now"] == "2026-03-03T00:00:00+00:00"
    assert done["settled"] is True
    assert done["events"] > 10
    assert "events, everything delivered" in said(own("clock", "advance", "30m"))
    assert "moved by 36 h 30 m" in said(own("clock", "show"))
    assert json.loads(said(own("clock", "show", "--json")))["frozen"] is True
    refused(own("clock", "advance", "soon"), 2, "'soon' is no duration", "")
    refused(own("clock", "advance", "-1"), 2, "No such option", "--help")
    base = own.variables["OURA_API_BASE_URL"]
    advance = urllib.request.Request(
        f"{base}/_ringlet/clock",
        data=b'{"advance": "1d"}',
        headers={"authorization": "Bearer an admin token"},
    )
    for asked in (advance, f"{base}/_ringlet/health"):
        with urllib.request.urlopen(asked, timeout=30) as answer:
            dated = parsedate_to_datetime(answer.headers["date"])
            assert answer.headers.get_all("date") == [answer.headers["date"]]
        assert dated == datetime(2026, 3, 4, 0, 30, tzinfo=UTC)


def test_fault_lets_something_go_wrong_and_clears_it(own, refused):
    url = f"{own.variables['OURA_API_BASE_URL']}/v2/usercollection/sleep"
    line = said(own("fault", "add", "status", "/v2/*", "--status", "502", "--times", "1"))
    assert line == "status 502   /v2/*, 1 more\n"
    assert said(own("fault", "list")) == line
    with pytest.raises(urllib.error.HTTPError, match="502") as broken:
        urllib.request.urlopen(url, timeout=30)
    broken.value.close()
    own("fault", "add", "delay", "/v2/*", "--seconds", "2", "--probability", "0.5")
    rules = json.loads(said(own("fault", "list", "--json")))["faults"]
    assert [(one["act"], one["seconds"], one["probability"]) for one in rules] == [("delay", 2.0, 0.5)]
    assert own("fault", "clear").returncode == 0
    assert own("fault", "list").stdout == ""
    refused(own("fault", "add", "shout", "/v2/*"), 2, "'shout' is not one of", "--help")
    refused(own("fault", "add", "drop", "v2"), 2, "", "")


def test_a_cloud_that_was_killed_goes_on_where_it_was(ringlet, tmp_path):
    """Its clock, its wearer's life and its log; nothing is told twice."""

    def start():
        cloud = ringlet.start(
            *("serve", "--demo", "--days", "3", "--clock", "frozen:2026-03-01T12:00:00Z", "--port", "0"),
            *("--ready", "json", "--admin-token", "an admin token", "--db", tmp_path / "cloud.db"),
        )
        there = {
            "OURA_API_BASE_URL": json.loads(cloud.stdout.readline())["api"],
            "RINGLET_ADMIN_TOKEN": "an admin token",
        }
        return cloud, dataclasses.replace(ringlet, variables=there)

    cloud, own = start()
    first = json.loads(said(own("clock", "advance", "2d", "--json")))
    cloud.kill()
    cloud.communicate()
    cloud, own = start()
    try:
        assert json.loads(said(own("clock", "show", "--json")))["now"] == first["now"]
        again = json.loads(said(own("clock", "advance", "0", "--json")))
        assert (again["now"], again["events"]) == (first["now"], 0)
        assert json.loads(said(own("trigger", "meal.create", "--json")))["seq"] == first["events"] + 1
    finally:
        cloud.terminate()
        cloud.communicate(timeout=30)


STORY = """
name: a day
steps:
  - expect: {events: {"*": 0}, deliveries: {waiting: 0}}
  - trigger: daily_sleep.update
    override: {score: 61, contributors.deep_sleep: 40}
  - trigger: meal.create
    count: 2
  - clock: 1d
    settle: 5
  - fault: status
    path: /v2/usercollection/sleep
    times: 1
  - fault: clear
  - wait: 0.1
  - expect:
      events: {daily_sleep.update: ">= 1", meal: 2, "*": "> 10", meal.delete: 0}
      deliveries: {failed: 0}
      requests: {"/v2/*": 0}
    within: 5
"""


def test_a_scenario_is_played_step_by_step(own, tmp_path):
    file = tmp_path / "story.yaml"
    file.write_text(STORY)
    lines = said(own("scenario", file)).splitlines()
    assert [line.split()[0] for line in lines] == ["ok"] * 8
    assert lines[1] == "ok       2. trigger daily_sleep.update"


def test_an_expectation_that_is_not_met_says_what_there_is(own, tmp_path, refused):
    file = tmp_path / "story.json"
    steps = [
        {"trigger": "meal.create"},
        {"expect": {"events": {"meal.create": 2}}, "within": 0.2},
        {"wait": 0},
    ]
    file.write_text(json.dumps({"steps": steps}))
    done = own("scenario", file)
    assert done.returncode == 1
    assert done.stdout.splitlines()[-1].startswith("FAILED   2.")
    assert "events meal.create: expected 2, there are 1" in done.stderr
    done = own("scenario", file, "--json")
    assert [json.loads(line)["missed"] for line in done.stdout.splitlines()] == [
        [],
        ["events meal.create: expected 2, there are 1"],
    ]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("steps: [{triger: sleep.update}]", "step 1: 'triger' is no step (did you mean 'trigger'?)"),
        ("steps: [{wait: 0}, {trigger: sleep.update, wait: 1}]", "step 2: 'trigger and wait' is no step"),
        ("steps: [{clock: 1d, settl: 3}]", "step 1 (clock)"),
        ("steps: [{expect: {events: {sleep: many}}}]", "'many' is no count"),
        ("steps: [{expect: {deliveries: {lost: 1}}}]", "step 1 (expect)"),
        ("steps: [{fault: drop}]", "a fault has a path"),
        ("steps: [{}]", "'nothing' is no step"),
        ("step: []", "this is no scenario"),
        ("- wait: 1", "this is no scenario"),
        ("steps: [", "is no YAML"),
    ],
)
def test_a_file_is_understood_whole_before_anything_is_done(ringlet, tmp_path, refused, text, says):
    """No cloud is named: nothing gets as far as to ask for one."""
    file = tmp_path / "story.yaml"
    file.write_text(text)
    refused(ringlet("scenario", file), 2, says, "")


def test_serve_refuses_callbacks_that_it_does_not_know(ringlet, refused):
    refused(ringlet("serve", "--port", "0", "--callbacks", "everywhere"), 2, "everywhere", "")
