"""The real program as a child process, in a home of its own, with no variable of ours leaking in."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

OURS = ("OURA_", "RINGLET_", "XDG_")
UNWANTED = ("CI", "COLUMNS", "NO_COLOR", "FORCE_COLOR", "HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy")


@dataclass
class Program:
    """`ringlet`, at home in a directory."""

    home: Path
    variables: dict[str, str] = field(default_factory=dict)

    def env(self, **more: str) -> dict[str, str]:
        kept = {k: v for k, v in os.environ.items() if not k.startswith(OURS) and k not in UNWANTED}
        rooms = {
            f"XDG_{name}_HOME": str(self.home / name.lower()) for name in ("DATA", "CONFIG", "CACHE", "STATE")
        }
        return kept | {"HOME": str(self.home), "PYTHONWARNINGS": "error"} | rooms | self.variables | more

    def command(self, *args: str | Path) -> list[str]:
        return [sys.executable, "-m", "ringlet.cli", *map(str, args)]

    def __call__(self, *args: str | Path, **env: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            self.command(*args),
            check=False,
            env=self.env(**env),
            capture_output=True,
            encoding="utf-8",
            timeout=120,
        )

    def start(self, *args: str | Path, **env: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            self.command(*args),
            env=self.env(**env),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            encoding="utf-8",
        )

    def at(self, ready: dict[str, Any]) -> Program:
        """The same program, pointed at a cloud."""
        there = {"OURA_API_BASE_URL": ready["api"], "OURA_ACCESS_TOKEN": ready["access_token"]}
        return Program(self.home, self.variables | there)


@pytest.fixture
def ringlet(tmp_path: Path) -> Program:
    return Program(tmp_path)


@pytest.fixture(scope="session")
def ready(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    """A demo cloud with the twelve days up to 1 March 2026, for everybody, and what its ready line says."""
    program = Program(tmp_path_factory.mktemp("cloud"))
    cloud = program.start(
        *("serve", "--demo", "--days", "12", "--clock", "frozen:2026-03-01T12:00:00Z"),
        *("--port", "0", "--ready", "json"),
    )
    try:
        assert cloud.stdout
        yield json.loads(cloud.stdout.readline())
    finally:
        cloud.terminate()
        cloud.communicate(timeout=30)


@pytest.fixture(scope="session")
def synced(ready: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An archive with all that the demo cloud holds."""
    home = tmp_path_factory.mktemp("synced")
    done = Program(home).at(ready)("sync", "--db", home / "archive.db")
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
