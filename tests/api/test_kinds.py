"""Rows of the table and their flows: what they ask, what they keep, what they refuse. Driven by hand."""

import json
from collections.abc import Callable, Iterable
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ringlet._api.catalog import TYPES, Catalog
from ringlet._api.kinds import Documents, Inventory, Samples, Single, decode
from ringlet._api.wire import Flow, Request, Response
from ringlet.errors import DocumentNotFound, ServerError, UnknownField, UsageError, WindowError
from ringlet.models import DailySleep, HeartRate, PersonalInfo, RingConfiguration

A, B = date(2026, 1, 10), date(2026, 1, 11)
WIDE = {"start_date": "2026-01-08", "end_date": "2026-01-13"}
START, END = datetime(2026, 1, 10, 12, tzinfo=UTC), datetime(2026, 1, 10, 13, tzinfo=UTC)


def drive(flow: Flow[Any], answers: Iterable[Response]) -> tuple[list[Request], Any]:
    """What a flow asks when it gets these answers, and what it returns."""
    asked = [next(flow)]
    for answer in answers:
        try:
            asked.append(flow.send(answer))
        except StopIteration as done:
            return asked, done.value
    raise AssertionError(f"still asking after {asked}")


def page(*data: dict[str, Any], next_token: str | None = None) -> Response:
    return Response(200, json.dumps({"data": data, "next_token": next_token}).encode())


def days(*each: date, **more: Any) -> list[dict[str, Any]]:
    return [{"id": f"of {day}", "day": str(day), **more} for day in each]


def beats(*each: datetime) -> list[dict[str, Any]]:
    return [{"timestamp": it.isoformat(), "bpm": 60, "source": "awake"} for it in each]


# --- Documents ---


def test_a_list_asks_for_more_days_and_keeps_the_ones_that_were_meant() -> None:
    around = [A + timedelta(days=by) for by in range(-2, 4)]
    asked, found = drive(Catalog.daily_sleep.list(A, B), [page(*days(*around))])
    assert asked == [Request(path="/v2/usercollection/daily_sleep", params=WIDE, scope="daily")]
    assert found == [DailySleep(id=f"of {day}", day=day) for day in (A, B)]


@pytest.mark.parametrize("name", [name for name, kind in TYPES.items() if isinstance(kind, Documents)])
def test_every_kind_of_document_is_trimmed_by_the_day_of_the_wearer(name: str) -> None:
    kind = TYPES[name]
    assert isinstance(kind, Documents)
    around = [A + timedelta(days=by) for by in range(-2, 4)]
    rows = [{"id": "x", kind.instant: f"{day}T04:00:00+10:00", kind.day: str(day)} for day in around]
    asked, found = drive(kind.list(A, B), [page(*rows)])
    assert (asked[0].path, asked[0].params) == (f"/v2/usercollection/{name}", WIDE)
    assert [getattr(one, kind.day) for one in found] == [A, B]
    _, sparse = drive(kind.list_fields(A, B, ["id"]), [page(*rows)])
    assert [one[kind.day] for one in sparse] == [str(A), str(B)]


def test_a_sparse_document_whose_day_is_null_or_missing_is_kept() -> None:
    rows: list[dict[str, Any]] = [{"id": "null", "day": None}, {"id": "missing"}]
    _, found = drive(Catalog.daily_sleep.list_fields(A, B, ["id"]), [page(*rows)])
    assert found == rows


def test_a_tag_is_filed_under_the_day_it_starts() -> None:
    assert Catalog.enhanced_tag.day == Catalog.rest_mode_period.day == "start_day"


@given(st.dates(date(2000, 1, 1), date(2100, 1, 1)), st.integers(0, 50), st.data())
def test_of_whatever_comes_exactly_the_days_asked_for_are_kept_in_order(
    start: date, length: int, data: st.DataObject
) -> None:
    end = start + timedelta(days=length)
    margin = timedelta(days=5)
    came = sorted(data.draw(st.lists(st.dates(start - margin, end + margin), max_size=20)))
    _, found = drive(Catalog.daily_sleep.list(start, end), [page(*days(*came))])
    assert [one.day for one in found] == [day for day in came if start <= day <= end]


