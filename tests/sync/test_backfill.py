"""A backfill over real sockets into real files: all that Oura holds, byte for byte, come what may."""

from __future__ import annotations

import asyncio
import sqlite3
from collections import Counter
from collections.abc import Callable, Iterable
from contextlib import closing
from datetime import date, datetime, timedelta
from pathlib import Path

import pytest

from ringlet._api.catalog import TYPES
from ringlet._api.kinds import Documents, Inventory, Samples
from ringlet._api.windows import Span, day_ms
from ringlet._api.wire import RetryPolicy
from ringlet._cloud.wearer import demo
from ringlet._person.person import Person
from ringlet._sync.backfill import Backfill, BackfillReport, TypeProgress
from ringlet.archive import Archive
from ringlet.client import AsyncClient
from ringlet.cloud import Clock
from ringlet.errors import ArchiveError, ConnectionFailed, InvalidToken

from .conftest import DAYS, EVER, FIRST, NOW, SEED, Running, holdings

SWIFT = RetryPolicy(max_tries=2, first_wait_s=0.01)
EVE = FIRST - timedelta(days=1)
"""The wearer's first night began on the day before the first."""
RECENT = date(2026, 2, 1)


def sync(
    cloud: Running,
    archive: Archive,
    *,
    token: str = "",
    since: date = EVE,
    now: datetime = NOW,
    types: Iterable[str] = TYPES,
    connections: int = 8,
    retry_policy: RetryPolicy = SWIFT,
    on_progress: Callable[[TypeProgress], None] = lambda _: None,
) -> BackfillReport:
    async def run() -> BackfillReport:
        async with AsyncClient(token or cloud.token, base_url=cloud.api, retry_policy=retry_policy) as client:
            return await Backfill(
                client,
                archive,
                types=types,
                since=since,
                now=now,
                connections=connections,
                on_progress=on_progress,
            ).run()

    return asyncio.run(run())


def after(windows: int, act: Callable[[], object]) -> Callable[[TypeProgress], None]:
    """Does something in the middle of a run: when so many windows are behind it."""
    seen = [0]

    def on_progress(_: TypeProgress) -> None:
        seen[0] += 1
        if seen[0] == windows:
            act()

    return on_progress


def total(report: BackfillReport, what: str) -> int:
    return sum(getattr(one, what) for one in report.types.values())


# Everything


def test_everything_arrives_byte_for_byte(shared: Running, mine: Archive) -> None:
    """What the simulated person gave Oura is what the archive holds in the end: every type, document, row."""
    report = sync(shared, mine)
    assert report.exit_code == 0, report
    assert not report.resumed
    assert report.user_name == shared.user_id

    person = Person(SEED, "demo")
    last = NOW.date() + timedelta(days=1)
    [user] = mine.users()
    for name, kind in TYPES.items():
        texts, more = mine.texts(user.id, kind, EVER)
        assert more is None
        if isinstance(kind, Documents | Inventory):
            given = {item.id: item.body for item in person.documents(name, FIRST, last, now=NOW)}
            assert {id: mine.document(user.id, kind, id) for id in given} == given
            assert len(texts) == len(given)
            count = len(given)
        elif isinstance(kind, Samples):
            rows = [row for _, row in person.samples(name, FIRST, last, now=NOW)]
            assert b",".join(texts) == b",".join(rows)
            count = len(rows)
        else:
            assert mine.single(user.id, kind) == person.personal_info()
            count = 1
        progress = report.types[name]
        assert progress.complete
        assert (progress.added, progress.changed, progress.unchanged) == (count, 0, 0)
    assert holdings(mine) == holdings_at(shared.path)


def holdings_at(path: Path) -> dict[str, bytes]:
    with Archive.open(path, read_only=True) as archive:
        return holdings(archive)


def test_a_second_run_changes_nothing_and_asks_for_little(
    serve: Callable[..., Running], mine: Archive, record_property: Callable[[str, object], None]
) -> None:
    """One window per type, its pages, and who the token belongs to along with it."""
    cloud = serve()
    sync(cloud, mine)
    before, held = len(cloud.asked()), holdings(mine)
    report = sync(cloud, mine)
    assert report.exit_code == 0
    assert (total(report, "added"), total(report, "changed")) == (0, 0)
    assert holdings(mine) == held

    asked = cloud.asked()[before:]
    windows = Counter(one.type for one in asked if one.opens)
    assert windows == dict.fromkeys(TYPES, 1)
    pages = Counter(one.type for one in asked)
    figure = {"requests": len(asked), "more than one": {name: n for name, n in pages.items() if n > 1}}
    print(f"\na re-sync without news: {figure}")  # noqa: T201  # a figure to see with -s
    record_property("requests of a re-sync without news", figure)


