"""Questions: what bounds mean, what stands in for those that are missing, and how a wrong one is refused."""

import json
from datetime import UTC, datetime, timedelta
from urllib.parse import quote, unquote, urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ringlet._api.catalog import TYPES
from ringlet._api.kinds import LiveSamples, Samples
from ringlet._api.windows import Span, parse_instant
from ringlet._cloud.data.query import is_cacheable, parse_query, window_of
from ringlet.cloud import Clock

from .test_routes import ALL_TIME, put, same_cloud

# --- Parameters ---

NAMES = st.text(min_size=1, max_size=8)


@given(st.dictionaries(NAMES, st.text(max_size=8)))
def test_what_programs_encode_is_read_back(params):
    assert parse_query(urlencode(params).encode()) == params


@pytest.mark.parametrize("query", ["a=1&a=2", "a=1&a=%32", "&&a=2&", "a=%32"])
def test_of_a_parameter_that_is_repeated_the_last_counts_however_it_is_spelled(query):
    assert parse_query(query.encode()) == {"a": "2"}


@pytest.mark.parametrize(
    ("name", "query", "repeatable"),
    [
        ("sleep", "start_date=2026-02-01&end_date=2026-02-02", True),
        ("sleep", "start_date=2026-02-01", False),
        ("sleep", "start_date=2026-02-01&end_date=", False),
        ("heartrate", "start_date=2026-02-01&end_date=2026-02-02", False),
        ("ring_configuration", "", True),
    ],
)
def test_a_window_that_ends_now_is_another_one_later(name, query, repeatable):
    assert is_cacheable(TYPES[name], query.encode()) == repeatable
    clock, kind = Clock(datetime(2026, 2, 1, 12, tzinfo=UTC)), TYPES[name]
    now = window_of(kind, parse_query(query.encode()), clock)
    clock.advance(timedelta(days=1))
    assert (window_of(kind, parse_query(query.encode()), clock) == now) == repeatable


def test_a_window_is_never_opened_before_the_first_year():
    clock = Clock(datetime(2026, 3, 1, tzinfo=UTC))
    span = window_of(TYPES["sleep"], {"end_date": "0001-01-01"}, clock)
    assert span == Span(parse_instant("0001-01-01"), parse_instant("0001-01-01"))


# --- Bounds ---

BOUNDS = [
    # how the bounds of 11 and 12 November may be written, and whether the evening of the 12th is inside
    ("2024-11-11", "2024-11-12", False),
    ("2024-11-11T00:00:00", "2024-11-12T00:00:00", False),
    ("2024-11-11T00:00:00Z", "2024-11-12T23:59:59Z", True),
    ("2024-11-11T02:00:00%2B02:00", "2024-11-12T23:59:59%2B02:00", False),
    (
        "2024-11-11T02:00:00+02:00",
        "2024-11-13T00:30:00+02:00",
        True,
    ),  # the + of an offset often goes unescaped
    ("2024-11-10T19:00:00-05:00", "2024-11-12T18:00:00-05:00", True),
    ("1731283200", "1731369600", False),  # epoch seconds
    ("1731283200000", "1731369600000", False),  # epoch milliseconds
]


@pytest.mark.parametrize(("start", "end", "evening"), BOUNDS)
def test_bounds_are_dates_or_instants_in_any_spelling(live, start, end, evening):
    put(
        live,
        "workout",
        [
            {"id": "eve", "day": "2024-11-10", "start_datetime": "2024-11-10T23:00:00+00:00"},
            {"id": "in", "day": "2024-11-11", "start_datetime": "2024-11-11T00:00:00+00:00"},
            {"id": "evening", "day": "2024-11-12", "start_datetime": "2024-11-12T22:00:00+00:00"},
        ],
    )
    answer = live("workout", f"start_date={start}&end_date={end}", token=live.token())
    assert answer.ids == (["in", "evening"] if evening else ["in"])


def test_a_bare_date_for_both_ends_of_a_series_is_a_window_without_width(demo):
    query = "start_datetime=2026-02-20&end_datetime=2026-02-20"
    rows = demo("heartrate", query, token=demo.token()).json["data"]
    assert {row["timestamp"] for row in rows} <= {"2026-02-20T00:00:00.000Z", "2026-02-20T00:00:00+00:00"}


# --- Default windows ---


def test_documents_default_to_yesterday_and_today(live):
    days = [f"2026-02-{day}" for day in (26, 27, 28)] + ["2026-03-01", "2026-03-02"]
    put(live, "daily_sleep", [{"id": day, "day": day} for day in days])
    token = live.token()
    assert live("daily_sleep", token=token).ids == ["2026-02-28", "2026-03-01"]
    assert live("daily_sleep", "end_date=2026-02-27", token=token).ids == ["2026-02-26", "2026-02-27"]
    assert live("daily_sleep", "start_date=2026-02-27", token=token).ids == days[1:4]
    assert live("daily_sleep", "start_date=2026-04-01", token=token).status == 400