def test_exact_sends_the_bounds_as_they_are_and_returns_what_came() -> None:
    asked, found = drive(Catalog.daily_sleep.list(B, A, exact=True), [page(*days(date(2020, 1, 1)))])
    assert asked[0].params == {"start_date": "2026-01-11", "end_date": "2026-01-10"}
    assert [one.day for one in found] == [date(2020, 1, 1)]
    asked, found = drive(Catalog.sleep.list_fields(START, END, ["anything"], exact=True), [page({"id": "x"})])
    assert asked[0].params == {
        "start_date": "2026-01-10T12:00:00+00:00",
        "end_date": "2026-01-10T13:00:00+00:00",
        "fields": "anything",
    }
    assert found == [{"id": "x"}]


def test_a_window_that_cannot_be_meant_is_refused_before_anything_is_sent() -> None:
    for flow in (
        Catalog.daily_sleep.list(B, A),
        Catalog.daily_sleep.list_fields(B, A, ["score"]),
        Catalog.daily_sleep.list(START, END),
        Catalog.heartrate.list(END, START),
        Catalog.heartrate.list(A, B),  # type: ignore[arg-type]  # as an untyped caller would
    ):
        with pytest.raises(WindowError):
            next(flow)


# --- Pages ---


def test_pages_are_followed_to_the_end_with_the_original_parameters() -> None:
    asked, found = drive(
        Catalog.daily_sleep.list(A, B),
        [page(*days(A), next_token="one"), page(next_token="two"), page(*days(B))],
    )
    assert [one.params for one in asked] == [
        WIDE,
        WIDE | {"next_token": "one"},
        WIDE | {"next_token": "two"},
    ]
    assert [one.day for one in found] == [A, B]


@pytest.mark.parametrize("token", ["null", '""'])
def test_an_empty_token_is_the_last_page(token: str) -> None:
    asked, _ = drive(Catalog.tag.list(A, B), [Response(200, b'{"data":[],"next_token":%s}' % token.encode())])
    assert len(asked) == 1
    asked, _ = drive(Catalog.tag.list(A, B), [Response(200, b'{"data":[]}')])
    assert len(asked) == 1


@given(st.lists(st.sampled_from("abcdefgh"), max_size=12))
def test_pages_end_where_the_tokens_end_or_where_one_comes_twice(tokens: list[str]) -> None:
    first_repeat = next((at for at, token in enumerate(tokens) if token in tokens[:at]), None)
    answers = [page(next_token=token) for token in tokens] + [page()]
    if first_repeat is None:
        assert len(drive(Catalog.daily_sleep.list(A, B), answers)[0]) == len(tokens) + 1
        return
    with pytest.raises(ServerError, match="repeats"):
        drive(Catalog.daily_sleep.list(A, B), answers[: first_repeat + 1])


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>",
        b"[]",
        b"{}",
        b'{"data":{}}',
        b'{"data":[{"day":7}]}',
        b'{"data":[{"id":"x"}]}',
        b'{"data":[],"next_token":5}',
        b'{"data":[],"next_token":"\xff"}',
        b'{"data":' + b"[" * 100_000,
    ],
)
def test_an_answer_that_is_not_what_the_route_returns_means_that_the_server_is_broken(body: bytes) -> None:
    with pytest.raises(ServerError) as caught:
        drive(Catalog.daily_sleep.list(A, B), [Response(200, body)])
    assert caught.value.status == 502


def test_fields_that_are_not_known_yet_do_not_disturb() -> None:
    _, found = drive(Catalog.daily_sleep.list(A, B), [page(*days(A, invented_later={"deep": [1, None]}))])
    assert found == [DailySleep(id=f"of {A}", day=A)]


# --- Oura's own bytes ---


