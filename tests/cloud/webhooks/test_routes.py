"""`/v2/webhook/subscription`: who may ask, what a callback must prove, and what is said to what is wrong."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
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
from ringlet._net.addresses import AddressPolicy
from ringlet._webhooks.subscriptions import SUBSCRIPTION_LIFETIME, SUBSCRIPTION_PATH
from ringlet.archive import Archive
from ringlet.cloud import Clock, Cloud, CloudSettings
from ringlet.errors import BadRequest
from ringlet.webhooks import DATA_TYPES, EVENT_TYPES, Subscription

from ..callbacks import Callback, Reply, callback, proves
from ..conftest import NOW, Answer, CloudClient

GONE = "Webhook with specified id does not exist."


@dataclass
class Town:
    """A cloud with one application that asks."""

    asked: CloudClient
    client_id: str
    secret: str

    @property
    def cloud(self) -> Cloud:
        return self.asked.cloud

    def who(self, **changes: str) -> dict[str, str]:
        return {"x-client-id": self.client_id, "x-client-secret": self.secret} | changes

    async def send(self, method: str, path: str = "", wish: Any = None, **changes: str) -> Answer:
        body = wish if isinstance(wish, bytes) else b"" if wish is None else json.dumps(wish).encode()
        headers = self.who(**changes)
        return await self.asked.send(f"{SUBSCRIPTION_PATH}{path}", method=method, headers=headers, body=body)

    def __call__(self, method: str, path: str = "", wish: Any = None, **changes: str) -> Answer:
        return self.asked.runner.run(self.send(method, path, wish, **changes))

    def beside(self, act: Callable[[Callback], Awaitable[Any]], **manners: Any) -> Any:
        """Do something while a callback listens."""

        async def done() -> Any:
            async with callback(**manners) as here:
                found = await act(here)
                await self.cloud.dialer.close()
                return found

        return self.asked.runner.run(done())

    def subscribe(self, data_type: str = "sleep", event_type: str = "update", **manners: Any) -> Answer:
        return self.beside(
            lambda here: self.send("POST", "", wish(here.url, data_type, event_type)), **manners
        )

    def another(self) -> Town:
        return Town(self.asked, *self.cloud.grants.apps.register("Another", ["https://a.example/cb"]))

    @property
    def stored(self) -> int:
        row = self.cloud.archive.database.one("SELECT count(*) FROM webhook_subscriptions")
        assert row
        return int(row[0])


def wish(url: str, data_type: str = "sleep", event_type: str = "update", **more: Any) -> dict[str, Any]:
    given = {"callback_url": url, "verification_token": "a token & more"}
    return given | {"event_type": event_type, "data_type": data_type} | more


def town_in(archive: Archive, runner: asyncio.Runner, callbacks: str = "dev", **more: Any) -> Town:
    cloud = Cloud(
        archive, clock=Clock(NOW), callbacks=AddressPolicy.parse(callbacks), settings=CloudSettings(**more)
    )
    app = cloud.grants.apps.register("Sleep Lab", ["https://lab.example/callback"])
    return Town(CloudClient(cloud, runner, archive.user("wearer")), *app)


@pytest.fixture(params=["sqlite", "postgresql"])
def place(request: pytest.FixtureRequest, tmp_path: Any) -> str:
    return str(tmp_path / "a.db") if request.param == "sqlite" else request.getfixturevalue("postgres")


@pytest.fixture
def town(runner: asyncio.Runner) -> Iterator[Town]:
    with Archive.open(":memory:") as archive:
        yield town_in(archive, runner)


@pytest.fixture
def town_on_both(place: str, runner: asyncio.Runner) -> Iterator[Town]:
    with Archive.open(place) as archive:
        yield town_in(archive, runner)


# --- The six operations ---


def test_the_life_of_a_subscription(town_on_both: Town) -> None:
    town = town_on_both
    assert town("GET").json == []
    made = town.subscribe()
    assert made.status == 201
    one = made.json
    assert set(one) == {"id", "callback_url", "event_type", "data_type", "expiration_time"}
    assert one["expiration_time"] == "2026-05-30T12:00:00.000000", "90 days, without a zone"
    assert town("GET").json == [one]
    assert town("GET", f"/{one['id']}").json == one
    town.cloud.clock.advance(timedelta(days=10))
    renewed = town("PUT", f"/renew/{one['id']}")
    assert renewed.status == 200
    assert renewed.json == one | {"expiration_time": "2026-06-09T12:00:00.000000"}
    ended = town("DELETE", f"/{one['id']}")
    assert (ended.status, ended.body) == (204, b"")
    assert "content-type" not in ended.headers
    assert town("GET").json == []
    for method, path in (("GET", ""), ("PUT", "/renew"), ("DELETE", "")):
        assert town(method, f"{path}/{one['id']}").status == 403


def test_every_pair_can_be_subscribed_to_once(town: Town) -> None:
    async def all_of_them(here: Callback) -> list[int]:
        wishes = [wish(here.url, data, event) for data in DATA_TYPES for event in EVENT_TYPES]
        return [(await town.send("POST", "", one)).status for one in [*wishes, *wishes]]

    pairs = len(DATA_TYPES) * len(EVENT_TYPES)
    assert town.beside(all_of_them) == [201] * pairs + [409] * pairs
    assert len(town("GET").json) == pairs == 72


def test_a_pair_is_free_again_when_its_subscription_ended_or_expired(town_on_both: Town) -> None:
    town = town_on_both
    first = town.subscribe().json["id"]
    assert town.subscribe().status == 409
    town("DELETE", f"/{first}")
    second = town.subscribe()
    assert second.status == 201
    town.cloud.clock.advance(timedelta(days=90))
    assert town("GET").json == []
    assert town("PUT", f"/renew/{second.json['id']}").json["detail"] == GONE
    assert town.subscribe().status == 201


def test_an_update_changes_what_is_named_and_the_callback_proves_itself_again(town_on_both: Town) -> None:
    town = town_on_both
    one = town.subscribe().json

    async def moves(here: Callback) -> Answer:
        changed = await town.send(
            "PUT", f"/{one['id']}", {"verification_token": "new", "callback_url": here.url}
        )
        assert [query["verification_token"] for _, query in here.asked] == ["new"]
        assert changed.json == one | {"callback_url": here.url}
        same = {"verification_token": "newer", "data_type": "tag", "event_type": None}
        changed = await town.send("PUT", f"/{one['id']}", same)
        assert [query["verification_token"] for _, query in here.asked] == ["new", "newer"]
        return changed

    changed = town.beside(moves)
    assert changed.status == 200
    assert (changed.json["data_type"], changed.json["event_type"]) == ("tag", "update")
    refused = town("PUT", f"/{one['id']}", {"verification_token": "x", "callback_url": "http://127.0.0.1:1/"})
    assert refused.status == 422
    assert town("GET").json == [changed.json], "what failed changed nothing"


def test_an_update_cannot_take_a_pair_that_another_has(town: Town) -> None:
    town.subscribe("sleep")

    async def collides(here: Callback) -> Answer:
        made = await town.send("POST", "", wish(here.url, "tag"))
        return await town.send(
            "PUT", f"/{made.json['id']}", {"verification_token": "x", "data_type": "sleep"}
        )

    assert town.beside(collides).status == 409
    assert {one["data_type"] for one in town("GET").json} == {"sleep", "tag"}


@pytest.mark.parametrize("dialect", ["live", "docs"])
def test_refusals_are_in_the_words_of_the_profile(runner: asyncio.Runner, dialect: Any) -> None:
    with Archive.open(":memory:") as archive:
        town = town_in(archive, runner, dialect=dialect)
        for answer, status, detail in (
            (town("GET", "/x"), 403, GONE),
            (town("GET", **{"x-client-secret": "x"}), 401, "Client authentication failed."),
            (town("GET", "/x/y"), 404, "Not Found"),
            (town("PATCH"), 405, "Method Not Allowed"),
        ):
            said = {"detail": detail}
            if dialect == "docs":
                assert answer.json["title"]
                said |= {"status": status, "title": answer.json["title"]}
            assert (answer.status, answer.json) == (status, said)


def test_an_expiration_has_no_zone_as_the_service_has_it_or_one_as_documented(runner: asyncio.Runner) -> None:
    for dialect, zone in (("live", ""), ("docs", "+00:00")):
        with Archive.open(":memory:") as archive:
            one = town_in(archive, runner, dialect=dialect).subscribe().json
            assert one["expiration_time"] == f"2026-05-30T12:00:00.000000{zone}"
            assert Subscription(**one).expires_at == NOW + SUBSCRIPTION_LIFETIME


# --- Who asks ---


def test_only_an_application_with_its_secret_may_ask(town_on_both: Town) -> None:
    town = town_on_both
    wrong = ["unknown", "", "x\0", "é" * 300]
    for client_id in (town.client_id, *wrong):
        for secret in (town.secret, *wrong):
            answer = town("GET", **{"x-client-id": client_id, "x-client-secret": secret})
            right = (client_id, secret) == (town.client_id, town.secret)
            assert answer.status == (200 if right else 401), (client_id, secret)


def test_without_a_secret_nobody_is_let_in(town: Town) -> None:
    public, _ = town.cloud.grants.apps.register("Page", ["https://page.example/cb"], public=True)
    assert town("GET", **{"x-client-id": public, "x-client-secret": ""}).status == 401
    assert town("GET", **{"x-client-id": public}).status == 401


def test_an_access_token_opens_nothing_here(town: Town) -> None:
    answer = town.asked(SUBSCRIPTION_PATH, token=town.asked.token())
    assert answer.status == 401
    assert "www-authenticate" not in answer.headers


def test_who_guesses_has_to_wait_and_the_right_secret_does_not_show_through(town: Town) -> None:
    for _ in range(FREE_FAILURES):
        assert town("GET", **{"x-client-secret": "a guess"}).status == 401
    for secret in ("another guess", town.secret):
        answer = town("GET", **{"x-client-secret": secret})
        assert answer.status == 429
        assert int(answer.headers["retry-after"]) >= 1


def test_who_asks_without_end_is_told_to_come_back(town: Town) -> None:
    town.cloud.rate_limit.limit = 5
    assert [town("GET").status for _ in range(7)] == [200] * 5 + [429] * 2
    assert int(town("GET").headers["retry-after"]) > 0


def test_the_subscriptions_of_others_do_not_exist(town_on_both: Town) -> None:
    town, other = town_on_both, town_on_both.another()
    mine = town.subscribe().json
    for method, path, body in (
        ("GET", f"/{mine['id']}", None),
        ("PUT", f"/{mine['id']}", {"verification_token": "x"}),
        ("PUT", f"/renew/{mine['id']}", None),
        ("DELETE", f"/{mine['id']}", None),
    ):
        theirs, nobodys = other(method, path, body), other(method, path.replace(mine["id"], "x\0é"), body)
        assert (theirs.status, theirs.json["detail"]) == (403, GONE)
        assert nobodys.body == theirs.body
    assert other("GET").json == []
    assert other.subscribe().status == 201, "a pair is one per application"
    assert town("GET").json == [mine]


def test_a_secret_from_before_that_cannot_sign_is_told_so(town: Town) -> None:
    short = "x" * 43
    with town.cloud.archive.transaction():
        town.cloud.archive.database.execute("UPDATE oauth_apps SET secret_hash = ?", (hash_secret(short),))
    answer = town("POST", "", wish("http://127.0.0.1:1/"), **{"x-client-secret": short})
    assert answer.status == 400
    assert "make a new one in the portal" in answer.json["detail"]
    assert town("GET", **{"x-client-secret": short}).status == 200


# --- The challenge ---


def test_a_callback_is_asked_once_with_the_token_and_something_new(town: Town) -> None:
    asked: list[dict[str, str]] = []

    async def twice(here: Callback) -> None:
        for data_type in ("sleep", "tag"):
            given = wish(f"{here.url}?mine=1", data_type)
            assert (await town.send("POST", "", given)).status == 201
        assert [method for method, _ in here.asked] == ["GET", "GET"]
        asked.extend(query for _, query in here.asked)

    town.beside(twice)
    for query in asked:
        assert set(query) == {"mine", "verification_token", "challenge"}
        assert query["verification_token"] == "a token & more"
        assert len(query["challenge"]) >= 32
    assert asked[0]["challenge"] != asked[1]["challenge"]


REPLIES: dict[str, tuple[Reply | Callable[[dict[str, str]], Reply], str]] = {
    "refuses": ((401, b"{}"), "401"),
    "fails": ((500, b""), "500"),
    "moves": ((302, b""), "Redirects are not followed"),
    "accepts": (lambda query: (204, b""), "204"),
    "created": (lambda query: (201, proves(query)[1]), "201"),
    "empty": ((200, b""), "but not"),
    "text": (lambda query: (200, query["challenge"].encode()), "but not"),
    "another": ((200, b'{"challenge": "x"}'), "but not"),
    "number": ((200, b'{"challenge": 1}'), "but not"),
    "list": ((200, b"[" * 50_000), "but not"),
    "latin": ((200, b'{"challenge": "\xff"}'), "but not"),
    "swapped": (
        lambda query: (200, json.dumps({"challenge": query["challenge"].swapcase()}).encode()),
        "but not",
    ),
    "long": (lambda query: (200, b" " * 30_000 + proves(query)[1]), "but not"),
}


@pytest.mark.parametrize("manner", REPLIES)
def test_without_a_proof_nothing_is_stored_and_the_reason_is_said(town: Town, manner: str) -> None:
    reply, word = REPLIES[manner]
    answer = town.subscribe(reply=reply if callable(reply) else lambda query: reply)
    assert answer.status == 422
    [flaw] = answer.json["detail"]
    assert flaw["loc"] == ["body", "callback_url"]
    assert word in flaw["msg"]
    assert town.stored == 0


def test_a_callback_that_does_not_answer_in_time_is_refused(town: Town) -> None:
    town.cloud.dialer.deadline = 0.1
    answer = town.subscribe(wait=asyncio.Event().wait)
    assert answer.status == 422
    assert "no complete answer within 0.1 s" in answer.json["detail"][0]["msg"]
    assert town.stored == 0


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
def test_the_guard_says_what_is_wrong_and_what_would_allow_it(
    runner: asyncio.Runner, url: str, word: str
) -> None:
    with Archive.open(":memory:") as archive:
        town = town_in(archive, runner, "public")
        answer = town("POST", "", wish(url))
        assert answer.status == 422
        assert word in answer.json["detail"][0]["msg"]
        assert town.stored == 0


def test_an_application_has_a_few_callbacks_asked_at_a_time_and_others_do_not_wait_for_it(
    town: Town,
) -> None:
    other = town.another()
    free = asyncio.Event()

    async def while_many_hang(here: Callback) -> list[int]:
        many = [
            town.send("POST", "", wish(here.url, one))
            for one in DATA_TYPES[: 2 * MAX_CHALLENGES_PER_APPLICATION]
        ]
        waiting = [asyncio.create_task(one) for one in many]
        while len(here.asked) < MAX_CHALLENGES_PER_APPLICATION:  # noqa: ASYNC110 - it is of another task
            await asyncio.sleep(0.01)
        await asyncio.sleep(0.1)
        assert len(here.asked) == MAX_CHALLENGES_PER_APPLICATION
        async with callback() as quick:
            assert (await other.send("POST", "", wish(quick.url))).status == 201
        free.set()
        return [answer.status for answer in await asyncio.gather(*waiting)]

    assert set(town.beside(while_many_hang, wait=free.wait)) == {201}


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
def test_no_flaw_shows_what_may_be_secret_of_a_callback_url(town: Town, url: str) -> None:
    for sent in (wish(url), wish(url + "a" * 3000), wish(url, event_type="none") | {"data_type": url}):
        answer = town("POST", "", sent)
        assert answer.status == 422
        assert "hunter2" not in json.dumps(answer.json)


def test_what_was_true_before_the_challenge_is_looked_at_again(town: Town) -> None:
    """A callback takes its time: meanwhile the secret is changed."""
    apps = town.cloud.grants.apps

    def changes(query: dict[str, str]) -> Reply:
        apps.rotate_secret(town.client_id)
        return proves(query)

    assert town.subscribe(reply=changes).status == 401
    assert town.stored == 0


def test_an_application_deleted_during_the_challenge_gets_no_subscription(town: Town) -> None:
    def deletes(query: dict[str, str]) -> Reply:
        town.cloud.grants.apps.delete(town.client_id)
        return proves(query)

    assert town.subscribe(reply=deletes).status == 401
    assert town.stored == 0


def test_of_several_creates_at_once_one_is_granted(town_on_both: Town) -> None:
    """Their callbacks answer when all have been asked."""
    town = town_on_both

    async def at_once(here: Callback) -> list[int]:
        sent = [town.send("POST", "", wish(here.url)) for _ in range(4)]
        return sorted([one.status for one in await asyncio.gather(*sent)])

    assert town.beside(at_once, wait=asyncio.Barrier(4).wait) == [201, 409, 409, 409]
    assert town.stored == 1


def test_of_many_connections_that_create_at_once_one_is_granted(place: str, runner: asyncio.Runner) -> None:
    with Archive.open(place) as archive:
        town_in(archive, runner)  # which makes the tables
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


# --- What is wrong with a wish ---


def flaws(answer: Answer) -> dict[str, str]:
    """The type of each flaw by its place; their shape is that of the service's validator."""
    assert answer.status == 422, answer
    for one in answer.json["detail"]:
        assert set(one) - {"ctx"} == {"type", "loc", "msg", "input"}
        assert one["loc"][0] == "body"
    return {".".join(one["loc"]): one["type"] for one in answer.json["detail"]}


