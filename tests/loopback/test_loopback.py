"""What a client gets is what the wearer lived: every type, both clients, both dialects, any days.

By default a window means days as a person means them, or instants from the first up to the last, whatever
the endpoint does with its bounds. That is checked against the simulated person itself.
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
ONCE = RetryPolicy(max_tries=1)

# The days for which the archive is complete: on the first, what began the evening before may be missing.
SPANS = st.tuples(st.integers(0, 60), st.integers(0, 60))
OFFSETS = st.integers(-12, 14).map(lambda hours: timezone(timedelta(hours=hours)))
INSTANTS = st.tuples(st.integers(0, 59 * 1440), st.integers(0, 5 * 1440), OFFSETS)


def both(loop, ask):
    """The answer of the client that blocks, having seen that the one that awaits gives the same."""
    with loop.client() as client:
        blocking = ask(client)
        if inspect.isgenerator(blocking):
            blocking = list(blocking)

    async def awaited():
        async with loop.async_client() as client:
            answer = ask(client)
            return [one async for one in answer] if inspect.isasyncgen(answer) else await answer

    assert asyncio.run(awaited()) == blocking
    return blocking


def lived(loop, name, first, last):
    """The documents of these days, as the person has them."""
    kind = TYPES[name]
    items = loop.person.documents(name, max(first, loop.first), last, now=loop.now)
    return [msgspec.json.decode(item.body, type=kind.model) for item in items]


def in_order(kind, documents):
    """By day, and within one day by instant: order within a day is the dialect's business."""
    return sorted(
        documents, key=lambda one: (getattr(one, kind.day), str(getattr(one, kind.instant)), one.id or "")
    )


@pytest.mark.parametrize("name", DOCUMENTS)
def test_documents_of_any_days_are_exactly_those_of_the_days(loop, name):
    kind = TYPES[name]

    @given(SPANS)
    @few()
    def exactly(span):
        start = loop.first + timedelta(days=span[0])
        end = start + timedelta(days=span[1])
        got = both(loop, lambda client: getattr(client, name).list(start, end))
        assert in_order(kind, got) == in_order(kind, lived(loop, name, start, end))
        days = [getattr(one, kind.day) for one in got]
        assert days == sorted(days) or kind.instant != "day", "oldest first"

    exactly()


@pytest.mark.parametrize("name", DOCUMENTS)
def test_one_day_at_a_time_makes_the_whole(loop, name):
    with loop.client() as client:
        face = getattr(client, name)
        start, end = loop.first, loop.last
        whole = face.list(start, end)
        days = [start + timedelta(days=n) for n in range((end - start).days + 1)]
        daily = [one for day in days for one in face.list(day, day)]
    kind = TYPES[name]
    assert whole or name not in WRITTEN, "sixty days hold some of every type that the wearer writes"
    assert in_order(kind, daily) == in_order(kind, whole) == in_order(kind, lived(loop, name, start, end))


@pytest.mark.parametrize("name", DOCUMENTS)
def test_each_document_is_found_by_its_id(loop, name):
    for item in list(loop.person.documents(name, loop.first, loop.last, now=loop.now))[:5]:
        got = both(loop, lambda client, item=item: getattr(client, name).get(item.id))
        assert got == msgspec.json.decode(item.body, type=TYPES[name].model)
    with pytest.raises(DocumentNotFound), loop.client() as client:
        getattr(client, name).get("not-existing")


@pytest.mark.parametrize("name", DOCUMENTS)
def test_fields_cut_documents_down_and_nothing_else(loop, name):
    kind = TYPES[name]
    start, end = loop.first, loop.first + timedelta(days=40)
    whole = both(loop, lambda client: getattr(client, name).list(start, end))
    cut = both(loop, lambda client: getattr(client, name).list(start, end, fields=["id"]))
    assert [one["id"] for one in cut] == [one.id for one in whole]
    for one in cut:
        assert kind.day in one
        assert one.keys() <= {"id", "day", "timestamp", kind.day, kind.instant} or not kind.supports_fields


@pytest.mark.parametrize("name", DOCUMENTS)
def test_an_exact_window_is_the_endpoints_own(loop, name):
    """By the documents' own instants where the cloud behaves as seen, by days where it does as documented."""
    kind = TYPES[name]
    start, end = loop.first + timedelta(days=10), loop.first + timedelta(days=40)

    def inside(item):
        if loop.cloud.settings.dialect == "docs":
            return start <= item.day <= end
        key = msgspec.json.decode(item.body)[kind.instant]
        return day_ms(start) <= parse_instant(key) <= day_ms(end)

    items = loop.person.documents(name, loop.first, loop.last, now=loop.now)
    expected = {item.id for item in items if inside(item)}
    got = both(loop, lambda client: getattr(client, name).list(start, end, exact=True))
    assert sorted(one.id for one in got) == sorted(expected)


def test_rings_are_listed_and_found(loop):
    kind = TYPES["ring_configuration"]
    assert isinstance(kind, Inventory)
    items = loop.person.documents("ring_configuration", loop.first, loop.last, now=loop.now)
    expected = [msgspec.json.decode(item.body, type=kind.model) for item in items]
    assert both(loop, lambda client: client.ring_configuration.list()) == expected
    assert both(loop, lambda client: client.ring_configuration.get(expected[0].id)) == expected[0]
    cut = both(loop, lambda client: client.ring_configuration.list(fields=["size"]))
    assert cut == [{"id": one.id, "size": one.size} for one in expected]


def test_the_person_is_who_they_are(loop):
    kind = TYPES["personal_info"]
    assert isinstance(kind, Single)
    expected = msgspec.json.decode(loop.person.personal_info(), type=kind.model)
    assert both(loop, lambda client: client.personal_info.get()) == expected


