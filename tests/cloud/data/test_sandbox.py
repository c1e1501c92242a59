"""The sandbox: open to all, made up, filtered as production is, and the same for the same question."""

import asyncio
import json
from datetime import date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ringlet._api.catalog import TYPES
from ringlet._api.kinds import SANDBOX, Documents, Inventory, Samples, Single
from ringlet._api.windows import from_ms, parse_instant
from ringlet._cloud.data import sandbox
from ringlet._cloud.data.sandbox import FIRST_DAY, PAGE_DAYS, instant_of
from ringlet._person.person import DOCUMENTS as WRITTEN
from ringlet._person.person import Person

from ...examples import few

DOCUMENTS = [name for name, kind in TYPES.items() if isinstance(kind, Documents)]
SERIES = [name for name, kind in TYPES.items() if isinstance(kind, Samples)]
LISTS = [name for name, kind in TYPES.items() if not isinstance(kind, Single)]
OPEN = {"authorization": "anything at all"}


def ask(asked, name, query="", headers=None):
    return asked(f"{SANDBOX}/{name}", query, headers=OPEN if headers is None else headers)


def turn(asked, name, query):
    pages = [ask(asked, name, query).json]
    while pages[-1]["next_token"]:
        assert len(pages) < 200
        pages.append(ask(asked, name, f"next_token={pages[-1]['next_token']}").json)
    return [page["data"] for page in pages]


def person(asked):
    return Person(7, "sandbox", dialect=asked.cloud.settings.dialect, ids="sandbox")


# --- Who may ask ---


@pytest.mark.parametrize("header", ["x", "Bearer x", "Bearer", "Basic x", "é", "Bearer " + "y" * 1000])
def test_any_authorization_opens_it(live, header):
    for name in ("daily_sleep", "ring_configuration"):
        assert ask(live, name, headers={"authorization": header}).status == 200
    assert ask(live, "daily_sleep", "access_token=x", headers={}).status == 200


@pytest.mark.parametrize("headers", [{}, {"authorization": ""}, {"authorization": "  "}])
def test_none_does_not(live, headers):
    for path in ("daily_sleep", "daily_sleep/daily_sleep-0-2026-2-28", "heartrate"):
        assert ask(live, path, headers=headers).status == 401
    for query in ("access_token=", "xaccess_token=x"):
        assert ask(live, "daily_sleep", query, headers={}).status == 401


def test_it_asks_for_no_scope(live):
    for name in LISTS:
        assert live(f"{SANDBOX}/{name}", token=live.token("none")).status == 200


def test_there_is_no_person_in_it(live):
    assert ask(live, "personal_info").status == 404
    assert ask(live, "personal_info/x").status == 404


# --- What it answers ---