def test_a_revised_document_is_picked_up_and_the_old_version_kept(
    serve: Callable[..., Running], mine: Archive
) -> None:
    cloud = serve()
    sync(cloud, mine)
    kind = TYPES["daily_sleep"]
    [user] = mine.users()
    person = Person(SEED, "demo")
    day = NOW.date() - timedelta(days=7)
    [item] = person.documents("daily_sleep", day, day, now=NOW)
    revised = item.body.replace(b'"score":', b'"revised":true,"score":', 1)
    assert revised != item.body
    with Archive.open(cloud.path) as oura:
        oura.put(oura.users()[0].id, kind, revised)

    report = sync(cloud, mine)
    assert (total(report, "added"), total(report, "changed")) == (0, 1)
    assert report.types["daily_sleep"].changed == 1
    assert mine.document(user.id, kind, item.id) == revised
    assert [body for _, body in mine.revisions(user.id, kind, item.id)] == [item.body]


def test_whoever_syncs_once_a_month_misses_nothing(
    serve: Callable[..., Running], mine: Archive, tmp_path: Path
) -> None:
    """The days that were not settled at the last run are read again, however long ago that was."""
    month = timedelta(days=30)
    early = NOW - month
    with Archive.open(tmp_path / "early.db") as oura:
        demo.populate(oura, Clock(early), days=DAYS - month.days, seed=SEED)
    sync(serve(tmp_path / "early.db"), mine, now=early)
    [user] = mine.users()
    kind, day = TYPES["daily_activity"], early.date()
    [noon] = Person(SEED, "demo").documents("daily_activity", day, day, now=early)
    assert mine.document(user.id, kind, noon.id) == noon.body

    cloud = serve()
    assert sync(cloud, mine).exit_code == 0
    assert holdings(mine) == holdings_at(cloud.path)
    assert [body for _, body in mine.revisions(user.id, kind, noon.id)] == [noon.body]


# Only what is wanted


def test_only_the_types_asked_for_are_read(serve: Callable[..., Running], mine: Archive) -> None:
    cloud = serve()
    report = sync(cloud, mine, types=["workout", "heartrate"])
    assert report.exit_code == 0
    assert set(report.types) == {"workout", "heartrate"}
    assert {one.type for one in cloud.asked()} == {"personal_info", "workout", "heartrate"}
    assert {name for name, held in holdings(mine).items() if held} == {"workout", "heartrate"}


def test_since_reads_all_that_is_filed_from_that_day_on_and_little_before(
    serve: Callable[..., Running], mine: Archive
) -> None:
    cloud = serve()
    assert sync(cloud, mine, since=RECENT).exit_code == 0
    bounds = {one.window[1] for one in cloud.asked() if one.window[1]}
    assert min(bounds) == "2026-01-30T00:00:00.000Z", "a night began on its eve, in Auckland a day earlier"
    [user] = mine.users()
    span = Span(day_ms(RECENT), day_ms(date(2100, 1, 1)))
    with Archive.open(cloud.path, read_only=True) as theirs:
        [other] = theirs.users()
        for kind in TYPES.values():
            if isinstance(kind, Documents):
                assert mine.page(user.id, kind, span, "docs") == theirs.page(other.id, kind, span, "docs")
    assert min(one.first_day for one in mine.overview(user.id) if one.first_day) >= "2026-01-30"


def test_an_earlier_since_reads_only_what_lies_before(serve: Callable[..., Running], mine: Archive) -> None:
    cloud = serve()
    sync(cloud, mine, since=RECENT)
    before = len(cloud.asked())
    assert sync(cloud, mine).exit_code == 0
    assert holdings(mine) == holdings_at(cloud.path)
    asked = [one.window for one in cloud.asked()[before:] if one.type == "daily_sleep"]
    trailing = ("daily_sleep", "2026-02-22T00:00:00.000Z", "2026-03-02T23:59:59.999Z")
    assert asked == [trailing, ("daily_sleep", f"{EVE}T00:00:00.000Z", "2026-01-31T23:59:59.999Z")]


# What may not be read


