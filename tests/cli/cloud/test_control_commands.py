"""`ringlet trigger`, `clock`, `fault` and `scenario`: steering a cloud of one's own from the command line."""

import dataclasses
import json
import signal
import urllib.error
import urllib.request
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

import pytest

from ringlet._cli.cloud.scenario import scenario
from ringlet.errors import UsageError
from ringlet.webhooks import DATA_TYPES, EVENT_TYPES


@pytest.fixture
def own(ringlet):
    """The program, pointed at a demo cloud of its own whose clock stands still."""
    cloud = ringlet.start(
        *("serve", "--demo", "--days", "6", "--clock", "frozen:2026-03-01T12:00:00Z"),
        *("--port", "0", "--ready", "json"),
        RINGLET_ADMIN_TOKEN="an admin token",
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


def come_true(what):
    assert any(what() for _ in range(100))


def test_trigger_makes_an_event_and_says_who_hears(own, refused):
    line = said(own("trigger", "daily_sleep.update", "--override", "score=61"))
    assert line.startswith("daily_sleep.update  ")
    assert "no subscription wants it (ringlet listen shows it)" in line
    assert "no document changed" not in line
    done = json.loads(said(own("trigger", "meal.delete", "--count", "3", "--json")))
    assert done["event"]["data_type"] == "meal"
    assert (done["v"], done["seq"], done["changed"], done["subscriptions"]) == (1, 4, False, 0)
    refused(own("trigger", "sleepy.update"), 2, "did you mean 'sleep'", "")
    refused(own("trigger", "sleep"), 2, "lacks an operation", "sleep.update")
    refused(own("trigger", "daily_sleep.update", "--override", "scor=1"), 2, "did you mean 'score'", "")
    refused(own("trigger", "sleep.update", "--user", "nobody"), 1, "unknown user 'nobody'", "")


def test_trigger_knows_every_event_without_a_cloud(ringlet, refused):
    assert len(said(ringlet("trigger", "--list")).split()) == len(DATA_TYPES) * len(EVENT_TYPES)
    listed = json.loads(said(ringlet("trigger", "--list", "--json")))
    assert (listed["v"], "sleep.update" in listed["events"]) == (1, True)
    refused(ringlet("trigger"), 2, "expected the name of an event", "sleep.update")
    refused(ringlet("trigger", "sleep.update"), 2, "the address of a cloud", "ringlet serve --demo")
    refused(ringlet("trigger", "sleep.update", "--override", "score"), 2, "takes KEY=VALUE", "score=61")


def test_clock_tells_and_moves_the_time_and_answers_are_dated_by_it(own, refused):
    assert said(own("clock")) == "2026-03-01T12:00:00+00:00  (standing still)\n"
    done = json.loads(said(own("clock", "advance", "1d12h", "--json")))
    assert done["now"] == "2026-03-03T00:00:00+00:00"
    assert done["settled"] is True
    assert done["events"] > 10
    assert "events, everything delivered" in said(own("clock", "advance", "30m"))
    assert "moved by 36 h 30 m" in said(own("clock", "show"))
    assert json.loads(said(own("clock", "show", "--json")))["frozen"] is True
    refused(own("clock", "advance", "soon"), 2, "'soon' is not a duration", "")
    assert said(own("clock", "--json")) == said(own("clock", "show", "--json"))
    refused(own("clock", "advance", "-1"), 2, "No such option", "--help")
    refused(own("clock", "advance", "--", "-1"), 2, "only moves forward", "clock advance 1d")
    refused(own("clock", "advance", "3651d"), 2, "at most 3650d at once", "clock advance 3650d")
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
    assert json.loads(own("fault", "clear", "--json").stdout) == {"v": 1, "faults": []}
    assert own("fault", "clear").returncode == 0
    assert own("fault", "list").stdout == ""
    refused(own("fault", "add", "shout", "/v2/*"), 2, "'shout' is not one of", "--help")
    refused(own("fault", "add", "drop", "v2"), 2, "a path begins with a slash", "'/v2/*'")


def test_a_cloud_that_was_killed_goes_on_where_it_was(ringlet, tmp_path):
    """Its clock, its wearer's life and its log; nothing is told twice."""

    def start():
        cloud = ringlet.start(
            *("serve", "--demo", "--days", "3", "--clock", "frozen:2026-03-01T12:00:00Z", "--port", "0"),
            *("--ready", "json", "--db", tmp_path / "cloud.db"),
            RINGLET_ADMIN_TOKEN="an admin token",
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
    assert "events meal.create: expected 2, found 1" in done.stderr
    done = own("scenario", file, "--json")
    assert [json.loads(line)["missed"] for line in done.stdout.splitlines()] == [
        [],
        ["events meal.create: expected 2, found 1"],
    ]


def test_who_interrupts_an_advance_is_told_that_the_clock_has_moved(own):
    advance = own.start("clock", "advance", "3650d", "--settle", "0")
    come_true(lambda: json.loads(said(own("clock", "--json")))["ahead"])
    advance.send_signal(signal.SIGINT)
    _, told = advance.communicate(timeout=30)
    assert (advance.returncode, told) == (
        130,
        "\nerror: interrupted, but the clock has moved\nnext: ringlet clock\n",
    )


LOSING = {"fault": "status", "path": "/v2/usercollection/sleep"}


@pytest.mark.parametrize("last", [{"wait": 0}, {"trigger": "sleep.update", "override": {"scor": 1}}])
def test_the_faults_of_a_scenario_end_with_it_and_others_stay(own, tmp_path, last):
    own("fault", "add", "drop", "/nowhere")
    file = tmp_path / "story.json"
    file.write_text(json.dumps({"steps": [LOSING, LOSING, last]}))
    done = own("scenario", file)
    if done.returncode:
        assert f"error: {file}: step 3: 422: no field 'scor'" in done.stderr
    assert said(own("fault", "list")) == "drop         /nowhere\n"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_faults_of_a_scenario_end_with_it_by_a_signal_too(own, tmp_path, number):
    file = tmp_path / "story.json"
    file.write_text(json.dumps({"steps": [LOSING, {"wait": 60}]}))
    playing = own.start("scenario", file)
    come_true(lambda: own("fault", "list").stdout)
    playing.send_signal(number)
    playing.communicate(timeout=30)
    assert playing.returncode == 130
    assert own("fault", "list").stdout == ""


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("steps: [{triger: sleep.update}]", "step 1: 'triger' is not a step (did you mean 'trigger'?)"),
        ("steps: [{wait: 0}, {trigger: sleep.update, wait: 1}]", "step 2: 'trigger and wait' is not a step"),
        ("steps: [{clock: 1d, settl: 3}]", "step 1 (clock)"),
        ("steps: [{expect: {events: {sleep: many}}}]", "'many' is not a count"),
        ("steps: [{expect: {deliveries: {lost: 1}}}]", "step 1 (expect)"),
        ("steps: [{fault: drop}]", "a fault needs a path"),
        ("steps: [{}]", "'nothing' is not a step"),
        ("step: []", "a scenario has `steps:`"),
        ("- wait: 1", "a scenario has `steps:`"),
        ("steps: [", "not valid YAML"),
        ("steps: [{wait: 0}, {trigger: sleep}]", "step 2 (trigger): 'sleep' lacks an operation: one of"),
        ("steps: [{trigger: slep.update}]", "did you mean 'sleep'"),
        ("steps: [{trigger: sleep.update, count: 0}]", "step 1 (trigger)"),
        ("steps: [{clock: soon}]", "step 1 (clock): 'soon' is not a duration"),
        ("steps: [{clock: -1}]", "only moves forward"),
        ("steps: [{clock: 11000d}]", "at most 3650d at once"),
        ("steps: [{fault: drop, path: v2}]", "step 1 (fault): a path begins with a slash"),
        ("steps: [{fault: status, path: /v2, status: 200}]", "step 1 (fault)"),
        ("steps: [{expect: {events: {slep.update: 0}}}]", "'slep.update' matches none"),
        ("steps: [{expect: {requests: {/oauth/token: 0}}}]", "only requests to /v2/ are counted"),
    ],
)
def test_a_file_is_understood_whole_before_anything_is_done(tmp_path, text, says):
    """No cloud is named: nothing gets as far as to ask for one."""
    file = tmp_path / "story.yaml"
    file.write_text(text)
    with pytest.raises(UsageError) as wrong:
        scenario.callback(file, None, as_json=False)
    assert wrong.value.message.startswith(f"{file}: ")
    assert says in wrong.value.message
    assert wrong.value.cure


def test_what_is_wrong_in_a_scenario_says_how_it_is_right(ringlet, tmp_path, refused):
    file = tmp_path / "story.yaml"
    file.write_text("steps: [{wait: long}]")
    refused(ringlet("scenario", file), 2, f"error: {file}: step 1 (wait): Expected `float`", "wait: 2.5")
    file.write_bytes(bytes(range(256)))
    refused(ringlet("scenario", file), 2, "a text file in UTF-8", "YAML or JSON")


def test_serve_refuses_callbacks_that_it_does_not_know(ringlet, refused):
    refused(ringlet("serve", "--port", "0", "--callbacks", "everywhere"), 2, "everywhere", "")
