"""A client gets exactly what the simulated wearer has: every type, both clients, both dialects, any window.

By default a window includes its first and its last day, or the instants from its start up to its end, however
the endpoint treats its bounds. The expected documents and samples come from the simulated wearer itself.
"""

import asyncio
import inspect
from datetime import UTC, date, datetime, timedelta, timezone

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ringlet._api.catalog import TYPES
from ringlet._api.kinds import Documents, Inventory, LiveSamples, Samples, Single
from ringlet._api.windows import day_ms, parse_instant, to_ms
from ringlet._api.wire import RetryPolicy
from ringlet._oauth.grant import Tokens
from ringlet._oauth.scopes import SCOPES
from ringlet._person.person import DOCUMENTS as WRITTEN
from ringlet.client import MemoryTokenStore
from ringlet.errors import (
    DocumentNotFound,
    InsufficientScope,
    InvalidToken,
    OAuthError,
    RateLimited,
    RouteNotFound,
)

from ..examples import few

DOCUMENTS = [name for name, kind in TYPES.items() if isinstance(kind, Documents)]
SERIES = [name for name, kind in TYPES.items() if isinstance(kind, Samples)]
LIVE_SERIES = [name for name, kind in TYPES.items() if isinstance(kind, LiveSamples)]
WITHOUT_RETRIES = RetryPolicy(max_tries=1)

# Numbers of days within the demo: its first day may lack a sleep period that began the evening before.
DAY_RANGES = st.tuples(st.integers(0, 60), st.integers(0, 60))
OFFSETS = st.integers(-12, 14).map(lambda hours: timezone(timedelta(hours=hours)))
INSTANT_RANGES = st.tuples(st.integers(0, 59 * 1440), st.integers(0, 5 * 1440), OFFSETS)


def on_both_clients(loopback, ask):
    """What the blocking client returns, after checking that the async client returns the same."""
    with loopback.client() as client:
        blocking = ask(client)
        if inspect.isgenerator(blocking):
            blocking = list(blocking)

    async def run_async():
        async with loopback.async_client() as client:
            answer = ask(client)
            return [one async for one in answer] if inspect.isasyncgen(answer) else await answer

    assert asyncio.run(run_async()) == blocking
    return blocking


def expected_documents(loopback, name, first, last):
    """The documents that the simulated wearer has of these days."""
    kind = TYPES[name]
    items = loopback.person.documents(name, max(first, loopback.first), last, now=loopback.now)
    return [msgspec.json.decode(item.body, type=kind.model) for item in items]


def in_order(kind, documents):
    """Sort by day and instant, because the order within a day depends on the dialect."""
    return sorted(
        documents, key=lambda one: (getattr(one, kind.day), str(getattr(one, kind.instant)), one.id or "")
    )


@pytest.mark.parametrize("name", DOCUMENTS)
def test_a_list_of_any_days_has_exactly_the_documents_of_those_days(loopback, name):
    kind = TYPES[name]

    @given(DAY_RANGES)
    @few()
    def exactly(span):
        start = loopback.first + timedelta(days=span[0])
        end = start + timedelta(days=span[1])
        got = on_both_clients(loopback, lambda client: getattr(client, name).list(start, end))
        assert in_order(kind, got) == in_order(kind, expected_documents(loopback, name, start, end))
        days = [getattr(one, kind.day) for one in got]
        assert days == sorted(days) or kind.instant != "day", "oldest first"

    exactly()


@pytest.mark.parametrize("name", DOCUMENTS)
def test_lists_of_single_days_add_up_to_the_list_of_all_days(loopback, name):
    with loopback.client() as client:
        face = getattr(client, name)
        start, end = loopback.first, loopback.last
        whole = face.list(start, end)
        days = [start + timedelta(days=n) for n in range((end - start).days + 1)]
        daily = [one for day in days for one in face.list(day, day)]
    kind = TYPES[name]
    assert whole or name not in WRITTEN, "within sixty days the wearer writes documents of every type"
    assert (
        in_order(kind, daily)
        == in_order(kind, whole)
        == in_order(kind, expected_documents(loopback, name, start, end))
    )


@pytest.mark.parametrize("name", DOCUMENTS)
def test_each_document_is_found_by_its_id(loopback, name):
    for item in list(loopback.person.documents(name, loopback.first, loopback.last, now=loopback.now))[:5]:
        got = on_both_clients(loopback, lambda client, item=item: getattr(client, name).get(item.id))
        assert got == msgspec.json.decode(item.body, type=TYPES[name].model)
    with pytest.raises(DocumentNotFound), loopback.client() as client:
        getattr(client, name).get("not-existing")


