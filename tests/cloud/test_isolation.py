"""Nobody reads another's data: every operation of the API, asked by every kind of user, for somebody else's.

The other wearer's documents are known by what only they contain: their ids and their instants.
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
SUBSCRIBING = sorted(
    (path, method)
    for path, operations in document()["paths"].items()
    if path.startswith(SUBSCRIPTION_PATH)
    for method in operations
)
WIDE = {"start_date": "2026-01-01", "end_date": "2026-03-02"}
NARROW = {
    "start_date": "2026-02-27",
    "end_date": "2026-03-02",
    "start_datetime": "2026-02-28T00:00:00Z",
    "end_datetime": "2026-03-02T00:00:00Z",
}
"""For the sandbox, which makes each document at the request."""
ROW = re.compile(rb"\{[^{}]*\}")
QUOTED = re.compile(rb'"[^"\\]*"')
INSTANTS = {"start_datetime": "2026-01-20T00:00:00Z", "end_datetime": "2026-03-02T00:00:00Z"}


class Town:
    """Two wearers in one cloud, and what only the second of them has."""

    def __init__(self, archive: Archive, runner: asyncio.Runner) -> None:
        clock = Clock(NOW)
        self.reader = populate(archive, clock, days=20, seed=7)
        self.other = populate(archive, clock, days=20, seed=8)
        assert self.reader != self.other
        self.cloud = Cloud(archive, clock=clock, rules=OAuthRules(implicit=True))
        self.ask = CloudClient(self.cloud, runner, self.reader)
        self.others = CloudClient(self.cloud, runner, self.other)
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
        """All that both have of a type."""
        return INSTANTS if isinstance(TYPES[name], Samples) else WIDE

    def ids(self, name: str) -> list[str]:
        """The other wearer's document ids."""
        return self.others(name, WIDE, token=self.others.token()).ids

    def marks(self, name: str) -> set[bytes]:
        """What tells the other wearer's documents of a type from the reader's."""
        if name not in self._marks:
            kind, window = TYPES[name], self.window(name)
            theirs = self.others(kind.name, window, token=self.others.token())
            mine = self.ask(kind.name, window, token=self.ask.token())
            if isinstance(kind, Documents | Inventory):
                found = {f'"{id}"'.encode() for id in set(theirs.ids) - set(mine.ids)}
            elif isinstance(kind, Samples):
                found = set(ROW.findall(theirs.body)) - set(ROW.findall(mine.body))
            else:
                found = {f'"{theirs.json["id"]}"'.encode()}
            self._marks[name] = found
        return self._marks[name]


@pytest.fixture(scope="module")
def town(runner: asyncio.Runner) -> Iterator[Town]:
    with Archive.open(":memory:") as archive:
        yield Town(archive, runner)


def shown(marks: set[bytes], answer: Answer) -> set[bytes]:
    """Which of the marks an answer contains: each is a whole row or a whole quoted word."""
    return marks & {*ROW.findall(answer.body), *QUOTED.findall(answer.body)}


def granted(town: Town) -> str:
    return town.ask.token()


def narrow(town: Town) -> str:
    return town.ask.token("personal")


def nothing(town: Town) -> str:
    return town.ask.token("none")


def personal(town: Town) -> str:
    return town.cloud.grants.personal.create(town.reader, "notebook")


def implicit(town: Town) -> str:
    client_id, _ = town.cloud.grants.apps.register("Page", ["https://page.example/callback"], public=True)
    return town.cloud.grants.issue(client_id, town.reader, SCOPES, refreshable=False).access_token


def refreshing(town: Town) -> str:
    """A refresh token is no key to data."""
    client_id, _ = town.cloud.grants.apps.register("Renewing", ["https://renewing.example/callback"])
    issued = town.cloud.grants.issue(client_id, town.reader, SCOPES)
    assert issued.refresh_token
    return issued.refresh_token


def revoked(town: Town) -> str:
    """The other wearer's own token, after it was revoked."""
    token = town.others.token()
    assert town.cloud.grants.revoke(token)
    town.cloud.data.forget_access()
    return token


def lapsed(town: Town) -> str:
    """Somebody whose membership has ended."""
    user = town.archive.user("lapsed")
    town.cloud.grants.memberships.end(user)
    return CloudClient(town.cloud, town.ask.runner, user).token()


def newcomer(town: Town) -> str:
    """Somebody who has no data at all."""
    return CloudClient(town.cloud, town.ask.runner, town.archive.user("newcomer")).token()


def running(town: Town) -> str:
    """Whoever runs the cloud holds the controls, not the data."""
    return town.cloud.admin_token


def unknown(town: Town) -> str:
    return "sandbox"


