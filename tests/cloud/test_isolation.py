"""No token reads another user's data: every operation of the API is called with every kind of token.

The other wearer's documents are recognized by what only they contain: their ids and their timestamps.

The tests are row 19 of the list in `test_security.py`.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Callable, Iterator

import pytest

from ringlet import TYPES
from ringlet._api.kinds import ROOT, SANDBOX, Documents, Inventory, Samples
from ringlet._cloud.data.openapi import document
from ringlet._cloud.wearer.demo import populate
from ringlet._cloud.webhooks.subscriptions import Subscribed
from ringlet._oauth.scopes import SCOPES
from ringlet._person.person import DOCUMENTS, SERIES
from ringlet._webhooks.subscriptions import SUBSCRIPTION_PATH
from ringlet.archive import Archive
from ringlet.cloud import Clock, Cloud, OAuthRules

from .conftest import NOW, Answer, CloudClient

OPERATIONS = sorted(
    (path, method)
    for path, operations in document()["paths"].items()
    if path.startswith((ROOT, SANDBOX))
    for method in operations
    if method == "get"
)
SUBSCRIPTION_OPERATIONS = sorted(
    (path, method)
    for path, operations in document()["paths"].items()
    if path.startswith(SUBSCRIPTION_PATH)
    for method in operations
)
ALL_DAYS = {"start_date": "2026-01-01", "end_date": "2026-03-02"}
LAST_DAYS = {
    "start_date": "2026-02-28",
    "end_date": "2026-03-01",
    "start_datetime": "2026-02-28T00:00:00Z",
    "end_datetime": "2026-03-02T00:00:00Z",
}
"""Short, for the sandbox, which generates each document when it is requested."""
JSON_OBJECT = re.compile(rb"\{[^{}]*\}")
QUOTED_STRING = re.compile(rb'"[^"\\]*"')
INSTANTS = {"start_datetime": "2026-01-20T00:00:00Z", "end_datetime": "2026-03-02T00:00:00Z"}


class TwoWearers:
    """A cloud with two wearers, a client of each, and what only the second wearer has."""

    def __init__(self, archive: Archive, runner: asyncio.Runner) -> None:
        clock = Clock(NOW)
        self.reader = populate(archive, clock, days=20, seed=7)
        self.other = populate(archive, clock, days=20, seed=8)
        assert self.reader != self.other
        self.cloud = Cloud(archive, clock=clock, rules=OAuthRules(implicit=True))
        self.reader_client = CloudClient(self.cloud, runner, self.reader)
        self.other_client = CloudClient(self.cloud, runner, self.other)
        self.archive = archive
        self._marks: dict[str, set[bytes]] = {}
        self._app, _ = self.cloud.grants.apps.register("Theirs", ["https://theirs.example/callback"])
        self.cloud.subscriptions.create(self._app, "https://theirs.example/oura?their-key", "update", "sleep")

    @property
    def subscription(self) -> Subscribed:
        """What an application of the other wearer has subscribed to."""
        [one] = self.cloud.subscriptions.of(self._app)
        return one

    def window(self, name: str) -> dict[str, str]:
        """The parameters of a request for everything that both wearers have of a type."""
        return INSTANTS if isinstance(TYPES[name], Samples) else ALL_DAYS

    def ids(self, name: str) -> list[str]:
        """The other wearer's document ids."""
        return self.other_client(name, ALL_DAYS, token=self.other_client.token()).ids

    def marks(self, name: str) -> set[bytes]:
        """What tells the other wearer's documents of a type from the reader's."""
        if name not in self._marks:
            kind, window = TYPES[name], self.window(name)
            theirs = self.other_client(kind.name, window, token=self.other_client.token())
            mine = self.reader_client(kind.name, window, token=self.reader_client.token())
            if isinstance(kind, Documents | Inventory):
                found = {f'"{id}"'.encode() for id in set(theirs.ids) - set(mine.ids)}
            elif isinstance(kind, Samples):
                found = set(JSON_OBJECT.findall(theirs.body)) - set(JSON_OBJECT.findall(mine.body))
            else:
                found = {f'"{theirs.json["id"]}"'.encode()}
            self._marks[name] = found
        return self._marks[name]


