"""`ringlet webhooks`: subscriptions at a cloud that runs, from making to end; what it sent, and once more."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import pytest

from ringlet._cli.shared.control_client import ControlClient
from ringlet.webhooks import DATA_TYPES, EVENT_TYPES

from ...callback_server import CallbackServer
from ..fixed_response_server import fixed_response_server

TOKEN = "a token that the callback knows"
PATIENT = 20.0


@pytest.fixture(autouse=True)
def _knows_the_token(callback: CallbackServer) -> None:
    callback.token = TOKEN


@pytest.fixture
def control(ready: dict[str, Any]) -> Iterator[ControlClient]:
    with ControlClient(ready["api"], ready["admin_token"]) as one:
        yield one


@pytest.fixture
def hooks(ringlet: Any, ready: dict[str, Any]) -> Iterator[Callable[..., Any]]:
    """`ringlet webhooks` of the demo's application, which subscribes to nothing afterwards."""
    ringlet.variables |= {
        "OURA_API_BASE_URL": ready["api"],
        "OURA_CLIENT_ID": ready["client_id"],
        "OURA_CLIENT_SECRET": ready["client_secret"],
        "RINGLET_ADMIN_TOKEN": ready["admin_token"],
    }

    def run(*args: str, **env: str) -> Any:
        return ringlet("webhooks", *args, **env)

    yield run
    run("delete", "--all")


def subscriptions(done: Any) -> list[dict[str, str]]:
    assert done.returncode == 0, done.stderr
    found: list[dict[str, str]] = json.loads(done.stdout)["subscriptions"]
    return found


@pytest.fixture
def create(hooks: Callable[..., Any], callback: CallbackServer) -> Callable[..., Any]:
    def run(*args: str) -> Any:
        return hooks("create", "--callback", callback.url, *args, RINGLET_VERIFICATION_TOKEN=TOKEN)

    return run


def test_a_subscription_from_its_making_to_its_end(
    hooks: Callable[..., Any], create: Callable[..., Any], callback: CallbackServer
) -> None:
    [made] = subscriptions(create("--type", "sleep", "--event", "update", "--json"))
    assert (made["data_type"], made["event_type"], made["callback_url"]) == ("sleep", "update", callback.url)
    assert subscriptions(hooks("list", "--json")) == subscriptions(hooks("get", made["id"], "--json"))

    other = ("--type", "daily-sleep", "--event", "delete", "--verification-token", TOKEN)
    [changed] = subscriptions(hooks("update", made["id"], *other, "--json"))
    assert (changed["id"], changed["data_type"], changed["event_type"]) == (
        made["id"],
        "daily_sleep",
        "delete",
    )
    [renewed] = subscriptions(hooks("renew", made["id"], "--json"))
    assert renewed["expiration_time"] >= changed["expiration_time"]

    said = hooks("list").stdout
    assert f"{made['id']}  daily_sleep.delete " in said
    assert "ends 2026-05-30, in 90 d " in said, "by the clock of the cloud, which stands at 2026-03-01"
    assert "hidden" not in said

    ended = hooks("delete", made["id"])
    assert (ended.returncode, ended.stdout) == (0, f"ended {made['id']}\n")
    assert subscriptions(hooks("list", "--json")) == []
    assert "ringlet webhooks create" in hooks("list").stderr


def test_an_end_that_nobody_can_read_is_shown_as_it_came_and_hides_nothing(hooks: Callable[..., Any]) -> None:
    kind = {"callback_url": "https://a.example/", "data_type": "sleep", "event_type": "create"}
    ends = {"1": "2100-01-01T00:00:00", "2": "so\x1bon", "3": None}
    listed = [{"id": id, **kind, "expiration_time": end} for id, end in ends.items()]
    with fixed_response_server(200, {}, json.dumps([*listed, {"id": "4", **kind}]).encode()) as url:
        said, told = hooks("list", "--base-url", url), hooks("list", "--base-url", url, "--json")
    assert said.returncode == 0, said.stderr
    shown = said.stdout.splitlines()
    for line, end in zip(shown, ("2100-01-01", '"so\\u001bon"', "null", "null"), strict=True):
        assert f"  ends {end}" in line
    assert said.stderr == "3 of 4 have an expiration time that cannot be read; renewing gives another\n"
    assert [one["expiration_time"] for one in subscriptions(told)] == [*ends.values(), None]


