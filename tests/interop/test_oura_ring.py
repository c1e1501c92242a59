"""oura-ring, the client many programs use, unmodified but for its address: it sees what our clients see."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import msgspec
import oura_ring
import oura_ring.auth
import oura_ring.client
import pytest
import requests

from ringlet import SCOPES, TYPES, Tokens
from ringlet.client import AsyncClient, Client

from ..written_types import WRITTEN_TYPES
from .conftest import FIRST, LAST, Oura, Wearer

pytestmark = pytest.mark.interop

METHODS = {
    "sleep": "get_sleep_periods",
    "daily_sleep": "get_daily_sleep",
    "daily_readiness": "get_daily_readiness",
    "daily_activity": "get_daily_activity",
    "daily_stress": "get_daily_stress",
    "daily_resilience": "get_daily_resilience",
    "daily_spo2": "get_daily_spo2",
    "daily_cardiovascular_age": "get_daily_cardiovascular_age",
    "vO2_max": "get_vo2_max",
    "sleep_time": "get_sleep_time",
    "workout": "get_workouts",
    "session": "get_sessions",
    "enhanced_tag": "get_enhanced_tag",
    "tag": "get_tags",
    "rest_mode_period": "get_rest_mode_period",
    "ring_configuration": "get_ring_configuration",
    "heartrate": "get_heart_rate",
    "ring_battery_level": "get_ring_battery_level",
    "personal_info": "get_personal_info",
}
BEGIN, END = datetime(2026, 2, 20, tzinfo=UTC), datetime(2026, 3, 1, 12, tzinfo=UTC)
WITH_IDS = [name for name in METHODS if TYPES[name].has_ids]


@pytest.fixture
def theirs(oura: Oura, monkeypatch: pytest.MonkeyPatch) -> Iterator[oura_ring.OuraClient]:
    monkeypatch.setattr(oura_ring.client, "API_URL", oura.api)
    with oura_ring.OuraClient(oura.access_token) as client:
        yield client


@pytest.fixture
def ours(oura: Oura) -> Iterator[Client]:
    with Client(oura.access_token, base_url=oura.api) as client:
        yield client


def bounds(kind: Any) -> tuple[Any, ...]:
    """What both sides are asked for: days, instants, or nothing."""
    if kind.has_days:
        return FIRST, LAST
    return (BEGIN, END) if kind.is_series else ()


def documents(pages: list[bytes]) -> list[Any]:
    """Raw pages, or one raw object, as dicts."""
    decoded = [json.loads(page) for page in pages]
    return [one for page in decoded for one in (page if isinstance(page, list) else [page])]


def test_it_knows_every_type_that_the_simulated_wearer_writes_but_beats() -> None:
    calls = {name for name in dir(oura_ring.OuraClient) if name.startswith("get_")}
    assert calls == set(METHODS.values())
    assert len(calls) == 19
    assert set(METHODS) == WRITTEN_TYPES - {"interbeat_interval"}
    assert set(METHODS) <= set(TYPES)


@pytest.mark.parametrize("name", METHODS)
def test_each_of_its_calls_returns_what_our_clients_return(
    oura: Oura, theirs: oura_ring.OuraClient, ours: Client, name: str
) -> None:
    kind = TYPES[name]
    asked = bounds(kind)
    seen = getattr(theirs, METHODS[name])(*(one.isoformat() for one in asked))
    seen = seen if isinstance(seen, list) else [seen]
    params = dict(zip(kind.bounds, (one.isoformat() for one in asked), strict=False))

    async def awaited() -> tuple[list[bytes], Any]:
        async with AsyncClient(oura.access_token, base_url=oura.api) as client:
            return await client.run(kind.raw_pages(bytes, **params)), await typed(client, name, asked)

    assert seen or name == "rest_mode_period"
    raw, models = asyncio.run(awaited())
    assert documents(raw) == seen
    assert documents(ours.run(kind.raw_pages(bytes, **params))) == seen
    expected = msgspec.convert(seen, list[kind.model])
    assert typed(ours, name, asked) == models == (expected if asked or len(expected) != 1 else expected[0])


def typed(client: Any, name: str, asked: tuple[Any, ...]) -> Any:
    """The typed call of one of our clients with the very same bounds."""
    face = getattr(client, name)
    if asked:
        return face.list(*asked, exact=True)
    return face.list() if name == "ring_configuration" else face.get()


@pytest.mark.parametrize("name", WITH_IDS)
def test_each_document_it_fetches_by_id_is_the_one_it_listed(
    theirs: oura_ring.OuraClient, ours: Client, name: str
) -> None:
    kind = TYPES[name]
    call: Callable[..., Any] = getattr(theirs, METHODS[name])
    listed = call(*(one.isoformat() for one in bounds(kind)))
    for document in listed:
        assert call(document_id=document["id"]) == document
    if listed:
        own = getattr(ours, name).get(listed[-1]["id"])
        assert own == msgspec.convert(listed[-1], kind.model)


def test_a_document_that_is_not_there_is_its_http_error(theirs: oura_ring.OuraClient) -> None:
    with pytest.raises(requests.HTTPError) as missing:
        theirs.get_daily_sleep(document_id="00000000-0000-4000-8000-000000000000")
    assert missing.value.response.status_code == 404


@pytest.mark.parametrize("name", [name for name, kind in TYPES.items() if kind.has_latest])
def test_the_latest_sample_is_the_same(theirs: oura_ring.OuraClient, ours: Client, name: str) -> None:
    [newest] = getattr(theirs, METHODS[name])(latest=True)
    assert getattr(ours, name).latest() == msgspec.convert(newest, TYPES[name].model)
    [*_, last] = getattr(theirs, METHODS[name])(BEGIN.isoformat(), END.isoformat())
    assert newest == last


def test_it_turns_the_pages_of_heart_rate_to_the_end(theirs: oura_ring.OuraClient, ours: Client) -> None:
    """More than a thousand rows, in order, each once, whether it names a zone or not."""
    rows = theirs.get_heart_rate(BEGIN.isoformat(), END.isoformat())
    kind = TYPES["heartrate"]
    pages = ours.run(kind.raw_pages(bytes, start_datetime=BEGIN.isoformat(), end_datetime=END.isoformat()))
    assert len(pages) > 3
    assert len(rows) > 3000
    stamps = [(row["timestamp"], row["source"]) for row in rows]
    assert len(stamps) == len(set(stamps))
    assert [stamp for stamp, _ in stamps] == sorted(stamp for stamp, _ in stamps)
    naive = (one.replace(tzinfo=None).isoformat() for one in (BEGIN, END))
    assert theirs.get_heart_rate(*naive) == rows
    east = (one.astimezone(timezone(timedelta(hours=5))).isoformat() for one in (BEGIN, END))
    assert theirs.get_heart_rate(*east) == rows


def test_windows_side_by_side_lose_nothing(theirs: oura_ring.OuraClient) -> None:
    whole = theirs.get_daily_readiness(FIRST.isoformat(), LAST.isoformat())
    middle = FIRST + timedelta(days=20)
    first = theirs.get_daily_readiness(FIRST.isoformat(), (middle - timedelta(days=1)).isoformat())
    second = theirs.get_daily_readiness(middle.isoformat(), LAST.isoformat())
    assert first + second == whole
    assert [one["day"] for one in whole] == sorted({one["day"] for one in whole})


@pytest.fixture
def auth(oura: Oura, monkeypatch: pytest.MonkeyPatch) -> oura_ring.OuraAuth:
    monkeypatch.setattr(oura_ring.auth, "AUTHORIZE_URL", oura.authorize_url)
    monkeypatch.setattr(oura_ring.auth, "TOKEN_URL", oura.token_url)
    monkeypatch.setattr(oura_ring.auth, "REVOKE_URL", oura.revoke_url)
    monkeypatch.setattr(oura_ring.client, "API_URL", oura.api)
    return oura_ring.OuraAuth(oura.client_id, oura.client_secret)


def who(token: str) -> str:
    with oura_ring.OuraClient(token) as client:
        found: str = client.get_personal_info()["id"]
    return found


@pytest.mark.parametrize("scope", [None, oura_ring.SCOPES], ids=["all that there are", "its own list"])
def test_its_sign_in_completes_from_authorize_to_revoke(
    oura: Oura, auth: oura_ring.OuraAuth, wearer: Wearer, scope: tuple[str, ...] | None
) -> None:
    """Its list spells `spo2Daily` as the specification does, and is granted `spo2`."""
    code = wearer.code(auth.authorize_url(oura.redirect_uri, scope=scope, state="a state"))
    tokens = auth.exchange_code(code, oura.redirect_uri)
    assert tokens["token_type"] == "bearer"
    assert Tokens(access_token="", scope=tokens["scope"]).scopes == set(SCOPES)
    assert who(tokens["access_token"]) == oura.user_id

    fresh = auth.refresh_token(tokens["refresh_token"])
    assert fresh["access_token"] != tokens["access_token"]
    assert fresh["refresh_token"] != tokens["refresh_token"]
    assert who(fresh["access_token"]) == oura.user_id

    auth.revoke_token(fresh["access_token"])
    with pytest.raises(requests.HTTPError) as dead:
        who(fresh["access_token"])
    assert dead.value.response.status_code == 401
    with pytest.raises(requests.HTTPError) as spent:
        auth.refresh_token(fresh["refresh_token"])
    assert spent.value.response.json()["error"] == "invalid_grant"


def test_a_code_and_a_refresh_token_work_once(oura: Oura, auth: oura_ring.OuraAuth, wearer: Wearer) -> None:
    code = wearer.code(auth.authorize_url(oura.redirect_uri))
    tokens = auth.exchange_code(code, oura.redirect_uri)
    auth.refresh_token(tokens["refresh_token"])
    for again in (
        lambda: auth.refresh_token(tokens["refresh_token"]),
        lambda: auth.exchange_code(code, oura.redirect_uri),
    ):
        with pytest.raises(requests.HTTPError) as refused:
            again()
        assert refused.value.response.status_code == 400
        assert refused.value.response.json()["error"] == "invalid_grant"
