"""The data routes: who may read, what a window holds, and that bytes come out as they went in."""

import json
import re
from datetime import UTC, datetime, timedelta
from urllib.parse import quote

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ringlet._api.catalog import TYPES
from ringlet._api.kinds import ROOT, Documents, Inventory, Samples, Single
from ringlet._api.windows import Span, parse_instant
from ringlet.archive import Archive

from ...paths import SAMPLES

DOCUMENTS = {name: kind for name, kind in TYPES.items() if isinstance(kind, Documents)}
SERIES = {name: kind for name, kind in TYPES.items() if isinstance(kind, Samples)}
BY_DAY = [name for name, kind in DOCUMENTS.items() if kind.instant == "day"]
BY_INSTANT = [name for name, kind in DOCUMENTS.items() if kind.instant != "day"]
ALL_TIME = "start_date=2000-01-01&end_date=2100-01-01"
same_cloud = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])

# --- What a window holds ---

WINDOW = "start_date=2024-11-11&end_date=2024-11-12"

INSTANTS = [
    # (id, its instant, its day, in the live window, in the docs window)
    ("a moment before", "2024-11-10T23:59:59.999+00:00", "2024-11-10", False, False),
    ("first instant", "2024-11-11T00:00:00+00:00", "2024-11-11", True, True),
    ("east, a second before", "2024-11-11T01:59:59+02:00", "2024-11-11", False, True),
    ("east, first instant", "2024-11-11T02:00:00+02:00", "2024-11-11", True, True),
    ("far east, morning", "2024-11-11T09:00:00+14:00", "2024-11-11", False, True),
    ("west, the evening before", "2024-11-10T19:00:00-05:00", "2024-11-10", True, False),
    ("west, a second before", "2024-11-10T18:59:59-05:00", "2024-11-10", False, False),
    ("noon, zulu", "2024-11-11T12:00:00.000Z", "2024-11-11", True, True),
    ("noon, no zone", "2024-11-11T12:00:00", "2024-11-11", True, True),
    ("last instant", "2024-11-12T00:00:00+00:00", "2024-11-12", True, True),
    ("a moment after", "2024-11-12T00:00:00.001+00:00", "2024-11-12", False, True),
    ("east, last instant", "2024-11-12T05:45:00+05:45", "2024-11-12", True, True),
    ("west, a second after", "2024-11-11T19:00:01-05:00", "2024-11-11", False, True),
    ("last day, evening", "2024-11-12T22:00:00+00:00", "2024-11-12", False, True),
    ("the day after", "2024-11-13T00:00:00+00:00", "2024-11-13", False, False),
]

DAYS = [
    # (its day, its timestamp, which says another day and is not looked at, inside)
    ("2024-11-10", "2024-11-11T12:00:00+00:00", False),
    ("2024-11-11", "2024-11-10T20:00:00-04:00", True),
    ("2024-11-12", "2024-11-13T00:00:00+00:00", True),
    ("2024-11-13", "2024-11-12T00:00:00+00:00", False),
]

ACTIVITY = [
    # (its timestamp, 04:00 where the wearer is, inside): keyed by that instant, so the last day seems lost
    ("2024-11-10T04:00:00+01:00", False),
    ("2024-11-11T04:00:00+01:00", True),
    ("2024-11-12T04:00:00+01:00", False),
    ("2024-11-12T04:00:00-06:00", False),
    ("2024-11-12T04:00:00+04:00", True),
    ("2024-11-12T04:00:00+05:00", True),
    ("2024-11-11T04:00:00+05:00", False),
]


def put(asked, name, documents):
    kind = TYPES[name]
    asked.cloud.archive.put(asked.user, kind, json.dumps(documents).encode())


def instant_documents(kind):
    return [
        {"id": id, **({"day": day} if kind.day == "day" else {kind.day: day}), kind.instant: instant}
        for id, instant, day, _, _ in INSTANTS
    ]


def in_order(rows):
    def utc(text):
        at = datetime.fromisoformat(text)
        return at if at.tzinfo else at.replace(tzinfo=UTC)

    return [row[0] for row in sorted(rows, key=lambda row: (utc(row[1]), row[0]))]


