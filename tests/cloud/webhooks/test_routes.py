"""`/v2/webhook/subscription`: who may call it, what a callback must prove, how bad requests are answered."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from threading import Barrier, Thread
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from ringlet._cloud.core.bodies import MAX_BODY_BYTES
from ringlet._cloud.core.secret_hashes import hash_secret
from ringlet._cloud.core.throttle import FREE_FAILURES
from ringlet._cloud.webhooks.routes import MAX_CHALLENGES_PER_APPLICATION
from ringlet._cloud.webhooks.subscriptions import Subscriptions
from ringlet._webhooks.subscriptions import SUBSCRIPTION_LIFETIME, SUBSCRIPTION_PATH
from ringlet.archive import Archive
from ringlet.cloud import Clock
from ringlet.errors import BadRequest
from ringlet.webhooks import DATA_TYPES, EVENT_TYPES, Subscription

from ..async_callback import AsyncCallback, Reply, async_callback, echo_challenge
from ..conftest import NOW, Answer
from ..webhook_app import WebhookApp, register_app_in, subscription_request

NOT_FOUND_DETAIL = "Webhook with specified id does not exist."


@pytest.fixture(params=["sqlite", "postgresql"])
def place(request: pytest.FixtureRequest, tmp_path: Any) -> str:
    return str(tmp_path / "a.db") if request.param == "sqlite" else request.getfixturevalue("postgres")


@pytest.fixture
def app(runner: asyncio.Runner) -> Iterator[WebhookApp]:
    with Archive.open(":memory:") as archive:
        yield register_app_in(archive, runner)


@pytest.fixture
def app_on_both(place: str, runner: asyncio.Runner) -> Iterator[WebhookApp]:
    with Archive.open(place) as archive:
        yield register_app_in(archive, runner)


# --- The six operations ---


def test_a_subscription_is_created_read_renewed_and_deleted(app_on_both: WebhookApp) -> None:
    app = app_on_both
    assert app("GET").json == []
    made = app.subscribe()
    assert made.status == 201
    one = made.json
    assert set(one) == {"id", "callback_url", "event_type", "data_type", "expiration_time"}
    assert one["expiration_time"] == "2026-05-30T12:00:00.000000", "90 days, without a zone"
    assert app("GET").json == [one]
    assert app("GET", f"/{one['id']}").json == one
    app.cloud.clock.advance(timedelta(days=10))
    renewed = app("PUT", f"/renew/{one['id']}")
    assert renewed.status == 200
    assert renewed.json == one | {"expiration_time": "2026-06-09T12:00:00.000000"}
    ended = app("DELETE", f"/{one['id']}")
    assert (ended.status, ended.body) == (204, b"")
    assert "content-type" not in ended.headers
    assert app("GET").json == []
    for method, path in (("GET", ""), ("PUT", "/renew"), ("DELETE", "")):
        assert app(method, f"{path}/{one['id']}").status == 403


def test_every_event_and_data_type_can_be_subscribed_to_once(app: WebhookApp) -> None:
    async def all_of_them(server: AsyncCallback) -> list[int]:
        wishes = [
            subscription_request(server.url, data, event) for data in DATA_TYPES for event in EVENT_TYPES
        ]
        return [(await app.send("POST", "", one)).status for one in [*wishes, *wishes]]

    pairs = len(DATA_TYPES) * len(EVENT_TYPES)
    assert app.with_callback(all_of_them) == [201] * pairs + [409] * pairs
    assert len(app("GET").json) == pairs == 72


def test_a_pair_can_be_subscribed_to_again_once_its_subscription_ended_or_expired(
    app_on_both: WebhookApp,
) -> None:
    app = app_on_both
    first = app.subscribe().json["id"]
    assert app.subscribe().status == 409
    app("DELETE", f"/{first}")
    second = app.subscribe()
    assert second.status == 201
    app.cloud.clock.advance(timedelta(days=90))
    assert app("GET").json == []
    assert app("PUT", f"/renew/{second.json['id']}").json["detail"] == NOT_FOUND_DETAIL
    assert app.subscribe().status == 201


def test_an_update_changes_the_given_fields_and_challenges_the_callback(
    app_on_both: WebhookApp,
) -> None:
    app = app_on_both
    one = app.subscribe().json

    async def moves(server: AsyncCallback) -> Answer:
        changed = await app.send(
            "PUT", f"/{one['id']}", {"verification_token": "new", "callback_url": server.url}
        )
        assert [query["verification_token"] for _, query in server.requests] == ["new"]
        assert changed.json == one | {"callback_url": server.url}
        same = {"verification_token": "newer", "data_type": "tag", "event_type": None}
        changed = await app.send("PUT", f"/{one['id']}", same)
        assert [query["verification_token"] for _, query in server.requests] == ["new", "newer"]
        return changed

    changed = app.with_callback(moves)
    assert changed.status == 200
    assert (changed.json["data_type"], changed.json["event_type"]) == ("tag", "update")
    refused = app("PUT", f"/{one['id']}", {"verification_token": "x", "callback_url": "http://127.0.0.1:1/"})
    assert refused.status == 422
    assert app("GET").json == [changed.json], "what failed changed nothing"


def test_an_update_to_a_pair_that_is_already_subscribed_to_is_refused(app: WebhookApp) -> None:
    app.subscribe("sleep")

    async def collides(server: AsyncCallback) -> Answer:
        made = await app.send("POST", "", subscription_request(server.url, "tag"))
        return await app.send("PUT", f"/{made.json['id']}", {"verification_token": "x", "data_type": "sleep"})

    assert app.with_callback(collides).status == 409
    assert {one["data_type"] for one in app("GET").json} == {"sleep", "tag"}


@pytest.mark.parametrize("dialect", ["live", "docs"])
def test_errors_are_worded_as_the_dialect_has_them(runner: asyncio.Runner, dialect: Any) -> None:
    with Archive.open(":memory:") as archive:
        app = register_app_in(archive, runner, dialect=dialect)
        for answer, status, detail in (
            (app("GET", "/x"), 403, NOT_FOUND_DETAIL),
            (app("GET", **{"x-client-secret": "x"}), 401, "Client authentication failed."),
            (app("GET", "/x/y"), 404, "Not Found"),
            (app("PATCH"), 405, "Method Not Allowed"),
        ):
            said = {"detail": detail}
            if dialect == "docs":
                assert answer.json["title"]
                said |= {"status": status, "title": answer.json["title"]}
            assert (answer.status, answer.json) == (status, said)


def test_an_expiration_time_has_no_zone_live_and_one_as_documented(runner: asyncio.Runner) -> None:
    for dialect, zone in (("live", ""), ("docs", "+00:00")):
        with Archive.open(":memory:") as archive:
            one = register_app_in(archive, runner, dialect=dialect).subscribe().json
            assert one["expiration_time"] == f"2026-05-30T12:00:00.000000{zone}"
            assert Subscription(**one).expires_at == NOW + SUBSCRIPTION_LIFETIME


# --- Who asks ---


def test_only_an_application_with_its_secret_is_admitted(app_on_both: WebhookApp) -> None:
    app = app_on_both
    wrong = ["unknown", "", "x\0", "é" * 300]
    for client_id in (app.client_id, *wrong):
        for secret in (app.secret, *wrong):
            answer = app("GET", **{"x-client-id": client_id, "x-client-secret": secret})
            right = (client_id, secret) == (app.client_id, app.secret)
            assert answer.status == (200 if right else 401), (client_id, secret)


def test_a_public_application_is_not_admitted(app: WebhookApp) -> None:
    public, _ = app.cloud.grants.apps.register("Page", ["https://page.example/cb"], public=True)
    assert app("GET", **{"x-client-id": public, "x-client-secret": ""}).status == 401
    assert app("GET", **{"x-client-id": public}).status == 401


def test_an_access_token_is_not_accepted(app: WebhookApp) -> None:
    answer = app.client(SUBSCRIPTION_PATH, token=app.client.token())
    assert answer.status == 401
    assert "www-authenticate" not in answer.headers


def test_guessing_a_secret_is_throttled_and_the_right_one_gets_the_same_answer(app: WebhookApp) -> None:
    for _ in range(FREE_FAILURES):
        assert app("GET", **{"x-client-secret": "a guess"}).status == 401
    for secret in ("another guess", app.secret):
        answer = app("GET", **{"x-client-secret": secret})
        assert answer.status == 429
        assert int(answer.headers["retry-after"]) >= 1


def test_too_many_requests_are_answered_with_retry_after(app: WebhookApp) -> None:
    app.cloud.rate_limit.limit = 5
    assert [app("GET").status for _ in range(7)] == [200] * 5 + [429] * 2
    assert int(app("GET").headers["retry-after"]) > 0


def test_subscriptions_of_other_applications_are_not_found(app_on_both: WebhookApp) -> None:
    app, other = app_on_both, app_on_both.another()
    mine = app.subscribe().json
    for method, path, body in (
        ("GET", f"/{mine['id']}", None),
        ("PUT", f"/{mine['id']}", {"verification_token": "x"}),
        ("PUT", f"/renew/{mine['id']}", None),
        ("DELETE", f"/{mine['id']}", None),
    ):
        theirs, nobodys = other(method, path, body), other(method, path.replace(mine["id"], "x\0é"), body)
        assert (theirs.status, theirs.json["detail"]) == (403, NOT_FOUND_DETAIL)
        assert nobodys.body == theirs.body
    assert other("GET").json == []
    assert other.subscribe().status == 201, "a pair is one per application"
    assert app("GET").json == [mine]


def test_an_application_whose_old_secret_cannot_sign_is_told_to_make_a_new_one(app: WebhookApp) -> None:
    short = "x" * 43
    with app.cloud.archive.transaction():
        app.cloud.archive.database.execute("UPDATE oauth_apps SET secret_hash = ?", (hash_secret(short),))
    answer = app("POST", "", subscription_request("http://127.0.0.1:1/"), **{"x-client-secret": short})
    assert answer.status == 400
    assert "make a new one in the portal" in answer.json["detail"]
    assert app("GET", **{"x-client-secret": short}).status == 200


# --- The challenge ---


def test_each_create_challenges_the_callback_once_with_its_token_and_a_new_challenge(app: WebhookApp) -> None:
    challenges: list[dict[str, str]] = []

    async def twice(server: AsyncCallback) -> None:
        for data_type in ("sleep", "tag"):
            given = subscription_request(f"{server.url}?mine=1", data_type)
            assert (await app.send("POST", "", given)).status == 201
        assert [method for method, _ in server.requests] == ["GET", "GET"]
        challenges.extend(query for _, query in server.requests)

    app.with_callback(twice)
    for query in challenges:
        assert set(query) == {"mine", "verification_token", "challenge"}
        assert query["verification_token"] == "a token & more"
        assert len(query["challenge"]) >= 32
    assert challenges[0]["challenge"] != challenges[1]["challenge"]


REPLIES: dict[str, tuple[Reply | Callable[[dict[str, str]], Reply], str]] = {
    "refuses": ((401, b"{}"), "401"),
    "fails": ((500, b""), "500"),
    "moves": ((302, b""), "Redirects are not followed"),
    "accepts": (lambda query: (204, b""), "204"),
    "created": (lambda query: (201, echo_challenge(query)[1]), "201"),
    "empty": ((200, b""), "but its body is not"),
    "text": (lambda query: (200, query["challenge"].encode()), "but its body is not"),
    "another": ((200, b'{"challenge": "x"}'), "but its body is not"),
    "number": ((200, b'{"challenge": 1}'), "but its body is not"),
    "list": ((200, b"[" * 50_000), "but its body is not"),
    "latin": ((200, b'{"challenge": "\xff"}'), "but its body is not"),
    "swapped": (
        lambda query: (200, json.dumps({"challenge": query["challenge"].swapcase()}).encode()),
        "but its body is not",
    ),
    "long": (lambda query: (200, b" " * 30_000 + echo_challenge(query)[1]), "but its body is not"),
}


@pytest.mark.parametrize("manner", REPLIES)
def test_a_callback_that_fails_the_challenge_is_not_stored_and_the_reason_is_given(
    app: WebhookApp, manner: str
) -> None:
    reply, word = REPLIES[manner]
    answer = app.subscribe(reply=reply if callable(reply) else lambda query: reply)
    assert answer.status == 422
    [flaw] = answer.json["detail"]
    assert flaw["loc"] == ["body", "callback_url"]
    assert word in flaw["msg"]
    assert app.stored_subscriptions == 0


def test_a_callback_that_does_not_answer_in_time_is_refused(app: WebhookApp) -> None:
    app.cloud.dialer.deadline = 0.1
    answer = app.subscribe(wait=asyncio.Event().wait)
    assert answer.status == 422
    assert "no complete answer within 0.1 s" in answer.json["detail"][0]["msg"]
    assert app.stored_subscriptions == 0


@pytest.mark.parametrize(
    ("url", "word"),
    [
        ("http://127.0.0.1:1/", "callbacks dev"),
        ("http://[::1]:1/", "callbacks dev"),
        ("http://10.1.2.3/", "callbacks lan:"),
        ("http://169.254.169.254/latest/meta-data", "metadata"),
        ("ftp://example.com/", "https://"),
        ("https://me:secret@example.com/", "no user and password"),
        ("", "https://"),
        ("http://a\0b/", "ASCII"),
        ("https://example.com/#x", "fragment"),
    ],
)
def test_a_forbidden_callback_address_is_refused_with_what_would_allow_it(
    runner: asyncio.Runner, url: str, word: str
) -> None:
    with Archive.open(":memory:") as archive:
        app = register_app_in(archive, runner, "public")
        answer = app("POST", "", subscription_request(url))
        assert answer.status == 422
        assert word in answer.json["detail"][0]["msg"]
        assert app.stored_subscriptions == 0


def test_challenges_of_one_application_are_limited_and_do_not_delay_others(
    app: WebhookApp,
) -> None:
    other = app.another()
    free = asyncio.Event()

    async def while_many_hang(server: AsyncCallback) -> list[int]:
        many = [
            app.send("POST", "", subscription_request(server.url, one))
            for one in DATA_TYPES[: 2 * MAX_CHALLENGES_PER_APPLICATION]
        ]
        waiting = [asyncio.create_task(one) for one in many]
        while len(server.requests) < MAX_CHALLENGES_PER_APPLICATION:  # noqa: ASYNC110 - it is of another task
            await asyncio.sleep(0.01)
        await asyncio.sleep(0.1)
        assert len(server.requests) == MAX_CHALLENGES_PER_APPLICATION
        async with async_callback() as quick:
            assert (await other.send("POST", "", subscription_request(quick.url))).status == 201
        free.set()
        return [answer.status for answer in await asyncio.gather(*waiting)]

    assert set(app.with_callback(while_many_hang, wait=free.wait)) == {201}


@pytest.mark.parametrize(
    "url",
    [
        "https://user:hunter2@example.com/",
        "https://hunter2@example.com/a@b",
        "https://user:hunter2@exam ple.com/?a=hunter2",
        "https://user:hunter2/@example.com/",
        "https://user:hunter2?@example.com/",
        "https://hunter2#x@example.com/",
        "user:hunter2@example.com",
        "https://example.com:0/?key=hunter2@example.com",
        "https://example.com:0/#hunter2",
    ],
)
def test_no_validation_error_repeats_the_callback_url(app: WebhookApp, url: str) -> None:
    for sent in (
        subscription_request(url),
        subscription_request(url + "a" * 3000),
        subscription_request(url, event_type="none") | {"data_type": url},
    ):
        answer = app("POST", "", sent)
        assert answer.status == 422
        assert "hunter2" not in json.dumps(answer.json)


def test_conditions_are_checked_again_after_the_challenge(app: WebhookApp) -> None:
    """A callback takes its time: meanwhile the secret is changed."""
    apps = app.cloud.grants.apps

    def changes(query: dict[str, str]) -> Reply:
        apps.rotate_secret(app.client_id)
        return echo_challenge(query)

    assert app.subscribe(reply=changes).status == 401
    assert app.stored_subscriptions == 0


def test_an_application_deleted_during_the_challenge_gets_no_subscription(app: WebhookApp) -> None:
    def deletes(query: dict[str, str]) -> Reply:
        app.cloud.grants.apps.delete(app.client_id)
        return echo_challenge(query)

    assert app.subscribe(reply=deletes).status == 401
    assert app.stored_subscriptions == 0


def test_one_of_several_creates_of_the_same_pair_succeeds(app_on_both: WebhookApp) -> None:
    """Their callbacks answer once all have been challenged."""
    app = app_on_both

    async def at_once(server: AsyncCallback) -> list[int]:
        sent = [app.send("POST", "", subscription_request(server.url)) for _ in range(4)]
        return sorted([one.status for one in await asyncio.gather(*sent)])

    assert app.with_callback(at_once, wait=asyncio.Barrier(4).wait) == [201, 409, 409, 409]
    assert app.stored_subscriptions == 1


def test_one_of_several_creates_on_many_connections_succeeds(place: str, runner: asyncio.Runner) -> None:
    with Archive.open(place) as archive:
        register_app_in(archive, runner)  # which makes the tables
    ready, outcomes = Barrier(4), list[str]()

    def create() -> None:
        with Archive.open(place) as archive:
            subscriptions = Subscriptions(archive, Clock(NOW))
            ready.wait()
            for data_type in DATA_TYPES:
                try:
                    subscriptions.create("app", "https://a.example/", "update", data_type)
                    outcomes.append("created")
                except BadRequest as refused:
                    outcomes.append(str(refused.status))

    threads = [Thread(target=create) for _ in range(4)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert outcomes.count("created") == len(DATA_TYPES)
    assert outcomes.count("409") == 3 * len(DATA_TYPES)


# --- What is wrong with a request ---


def flaws(answer: Answer) -> dict[str, str]:
    """The type of each flaw by its place; their shape is that of the service's validator."""
    assert answer.status == 422, answer
    for one in answer.json["detail"]:
        assert set(one) - {"ctx"} == {"type", "loc", "msg", "input"}
        assert one["loc"][0] == "body"
    return {".".join(one["loc"]): one["type"] for one in answer.json["detail"]}