def test_a_scope_that_is_missing_leaves_its_types_out_and_the_others_complete(
    shared: Running, mine: Archive
) -> None:
    token = shared.token_for("personal", "email", "daily", "heartrate", "workout")
    report = sync(shared, mine, token=token)
    assert report.exit_code == 3
    assert report.stopped_by is None
    for name, progress in report.types.items():
        scope = TYPES[name].scope
        granted = scope in ("personal", "daily", "heartrate", "workout")
        assert progress.complete == granted, name
        assert (f"the scope {scope!r} was not granted" in progress.skipped) == (not granted), name
        assert not progress.failures
    held, given = holdings(mine), holdings_at(shared.path)
    assert {name for name in held if held[name] == given[name]} == {
        name for name, progress in report.types.items() if progress.complete
    }


def test_a_scope_granted_later_fills_in_what_was_left_out(shared: Running, mine: Archive) -> None:
    sync(shared, mine, token=shared.token_for("personal", "email", "daily"))
    assert sync(shared, mine).exit_code == 0
    assert holdings(mine) == holdings_at(shared.path)


def test_without_the_personal_scope_the_wearer_is_known_all_the_same(shared: Running, mine: Archive) -> None:
    report = sync(shared, mine, token=shared.token_for("daily"), types=["daily_sleep"])
    assert report.exit_code == 0
    assert [user.name for user in mine.users()] == [shared.user_id]
    assert holdings(mine)["daily_sleep"] == holdings_at(shared.path)["daily_sleep"]


def test_a_type_that_oura_no_longer_offers_is_left_out(serve: Callable[..., Running], mine: Archive) -> None:
    cloud = serve(without="interbeat_interval")
    report = sync(cloud, mine)
    assert report.exit_code == 0, "what a server does not have is no failure"
    assert "404" in report.types["interbeat_interval"].skipped
    assert [name for name, one in report.types.items() if not one.offered] == ["interbeat_interval"]
    assert holdings(mine) == holdings_at(cloud.path) | {"interbeat_interval": b""}


# What gets in the way


def test_a_dead_token_before_the_first_window_is_raised(shared: Running, mine: Archive) -> None:
    with pytest.raises(InvalidToken) as dead:
        sync(shared, mine, token="dead")
    assert dead.value.exit_code == 4
    assert mine.users() == []


def test_a_token_revoked_in_the_middle_stops_the_run_and_the_next_completes_it(
    serve: Callable[..., Running], mine: Archive
) -> None:
    cloud = serve(latency=0.01)
    report = sync(cloud, mine, on_progress=after(12, cloud.revoke))
    assert isinstance(report.stopped_by, InvalidToken)
    assert report.exit_code == 4
    before = len(cloud.asked())
    assert total(report, "done") >= 12

    report = sync(cloud, mine, token=cloud.token_for(*scopes()))
    assert report.exit_code == 0
    assert report.resumed
    assert holdings(mine) == holdings_at(cloud.path)
    finished = {one.window for one in cloud.asked()[:before] if one.status == 200 and one.opens}
    again = [one.window for one in cloud.asked()[before:] if one.opens and one.window in finished]
    # Who one is, and at most what the eight connections were in the middle of.
    assert len(again) <= 1 + 8


def scopes() -> set[str]:
    return {"email", *(kind.scope for kind in TYPES.values())}


def test_a_server_that_dies_in_the_middle_ends_the_run_and_the_next_run_completes(
    serve: Callable[..., Running], mine: Archive
) -> None:
    cloud = serve(latency=0.01)
    report = sync(cloud, mine, on_progress=after(12, cloud.kill))
    assert report.exit_code == 1
    assert isinstance(report.stopped_by, ConnectionFailed)
    assert 12 <= total(report, "done") < total(report, "windows")

    again = serve(cloud.path)
    assert sync(again, mine).exit_code == 0
    assert holdings(mine) == holdings_at(cloud.path)


def test_a_rate_limit_is_waited_for(serve: Callable[..., Running], mine: Archive) -> None:
    cloud = serve(limit=20, window=1)
    report = sync(cloud, mine, retry_policy=RetryPolicy(max_tries=50))
    assert report.exit_code == 0, report
    assert holdings(mine) == holdings_at(cloud.path)
    assert Counter(one.status for one in cloud.asked())[429] > 0