@pytest.mark.parametrize("name", BY_INSTANT)
def test_live_compares_the_documents_own_instant_both_ends_included_oldest_first(live, name):
    put(live, name, instant_documents(TYPES[name]))
    answer = live(name, WINDOW, token=live.token())
    assert answer.ids == in_order([row for row in INSTANTS if row[3]])


@pytest.mark.parametrize("name", BY_INSTANT)
def test_docs_compares_days_both_included(docs, name):
    put(docs, name, instant_documents(TYPES[name]))
    answer = docs(name, WINDOW, token=docs.token())
    assert sorted(answer.ids) == sorted(row[0] for row in INSTANTS if row[4])


@pytest.mark.parametrize("dialect", ["live", "docs"])
@pytest.mark.parametrize("name", BY_DAY)
def test_most_dailies_are_compared_by_their_day_in_both_profiles(make_cloud, dialect, name):
    asked = make_cloud(dialect)
    put(asked, name, [{"id": day, "day": day, "timestamp": at} for day, at, _ in DAYS])
    assert asked(name, WINDOW, token=asked.token()).ids == [day for day, _, inside in DAYS if inside]


def test_live_activity_loses_its_last_day_west_of_four_hours_and_its_first_day_east_of_them(live):
    put(live, "daily_activity", [{"id": at, "day": at[:10], "timestamp": at} for at, _ in ACTIVITY])
    answer = live("daily_activity", WINDOW, token=live.token())
    assert sorted(answer.ids) == sorted(at for at, inside in ACTIVITY if inside)


def test_docs_activity_keeps_both_days(docs):
    put(docs, "daily_activity", [{"id": at, "day": at[:10], "timestamp": at} for at, _ in ACTIVITY])
    answer = docs("daily_activity", WINDOW, token=docs.token())
    assert sorted(answer.ids) == sorted(at for at, _ in ACTIVITY if at[:10] != "2024-11-10")


@pytest.mark.parametrize("name", SERIES)
@pytest.mark.parametrize("dialect", ["live", "docs"])
def test_a_series_is_compared_by_timestamp_both_ends_included(make_cloud, dialect, name):
    asked = make_cloud(dialect)
    rows = sorted(INSTANTS, key=lambda row: in_order(INSTANTS).index(row[0]))
    asked.cloud.archive.put_samples(
        asked.user,
        TYPES[name],
        [json.dumps([{"source": row[0], "timestamp": row[1]} for row in rows]).encode()],
    )
    window = "start_datetime=2024-11-11&end_datetime=2024-11-12T00:00:00Z"
    answer = asked(name, window, token=asked.token())
    assert [row["source"] for row in answer.json["data"]] == [row[0] for row in rows if row[3]]


# --- Recorded answers come out byte for byte ---

RECORDED = {
    path: query
    for line in ((SAMPLES / "SOURCES.md").read_text().splitlines() if SAMPLES.exists() else [])
    for path, query in re.findall(r"^\| `([\w.-]+\.json)` .* GET (/v2/usercollection/\S+) -> 200", line)
}
LISTS = {path: where for path, where in RECORDED.items() if "?" in where}
SINGLES = {path: where for path, where in RECORDED.items() if "?" not in where}


def recorded(path):
    body = (SAMPLES / path).read_bytes()
    return body.strip()


def fill(asked, path, where):
    """A recorded answer into the archive, in the bytes it came in."""
    kind = TYPES[where.split("?")[0].split("/")[3]]
    body = recorded(path)
    if "?" in where:
        body = bytes(msgspec.json.decode(body, type=dict[str, msgspec.Raw])["data"])
    if isinstance(kind, Samples):
        asked.cloud.archive.put_samples(asked.user, kind, [body])
    else:
        asked.cloud.archive.put(asked.user, kind, body)


def test_there_are_recorded_answers():
    if not SAMPLES.exists():
        pytest.skip("the recorded answers are not beside this checkout")
    assert len(LISTS) >= 16
    assert len(SINGLES) >= 12


@pytest.mark.parametrize("path", LISTS)
def test_a_recorded_list_is_answered_to_the_byte(make_cloud, path):
    where, _, query = LISTS[path].partition("?")
    # Recorded at this time, and in one page; rows came by the thousand only later.
    asked = make_cloud(at=datetime(2024, 12, 14, 12, 27, 45, tzinfo=UTC), samples_per_page=5000)
    fill(asked, path, LISTS[path])
    answer = asked(where, query, token=asked.token())
    assert answer.status == 200
    assert answer.body == recorded(path)