def test_raw_pages_are_the_bytes_that_came() -> None:
    one = b'[ {"id":"x","day":"2026-01-10","score":70.50, "new":1e2} ]'
    asked, pages = drive(
        Catalog.daily_sleep.raw_pages(bytes, start_date="2026-01-10", end_date="2026-01-11"),
        [Response(200, b'{"data": %s , "next_token":"t"}' % one), Response(200, b'{"data":[]}')],
    )
    assert pages == [one, b"[]"]
    assert [set(request.params) for request in asked] == [
        {"start_date", "end_date"},
        {"start_date", "end_date", "next_token"},
    ]


def test_the_raw_page_of_a_single_is_the_object() -> None:
    body = b'{ "id" : "me" }'
    assert drive(Catalog.personal_info.raw_pages(bytes), [Response(200, body)])[1] == [body]


# --- One by its id ---


def test_a_document_by_its_id() -> None:
    asked, found = drive(Catalog.daily_sleep.get("some-id"), [Response(200, json.dumps(days(A)[0]).encode())])
    assert asked == [Request(path="/v2/usercollection/daily_sleep/some-id", scope="daily")]
    assert found == DailySleep(id=f"of {A}", day=A)


def test_a_raw_document_is_the_bytes_that_came() -> None:
    body = b'{"id":  "some-id", "unknown": 1e3}'
    asked, found = drive(Catalog.ring_configuration.raw_document("some-id"), [Response(200, body)])
    assert asked == [
        Request(path="/v2/usercollection/ring_configuration/some-id", scope="ring_configuration")
    ]
    assert found == body


def test_a_document_that_is_not_there_is_gone() -> None:
    with pytest.raises(DocumentNotFound):
        drive(Catalog.workout.get("some-id"), [Response(404, b'{"detail":"Document not found."}')])


@pytest.mark.parametrize(
    "id", ["", "a/b", "../personal_info", "a?b", "a#b", ".", "..", "a\n", "a\x00b", "%2e%2e%2foauth%2ftoken"]
)
def test_what_would_change_the_route_is_no_id(id: str) -> None:
    for kind in (Catalog.sleep, Catalog.ring_configuration):
        with pytest.raises(UsageError, match="cannot be a document id"):
            next(kind.get(id))


# --- Fields ---


def test_fields_are_sent_with_the_day_that_files_them() -> None:
    asked, found = drive(
        Catalog.daily_sleep.list_fields(A, B, ["score", "id"]),
        [page(*days(date(2026, 1, 9), A, date(2026, 1, 12), score=7))],
    )
    assert asked[0].params == WIDE | {"fields": "score,id,day"}
    assert found == days(A, score=7)


def test_a_single_field_may_be_named_by_itself_and_an_anchor_is_not_named_twice() -> None:
    assert next(Catalog.daily_sleep.list_fields(A, B, "day")).params["fields"] == "day"
    assert next(Catalog.heartrate.list_fields(START, END, "bpm")).params["fields"] == "bpm,timestamp"
    assert next(Catalog.ring_configuration.list_fields(["size"])).params == {"fields": "size"}
    assert next(Catalog.enhanced_tag.list_fields(A, B, ["comment"])).params["fields"] == "comment,start_day"


def test_documents_that_come_without_their_day_are_kept() -> None:
    _, found = drive(Catalog.daily_resilience.list_fields(A, B, ["level"]), [page({"level": "solid"})])
    assert found == [{"level": "solid"}]


@pytest.mark.parametrize(
    ("asking", "said"),
    [
        (
            lambda: Catalog.daily_sleep.list_fields(A, B, ["scor"]),
            "daily_sleep has no field 'scor'; did you mean 'score'?",
        ),
        (lambda: Catalog.heartrate.list_fields(START, END, ["bmp"]), "did you mean 'bpm'?"),
        (lambda: Catalog.ring_configuration.list_fields(["colour"]), "did you mean 'color'?"),
        (
            lambda: Catalog.daily_sleep.list_fields(A, B, ["score", "xyzzy"]),
            "daily_sleep has no field 'xyzzy'",
        ),
    ],
    ids=["document", "sample", "inventory", "nothing close"],
)
def test_a_field_that_oura_would_drop_silently_is_refused_with_the_nearest_name(
    asking: Callable[[], Flow[Any]], said: str
) -> None:
    with pytest.raises(UnknownField) as caught:
        next(asking())
    assert said in str(caught.value)
    assert ("did you mean" in str(caught.value)) == ("did you mean" in said)
    assert "exact=True" in caught.value.cure