@pytest.mark.parametrize("dialect", ["live", "docs"])
@pytest.mark.parametrize("name", [name for name in DOCUMENTS if name in WRITTEN])
def test_ids_keep_the_sandboxs_shape_and_map_back(make_cloud, dialect, name):
    asked = make_cloud(dialect)
    first = "2025-01-01" if name == "rest_mode_period" else "2026-01-01"  # nobody is ill that often
    documents = [one for page in turn(asked, name, f"start_date={first}&end_date=2026-03-01") for one in page]
    assert documents
    for one in documents[:: max(1, len(documents) // 12)]:
        kind, _, rest = one["id"].partition("-")
        assert kind == name
        _, year, month, day = rest.split("-")
        assert date(int(year), int(month), int(day)).isoformat() == one[TYPES[name].day]
        assert not month.startswith("0"), "months and days are not padded"
        assert ask(asked, f"{name}/{one['id']}").json == one


def test_rings_map_back_too(live):
    rings = ask(live, "ring_configuration").json["data"]
    assert rings
    for one in rings:
        assert ask(live, f"ring_configuration/{one['id']}").json == one


@pytest.mark.parametrize(
    "id",
    [
        "x",
        "daily_sleep",
        "daily_sleep-0-2026-2-30",
        "daily_sleep-0-0-0-0",
        "daily_sleep-0-9999-99-99",
        "daily_sleep-9-2026-2-20",
        "daily_sleep-0-1999-1-1",
        "daily_sleep-0-2026-3-5",
        "sleep-0-2026-2-20",
        "daily_sleep-0-2026-02-20",
        "daily_sleep-0-٢٠٢٦-2-20",
    ],
)
def test_an_id_of_nothing_is_404(live, id):
    answer = ask(live, f"daily_sleep/{id}")
    assert (answer.status, answer.json) == (404, {"detail": "Document not found."})


def test_it_is_the_same_for_the_same_question_and_another_for_another_seed(make_cloud):
    query = "start_date=2026-01-01&end_date=2026-02-01"
    for name in ("sleep", "daily_activity", "enhanced_tag"):
        assert ask(make_cloud(), name, query).body == ask(make_cloud(), name, query).body


@pytest.mark.parametrize("name", LISTS)
def test_fields_are_ignored(live, name):
    kind = TYPES[name]
    query = "start_date=2026-02-01&end_date=2026-02-20" if isinstance(kind, Documents) else "next_token="
    assert ask(live, name, f"{query}&fields=id").body == ask(live, name, query).body


def test_what_has_not_happened_yet_is_not_told(live):
    whole = ask(live, "daily_sleep", "start_date=2026-02-20&end_date=2099-01-01")
    assert max(one["day"] for one in whole.json["data"]) <= "2026-03-02"
    rows = turn(live, "heartrate", "start_datetime=2026-02-28&end_datetime=2099-01-01")[-1]
    assert rows[-1]["timestamp"] <= "2026-03-01T12:00:01"


def test_latest_is_the_last_row_of_the_day(live):
    for name in ("heartrate", "ring_battery_level"):
        last = ask(live, name).json
        while last["next_token"]:
            last = ask(live, name, f"next_token={last['next_token']}").json
        assert ask(live, name, "latest=true").json == {"data": last["data"][-1:], "next_token": None}


def test_live_and_docs_rows_differ_here_as_well(live, docs):
    assert "producer_timestamp" in ask(live, "heartrate").json["data"][0]
    assert "timestamp_unix" in ask(docs, "heartrate").json["data"][0]


def test_errors_are_those_of_production(live):
    for name in ("daily_sleep", "heartrate"):
        first, last = TYPES[name].bounds
        assert ask(live, name, f"{first}=2026-02-02&{last}=2026-01-01").status == 400
        assert ask(live, name, f"{first}=soon").status == 422
        assert ask(live, name, "next_token=made-up").status == 400


# --- Windows filter, and pages make the whole ---

SHORT_PAGE_DAYS = 15
SPANS = st.tuples(st.dates(date(2025, 9, 1), date(2026, 3, 5)), st.integers(0, 40))
"""The first day of a window and its length in days: up to four short pages."""


@pytest.mark.parametrize("name", ["sleep", "daily_activity", "workout", "daily_sleep", "rest_mode_period"])
@pytest.mark.parametrize("dialect", ["live", "docs"])
def test_windows_hold_what_the_dialect_says(make_cloud, monkeypatch, dialect, name):
    monkeypatch.setattr(sandbox, "PAGE_DAYS", SHORT_PAGE_DAYS)
    asked = make_cloud(dialect)
    kind, someone = TYPES[name], person(asked)

    @given(SPANS)
    @few()
    def holds(span):
        start, end = span[0], span[0] + timedelta(days=span[1])
        items = list(
            someone.documents(
                name, start - timedelta(days=3), end + timedelta(days=3), now=asked.cloud.clock.now()
            )
        )
        if dialect == "docs":
            expected = [item for item in items if start <= item.day <= end]
        else:
            low, high = parse_instant(start.isoformat()), parse_instant(end.isoformat())
            expected = [item for item in items if low <= instant_of(kind, item.body) <= high]
        pages = turn(asked, name, f"start_date={start}&end_date={end}")
        got = [one["id"] for page in pages for one in page]
        assert len(set(got)) == len(got)
        assert sorted(got) == sorted(item.id for item in expected)
        assert len(pages) <= (end - start).days // SHORT_PAGE_DAYS + 2
        for page in pages:
            instants = [instant_of(kind, json.dumps(one).encode()) for one in page]
            assert instants == sorted(instants), "oldest first"

    holds()


@pytest.mark.parametrize("name", SERIES)
def test_pages_of_a_series_make_the_whole(live, name):
    someone, now = person(live), live.cloud.clock.now()

    @given(st.datetimes(datetime(2026, 2, 20), datetime(2026, 3, 1)), st.integers(0, 100))  # noqa: DTZ001  # strategies take naive bounds
    @few()
    def whole(start, hours):
        low = parse_instant(start.isoformat())
        high = low + hours * 3_600_000
        rows = someone.samples(name, from_ms(low).date(), from_ms(high).date(), now=now)
        expected = [json.loads(row) for at, row in rows if low <= at.timestamp() * 1000 <= high]
        query = f"start_datetime={start.isoformat()}&end_datetime={from_ms(high):%Y-%m-%dT%H:%M:%S.%f}Z"
        pages = turn(live, name, query)
        assert [row for page in pages for row in page] == expected
        assert all(len(page) == 1000 for page in pages[:-1])

    whole()


def test_a_page_may_end_between_two_rows_of_one_instant(make_cloud):
    asked = make_cloud(samples_per_page=1)
    query = "start_datetime=2026-02-27T00:00:00Z&end_datetime=2026-02-27T03:00:00Z"
    one_by_one = [row for page in turn(asked, "heartrate", query) for row in page]
    assert one_by_one == [row for page in turn(make_cloud(), "heartrate", query) for row in page]


def test_all_of_time_begins_with_the_ring(live):
    first = ask(live, "daily_sleep", "start_date=0001-01-01&end_date=9999-12-31").json
    assert first["data"][0]["day"] >= FIRST_DAY.isoformat()
    assert first["next_token"]
    last_day = FIRST_DAY + timedelta(days=PAGE_DAYS)
    assert first["data"][-1]["day"] in {(last_day - timedelta(days=ago)).isoformat() for ago in range(4)}
    assert ask(live, "daily_sleep", "start_date=0001-01-01&end_date=2015-12-25").json["data"] == []


def test_many_at_once_do_not_disturb_each_other(live):
    """Documents are made in threads of their own, of one and the same person."""
    questions = [
        (name, f"start_date=2025-{month:02}-01&end_date=2025-{month:02}-20")
        for month in range(1, 7)
        for name in ("sleep", "daily_activity", "daily_readiness")
    ]

    async def all_at_once():
        return await asyncio.gather(
            *(live.send(f"{SANDBOX}/{name}", query, headers=OPEN) for name, query in questions)
        )

    together = live.runner.run(all_at_once())
    assert [one.body for one in together] == [ask(live, *question).body for question in questions]


def test_rings_take_no_window(live):
    assert isinstance(TYPES["ring_configuration"], Inventory)
    whole = ask(live, "ring_configuration").body
    assert ask(live, "ring_configuration", "start_date=2030-01-01&end_date=2031-01-01").body == whole
