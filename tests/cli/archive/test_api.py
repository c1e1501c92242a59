"""`ringlet api`: one GET, the body as it came."""

import json
import signal
import urllib.request

import pytest

from ringlet._cli.archive.api import request
from ringlet.errors import UsageError

from ..fixed_response_server import fixed_response_server


def test_the_body_comes_unchanged(ringlet, ready):
    path = "/v2/usercollection/sleep?start_date=2015-01-01&end_date=2100-01-01"
    asked = urllib.request.Request(
        ready["api"] + path, headers={"authorization": f"Bearer {ready['access_token']}"}
    )
    with urllib.request.urlopen(asked, timeout=30) as answer:
        body = answer.read().decode()
    here = ringlet.at(ready)
    assert here("api", path).stdout == body
    assert here("api", "sleep", "-f", "start_date=2015-01-01", "-f", "end_date=2100-01-01").stdout == body


@pytest.mark.parametrize("suffix", ["", "/", "/v2/usercollection", "/v2/usercollection/"])
def test_the_base_url_is_taken_with_and_without_its_path(ringlet, ready, suffix):
    done = ringlet.at(ready)("api", "personal_info", "--base-url", ready["api"] + suffix)
    assert json.loads(done.stdout)["id"] == ready["user_id"]


def test_paginate_prints_every_page(ringlet, ready):
    window = ("-f", "start_datetime=2015-01-01T00:00:00Z", "-f", "end_datetime=2100-01-01T00:00:00Z")
    here = ringlet.at(ready)
    one = json.loads(here("api", "heartrate", *window).stdout)
    pages = [json.loads(line) for line in here("api", "heartrate", *window, "--paginate").stdout.splitlines()]
    assert one["next_token"]
    assert pages[0] == one
    assert pages[-1]["next_token"] is None
    assert sum(len(page["data"]) for page in pages) > 1000


def test_include_shows_the_head(ringlet, ready):
    said = ringlet.at(ready)("api", "personal_info", "-i").stdout
    head, _, body = said.partition("\n\n")
    assert head.startswith("HTTP 200\n")
    assert "content-type: application/json" in head
    assert json.loads(body)["id"] == ready["user_id"]


@pytest.mark.parametrize(
    ("args", "code", "error", "cure"),
    [
        (["sleep/no-such-id"], 1, "error: 404", "list the days around it"),
        (["daily_slep"], 1, "error: 404", "next: did you mean daily_sleep?"),
        (["no_such_type"], 1, "error: 404", "choose from sleep, daily_sleep, "),
        (["/oauth/no-such-page"], 1, "error: 404", "next: "),
        (["daily_sleep?start_date=2026-11-20&end_date=2026-11-01"], 2, "Start must not be after end", "next"),
        (["daily_sleep", "-f", "start_date=0024-99-01"], 2, "error: 4", "correct the request"),
        (["daily_sleep", "-f", "start_date"], 2, "has no '='", "-f start_date=VALUE"),
        (["https://api.ouraring.com/v2"], 2, "expected a path", "--base-url"),
        (["/"], 2, "expected a path or a data type", "personal_info"),
    ],
)
def test_refusals(ringlet, ready, refused, args, code, error, cure):
    refused(ringlet.at(ready)("api", *args), code, error.removeprefix("error: "), cure)


def test_a_wrong_token(ringlet, ready, refused):
    done = ringlet.at(ready)("api", "personal_info", OURA_ACCESS_TOKEN="nope")
    refused(done, 4, "401", "export a fresh OURA_ACCESS_TOKEN")


def test_a_scope_that_was_not_granted(ringlet, ready, token_for, refused):
    done = ringlet.at(ready)("api", "heartrate", OURA_ACCESS_TOKEN=token_for("daily"))
    refused(done, 4, "the scope 'heartrate' was not granted", "tick 'heartrate' on the consent page")


def test_who_waits_is_told_why_and_for_how_long_and_may_leave(ringlet):
    with fixed_response_server(429, {"retry-after": "42"}) as url:
        process = ringlet.start("api", "sleep", OURA_API_BASE_URL=url, OURA_ACCESS_TOKEN="any")
        assert process.stderr.readline() == "rate limit reached; asking again in 42 s   ^C ends it\n"
        process.send_signal(signal.SIGINT)
        said = process.communicate(timeout=30)
    assert process.returncode == 130
    assert said == ("", "error: interrupted\nnext: run it again\n")


@pytest.mark.parametrize(
    ("path", "whole", "scope"),
    [
        ("sleep", "/v2/usercollection/sleep", "daily"),
        ("/sleep/some-id", "/v2/usercollection/sleep/some-id", "daily"),
        ("usercollection/vO2_max", "/v2/usercollection/vO2_max", "heart_health"),
        ("/v2/usercollection/heartrate", "/v2/usercollection/heartrate", "heartrate"),
        ("v2/sandbox/usercollection/sleep", "/v2/sandbox/usercollection/sleep", ""),
        ("openapi.json", "/openapi.json", ""),
        ("/_ringlet/health", "/_ringlet/health", ""),
    ],
)
def test_paths(path, whole, scope):
    asked = request(path, ())
    assert (asked.path, asked.scope) == (whole, scope)


def test_fields_join_the_query():
    asked = request("sleep?a=1&b=", ("b=2", "c=x=y"))
    assert asked.params == {"a": "1", "b": "2", "c": "x=y"}
    with pytest.raises(UsageError):
        request("sleep", ("bare",))