def test_all_that_is_wrong_is_said_at_once(town: Town) -> None:
    url = "https://example.com/"
    for sent, expected in (
        (None, {"body": "missing"}),
        (b"{", {"body": "json_invalid"}),
        (b"\xff", {"body": "json_invalid"}),
        (b"[" * 40_000, {"body": "json_invalid"}),
        (b'{"callback_url": "\\ud800"}', {"body": "json_invalid"}),
        ([], {"body": "model_attributes_type"}),
        ({}, {f"body.{name}": "missing" for name in wish(url)}),
        (
            wish(url, "steps", "changed") | {"verification_token": 1, "callback_url": None},
            {
                "body.callback_url": "string_type",
                "body.verification_token": "string_type",
                "body.event_type": "enum",
                "body.data_type": "enum",
            },
        ),
        (wish(url, "sleep", "Update"), {"body.event_type": "enum"}),
        (wish(url) | {"verification_token": "x" * 2049}, {"body.verification_token": "string_too_long"}),
    ):
        assert flaws(town("POST", "", sent)) == expected
    assert town("POST", "", b" " * (MAX_BODY_BYTES + 1)).status == 413


def test_an_enum_is_told_in_the_words_of_the_validator(town: Town) -> None:
    [flaw] = town("POST", "", wish("https://example.com/", "sleep", "changed")).json["detail"]
    assert flaw == {
        "type": "enum",
        "loc": ["body", "event_type"],
        "msg": "Input should be 'create', 'update' or 'delete'",
        "input": "changed",
        "ctx": {"expected": "'create', 'update' or 'delete'"},
    }