@pytest.mark.parametrize("path", SINGLES)
def test_a_recorded_document_is_answered_to_the_byte(make_cloud, path):
    asked = make_cloud()
    fill(asked, path, SINGLES[path])
    answer = asked(SINGLES[path], token=asked.token())
    assert answer.status == 200
    assert answer.body == recorded(path)


def test_the_recorded_person_is_answered_to_the_byte(live):
    if not SAMPLES.exists():
        pytest.skip("the recorded answers are not beside this checkout")
    body = recorded("personal_info.json")
    live.cloud.archive.put(live.user, TYPES["personal_info"], body)
    assert live("personal_info", token=live.token()).body == body


def test_windows_find_the_recorded_lists_among_everything_recorded(make_cloud):
    """Documents of other recordings lie outside the windows of these, as they did then."""
    if not SAMPLES.exists():
        pytest.skip("the recorded answers are not beside this checkout")
    asked = make_cloud(at=datetime(2024, 12, 14, 12, 27, 45, tzinfo=UTC), samples_per_page=5000)
    for path, where in RECORDED.items():
        fill(asked, path, where)
    token = asked.token()
    for path, where in LISTS.items():
        route, _, query = where.partition("?")
        assert asked(route, query, token=token).body == recorded(path)


LEAF = st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=8)


@given(
    st.lists(
        st.dictionaries(
            st.text(max_size=6),
            LEAF | st.lists(LEAF, max_size=3) | st.dictionaries(st.text(max_size=4), LEAF, max_size=3),
            max_size=4,
        ),
        max_size=5,
    ),
    st.sampled_from([(",", ":"), (", ", ": "), (" ,\n ", "\t:")]),
    st.booleans(),
)
@same_cloud
def test_any_document_comes_out_in_the_bytes_it_went_in(make_cloud, bodies, separators, ascii):
    asked = make_cloud()
    texts = [
        json.dumps(
            body | {"id": f"{n}", "day": "2026-02-20"}, separators=separators, ensure_ascii=ascii
        ).encode()
        for n, body in enumerate(bodies)
    ]
    asked.cloud.archive.put(asked.user, TYPES["daily_sleep"], b"[%s]" % b",".join(texts))
    token = asked.token()
    assert asked("daily_sleep", ALL_TIME, token=token).body == b'{"data":[%s],"next_token":null}' % b",".join(
        texts
    )
    for n, text in enumerate(texts):
        assert asked(f"daily_sleep/{n}", token=token).body == text
    asked.cloud.archive.close()


# --- Who may read ---


@pytest.mark.parametrize(("dialect", "status"), [("live", 401), ("docs", 403)])
@pytest.mark.parametrize("name", [name for name, kind in TYPES.items() if not isinstance(kind, Single)])
def test_every_route_needs_its_scope_and_no_other(make_cloud, dialect, status, name):
    asked = make_cloud(dialect)
    scope = TYPES[name].scope
    others = [kind.scope for kind in TYPES.values() if kind.scope != scope]
    refused = asked(name, token=asked.token(*others))
    assert refused.status == status
    if dialect == "docs":
        assert scope in refused.json["detail"], "the documented answer lists the scopes that are missing"
        assert set(refused.json) == {"status", "title", "detail"}
    else:
        assert refused.json == {"detail": "Token not authorized"}
    assert asked(name, token=asked.token(scope)).status == 200


@pytest.mark.parametrize(
    "header", [None, "", "Bearer", "Bearer ", "Bearer nonsense", "Basic bm9uc2Vuc2U=", "é"]
)
@pytest.mark.parametrize("path", ["sleep", "sleep/some-id", "heartrate", "personal_info"])
def test_without_a_live_token_there_is_401(live, path, header):
    answer = live(path, headers={} if header is None else {"authorization": header})
    assert answer.status == 401
    assert list(answer.json) == ["detail"]


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER"])
def test_the_scheme_is_read_in_any_case(live, scheme):
    assert live("sleep", headers={"authorization": f"{scheme} {live.token()}"}).status == 200


