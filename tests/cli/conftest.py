"""The program, and the demo cloud that its tests share."""

from __future__ import annotations

import json
import subprocess
import tempfile
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from ..program import Program

try:
    import fcntl
except ImportError:  # Windows, where these tests do not run in parallel
    fcntl = None  # type: ignore[assignment]


@pytest.fixture
def ringlet(tmp_path: Path) -> Program:
    return Program(tmp_path)


@pytest.fixture
def redirect_port() -> Iterator[None]:
    """The demo's application has one redirect URI with a port: one test at a time listens there."""
    with (Path(tempfile.gettempdir()) / "ringlet-tests-redirect-port.lock").open("w") as file:
        if fcntl is not None:
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


@pytest.fixture(scope="session")
def ready(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    """A demo cloud with the twelve days up to 1 March 2026, for everybody, and what its ready line says."""
    program = Program(tmp_path_factory.mktemp("cloud"))
    with program.serve("--demo", "--days", "12", "--clock", "frozen:2026-03-01T12:00:00Z") as said:
        yield said


@pytest.fixture(scope="session")
def synced(ready: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An archive with all that the demo cloud holds."""
    home = tmp_path_factory.mktemp("synced")
    done = Program(home).at(ready)("sync", "--db", home / "archive.db", "--since", "2026-02-01")
    assert done.returncode == 0, done.stderr
    return home / "archive.db"


@pytest.fixture
def token_for(ready: dict[str, Any]) -> Callable[..., str]:
    """Makes access tokens of the demo cloud that open only some scopes."""

    def mint(*scopes: str) -> str:
        asked = urllib.request.Request(
            f"{ready['api']}/_ringlet/tokens",
            data=json.dumps({"user": ready["user_id"], "scopes": scopes}).encode(),
            headers={"authorization": f"Bearer {ready['admin_token']}"},
        )
        with urllib.request.urlopen(asked, timeout=30) as answer:
            token: str = json.load(answer)["access_token"]
        return token

    return mint


def refused(done: subprocess.CompletedProcess[str], code: int, error: str, cure: str) -> None:
    """It failed as a program of manners: code, what happened, what to do; no traceback, nothing on stdout."""
    assert done.returncode == code, done.stderr
    last = done.stderr.strip().splitlines()[-2:]
    assert last[0].startswith("error: "), done.stderr
    assert error in last[0]
    assert last[1].startswith("next: ")
    assert cure in last[1]
    assert "Traceback" not in done.stderr
    assert done.stdout == ""


@pytest.fixture(name="refused")
def refused_fixture() -> Any:
    return refused