def test_all_flaws_of_a_request_are_reported_at_once(app: WebhookApp) -> None:
    url = "https://example.com/"
    for sent, expected in (
        (None, {"body": "missing"}),
        (b"{", {"body": "json_invalid"}),
        (b"\xff", {"body": "json_invalid"}),
        (b"[" * 40_000, {"body": "json_invalid"}),
        (b'{"callback_url": "\\ud800"}', {"body": "json_invalid"}),
        ([], {"body": "model_attributes_type"}),
        ({}, {f"body.{name}": "missing" for name in subscription_request(url)}),
        (
            subscription_request(url, "steps", "changed") | {"verification_token": 1, "callback_url": None},
            {
                "body.callback_url": "string_type",
                "body.verification_token": "string_type",
                "body.event_type": "enum",
                "body.data_type": "enum",
            },
        ),
        (subscription_request(url, "sleep", "Update"), {"body.event_type": "enum"}),
        (
            subscription_request(url) | {"verification_token": "x" * 2049},
            {"body.verification_token": "string_too_long"},
        ),
    ):
        assert flaws(app("POST", "", sent)) == expected
    assert app("POST", "", b" " * (MAX_BODY_BYTES + 1)).status == 413


def test_an_enum_error_is_worded_as_the_validator_of_the_service_words_it(app: WebhookApp) -> None:
    [flaw] = app("POST", "", subscription_request("https://example.com/", "sleep", "changed")).json["detail"]
    assert flaw == {
        "type": "enum",
        "loc": ["body", "event_type"],
        "msg": "Input should be 'create', 'update' or 'delete'",
        "input": "changed",
        "ctx": {"expected": "'create', 'update' or 'delete'"},
    }


