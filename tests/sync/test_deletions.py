"""Documents that were deleted at Oura while nobody listened: found by the next sync, and never by mistake."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import pytest

from ringlet._api.catalog import TYPES
from ringlet._api.kinds import Documents
from ringlet._api.windows import Span, to_ms
from ringlet._api.wire import RetryPolicy
from ringlet._sync.backfill import Backfill, BackfillReport
from ringlet.archive import Archive
from ringlet.client import AsyncClient

from .conftest import NOW, Running

WEEK = Span(to_ms(NOW - timedelta(days=6)), to_ms(NOW + timedelta(days=2)))
RECENT = (NOW - timedelta(days=30)).date()
NAMES = ("sleep", "daily_sleep", "workout", "ring_configuration")


def sync(cloud: Running, archive: Archive, *, types: tuple[str, ...] = NAMES) -> BackfillReport:
    async def run() -> BackfillReport:
        async with AsyncClient(
            cloud.token, base_url=cloud.api, retry_policy=RetryPolicy(max_tries=1)
        ) as client:
            return await Backfill(client, archive, types=types, since=RECENT, now=NOW).run()

    return asyncio.run(run())


@contextmanager
def theirs(cloud: Running) -> Iterator[Archive]:
    """What a running cloud serves from, to be changed behind its back."""
    with Archive.open(cloud.path) as archive:
        yield archive
    time.sleep(0.1)  # it looks for what others wrote twenty times a second


def some_id(archive: Archive, name: str) -> str:
    [user] = archive.users()
    texts, _ = archive.texts(user.id, TYPES[name], WEEK)
    id: str = json.loads(texts[-1])["id"]
    return id


@pytest.mark.parametrize("name", NAMES)
def test_a_document_deleted_in_the_cloud_is_deleted_in_the_archive_and_counted(
    serve: Callable[..., Running], mine: Archive, name: str
) -> None:
    cloud = serve()
    sync(cloud, mine)
    gone = some_id(mine, name)
    with theirs(cloud) as archive:
        archive.delete(archive.users()[0].id, TYPES[name], gone)
    report = sync(cloud, mine)
    assert report.exit_code == 0
    assert {one: progress.deleted for one, progress in report.types.items() if progress.deleted} == {name: 1}
    assert mine.document(mine.users()[0].id, TYPES[name], gone) is None
    assert sum(one.deleted for one in sync(cloud, mine).types.values()) == 0


def test_a_list_that_leaves_documents_out_by_mistake_deletes_nothing(
    serve: Callable[..., Running], mine: Archive
) -> None:
    """The cloud files a night elsewhere, so that its list leaves it out; by its id it is there."""
    cloud = serve()
    sync(cloud, mine)
    hidden = some_id(mine, "sleep")
    with theirs(cloud) as archive:
        archive.database.execute(
            "UPDATE documents SET instant = 0, day = '1970-01-01' WHERE id = ?", (hidden,)
        )
    before = len(cloud.asked())
    report = sync(cloud, mine)
    assert report.types["sleep"].deleted == 0
    assert mine.document(mine.users()[0].id, TYPES["sleep"], hidden) is not None
    assert [one.type for one in cloud.asked()[before:]].count(hidden) == 1


def test_documents_identified_by_their_day_are_never_deleted(
    serve: Callable[..., Running], mine: Archive
) -> None:
    cloud = serve()
    sync(cloud, mine)
    [user] = mine.users()
    kind = TYPES["daily_cardiovascular_age"]
    mine.put(user.id, kind, b'{"day":"2026-02-27","vascular_age":33}', seen_at=1)
    with theirs(cloud) as archive:
        archive.database.execute("DELETE FROM documents WHERE type = ?", (kind.name,))
    assert sync(cloud, mine, types=(kind.name,)).types[kind.name].deleted == 0
    assert mine.document(user.id, kind, "2026-02-27") is not None


@pytest.fixture(params=["sqlite", "postgres"])
def archive(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Archive]:
    on_postgres = request.param == "postgres"
    place = request.getfixturevalue("postgres") if on_postgres else tmp_path / "oura.db"
    with Archive.open(place) as opened:
        yield opened


def test_the_ids_of_a_window_are_those_of_its_undeleted_documents(archive: Archive) -> None:
    me, kind = archive.user("me"), TYPES["daily_sleep"]
    assert isinstance(kind, Documents)
    days = [NOW.date() + timedelta(days=n) for n in range(4)]
    for day in days:
        archive.put(me, kind, json.dumps({"id": f"on {day}", "day": f"{day}"}).encode())
    archive.put(me, kind, json.dumps({"day": f"{days[1]:%Y}-03-02", "id": None}).encode(), seen_at=1)
    archive.delete(me, kind, f"on {days[2]}")
    start, end = (to_ms(NOW.replace(hour=0) + timedelta(days=n)) for n in (0, 3))
    assert archive.ids(me, kind, start, end) == {f"on {days[0]}", f"on {days[1]}"}


def test_what_has_an_id_that_no_path_can_name_stays_and_stops_nothing(
    serve: Callable[..., Running], mine: Archive
) -> None:
    cloud = serve()
    user = mine.user(sync(cloud, mine).user_name)
    body = json.dumps({"id": "a/b", "day": NOW.date().isoformat()}).encode()
    mine.put(user, TYPES["daily_sleep"], body)
    report = sync(cloud, mine)
    assert (report.exit_code, report.types["daily_sleep"].deleted) == (0, 0)
    assert mine.document(user, TYPES["daily_sleep"], "a/b") == body