def test_series_default_to_the_last_24_hours(live):
    stamps = [f"2026-02-28T{at}Z" for at in ("11:59:59", "12:00:00", "23:00:00")]
    stamps += [f"2026-03-01T{at}Z" for at in ("12:00:00", "12:00:01")]
    rows = json.dumps([{"bpm": 60, "source": "awake", "timestamp": at} for at in stamps]).encode()
    live.cloud.archive.put_samples(live.user, TYPES["heartrate"], [rows])
    token = live.token()

    def got(query):
        return [row["timestamp"] for row in live("heartrate", query, token=token).json["data"]]

    assert got("") == stamps[1:4]
    assert got("start_date=2026-02-28&end_date=2026-02-28") == stamps[1:4], (
        "document bounds are not looked at"
    )
    assert got("end_datetime=2026-02-28T12:00:00Z") == stamps[:2]
    assert got("start_datetime=2026-02-28T20:00:00Z") == stamps[2:4]


@pytest.mark.parametrize("query", ["", "next_token=", "start_date=&end_date="])
def test_a_default_window_moves_with_the_clock(live, query):
    put(live, "daily_sleep", [{"id": day, "day": day} for day in ("2026-02-28", "2026-03-01", "2026-03-02")])
    token = live.token()
    assert live("daily_sleep", query, token=token).ids == ["2026-02-28", "2026-03-01"]
    live.cloud.clock.advance(timedelta(days=1))
    assert live("daily_sleep", query, token=token).ids == ["2026-03-01", "2026-03-02"]


# --- Windows that cannot be ---


@pytest.mark.parametrize(("dialect", "keys"), [("live", ["detail"]), ("docs", ["status", "title", "detail"])])
def test_start_after_end_is_400_and_quotes_both(make_cloud, dialect, keys):
    asked = make_cloud(dialect)
    for name, (first, last) in (("sleep", ("start_date", "end_date")), ("heartrate", Samples.bounds)):
        answer = asked(name, f"{first}=2026-02-02&{last}=2026-01-01", token=asked.token())
        assert answer.status == 400
        assert list(answer.json) == keys
        assert "2026-02-02" in answer.json["detail"]
        assert "2026-01-01" in answer.json["detail"]


def test_the_year_24_reads_all_history(demo):
    answer = demo("sleep", "start_date=0024-11-11&end_date=2026-03-02", token=demo.token())
    assert answer.status == 200
    assert answer.ids == demo("sleep", ALL_TIME, token=demo.token()).ids


def test_numbers_are_epoch_seconds_as_recorded(demo):
    answer = demo("sleep", "start_date=1&end_date=2&next_token=", token=demo.token())
    assert (answer.status, answer.body) == (200, b'{"data":[],"next_token":null}')


GARBAGE = [
    "soon",
    "2026-13-01",
    "2026-02-30",
    "2026-1-1",
    "2026-02-01T25:00:00Z",
    "99999999999999999",
    "%00",
    "é",
]


@pytest.mark.parametrize("text", GARBAGE)
@pytest.mark.parametrize("name", ["daily_sleep", "heartrate"])
def test_a_bound_that_does_not_parse_is_422_in_the_validators_words(live, name, text):
    bound = TYPES[name].bounds[0]
    answer = live(name, f"{bound}={quote(text, safe='%')}", token=live.token())
    assert answer.status == 422
    (flaw,) = answer.json["detail"]
    assert flaw["type"] == "datetime_from_date_parsing"
    assert flaw["loc"] == ["query", bound]
    assert flaw["msg"].startswith("Input should be a valid datetime or date")
    assert flaw["input"] == unquote(text)
    assert set(flaw) == {"type", "loc", "msg", "input", "ctx"}


@given(st.text(max_size=30))
@same_cloud
def test_no_bound_breaks_it(demo, text):
    answer = demo("daily_sleep", {"start_date": text, "end_date": "2026-03-01"}, token=demo.token())
    assert answer.status in (200, 400, 422)


@given(st.binary(max_size=40))
@same_cloud
def test_no_query_breaks_it(demo, raw):
    for name in ("daily_sleep", "heartrate", "ring_configuration"):
        answer = demo(name, raw.decode("latin-1"), token=demo.token())
        assert answer.status in (200, 400, 422)
        assert json.loads(answer.body)


# --- `latest` ---


@pytest.mark.parametrize("name", [name for name, kind in TYPES.items() if isinstance(kind, LiveSamples)])
@pytest.mark.parametrize("window", ["", "&start_datetime=2026-01-10&end_datetime=2026-01-11"])
def test_latest_is_the_newest_row_whatever_the_window(demo, name, window):
    token = demo.token()
    last = demo(name, token=token).json["data"][-1]
    for yes in ("true", "True", "1"):
        answer = demo(name, f"latest={yes}{window}", token=token)
        assert answer.json == {"data": [last], "next_token": None}
    assert len(demo(name, f"latest=false{window}", token=token).json["data"]) > 1


@pytest.mark.parametrize("name", ["daily_sleep", "interbeat_interval", "ring_configuration"])
def test_latest_is_ignored_elsewhere(demo, name):
    token = demo.token()
    assert demo(name, "latest=true", token=token).body == demo(name, token=token).body
    assert demo(name, "latest=perhaps", token=token).status == 200


def test_latest_of_nothing_is_an_empty_list(live):
    assert live("heartrate", "latest=true", token=live.token()).json == {"data": [], "next_token": None}


def test_a_latest_that_is_neither_is_422(live):
    answer = live("heartrate", "latest=perhaps", token=live.token())
    assert answer.status == 422
    assert answer.json["detail"][0]["loc"] == ["query", "latest"]