def test_an_update_requires_only_its_verification_token(app: WebhookApp) -> None:
    id = app.subscribe().json["id"]
    assert flaws(app("PUT", f"/{id}", {})) == {"body.verification_token": "missing"}
    assert flaws(app("PUT", f"/{id}", {"verification_token": None})) == {
        "body.verification_token": "string_type"
    }
    assert flaws(app("PUT", f"/{id}", {"verification_token": "x", "event_type": 3})) == {
        "body.event_type": "enum"
    }


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
WORDS = st.sampled_from(["sleep", "update", "https://[", "http://\0", "//", "x" * 3000])


@given(
    body=st.binary(max_size=200)
    | st.dictionaries(st.sampled_from(list(subscription_request(""))), JSON | WORDS, max_size=4).map(
        lambda one: json.dumps(one).encode()
    ),
    method=st.sampled_from(["POST", "PUT"]),
)
@example(body=b'{"data_type": {"a": []}, "event_type": [1]}', method="POST")
@example(body=b'{"data_type": 1e400}', method="POST")
@example(body=json.dumps(subscription_request("")).encode(), method="POST")  # of the types subscribed already
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_every_malformed_body_is_refused_with_a_message(app: WebhookApp, body: bytes, method: str) -> None:
    [id] = [one["id"] for one in app("GET").json] or [app.subscribe().json["id"]]
    answer = app("POST", "", body) if method == "POST" else app("PUT", f"/{id}", body)
    assert answer.status == 422
    assert answer.json["detail"]