@pytest.mark.parametrize("verb", ["renew", "delete"])
def test_all_of_none_is_said(hooks: Callable[..., Any], verb: str) -> None:
    assert hooks("delete", "--all").returncode == 0
    done = hooks(verb, "--all")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "no subscriptions\n")


def test_all_of_them_at_once_and_what_is_there_already_is_told(
    hooks: Callable[..., Any], create: Callable[..., Any]
) -> None:
    first = subscriptions(create("--type", "sleep", "--json"))
    assert len(first) == len(EVENT_TYPES)
    for there in len(first), len(DATA_TYPES) * len(EVENT_TYPES):
        done = create("--all", "--json")
        stand = subscriptions(done)
        pairs = {(one["data_type"], one["event_type"]) for one in stand}
        assert pairs == {(t, e) for t in DATA_TYPES for e in EVENT_TYPES}
        assert all(one in stand for one in first)
        assert done.stderr == f"there already: {there} of {len(stand)}\n"
    assert len(subscriptions(hooks("renew", "--all", "--json"))) == len(stand)
    ended = json.loads(hooks("delete", "--all", "--json").stdout)["ended"]
    assert sorted(ended) == sorted(one["id"] for one in stand)


def test_what_calls_another_address_is_told_and_the_rest_is_made(
    hooks: Callable[..., Any], create: Callable[..., Any], callback: CallbackServer
) -> None:
    subscriptions(create("--type", "sleep", "--event", "update", "--json"))
    elsewhere = partial(hooks, "create", "--callback", f"{callback.url}&another", "--type", "sleep")
    done = elsewhere("--json", RINGLET_VERIFICATION_TOKEN=TOKEN)
    assert done.returncode == 3
    assert [one["event_type"] for one in json.loads(done.stdout)["subscriptions"]] == ["create", "delete"]
    reason, error, cure = done.stderr.splitlines()
    assert reason.startswith("sleep.update: 409")
    assert error == "error: 1 of 3 were refused"
    assert cure.startswith("next: ringlet webhooks list, then: ringlet webhooks update ID")
    assert elsewhere("--event", "update", RINGLET_VERIFICATION_TOKEN=TOKEN).returncode == 2


def test_a_callback_that_does_not_prove_itself_is_told_once(
    hooks: Callable[..., Any], callback: CallbackServer, refused: Any
) -> None:
    done = hooks("create", "--callback", callback.url, "--verification-token", "another", "--all")
    refused(done, 2, "422: callback_url: The callback failed its challenge", "verification token")
    assert done.stderr.count("callback_url") == 1
    assert "hidden" not in done.stderr


def test_an_address_that_the_cloud_guards_says_how_it_is_opened(
    hooks: Callable[..., Any], refused: Any
) -> None:
    done = hooks("create", "--callback", "http://10.0.0.1/", "--verification-token", TOKEN, "--type", "sleep")
    refused(done, 2, "callbacks lan:10.0.0.1", "start the cloud with the --callbacks that it names")