def test_an_update_needs_its_verification_token_and_nothing_else(town: Town) -> None:
    id = town.subscribe().json["id"]
    assert flaws(town("PUT", f"/{id}", {})) == {"body.verification_token": "missing"}
    assert flaws(town("PUT", f"/{id}", {"verification_token": None})) == {
        "body.verification_token": "string_type"
    }
    assert flaws(town("PUT", f"/{id}", {"verification_token": "x", "event_type": 3})) == {
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
    | st.dictionaries(st.sampled_from(list(wish(""))), JSON | WORDS, max_size=4).map(
        lambda one: json.dumps(one).encode()
    ),
    method=st.sampled_from(["POST", "PUT"]),
)
@example(body=b'{"data_type": {"a": []}, "event_type": [1]}', method="POST")
@example(body=b'{"data_type": 1e400}', method="POST")
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_whatever_is_sent_is_refused_in_words(town: Town, body: bytes, method: str) -> None:
    [id] = [one["id"] for one in town("GET").json] or [town.subscribe().json["id"]]
    answer = town("POST", "", body) if method == "POST" else town("PUT", f"/{id}", body)
    assert answer.status == 422
    assert answer.json["detail"]


# --- What is written down ---


def test_while_somebody_else_writes_it_is_busy_and_stores_nothing(
    tmp_path: Path, runner: asyncio.Runner
) -> None:
    place = str(tmp_path / "a.db")
    with Archive.open(place) as archive, Archive.open(place) as other:
        town = town_in(archive, runner)
        with other.transaction():
            other.user("somebody")
            answer = town.subscribe()
        assert answer.status == 503
        assert answer.headers["retry-after"] == "1"
        assert town.stored == 0
        assert town.subscribe().status == 201