@pytest.fixture(scope="module")
def wearers(runner: asyncio.Runner) -> Iterator[TwoWearers]:
    with Archive.open(":memory:") as archive:
        yield TwoWearers(archive, runner)


def marks_in(marks: set[bytes], answer: Answer) -> set[bytes]:
    """The marks that a response contains: each is a whole JSON object or a whole string."""
    return marks & {*JSON_OBJECT.findall(answer.body), *QUOTED_STRING.findall(answer.body)}


def granted(wearers: TwoWearers) -> str:
    return wearers.reader_client.token()


def narrow(wearers: TwoWearers) -> str:
    return wearers.reader_client.token("personal")


def nothing(wearers: TwoWearers) -> str:
    return wearers.reader_client.token("none")


def personal(wearers: TwoWearers) -> str:
    return wearers.cloud.grants.personal.create(wearers.reader, "notebook")


def implicit(wearers: TwoWearers) -> str:
    client_id, _ = wearers.cloud.grants.apps.register("Page", ["https://page.example/callback"], public=True)
    return wearers.cloud.grants.issue(client_id, wearers.reader, SCOPES, refreshable=False).access_token


def refreshing(wearers: TwoWearers) -> str:
    """A refresh token, which opens no data."""
    client_id, _ = wearers.cloud.grants.apps.register("Renewing", ["https://renewing.example/callback"])
    issued = wearers.cloud.grants.issue(client_id, wearers.reader, SCOPES)
    assert issued.refresh_token
    return issued.refresh_token


def revoked(wearers: TwoWearers) -> str:
    """The other wearer's own token, after it was revoked."""
    token = wearers.other_client.token()
    assert wearers.cloud.grants.revoke(token)
    wearers.cloud.data.forget_access()
    return token


def lapsed(wearers: TwoWearers) -> str:
    """The token of a user whose membership has ended."""
    user = wearers.archive.user("lapsed")
    wearers.cloud.grants.memberships.end(user)
    return CloudClient(wearers.cloud, wearers.reader_client.runner, user).token()


def newcomer(wearers: TwoWearers) -> str:
    """The token of a user who has no data."""
    return CloudClient(wearers.cloud, wearers.reader_client.runner, wearers.archive.user("newcomer")).token()


def running(wearers: TwoWearers) -> str:
    """The admin token, which opens the control API but no data."""
    return wearers.cloud.admin_token


def unknown(wearers: TwoWearers) -> str:
    return "sandbox"


WRITTEN = {*DOCUMENTS, *SERIES, "personal_info"}
"""The data types that the simulated wearer has."""
MAY_BE_ABSENT = {"rest_mode_period"}
"""Types of which the other wearer may have no document in twenty days."""

TOKEN_KINDS: list[Callable[[TwoWearers], str]] = [
    granted,
    narrow,
    nothing,
    personal,
    implicit,
    refreshing,
    revoked,
    lapsed,
    newcomer,
    running,
    unknown,
]


@pytest.mark.parametrize(("path", "method"), OPERATIONS, ids=[path for path, _ in OPERATIONS])
def test_row_19_no_operation_returns_data_of_another_user(
    wearers: TwoWearers, path: str, method: str
) -> None:
    name = path.removeprefix(SANDBOX).removeprefix(ROOT).strip("/").partition("/")[0]
    secrets = wearers.marks(name)
    assert secrets or name in MAY_BE_ABSENT or name not in WRITTEN
    tokens = {kind.__name__: kind(wearers) for kind in TOKEN_KINDS}
    checked: set[bytes] = set()
    for target, query in attempts(wearers, name, path):
        for kind, token in tokens.items():
            for sent, more in (
                ({"token": token}, {}),
                ({"headers": {"authorization": f"Bearer {token}", "x-user-id": str(wearers.other)}}, {}),
                ({}, {"access_token": token}),
            ):
                answer = wearers.reader_client(target, query | more, method=method.upper(), **sent)
                if answer.body not in checked:  # many requests have the same answer
                    checked.add(answer.body)
                    assert not marks_in(secrets, answer), (kind, target, query)