def test_a_rate_limit_beyond_patience_ends_the_run_and_the_next_goes_on(
    serve: Callable[..., Running], mine: Archive
) -> None:
    cloud = serve(limit=20, window=300)
    report = sync(cloud, mine, retry_policy=RetryPolicy(max_retry_after_s=5))
    assert report.exit_code == 5
    assert report.stopped_by is not None
    assert report.stopped_by.cure.startswith("run it again after ")
    done = total(report, "done")
    assert 0 < done < 20
    # Another token has a limit of its own.
    report = sync(
        cloud, mine, token=cloud.token_for(*scopes()), retry_policy=RetryPolicy(max_retry_after_s=5)
    )
    assert report.exit_code == 5
    assert report.resumed
    assert total(report, "added") > 0


def test_a_read_only_archive_is_an_archive_error(shared: Running, mine: Archive) -> None:
    mine.user(shared.user_id)
    with (
        Archive.open(mine.path, read_only=True) as looking,
        pytest.raises(ArchiveError, match="may only be read") as refused,
    ):
        sync(shared, looking)
    assert refused.value.exit_code == 6


def test_an_archive_held_by_another_program_is_an_archive_error(shared: Running, mine: Archive) -> None:
    with (
        Archive.open(mine.path) as other,
        Archive.open(mine.path, timeout=0.05) as locked_out,
        other.transaction(),
        pytest.raises(ArchiveError, match="is locked by another program") as refused,
    ):
        sync(shared, locked_out)
    assert refused.value.exit_code == 6


def test_an_archive_taken_in_the_middle_ends_the_run_and_the_next_completes_it(
    serve: Callable[..., Running], mine: Archive
) -> None:
    cloud = serve()
    with closing(sqlite3.connect(mine.path, isolation_level=None)) as other:
        with Archive.open(mine.path, timeout=0.05) as short:
            report = sync(cloud, short, on_progress=after(12, lambda: other.execute("BEGIN IMMEDIATE")))
        other.execute("ROLLBACK")
    assert isinstance(report.stopped_by, ArchiveError)
    assert report.exit_code == 6
    assert total(report, "done") >= 12
    report = sync(cloud, mine)
    assert report.exit_code == 0
    assert report.resumed
    assert holdings(mine) == holdings_at(cloud.path)


# Resuming


def interrupted(cloud: Running, archive: Archive) -> None:
    """A run that ended after 25 windows without a word."""

    class Stop(Exception):
        pass

    def stop() -> None:
        raise Stop

    with pytest.RaisesGroup(Stop):
        sync(cloud, archive, connections=1, on_progress=after(25, stop))


def test_a_run_that_did_not_end_is_resumed_within_the_hour(
    serve: Callable[..., Running], mine: Archive
) -> None:
    """Nothing is asked for again, not even the last days or what takes no window; only who one is."""
    cloud = serve()
    interrupted(cloud, mine)
    before = cloud.asked()
    later = NOW + timedelta(minutes=59)
    report = sync(cloud, mine, now=later)
    assert report.exit_code == 0
    assert report.resumed
    asked = Counter(one.window for one in [*before, *cloud.asked()[len(before) :]] if one.opens)
    assert {window: n for window, n in asked.items() if n > 1} == {("personal_info", "", ""): 2}
    assert holdings(mine) == holdings_at(cloud.path)
    assert not sync(cloud, mine, now=later).resumed


def test_after_an_hour_a_run_begins_anew_with_the_last_days(
    serve: Callable[..., Running], mine: Archive
) -> None:
    cloud = serve()
    interrupted(cloud, mine)
    before = len(cloud.asked())
    report = sync(cloud, mine, now=NOW + timedelta(minutes=61))
    assert report.exit_code == 0
    assert not report.resumed
    trailing = ("daily_sleep", "2026-02-22T00:00:00.000Z", "2026-03-02T23:59:59.999Z")
    assert trailing in [one.window for one in cloud.asked()[before:]]
    assert holdings(mine) == holdings_at(cloud.path)


def test_a_document_that_is_none_fails_its_window_and_nothing_else(
    serve: Callable[..., Running], mine: Archive
) -> None:
    cloud = serve()
    with Archive.open(cloud.path) as theirs:
        theirs.database.execute(
            "UPDATE documents SET body = ? WHERE type = 'sleep'"
            " AND id = (SELECT min(id) FROM documents WHERE type = 'sleep')",
            (b'{"id":7,"bedtime_start":"whenever"}',),
        )
    report = sync(cloud, mine)
    assert report.exit_code == 3
    assert "not a document" in report.types["sleep"].failures[0]
    assert [name for name, one in report.types.items() if not one.complete] == ["sleep"]