def test_a_refresh_token_opens_nothing(live):
    live.token()
    issued = live.cloud.grants.issue(live.client_id, live.user, ["daily"])
    assert live("sleep", token=issued.refresh_token).status == 401
    assert live("sleep", token=issued.access_token).status == 200


@pytest.mark.parametrize(("dialect", "life"), [("live", 2_591_999), ("docs", 86_400)])
def test_an_access_token_ends_by_the_clouds_clock(make_cloud, dialect, life):
    asked = make_cloud(dialect)
    token = asked.token()
    asked.cloud.clock.advance(timedelta(seconds=life - 1))
    assert asked("sleep", token=token).status == 200
    asked.cloud.clock.advance(timedelta(seconds=1))
    assert asked("sleep", token=token).status == 401


def test_one_wearer_never_sees_another(live):
    other = live.cloud.archive.user("somebody else")
    live.token()
    theirs = live.cloud.grants.issue(
        live.client_id, other, [kind.scope for kind in TYPES.values()]
    ).access_token
    for name, kind in TYPES.items():
        if isinstance(kind, Samples):
            rows = b'[{"timestamp":"2026-02-28T20:00:00Z"}]'
            live.cloud.archive.put_samples(live.user, kind, [rows])
        else:
            day = kind.day if isinstance(kind, Documents) else "day"
            instant = kind.instant if isinstance(kind, Documents) else "day"
            body = {"id": "mine", day: "2026-02-28"} | (
                {} if instant == day else {instant: "2026-02-28T08:00:00Z"}
            )
            put(live, name, body)
    mine = live.token()
    for name, kind in TYPES.items():
        if isinstance(kind, Single):
            assert live(name, token=mine).json["id"] == "mine"
            assert live(name, token=theirs).status == 404
            continue
        assert live(name, token=mine).json["data"], name
        assert live(name, token=theirs).json["data"] == [], name
        if not isinstance(kind, Samples):
            assert live(f"{name}/mine", token=mine).status == 200
            assert live(f"{name}/mine", token=theirs).status == 404


PERSON = {
    "id": "p",
    "age": 40,
    "weight": 70.5,
    "height": 1.7,
    "biological_sex": "female",
    "email": "a@b.example",
}


@pytest.mark.parametrize(
    ("scopes", "left_out"),
    [
        (("personal", "email"), set()),
        (("personal",), {"email"}),
        (("email",), {"age", "weight", "height", "biological_sex"}),
        (("daily",), {"age", "weight", "height", "biological_sex", "email"}),
        (("none",), {"age", "weight", "height", "biological_sex", "email"}),
    ],
)
def test_the_persons_id_is_always_told_and_the_rest_by_its_scope(live, scopes, left_out):
    put(live, "personal_info", PERSON)
    answer = live("personal_info", token=live.token(*scopes))
    assert answer.json == {k: v for k, v in PERSON.items() if k not in left_out}


# --- A token in the query ---


def test_a_token_in_the_query_opens_and_is_told_to_nobody(live):
    token = live.token()
    assert live("sleep", f"access_token={token}&{ALL_TIME}").status == 200
    assert live("sleep", f"access_token={quote(token, safe='')}").status == 200
    assert live("sleep", "access_token=nonsense").status == 401
    assert live("sleep", f"xaccess_token={token}").status == 401
    assert live("sleep", "access_token=").status == 401
    seen = live.admin("requests")
    assert [one["status"] for one in seen.json] == [200, 200, 401, 401, 401]
    assert token not in seen.text
    assert "nonsense" not in seen.text


def test_the_header_goes_before_the_query(live):
    token = live.token()
    assert live("sleep", f"access_token={token}", token="nonsense").status == 401


# --- Routes that are not there ---

NOWHERE = [
    "vo2_max",
    "VO2_MAX",
    "Sleep",
    "sleeps",
    "sleep/",
    "sleep/a/b",
    "/v2/usercollection",
    "/v2/usercollection/",
    "/v2/",
    "heartrate/some-id",
    "personal_info/some-id",
    "meal",
    "/v2/sandbox/usercollection/personal_info",
    "/v3/usercollection/sleep",
    "/favicon.ico",
]


@pytest.mark.parametrize("path", NOWHERE)
def test_unknown_routes_are_404_whoever_asks(live, path):
    for token in (None, live.token()):
        answer = live(path, token=token)
        assert answer.status == 404
        assert answer.json == {"detail": "Not Found"}


