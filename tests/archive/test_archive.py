"""The archive against the recorded answers of the real API: what came in comes out, windows are right."""

from __future__ import annotations

import re
from urllib.parse import parse_qsl

import msgspec
import pytest

from ringlet._api.catalog import TYPES, AnyKind
from ringlet._api.kinds import Inventory, RawPage, Samples, Single
from ringlet._api.windows import Span, parse_bound
from ringlet.archive import Archive

from ..paths import SAMPLES

ALL_TIME = Span(-(2**60), 2**60)
RECORDED = re.compile(r"\| `([^`]+)` \| REAL cassette .* GET /v2/usercollection/([^/? ]+)(\?\S*)? -> 200")


def recordings() -> list[tuple[str, str, dict[str, str]]]:
    """Each recorded list: its file, its route, the query that was sent."""
    if not SAMPLES.exists():
        return []
    found = RECORDED.findall((SAMPLES / "SOURCES.md").read_text())
    return [(file, route, dict(parse_qsl(query.lstrip("?")))) for file, route, query in found]


LISTS = [one for one in recordings() if one[1] in TYPES and not isinstance(TYPES[one[1]], Single)]
SINGLES = sorted(path.name for path in SAMPLES.glob("*.single*.json"))

needs_samples = pytest.mark.skipif(
    not SAMPLES.exists(), reason="the recorded answers are not beside the checkout"
)


def data_of(file: str) -> bytes:
    return bytes(msgspec.json.decode((SAMPLES / file).read_bytes(), type=RawPage).data)


def put(archive: Archive, user: int, kind: AnyKind, data: bytes) -> int:
    counts = (
        archive.put_samples(user, kind, [data])
        if isinstance(kind, Samples)
        else archive.put(user, kind, data)
    )
    return counts.added


@needs_samples
@pytest.mark.parametrize(("file", "route", "query"), LISTS)
def test_a_recorded_list_comes_back_byte_for_byte_and_in_order(
    archive: Archive, me: int, file: str, route: str, query: dict[str, str]
) -> None:
    kind, data = TYPES[route], data_of(file)
    put(archive, me, kind, data)
    rows, more = archive.page(me, kind, ALL_TIME)
    assert b"[" + rows + b"]" == data
    assert more is None


@needs_samples
@pytest.mark.parametrize(("file", "route", "query"), [one for one in LISTS if "start_date" in one[2]])
def test_a_recorded_list_holds_what_its_window_holds(
    archive: Archive, me: int, file: str, route: str, query: dict[str, str]
) -> None:
    kind = TYPES[route]
    for other, its_route, _ in LISTS:  # everything ever recorded of this type, in whatever window
        if its_route == route:
            put(archive, me, kind, data_of(other))
    for single in SINGLES:
        if single.startswith(f"{route}."):
            put(archive, me, kind, (SAMPLES / single).read_bytes())
    span = Span(parse_bound(query["start_date"]), parse_bound(query["end_date"]))
    rows, _ = archive.page(me, kind, span)
    assert b"[" + rows + b"]" == data_of(file)


@needs_samples
@pytest.mark.parametrize("file", SINGLES)
def test_a_recorded_document_is_found_by_its_id(archive: Archive, me: int, file: str) -> None:
    kind, body = TYPES[file.split(".")[0]], (SAMPLES / file).read_bytes()
    archive.put(me, kind, body)
    id = msgspec.json.decode(body)["id"]
    assert archive.document(me, kind, id) == body


@needs_samples
def test_the_recorded_person_comes_back(archive: Archive, me: int) -> None:
    body = (SAMPLES / "personal_info.json").read_bytes()
    archive.put(me, TYPES["personal_info"], body)
    assert archive.single(me, TYPES["personal_info"]) == body


@needs_samples
def test_a_day_of_recorded_heart_rates_takes_a_few_bytes_a_row(archive: Archive, me: int) -> None:
    archive.put_samples(me, TYPES["heartrate"], [data_of("heartrate.list_no_params_last24h.json")])
    (held,) = archive.overview(me)
    assert held.rows == 1101
    assert held.bytes < 3 * held.rows


def test_every_data_type_can_be_asked_for(archive: Archive, me: int) -> None:
    for kind in TYPES.values():
        assert archive.page(me, kind, ALL_TIME) == (b"", None)
        assert archive.page(me, kind, Span(0, 2**40), "docs", limit=3) == (b"", None)
        assert archive.latest(me, kind) is None
        assert archive.document(me, kind, "x") is None


def test_an_inventory_is_listed_in_order_of_arrival_for_any_window(archive: Archive, me: int) -> None:
    kind = TYPES["ring_configuration"]
    assert isinstance(kind, Inventory)
    archive.put(me, kind, b'[{"id":"z","size":9},{"id":"a","size":8}]')
    archive.put(me, kind, b'[{"id":"m","size":7},{"id":"z","size":10}]')
    assert (
        archive.page(me, kind, Span(0, 0), "docs")[0]
        == b'{"id":"z","size":10},{"id":"a","size":8},{"id":"m","size":7}'
    )


def test_users_see_only_their_own(archive: Archive, me: int) -> None:
    other = archive.user("other")
    archive.put(me, TYPES["daily_sleep"], b'{"id":"a","day":"2026-01-01"}')
    assert archive.document(other, TYPES["daily_sleep"], "a") is None
    assert archive.user("me") == me
    assert [user.name for user in archive.users()] == ["me", "other"]
