"""Several clouds on one archive, an archive that cannot be used, and memory that stays bounded."""

import asyncio
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from ringlet._api.catalog import TYPES
from ringlet._cloud import app
from ringlet._oauth.scopes import SCOPES
from ringlet.archive import Archive
from ringlet.cloud import Cloud, CloudSettings

JANUARY = "start_date=2026-01-01&end_date=2026-01-31"


def ask(
    cloud: Cloud, path: str, query: str = JANUARY, token: str = "", method: str = "GET"
) -> tuple[int, bytes]:
    """One request through the ASGI application."""
    sent: list[dict] = []

    async def receive() -> dict:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: dict) -> None:
        sent.append(message)

    headers = [(b"host", b"localhost"), *([(b"authorization", f"Bearer {token}".encode())] if token else [])]
    scope = {
        "type": "http",
        "method": method,
        "path": path,
        "raw_path": path.encode(),
        "query_string": query.encode(),
        "headers": headers,
    }
    asyncio.run(cloud(scope, receive, send))
    return sent[0]["status"], b"".join(one.get("body", b"") for one in sent[1:])


@pytest.fixture
def path(tmp_path: Path) -> Path:
    with Archive.open(tmp_path / "a.db") as archive:
        archive.put(archive.user("me"), TYPES["daily_sleep"], b'[{"id":"a","day":"2026-01-02","score":80}]')
    return tmp_path / "a.db"


def token_of(cloud: Cloud) -> str:
    client_id, _ = cloud.grants.apps.register("One", ["https://one.example/"])
    return cloud.grants.issue(client_id, cloud.archive.users()[0].id, SCOPES).access_token


def test_a_token_revoked_by_another_process_is_dead_here(path: Path) -> None:
    with Archive.open(path) as here, Archive.open(path) as there:
        ours, theirs = Cloud(here), Cloud(there)
        token = token_of(ours)
        assert ask(ours, "/v2/usercollection/daily_sleep", token=token)[0] == 200
        assert ask(theirs, "/oauth/revoke", f"access_token={token}")[0] == 200
        ours.data._checked_at = 0.0  # it looks twenty times a second
        assert ask(ours, "/v2/usercollection/daily_sleep", token=token)[0] == 401


def test_an_archive_held_by_another_program_is_503_and_soon(path: Path) -> None:
    with Archive.open(path) as archive, closing(sqlite3.connect(path)) as other:
        cloud = Cloud(archive)
        client_id, secret = cloud.grants.apps.register("One", ["https://one.example/"])
        other.execute("BEGIN IMMEDIATE")
        code = f"client_id={client_id}&client_secret={secret}"
        assert ask(cloud, "/oauth/revoke", f"access_token={code}")[0] == 401, "looking needs no lock"
        token_request = ask(cloud, "/_ringlet/tokens", token=cloud.admin_token, method="POST")
        assert token_request[0] in (422, 503)
        with pytest.raises(Exception, match="locked by another program"):
            cloud.grants.apps.register("Two", [])


def test_an_archive_that_breaks_is_503_with_a_body_of_ours(path: Path) -> None:
    with Archive.open(path) as archive:
        cloud = Cloud(archive, settings=CloudSettings(cache_bytes=0))
        token = token_of(cloud)
        assert ask(cloud, "/v2/usercollection/daily_sleep", token=token)[0] == 200
        archive.database.execute("ALTER TABLE documents RENAME TO gone")
        status, body = ask(cloud, "/v2/usercollection/daily_sleep", token=token)
    assert (status, body) == (503, b'{"detail":"The archive cannot be used right now."}')


def test_kept_answers_are_bounded_in_bytes(path: Path) -> None:
    with Archive.open(path) as archive:
        cloud = Cloud(archive, settings=CloudSettings(cache_bytes=2000))
        token = token_of(cloud)
        for number in range(100):
            assert ask(cloud, "/v2/usercollection/daily_sleep", f"{JANUARY}&x={number}", token)[0] == 200
        kept = cloud.data._cache
        assert 0 < sum(len(one.body) for one in kept.values()) == cloud.data._cached_bytes <= 2000


def test_the_journal_is_bounded_in_bytes(path: Path) -> None:
    with Archive.open(path) as archive:
        cloud = Cloud(archive)
        ask(cloud, "/v2/" + "x" * 60_000, "y" * 60_000)
        _, _, asked, query, _ = cloud.requests[-1]
        assert (len(asked), len(query)) == (512, 2048)


def test_a_bound_at_the_beginning_of_time_is_no_failure(path: Path) -> None:
    with Archive.open(path) as archive:
        cloud = Cloud(archive)
        token = token_of(cloud)
        for root in ("/v2/usercollection", "/v2/sandbox/usercollection"):
            assert ask(cloud, f"{root}/sleep", "end_date=0001-01-01", token)[0] == 200


def test_what_a_cloud_does_by_itself_is_begun_again_when_it_fails(
    path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(app, "WORKER_RESTART_S", 0.0)
    begun: list[int] = []
    third = asyncio.Event()

    async def stumbles() -> None:
        begun.append(1)
        if len(begun) < 3:
            raise RuntimeError("a slip")
        third.set()
        await asyncio.Event().wait()

    async def story() -> None:
        with Archive.open(path) as archive:
            cloud = Cloud(archive)
            cloud.workers = [stumbles]
            async with cloud.running(), asyncio.timeout(5):
                await third.wait()

    asyncio.run(story())
    failures = [record for record in caplog.records if "stumbles failed" in record.getMessage()]
    assert len(failures) == 2
    assert all(record.exc_info for record in failures)