def test_unknown_routes_speak_the_profile(docs):
    for path in ("sleeps", "/nowhere"):
        assert docs(path, token=docs.token()).json == {
            "status": 404,
            "title": "Not Found",
            "detail": "Not Found",
        }


@pytest.mark.parametrize(
    "id", ["not-existing", "8b7a4c34-6f2e-4d83-9e0b-0c7d2f1a5b66", "0", "é", " ", "%", "a'b"]
)
def test_an_unknown_id_is_404_even_when_it_is_no_uuid(live, id):
    for name, kind in TYPES.items():
        if isinstance(kind, Documents | Inventory):
            answer = live(f"{name}/{id}", token=live.token())
            assert (answer.status, answer.body) == (404, b'{"detail":"Document not found."}')


def test_a_deleted_document_is_gone_from_both_routes(live):
    put(live, "workout", {"id": "w", "day": "2026-02-28", "start_datetime": "2026-02-28T08:00:00Z"})
    live.cloud.archive.delete(live.user, TYPES["workout"], "w")
    assert live("workout/w", token=live.token()).status == 404
    assert live("workout", ALL_TIME, token=live.token()).ids == []


@pytest.mark.parametrize("path", ["/v1/sleep", "/v1/userinfo", "/v1/"])
def test_version_one_is_sunset(live, path):
    assert live(path, token=live.token()).status == 410


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
@pytest.mark.parametrize(
    "path", ["sleep", "sleep/some-id", "personal_info", "/v2/sandbox/usercollection/sleep"]
)
def test_data_is_only_read(live, path, method):
    answer = live(path, method=method, token=live.token())
    assert answer.status == 405
    assert answer.headers["allow"] == "GET"
    assert answer.json == {"detail": "Method Not Allowed"}


def test_other_routes_say_what_they_allow_too(live):
    for path, allowed in (("/oauth/token", {"POST"}), ("/_ringlet/health", {"GET", "HEAD"})):
        answer = live(path, method="DELETE")
        assert answer.status == 405
        assert set(answer.headers["allow"].split(", ")) == allowed


# --- Headers ---


@pytest.mark.parametrize(("file", "path"), [("200", "daily_sleep"), ("404", "sleep/not-existing")])
def test_headers_are_those_of_the_recorded_answer(live, file, path):
    if not SAMPLES.exists():
        pytest.skip("the recorded answers are not beside this checkout")
    said = json.loads((SAMPLES / f"errors/response_headers_{file}.json").read_bytes())
    answer = live(path, token=live.token())
    assert answer.status == int(file)
    for name in (
        "content-type",
        "cache-control",
        "strict-transport-security",
        "x-content-type-options",
        "x-frame-options",
        "x-xss-protection",
        "referrer-policy",
    ):
        assert answer.headers[name] == said[name], name
    assert re.fullmatch(r"[0-9a-f]{32}", answer.headers["x-trace-id"])
    assert answer.headers["content-length"] == str(len(answer.body))
    assert not {"etag", "last-modified", "server"} & set(answer.headers)


def test_a_success_tells_nothing_of_limits(live):
    names = live("sleep", token=live.token()).headers
    assert not [name for name in names if "ratelimit" in name or name == "retry-after"]


# --- Limits ---

FIVE = ["retry-after", "x-ratelimit-limit", "x-ratelimit-window", "x-ratelimit-reset", "x-ratelimit-tier"]


def use_up(asked, token):
    """5,000 requests, of several routes and outcomes."""
    data = asked.cloud.data
    header = f"Bearer {token}".encode()
    paths = [f"{ROOT}/sleep", f"{ROOT}/daily_sleep/none", f"{ROOT}/personal_info", f"{ROOT}/heartrate"]
    statuses = {data.answer(paths[n % 4], b"", header).status for n in range(5000)}
    assert statuses == {200, 404}


