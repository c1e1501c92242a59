"""Real clouds in processes of their own, over copies of one prepared archive; always ended by their pid."""

from __future__ import annotations

import contextlib
import json
import shutil
import subprocess
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import pytest

from ringlet._api.catalog import TYPES
from ringlet._api.windows import FIRST_MS, LAST_MS, Span
from ringlet.archive import Archive

from .. import forked, populated
from ..populated import SEED as SEED

PROCESSES = Path(__file__).with_name("cloud_or_sync.py")
NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
DAYS = 60
FIRST = NOW.date() - timedelta(days=DAYS - 1)
EVER = Span(FIRST_MS, LAST_MS)
PATIENT = 60
"""Seconds that any one process may take."""


@dataclass(frozen=True)
class Asked:
    """One request as the cloud's journal has it."""

    type: str
    params: dict[str, str]
    status: int

    @property
    def window(self) -> tuple[str, str, str]:
        """The type and the bounds: the same for every page of a window."""
        bounds = ("start_date", "end_date", "start_datetime", "end_datetime")
        first, last, *_ = [*(self.params[one] for one in bounds if one in self.params), "", ""]
        return self.type, first, last

    @property
    def opens(self) -> bool:
        """Whether it is for a window's first page."""
        return "next_token" not in self.params


@dataclass
class Running:
    """A cloud that answers."""

    process: subprocess.Popen[str]
    path: Path
    api: str
    token: str
    user_id: str
    admin_token: str

    def control(self, path: str, body: dict[str, Any] | None = None) -> Any:
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(
            f"{self.api}/_ringlet/{path}",
            data=data,
            headers={"authorization": f"Bearer {self.admin_token}"},
        )
        with urllib.request.urlopen(request, timeout=PATIENT) as answer:
            return json.load(answer)

    def asked(self) -> list[Asked]:
        """Every data request so far."""
        return [
            Asked(
                one["path"].rpartition("/")[2],
                {name: values[0] for name, values in parse_qs(one["query"]).items()},
                one["status"],
            )
            for one in self.control("requests")
        ]

    def token_for(self, *scopes: str) -> str:
        """A token that opens these scopes only."""
        token: str = self.control("tokens", {"user": self.user_id, "scopes": scopes})["access_token"]
        return token

    def revoke(self) -> None:
        """End the grant that every test begins with."""
        request = urllib.request.Request(f"{self.api}/oauth/revoke", data=f"token={self.token}".encode())
        with urllib.request.urlopen(request, timeout=PATIENT) as answer:
            assert answer.status == 200

    def kill(self) -> None:
        """kill -9."""
        self.process.kill()
        self.process.wait(PATIENT)


@contextlib.contextmanager
def cloud_at(path: Path, **spec: Any) -> Iterator[Running]:
    process = forked.start([PROCESSES, "cloud", json.dumps({"path": str(path), **spec})])
    assert process.stdout
    try:
        ready = json.loads(process.stdout.readline())
        yield Running(
            process, path, ready["api"], ready["access_token"], ready["user_id"], ready["admin_token"]
        )
    finally:
        process.kill()
        process.wait(PATIENT)
        process.stdout.close()


@pytest.fixture(scope="session")
def settled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An archive with the demo wearer's sixty days in it."""
    return populated.copy_to(tmp_path_factory.mktemp("oura"), now=NOW, days=DAYS)


@pytest.fixture(scope="session")
def shared(settled: Path) -> Iterator[Running]:
    """A cloud that all tests may read."""
    with cloud_at(settled) as running:
        yield running


@pytest.fixture
def serve(settled: Path, tmp_path: Path) -> Iterator[Callable[..., Running]]:
    """Starts a cloud of a test's own: over a fresh copy, or again over the one it had."""
    with contextlib.ExitStack() as stack:

        def start(path: Path | None = None, **spec: Any) -> Running:
            if path is None:
                path = Path(shutil.copy(settled, tmp_path / "cloud.db"))
            return stack.enter_context(cloud_at(path, **spec))

        yield start


@pytest.fixture
def mine(tmp_path: Path) -> Iterator[Archive]:
    """An empty archive in a file."""
    with Archive.open(tmp_path / "mine.db") as archive:
        yield archive


@pytest.fixture(autouse=True)
def _nobody_signed_in(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OURA_ACCESS_TOKEN", "OURA_API_BASE_URL", "OURA_CLIENT_ID", "OURA_CLIENT_SECRET"):
        monkeypatch.delenv(name, raising=False)


def holdings(archive: Archive) -> dict[str, bytes]:
    """Everything an archive holds of its only user, type by type, in order, byte for byte."""
    [user] = archive.users()
    held: dict[str, bytes] = {}
    for name, kind in TYPES.items():
        single = archive.single(user.id, kind)
        held[name] = single or b",".join(archive.texts(user.id, kind, EVER)[0])
    return held