WRITTEN = {*DOCUMENTS, *SERIES, "personal_info"}
"""The data types that the simulated wearer has."""
RARE = {"rest_mode_period"}
"""Neither wearer need have one in twenty days."""

KINDS: list[Callable[[Town], str]] = [
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
def test_row_19_no_operation_gives_anyone_what_is_anothers(town: Town, path: str, method: str) -> None:
    name = path.removeprefix(SANDBOX).removeprefix(ROOT).strip("/").partition("/")[0]
    secrets = town.marks(name)
    assert secrets or name in RARE or name not in WRITTEN
    tokens = {kind.__name__: kind(town) for kind in KINDS}
    for target, query in asked(town, name, path):
        for kind, token in tokens.items():
            for sent, more in (
                ({"token": token}, {}),
                ({"headers": {"authorization": f"Bearer {token}", "x-user-id": str(town.other)}}, {}),
                ({}, {"access_token": token}),
            ):
                answer = town.ask(target, query | more, method=method.upper(), **sent)
                assert not shown(secrets, answer), (kind, target, query)


def asked(town: Town, name: str, path: str) -> Iterator[tuple[str, dict[str, str]]]:
    """Everything one might try to get at the other wearer through one operation."""
    if "{" in path:
        for id in town.ids(name)[:3]:
            yield re.sub(r"\{\w+\}", id, path), {}
            yield re.sub(r"\{\w+\}", id, path), {"user_id": str(town.other)}
        return
    window = town.window(name)
    if path.startswith(SANDBOX):
        window = {bound: NARROW[bound] for bound in window}
    yield path, {}
    yield path, window
    me = json.loads(town.archive.single(town.other, TYPES["personal_info"]) or b"{}")["id"]
    for wish in ("user_id", "user", "id"):
        yield path, window | {wish: me}
        yield path, window | {wish: str(town.other)}
    if isinstance(TYPES[name], Samples):
        yield path, {"latest": "true"}
        first = town.others(name, window, token=town.others.token()).json
        if first.get("next_token"):
            yield path, {"next_token": first["next_token"]}


def test_row_19_another_wearers_page_token_opens_ones_own_page_or_none(town: Town) -> None:
    first = town.others("heartrate", INSTANTS, token=town.others.token()).json
    answer = town.ask("heartrate", {"next_token": first["next_token"]}, token=town.ask.token())
    own = town.ask("heartrate", INSTANTS, token=town.ask.token())
    assert not town.marks("heartrate") & set(ROW.findall(answer.body))
    assert own.json["data"]


@pytest.mark.parametrize(("path", "method"), SUBSCRIBING, ids=[" ".join(one) for one in SUBSCRIBING])
def test_row_19_no_token_opens_the_subscriptions_of_an_application(
    town: Town, path: str, method: str
) -> None:
    theirs = town.subscription
    at = path.replace("{id}", theirs.id)
    wish = {"verification_token": "x", "callback_url": "https://mine.example/"}
    for kind in KINDS:
        token = kind(town)
        for headers in (
            {"authorization": f"Bearer {token}"},
            {"authorization": f"Bearer {token}", "x-client-id": theirs.client_id},
            {"x-client-id": theirs.client_id, "x-client-secret": token},
        ):
            answer = town.ask(at, method=method.upper(), headers=headers, body=json.dumps(wish).encode())
            assert answer.status in (401, 429), (kind.__name__, answer)
            assert b"their-key" not in answer.body
    assert town.subscription == theirs, "and nothing has changed"


@pytest.mark.parametrize(("path", "method"), SUBSCRIBING, ids=[" ".join(one) for one in SUBSCRIBING])
def test_row_19_no_application_sees_or_changes_what_another_subscribed_to(
    town: Town, path: str, method: str
) -> None:
    client_id, secret = town.cloud.grants.apps.register("Nosy", ["https://nosy.example/callback"])
    theirs = town.subscription
    headers = {"x-client-id": client_id, "x-client-secret": secret}
    wish = b'{"verification_token": "x", "event_type": "delete"}'
    answer = town.ask(path.replace("{id}", theirs.id), method=method.upper(), headers=headers, body=wish)
    unknown = town.ask(path.replace("{id}", "unknown"), method=method.upper(), headers=headers, body=wish)
    assert (answer.status, answer.body) == (unknown.status, unknown.body)
    assert answer.status == {"get": 200, "post": 422}.get(method, 403) or answer.status == 403
    assert b"their-key" not in answer.body
    assert town.subscription == theirs


def test_every_operation_of_the_api_was_asked() -> None:
    counted = {name: 2 * (1 + isinstance(kind, Documents | Inventory)) for name, kind in TYPES.items()}
    counted["personal_info"] = 1  # the sandbox has none
    assert len(OPERATIONS) == sum(counted.values())
    assert len(SUBSCRIBING) == 6