@pytest.mark.parametrize(
    ("args", "code", "error", "cure"),
    [
        (["create", "--type", "sleep"], 2, "a callback", "--verification-token"),
        (
            ["create", "--callback", "http://x", "--verification-token", "t"],
            2,
            "expected data types",
            "--all",
        ),
        (
            ["create", "--callback", "http://x", "--verification-token", "t", "--type", "slep"],
            2,
            "'slep' is not a data type",
            "did you mean sleep?",
        ),
        (
            ["create", "--callback", "http://x", "--verification-token", "t", "--all", "--event", "created"],
            2,
            "'created' is not an event",
            "did you mean create?",
        ),
        (["get", "no-such-id"], 1, "403", "ringlet webhooks list"),
        (["delete", "no-such-id"], 1, "403", "ringlet webhooks list"),
        (
            ["create", "--callback", "x:80", "--verification-token", "t", "--all"],
            2,
            "begins with https:// or http://",
            "--callback https://",
        ),
        (["get", "../users"], 2, "cannot be the id of a subscription", "pass the `id`"),
        (["update", "some-id"], 2, "challenge", "--verification-token"),
        (["renew"], 2, "ids of subscriptions", "ringlet webhooks list"),
        (["delete", "some-id", "--all"], 2, "ids of subscriptions", "--all"),
        (["resend"], 2, "ids of deliveries", "--failed"),
        (["resend", "--since", "yesterday"], 2, "'yesterday' is neither", "2h, 1d, or an instant as in 20"),
        (["resend", "999999"], 1, "no delivery 999999", "next: ringlet webhooks deliveries lists them"),
        (["deliveries", "999999"], 1, "no delivery 999999", "next: ringlet webhooks deliveries lists them"),
    ],
)
def test_refusals(
    hooks: Callable[..., Any], refused: Any, args: list[str], code: int, error: str, cure: str
) -> None:
    refused(hooks(*args), code, error, cure)


def test_another_secret_is_told_from_a_sign_in(hooks: Callable[..., Any], refused: Any) -> None:
    refused(hooks("list", OURA_CLIENT_SECRET="another"), 4, "401", "OURA_CLIENT_SECRET")
    refused(hooks("list", OURA_CLIENT_ID="", OURA_CLIENT_SECRET=""), 2, "an application", "OURA_CLIENT_ID")


def delivered(hooks: Callable[..., Any], state: str, subscription: str) -> list[dict[str, Any]]:
    """What went to a subscription, once all of it is in a state."""
    until = time.monotonic() + PATIENT
    while True:
        done = hooks("deliveries", "--subscription", subscription, "--json")
        found: list[dict[str, Any]] = json.loads(done.stdout)["deliveries"]
        if found and all(one["state"] == state and one["attempts"] for one in found):
            return found
        assert time.monotonic() < until, found


def test_what_was_sent_is_seen_and_sent_again(
    hooks: Callable[..., Any], create: Callable[..., Any], callback: CallbackServer, control: ControlClient
) -> None:
    [made] = subscriptions(create("--type", "meal", "--event", "create", "--json"))
    callback.status, callback.response_body = 500, b"\x1b[2Jthank you"
    control.post("trigger", {"event": "meal.create"})
    [first] = delivered(hooks, "waiting", made["id"])

    shown = hooks("deliveries", str(first["id"]))
    assert shown.returncode == 0, shown.stderr
    assert "meal.create" in shown.stdout
    assert " 1. " in shown.stdout
    assert "  500  " in shown.stdout
    assert "thank you" in shown.stdout
    assert "\n            content-length: 13\n" in shown.stdout
    assert "\x1b" not in shown.stdout
    assert "hidden" not in shown.stdout + hooks("deliveries").stdout

    callback.status = 200
    for again in (str(first["id"]),), ("--since", "1h"), ("--since", "2026-03-01T00:00:00Z"):
        done = hooks("resend", *again)
        assert (done.returncode, done.stderr) == (0, "")
        assert int(done.stdout.split()[0]) >= 1
        [now] = delivered(hooks, "delivered", made["id"])
        assert now["id"] == first["id"]
    assert json.loads(hooks("resend", "--failed", "--json").stdout) == {"v": 1, "replayed": 0}
    assert "delivered" in hooks("deliveries", "--state", "delivered").stderr