@pytest.mark.parametrize("dialect", ["live", "docs"])
def test_5000_requests_then_429_with_five_headers(make_cloud, dialect):
    asked = make_cloud(dialect)
    put(asked, "personal_info", PERSON)
    token = asked.token()
    use_up(asked, token)
    for path in ("sleep", "sleep/some-id", "heartrate", "personal_info", "/v2/sandbox/usercollection/sleep"):
        answer = asked(path, token=token)
        assert answer.status == 429, path
        assert "detail" in answer.json
        said = {name: answer.headers[name] for name in FIVE}
        assert said["x-ratelimit-limit"] == "5000"
        assert said["x-ratelimit-window"] == "300"
        assert 200 < int(said["retry-after"]) <= 300
        reset = datetime.fromtimestamp(int(said["x-ratelimit-reset"]), UTC)
        assert timedelta(seconds=190) < reset - datetime.now(UTC) <= timedelta(seconds=300)
    assert asked("sleep", token=asked.token()).status == 200, "another token has its own"
    assert asked("nowhere", token=token).status == 404, "a route that is not there costs nothing"


def test_the_sandbox_shares_the_limit_of_the_token(live):
    token = live.token()
    for _ in range(3):
        assert live("/v2/sandbox/usercollection/ring_configuration", token=token).status == 200
    put(live, "personal_info", PERSON)
    data, header = live.cloud.data, f"Bearer {token}".encode()
    statuses = [data.answer(f"{ROOT}/sleep", b"", header).status for _ in range(4998)]
    assert statuses[:4997] == [200] * 4997
    assert statuses[4997] == 429


def test_signing_anew_is_no_way_around_the_limit(live):
    """The header and the query name one token, and forgetting who is who forgets no request."""
    put(live, "personal_info", PERSON)
    token = live.token()
    use_up(live, token)
    live.cloud.data.forget_access()
    assert live("sleep", token=token).status == 429
    assert live("sleep", f"access_token={token}").status == 429
    assert live("sleep", headers={"authorization": f"bearer  {token} "}).status == 429


# --- What differs in rows ---


def test_live_heartrate_has_producer_timestamp_and_docs_timestamp_unix(demo, demo_docs):
    for row in demo("heartrate", token=demo.token()).json["data"]:
        assert "producer_timestamp" in row
        assert "timestamp_unix" not in row
    for row in demo_docs("heartrate", token=demo_docs.token()).json["data"]:
        assert row["timestamp_unix"] == datetime.fromisoformat(row["timestamp"]).timestamp() * 1000


# --- Pages ---


def turn(asked, name, query, *, alone=False):
    """All pages, by the token alone or with the same query again."""
    token = asked.token()
    pages = [asked(name, query, token=token).json]
    while pages[-1]["next_token"]:
        more = f"next_token={pages[-1]['next_token']}"
        pages.append(asked(name, more if alone else f"{query}&{more}", token=token).json)
    return [page["data"] for page in pages]


@pytest.mark.parametrize("alone", [True, False])
@pytest.mark.parametrize("name", SERIES)
def test_series_come_by_the_thousand_and_pages_make_the_whole(demo, name, alone):
    query = "start_datetime=2026-02-01&end_datetime=2026-02-28T23:59:59Z"
    pages = turn(demo, name, query, alone=alone)
    assert {len(page) for page in pages[:-1]} == {1000}
    assert 0 < len(pages[-1]) <= 1000
    rows = [row for page in pages for row in page]
    span = Span(parse_instant("2026-02-01"), parse_instant("2026-02-28T23:59:59Z"))
    whole, more = demo.cloud.archive.page(demo.user, TYPES[name], span)
    assert more is None
    assert rows == json.loads(b"[%s]" % whole)


@pytest.mark.parametrize("dialect", ["live", "docs"])
@pytest.mark.parametrize("alone", [True, False])
def test_documents_come_in_one_page_unless_told_otherwise(make_cloud, dialect, alone):
    whole, paged = make_cloud(dialect), make_cloud(dialect, documents_per_page=7)
    sessions = [
        {
            "id": f"{n:03}",
            "day": f"2026-02-{1 + n // 3:02}",
            "start_datetime": f"2026-02-{1 + n // 3:02}T08:00:00Z",
        }
        for n in range(80)
    ]
    for asked in (whole, paged):
        put(asked, "session", sessions)
    assert turn(whole, "session", ALL_TIME) == [sessions]
    pages = turn(paged, "session", ALL_TIME, alone=alone)
    assert [one for page in pages for one in page] == sessions
    assert {len(page) for page in pages[:-1]} == {7}