def test_exact_sends_field_names_as_they_are() -> None:
    params = next(Catalog.heartrate.list_fields(START, END, ["invented_later"], exact=True)).params
    assert params["fields"] == "invented_later"


# --- Points in time ---


def test_samples_are_half_open_so_that_windows_add_up() -> None:
    moment = timedelta(milliseconds=1)
    rows = beats(START - moment, START, END - moment, END)
    asked, found = drive(Catalog.heartrate.list(START, END), [page(*rows)])
    assert asked[0].params == {
        "start_datetime": "2026-01-10T12:00:00+00:00",
        "end_datetime": "2026-01-10T13:00:00+00:00",
    }
    assert [one.timestamp for one in found] == [START, END - moment]
    _, sparse = drive(Catalog.heartrate.list_fields(START, END, ["bpm"]), [page(*rows)])
    assert sparse == rows[1:3]
    _, everything = drive(Catalog.heartrate.list(START, END, exact=True), [page(*rows)])
    assert len(everything) == 4


@given(st.lists(st.integers(0, 7200)), st.integers(0, 7200), st.integers(0, 7200))
def test_of_an_answer_in_order_exactly_the_window_is_kept(offsets: list[int], low: int, high: int) -> None:
    low, high = sorted((low, high))
    at = [START + timedelta(seconds=offset) for offset in sorted(offsets)]
    start, end = START + timedelta(seconds=low), START + timedelta(seconds=high)
    _, found = drive(Catalog.heartrate.list(start, end), [page(*beats(*at))])
    assert [one.timestamp for one in found] == [it for it in at if start <= it < end]


def test_several_rows_of_one_instant_are_all_kept() -> None:
    _, found = drive(Catalog.heartrate.list(START, END), [page(*beats(START, START))])
    assert [one.timestamp for one in found] == [START, START]


def test_the_latest_sample_is_asked_for_without_a_window() -> None:
    asked, found = drive(Catalog.heartrate.latest(), [page(*beats(START, END))])
    assert asked[0].params == {"latest": "true"}
    assert found == HeartRate(timestamp=END, bpm=60, source="awake")


def test_before_the_first_sample_there_is_no_latest() -> None:
    assert drive(Catalog.ring_battery_level.latest(), [page()])[1] is None


# --- The rest ---


def test_an_inventory_takes_no_window() -> None:
    asked, found = drive(Catalog.ring_configuration.list(), [page({"id": "one"}, {"id": "two"})])
    assert asked[0].params == {}
    assert found == [RingConfiguration(id="one"), RingConfiguration(id="two")]


def test_a_single_is_one_object_without_an_envelope() -> None:
    asked, found = drive(Catalog.personal_info.get(), [Response(200, b'{"id":"me","age":40}')])
    assert asked == [Request(path="/v2/usercollection/personal_info", scope="personal")]
    assert found == PersonalInfo(id="me", age=40)


def test_what_each_kind_can_be_asked() -> None:
    can = {name: tuple(verb for verb in VERBS if hasattr(kind, verb)) for name, kind in TYPES.items()}
    for name, kind in TYPES.items():
        assert can[name] == VERBS_OF[next(one for one in type(kind).__mro__ if one in VERBS_OF)]
    assert [name for name, kind in TYPES.items() if hasattr(kind, "latest")] == [
        "heartrate",
        "ring_battery_level",
    ]


VERBS = ("list", "list_fields", "get", "raw_pages")
VERBS_OF: dict[type, tuple[str, ...]] = {
    Documents: ("list", "list_fields", "get", "raw_pages"),
    Inventory: ("list", "list_fields", "get", "raw_pages"),
    Samples: ("list", "list_fields", "raw_pages"),
    Single: ("get", "raw_pages"),
}


def test_decoding_says_where_an_answer_is_wrong() -> None:
    with pytest.raises(ServerError, match=r"\$\.day"):
        decode(b'{"id":"x","day":"yesterday"}', DailySleep)