# --- Series ---


def samples(loop, name, start, end):
    """The rows with start <= instant < end."""
    first, last = start.astimezone(UTC).date(), end.astimezone(UTC).date()
    rows = loop.person.samples(name, max(first, loop.first), min(last, loop.last), now=loop.now)
    model = TYPES[name].model
    return [
        msgspec.json.decode(row, type=model) for at, row in rows if to_ms(start) <= to_ms(at) < to_ms(end)
    ]


def window(loop, span):
    minutes, length, zone = span
    begin = datetime(loop.first.year, loop.first.month, loop.first.day, tzinfo=UTC) + timedelta(
        minutes=minutes
    )
    return begin.astimezone(zone), (begin + timedelta(minutes=length)).astimezone(zone)


@pytest.mark.parametrize("name", SERIES)
def test_samples_of_any_window_are_exactly_those_from_its_start_up_to_its_end(loop, name):
    @given(INSTANTS)
    @few()
    def exactly(span):
        start, end = window(loop, span)
        got = both(loop, lambda client: getattr(client, name).list(start, end))
        assert got == samples(loop, name, start, end)

    exactly()


@pytest.mark.parametrize("name", SERIES)
def test_windows_are_the_same_samples_piece_by_piece(loop, name):
    start, end = window(loop, (9000, 5000, UTC))
    whole = both(loop, lambda client: getattr(client, name).list(start, end))
    for stride in (timedelta(hours=7), timedelta(days=1), timedelta(days=30)):
        pieces = both(
            loop, lambda client, stride=stride: getattr(client, name).windows(start, end, stride=stride)
        )
        assert [one for piece in pieces for one in piece] == whole


@pytest.mark.parametrize("name", SERIES)
def test_two_windows_that_touch_share_no_sample(loop, name):
    """The bound is the instant of a row: it belongs to the window it begins."""
    start, end = window(loop, (9000, 3000, UTC))
    with loop.client() as client:
        face = getattr(client, name)
        whole = face.list(start, end)
        between = whole[len(whole) // 2].timestamp
        assert face.list(start, between) + face.list(between, end) == whole


@pytest.mark.parametrize("name", SERIES)
def test_fields_cut_samples_down(loop, name):
    start, end = window(loop, (9000, 600, UTC))
    field = {"heartrate": "bpm", "ring_battery_level": "level", "interbeat_interval": "ibi"}[name]
    whole = both(loop, lambda client: getattr(client, name).list(start, end))
    cut = both(loop, lambda client: getattr(client, name).list(start, end, fields=[field]))
    assert [one[field] for one in cut] == [getattr(one, field) for one in whole]
    assert {frozenset(one) for one in cut} <= {frozenset({field, "timestamp"})}


@pytest.mark.parametrize("name", LIVE_SERIES)
def test_latest_is_the_last_sample_before_now(loop, name):
    before = loop.now - timedelta(days=2)
    last = samples(loop, name, before, loop.now + timedelta(milliseconds=1))[-1]
    assert both(loop, lambda client: getattr(client, name).latest()) == last


# --- The sandbox, by the same client ---


def test_the_sandbox_answers_the_same_questions(loop):
    start, end = date(2026, 1, 1), date(2026, 1, 14)
    with loop.client(sandbox=True) as client:
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


# --- Refusals become errors of their own ---


def test_a_scope_that_was_not_granted_is_named(loop):
    granted = [scope for scope in SCOPES if scope != "stress"]
    with loop.client(loop.grant(*granted).access_token, retry_policy=ONCE) as client:
        assert client.daily_sleep.list(loop.first, loop.last)
        with pytest.raises(InsufficientScope) as refused:
            client.daily_resilience.list(loop.first, loop.last)
    assert refused.value.scope == "stress"


def test_a_revoked_token_is_dead(loop):
    issued = loop.grant()
    loop.cloud.grants.revoke(issued.refresh_token)
    with loop.client(issued.access_token, retry_policy=ONCE) as client, pytest.raises(InvalidToken):
        client.personal_info.get()


def test_too_many_requests_say_until_when(loop, monkeypatch):
    monkeypatch.setattr(loop.cloud.rate_limit, "limit", 2)
    with loop.client(loop.grant().access_token, retry_policy=ONCE) as client:
        client.ring_configuration.list()
        client.ring_configuration.list()
        with pytest.raises(RateLimited) as refused:
            client.ring_configuration.list()
    assert timedelta(seconds=290) < refused.value.until - datetime.now(UTC) <= timedelta(seconds=301)


# --- Renewing ---


def test_a_dead_token_is_renewed_on_the_way_and_a_replayed_refresh_token_ends_the_grant(loop):
    """Both ends of the wire agree about rotation."""
    client_id, secret = loop.cloud.grants.apps.register("Loopback", [])
    issued = loop.cloud.grants.issue(client_id, loop.user, SCOPES)
    before = Tokens(access_token="dead", refresh_token=issued.refresh_token)
    first, replay = MemoryTokenStore(before), MemoryTokenStore(before)
    app = {"client_id": client_id, "client_secret": secret, "retry_policy": ONCE}

    with loop.client(token_store=first, **app) as client:
        assert client.personal_info.get().id
    renewed = first.load()
    assert renewed.access_token not in ("dead", issued.access_token)
    assert renewed.scopes == set(SCOPES)

    with loop.client(token_store=replay, **app) as client, pytest.raises(OAuthError):
        client.personal_info.get()
    with loop.client(token_store=first, **app) as client, pytest.raises(OAuthError):
        client.personal_info.get()
