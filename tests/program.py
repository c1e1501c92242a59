"""The real program as a child process, in a home of its own, with no variable of ours leaking in."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from . import forked

OURS = ("OURA_", "RINGLET_", "XDG_")
UNWANTED = ("CI", "COLUMNS", "NO_COLOR", "FORCE_COLOR", "HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy")
AT_THE_START = ("PYTHON", "LC_", "LANG")
"""What an interpreter reads when it starts, and a fork does not."""
TIMEOUT_S = 120


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
        return [sys.executable, "-m", "ringlet", *map(str, args)]

    def __call__(self, *args: str | Path, **env: str) -> subprocess.CompletedProcess[str]:
        given = {*self.variables, *env} - {"PYTHON_KEYRING_BACKEND"}  # the one that another library reads
        if forked.AVAILABLE and not any(name.startswith(AT_THE_START) for name in given):
            return forked.run([*map(str, args)], self.env(**env), TIMEOUT_S)
        return subprocess.run(
            self.command(*args),
            check=False,
            env=self.env(**env),
            capture_output=True,
            encoding="utf-8",
            timeout=TIMEOUT_S,
        )

    def start(self, *args: str | Path, **env: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            self.command(*args),
            env=self.env(**env),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            encoding="utf-8",
        )

    @contextmanager
    def serve(self, *args: str | Path, **env: str) -> Iterator[dict[str, Any]]:
        """A cloud at a free port until the block ends, and what its ready line says."""
        cloud = self.start("serve", *args, "--port", "0", "--ready", "json", **env)
        assert cloud.stdout
        try:
            yield json.loads(cloud.stdout.readline())
        finally:
            cloud.terminate()
            cloud.communicate(timeout=30)

    def at(self, ready: dict[str, Any]) -> Program:
        """The same program, pointed at a cloud."""
        there = {"OURA_API_BASE_URL": ready["api"], "OURA_ACCESS_TOKEN": ready["access_token"]}
        return Program(self.home, self.variables | there)