@pytest.mark.parametrize("name", DOCUMENTS)
def test_fields_select_fields_of_the_same_documents(loopback, name):
    kind = TYPES[name]
    start, end = loopback.first, loopback.first + timedelta(days=40)
    whole = on_both_clients(loopback, lambda client: getattr(client, name).list(start, end))
    cut = on_both_clients(loopback, lambda client: getattr(client, name).list(start, end, fields=["id"]))
    assert [one["id"] for one in cut] == [one.id for one in whole]
    for one in cut:
        assert kind.day in one
        assert one.keys() <= {"id", "day", "timestamp", kind.day, kind.instant} or not kind.supports_fields


@pytest.mark.parametrize("name", DOCUMENTS)
def test_an_exact_window_follows_the_endpoints_own_bounds(loopback, name):
    """The live dialect compares the documents' instants, the documented dialect their days."""
    kind = TYPES[name]
    start, end = loopback.first + timedelta(days=10), loopback.first + timedelta(days=40)

    def inside(item):
        if loopback.cloud.settings.dialect == "docs":
            return start <= item.day <= end
        key = msgspec.json.decode(item.body)[kind.instant]
        return day_ms(start) <= parse_instant(key) <= day_ms(end)

    items = loopback.person.documents(name, loopback.first, loopback.last, now=loopback.now)
    expected = {item.id for item in items if inside(item)}
    got = on_both_clients(loopback, lambda client: getattr(client, name).list(start, end, exact=True))
    assert sorted(one.id for one in got) == sorted(expected)


def test_rings_are_listed_and_found_by_id(loopback):
    kind = TYPES["ring_configuration"]
    assert isinstance(kind, Inventory)
    items = loopback.person.documents("ring_configuration", loopback.first, loopback.last, now=loopback.now)
    expected = [msgspec.json.decode(item.body, type=kind.model) for item in items]
    assert on_both_clients(loopback, lambda client: client.ring_configuration.list()) == expected
    assert (
        on_both_clients(loopback, lambda client: client.ring_configuration.get(expected[0].id)) == expected[0]
    )
    cut = on_both_clients(loopback, lambda client: client.ring_configuration.list(fields=["size"]))
    assert cut == [{"id": one.id, "size": one.size} for one in expected]


def test_personal_info_is_that_of_the_wearer(loopback):
    kind = TYPES["personal_info"]
    assert isinstance(kind, Single)
    expected = msgspec.json.decode(loopback.person.personal_info(), type=kind.model)
    assert on_both_clients(loopback, lambda client: client.personal_info.get()) == expected


# --- Series ---


def expected_samples(loopback, name, start, end):
    """The wearer's samples with start <= timestamp < end."""
    first, last = start.astimezone(UTC).date(), end.astimezone(UTC).date()
    rows = loopback.person.samples(
        name, max(first, loopback.first), min(last, loopback.last), now=loopback.now
    )
    model = TYPES[name].model
    return [
        msgspec.json.decode(row, type=model) for at, row in rows if to_ms(start) <= to_ms(at) < to_ms(end)
    ]


def window(loopback, span):
    minutes, length, zone = span
    begin = datetime(loopback.first.year, loopback.first.month, loopback.first.day, tzinfo=UTC) + timedelta(
        minutes=minutes
    )
    return begin.astimezone(zone), (begin + timedelta(minutes=length)).astimezone(zone)


@pytest.mark.parametrize("name", SERIES)
def test_a_list_of_any_window_has_exactly_the_samples_from_its_start_up_to_its_end(loopback, name):
    @given(INSTANT_RANGES)
    @few()
    def exactly(span):
        start, end = window(loopback, span)
        got = on_both_clients(loopback, lambda client: getattr(client, name).list(start, end))
        assert got == expected_samples(loopback, name, start, end)

    exactly()


@pytest.mark.parametrize("name", SERIES)
def test_windows_of_any_stride_add_up_to_the_whole_list(loopback, name):
    start, end = window(loopback, (9000, 5000, UTC))
    whole = on_both_clients(loopback, lambda client: getattr(client, name).list(start, end))
    for stride in (timedelta(hours=7), timedelta(days=1), timedelta(days=30)):
        pieces = on_both_clients(
            loopback, lambda client, stride=stride: getattr(client, name).windows(start, end, stride=stride)
        )
        assert [one for piece in pieces for one in piece] == whole