# --- What is written down ---


def test_a_create_during_another_write_is_answered_as_busy_and_stores_nothing(
    tmp_path: Path, runner: asyncio.Runner
) -> None:
    place = str(tmp_path / "a.db")
    with Archive.open(place) as archive, Archive.open(place) as other:
        app = register_app_in(archive, runner)
        with other.transaction():
            other.user("somebody")
            answer = app.subscribe()
        assert answer.status == 503
        assert answer.headers["retry-after"] == "1"
        assert app.stored_subscriptions == 0
        assert app.subscribe().status == 201


def test_no_file_contains_a_verification_token_or_a_secret(tmp_path: Path, runner: asyncio.Runner) -> None:
    with Archive.open(str(tmp_path / "a.db")) as archive:
        app = register_app_in(archive, runner)
        one = app.subscribe().json
        app.with_callback(
            lambda server: app.send(
                "PUT", f"/{one['id']}", {"verification_token": "a token & more", "callback_url": server.url}
            )
        )
        kept = b"".join(path.read_bytes() for path in tmp_path.iterdir())
    assert one["id"].encode() in kept
    assert b"a token & more" not in kept
    assert b"a+token" not in kept
    assert app.secret.encode() not in kept


def test_the_request_log_has_the_request_without_secrets(
    app: WebhookApp, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    canary = "canary-of-this-test"
    app.client(
        SUBSCRIPTION_PATH,
        f"client_secret={canary}",
        method="POST",
        headers=app.credential_headers(),
        body=json.dumps(
            subscription_request(f"http://127.0.0.1:1/?key={canary}") | {"verification_token": canary}
        ).encode(),
    )
    answer = app(
        "POST",
        "",
        subscription_request(f"http://127.0.0.1:1/?key={canary}", "nap", verification_token=canary),
    )
    assert canary not in answer.text
    answer = app("POST", "", {"callback_url": f"http://a/?{canary}", "verification_token": canary})
    assert canary not in answer.text
    seen = app.client.admin("requests", query=f"path={SUBSCRIPTION_PATH}")
    assert [(one["method"], one["status"]) for one in seen.json] == [("POST", 422)] * 3
    for secret in (canary, app.secret):
        assert secret not in seen.text
        assert secret not in caplog.text