def attempts(wearers: TwoWearers, name: str, path: str) -> Iterator[tuple[str, dict[str, str]]]:
    """Every request by which one might get the other wearer's data from one operation."""
    if "{" in path:
        for id in wearers.ids(name)[:3]:
            yield re.sub(r"\{\w+\}", id, path), {}
            yield re.sub(r"\{\w+\}", id, path), {"user_id": str(wearers.other)}
        return
    window = wearers.window(name)
    if path.startswith(SANDBOX):
        window = {bound: LAST_DAYS[bound] for bound in window}
    yield path, {}
    yield path, window
    me = json.loads(wearers.archive.single(wearers.other, TYPES["personal_info"]) or b"{}")["id"]
    for parameter in ("user_id", "user", "id"):
        yield path, window | {parameter: me}
        yield path, window | {parameter: str(wearers.other)}
    if isinstance(TYPES[name], Samples):
        yield path, {"latest": "true"}
        first = wearers.other_client(name, window, token=wearers.other_client.token()).json
        if first.get("next_token"):
            yield path, {"next_token": first["next_token"]}


def test_row_19_another_wearers_page_token_returns_no_data_of_that_wearer(wearers: TwoWearers) -> None:
    first = wearers.other_client("heartrate", INSTANTS, token=wearers.other_client.token()).json
    answer = wearers.reader_client(
        "heartrate", {"next_token": first["next_token"]}, token=wearers.reader_client.token()
    )
    own = wearers.reader_client("heartrate", INSTANTS, token=wearers.reader_client.token())
    assert not wearers.marks("heartrate") & set(JSON_OBJECT.findall(answer.body))
    assert own.json["data"]


@pytest.mark.parametrize(
    ("path", "method"), SUBSCRIPTION_OPERATIONS, ids=[" ".join(one) for one in SUBSCRIPTION_OPERATIONS]
)
def test_row_19_no_token_gives_access_to_subscriptions(wearers: TwoWearers, path: str, method: str) -> None:
    theirs = wearers.subscription
    at = path.replace("{id}", theirs.id)
    request = {"verification_token": "x", "callback_url": "https://mine.example/"}
    for kind in TOKEN_KINDS:
        token = kind(wearers)
        for headers in (
            {"authorization": f"Bearer {token}"},
            {"authorization": f"Bearer {token}", "x-client-id": theirs.client_id},
            {"x-client-id": theirs.client_id, "x-client-secret": token},
        ):
            answer = wearers.reader_client(
                at, method=method.upper(), headers=headers, body=json.dumps(request).encode()
            )
            assert answer.status in (401, 429), (kind.__name__, answer)
            assert b"their-key" not in answer.body
    assert wearers.subscription == theirs, "the subscription must not change"


@pytest.mark.parametrize(
    ("path", "method"), SUBSCRIPTION_OPERATIONS, ids=[" ".join(one) for one in SUBSCRIPTION_OPERATIONS]
)
def test_row_19_no_application_reads_or_changes_subscriptions_of_another(
    wearers: TwoWearers, path: str, method: str
) -> None:
    client_id, secret = wearers.cloud.grants.apps.register("Nosy", ["https://nosy.example/callback"])
    theirs = wearers.subscription
    headers = {"x-client-id": client_id, "x-client-secret": secret}
    request = b'{"verification_token": "x", "event_type": "delete"}'
    answer = wearers.reader_client(
        path.replace("{id}", theirs.id), method=method.upper(), headers=headers, body=request
    )
    unknown = wearers.reader_client(
        path.replace("{id}", "unknown"), method=method.upper(), headers=headers, body=request
    )
    assert (answer.status, answer.body) == (unknown.status, unknown.body)
    assert answer.status == {"get": 200, "post": 422}.get(method, 403) or answer.status == 403
    assert b"their-key" not in answer.body
    assert wearers.subscription == theirs


def test_these_tests_cover_every_operation_of_the_api() -> None:
    counted = {name: 2 * (1 + isinstance(kind, Documents | Inventory)) for name, kind in TYPES.items()}
    counted["personal_info"] = 1  # the sandbox has none
    assert len(OPERATIONS) == sum(counted.values())
    assert len(SUBSCRIPTION_OPERATIONS) == 6