def test_no_file_holds_a_verification_token_or_a_secret(tmp_path: Path, runner: asyncio.Runner) -> None:
    with Archive.open(str(tmp_path / "a.db")) as archive:
        town = town_in(archive, runner)
        one = town.subscribe().json
        town.beside(
            lambda here: town.send(
                "PUT", f"/{one['id']}", {"verification_token": "a token & more", "callback_url": here.url}
            )
        )
        kept = b"".join(path.read_bytes() for path in tmp_path.iterdir())
    assert one["id"].encode() in kept
    assert b"a token & more" not in kept
    assert b"a+token" not in kept
    assert town.secret.encode() not in kept


def test_the_journal_knows_the_request_and_no_secret(town: Town, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG")
    canary = "canary-of-this-test"
    town.asked(
        SUBSCRIPTION_PATH,
        f"client_secret={canary}",
        method="POST",
        headers=town.who(),
        body=json.dumps(wish(f"http://127.0.0.1:1/?key={canary}") | {"verification_token": canary}).encode(),
    )
    answer = town("POST", "", wish(f"http://127.0.0.1:1/?key={canary}", "nap", verification_token=canary))
    assert canary not in answer.text
    answer = town("POST", "", {"callback_url": f"http://a/?{canary}", "verification_token": canary})
    assert canary not in answer.text
    seen = town.asked.admin("requests", query=f"path={SUBSCRIPTION_PATH}")
    assert [(one["method"], one["status"]) for one in seen.json] == [("POST", 422)] * 3
    for secret in (canary, town.secret):
        assert secret not in seen.text
        assert secret not in caplog.text