@pytest.mark.parametrize("name", SERIES)
def test_two_adjacent_windows_share_no_sample(loopback, name):
    """A sample exactly at the bound belongs to the later window."""
    start, end = window(loopback, (9000, 3000, UTC))
    with loopback.client() as client:
        face = getattr(client, name)
        whole = face.list(start, end)
        bound = whole[len(whole) // 2].timestamp
        assert face.list(start, bound) + face.list(bound, end) == whole


@pytest.mark.parametrize("name", SERIES)
def test_fields_select_fields_of_the_same_samples(loopback, name):
    start, end = window(loopback, (9000, 600, UTC))
    field = {"heartrate": "bpm", "ring_battery_level": "level", "interbeat_interval": "ibi"}[name]
    whole = on_both_clients(loopback, lambda client: getattr(client, name).list(start, end))
    cut = on_both_clients(loopback, lambda client: getattr(client, name).list(start, end, fields=[field]))
    assert [one[field] for one in cut] == [getattr(one, field) for one in whole]
    assert {frozenset(one) for one in cut} <= {frozenset({field, "timestamp"})}


@pytest.mark.parametrize("name", LIVE_SERIES)
def test_latest_is_the_last_sample_before_now(loopback, name):
    before = loopback.now - timedelta(days=2)
    last = expected_samples(loopback, name, before, loopback.now + timedelta(milliseconds=1))[-1]
    assert on_both_clients(loopback, lambda client: getattr(client, name).latest()) == last


# --- The sandbox ---


def test_a_sandbox_client_lists_finds_and_gets_the_latest(loopback):
    start, end = date(2026, 1, 1), date(2026, 1, 14)
    with loopback.client(sandbox=True) as client:
        days = [one.day for one in client.daily_sleep.list(start, end)]
        assert days == sorted(days)
        assert days[0] == start
        assert days[-1] == end
        one = client.daily_sleep.list(start, start)[0]
        assert one.id == "daily_sleep-0-2026-1-1"
        assert client.daily_sleep.get(one.id) == one
        assert client.heartrate.latest() is not None
        with pytest.raises(RouteNotFound):
            client.personal_info.get()


# --- Errors ---


def test_the_error_for_a_missing_scope_names_the_scope(loopback):
    granted = [scope for scope in SCOPES if scope != "stress"]
    with loopback.client(loopback.grant(*granted).access_token, retry_policy=WITHOUT_RETRIES) as client:
        assert client.daily_sleep.list(loopback.first, loopback.last)
        with pytest.raises(InsufficientScope) as refused:
            client.daily_resilience.list(loopback.first, loopback.last)
    assert refused.value.scope == "stress"


def test_a_revoked_token_is_an_invalid_token(loopback):
    issued = loopback.grant()
    loopback.cloud.grants.revoke(issued.refresh_token)
    with (
        loopback.client(issued.access_token, retry_policy=WITHOUT_RETRIES) as client,
        pytest.raises(InvalidToken),
    ):
        client.personal_info.get()


def test_the_error_for_too_many_requests_says_when_the_limit_ends(loopback, monkeypatch):
    monkeypatch.setattr(loopback.cloud.rate_limit, "limit", 2)
    with loopback.client(loopback.grant().access_token, retry_policy=WITHOUT_RETRIES) as client:
        client.ring_configuration.list()
        client.ring_configuration.list()
        with pytest.raises(RateLimited) as refused:
            client.ring_configuration.list()
    assert timedelta(seconds=290) < refused.value.until - datetime.now(UTC) <= timedelta(seconds=301)


# --- Token renewal ---


def test_an_invalid_token_is_renewed_and_a_replayed_refresh_token_ends_the_grant(loopback):
    client_id, secret = loopback.cloud.grants.apps.register("Loopback", [])
    issued = loopback.cloud.grants.issue(client_id, loopback.user, SCOPES)
    before = Tokens(access_token="invalid", refresh_token=issued.refresh_token)
    first, replay = MemoryTokenStore(before), MemoryTokenStore(before)
    app = {"client_id": client_id, "client_secret": secret, "retry_policy": WITHOUT_RETRIES}

    with loopback.client(token_store=first, **app) as client:
        assert client.personal_info.get().id
    renewed = first.load()
    assert renewed.access_token not in ("invalid", issued.access_token)
    assert renewed.scopes == set(SCOPES)

    with loopback.client(token_store=replay, **app) as client, pytest.raises(OAuthError):
        client.personal_info.get()
    with loopback.client(token_store=first, **app) as client, pytest.raises(OAuthError):
        client.personal_info.get()