def test_a_page_may_be_cut_down_too(demo):
    query = "start_datetime=2026-02-01&end_datetime=2026-02-10&fields=bpm"
    for page in turn(demo, "heartrate", query):
        assert {frozenset(row) for row in page} == {frozenset({"bpm", "timestamp"})}


def first_token(asked, name="heartrate"):
    query = "start_datetime=2026-02-01&end_datetime=2026-02-28"
    return asked(name, query, token=asked.token()).json["next_token"]


def test_page_tokens_are_refused_when_made_up_or_meant_for_another_route(demo):
    token = demo.token()
    good = first_token(demo)
    for bad in ("x", "null", "AAAA", "%00", "é", good[:-4], good + "AAAA", good.swapcase(), "A" * 5000):
        answer = demo("heartrate", {"next_token": bad}, token=token)
        assert answer.status == 400, bad
        assert list(answer.json) == ["detail"]
    for other in ("interbeat_interval", "sleep", "ring_configuration"):
        assert demo(other, f"next_token={good}", token=token).status == 400


def test_a_page_token_of_the_sandbox_is_not_one_of_production(make_cloud):
    """Their values differ in form: each kind of route answers a token of the other kind with 400."""
    asked = make_cloud(documents_per_page=2)
    days = [f"2026-02-{day:02}" for day in range(1, 20)]
    put(asked, "daily_sleep", [{"id": day, "day": day} for day in days])
    token = asked.token()
    window = "start_date=2025-01-01&end_date=2026-03-01"
    ours = asked("daily_sleep", window, token=token).json["next_token"]
    theirs = asked("/v2/sandbox/usercollection/daily_sleep", window, token=token).json["next_token"]
    assert ours
    assert theirs
    assert asked("daily_sleep", f"next_token={theirs}", token=token).status == 400
    assert asked("/v2/sandbox/usercollection/daily_sleep", f"next_token={ours}", token=token).status == 400


def test_an_empty_page_token_is_none(demo):
    token = demo.token()
    assert demo("sleep", f"{WINDOW}&next_token=", token=token).body == demo("sleep", WINDOW, token=token).body


# --- Answers that are kept ---


def test_a_kept_answer_is_not_outlived_by_its_documents(live):
    """What another connection or this one writes is seen, at the latest after a twentieth of a second."""
    token = live.token()
    for n in range(3):
        put(live, "daily_sleep", [{"id": f"{n}", "day": "2026-02-20"}])
        live.cloud.data._checked_at = 0.0
        assert live("daily_sleep", ALL_TIME, token=token).ids == [str(one) for one in range(n + 1)]


def test_what_another_program_writes_is_seen(make_cloud, tmp_path):
    asked = make_cloud(path=tmp_path / "oura.db")
    token = asked.token()
    assert asked("daily_sleep", ALL_TIME, token=token).ids == []
    with Archive.open(tmp_path / "oura.db") as other:
        other.put(asked.user, TYPES["daily_sleep"], b'{"id": "new", "day": "2026-02-20"}')
    asked.cloud.data._checked_at = 0.0
    assert asked("daily_sleep", ALL_TIME, token=token).ids == ["new"]


def test_asking_twice_gives_the_same_bytes(demo):
    for keep in (demo.token(), demo.token()):
        first = demo("sleep", ALL_TIME, token=keep)
        assert demo("sleep", ALL_TIME, token=keep).body == first.body
        assert first.headers["x-trace-id"] != demo("sleep", ALL_TIME, token=keep).headers["x-trace-id"]


@pytest.mark.parametrize("keep", [0, 1, 3])
def test_however_many_answers_are_kept_each_question_has_its_own(make_cloud, keep):
    asked = make_cloud(cache_bytes=keep)
    days = [f"2026-02-{day:02}" for day in range(1, 11)]
    put(asked, "daily_sleep", [{"id": day, "day": day} for day in days])
    token = asked.token()
    for _ in range(2):
        for n, day in enumerate(days):
            query = f"start_date=2026-02-01&end_date={day}"
            assert asked("daily_sleep", query, token=token).ids == days[: n + 1]


def test_latency_is_added_and_nothing_else(make_cloud):
    slow = make_cloud(latency_s=0.001)
    assert slow("sleep", token=slow.token()).body == b'{"data":[],"next_token":null}'
