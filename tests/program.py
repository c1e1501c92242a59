"""`ringlet` as a process of its own, with its own home directory and without our environment variables."""

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
TIMEOUT_S = 120
END_S = 30


@dataclass
class Program:
    """`ringlet` with a home directory and variables."""

    home: Path
    variables: dict[str, str] = field(default_factory=dict)

    def env(self, **more: str) -> dict[str, str]:
        kept = {k: v for k, v in os.environ.items() if not k.startswith(OURS) and k not in UNWANTED}
        directories = {
            f"XDG_{name}_HOME": str(self.home / name.lower()) for name in ("DATA", "CONFIG", "CACHE", "STATE")
        }
        return (
            kept | {"HOME": str(self.home), "PYTHONWARNINGS": "error"} | directories | self.variables | more
        )

    def command(self, *args: str | Path) -> list[str]:
        """The command line that starts an interpreter."""
        return [sys.executable, "-m", "ringlet", *map(str, args)]

    def __call__(self, *args: str | Path, **env: str) -> subprocess.CompletedProcess[str]:
        """Run a command to its end."""
        return forked.run(["-m", "ringlet", *args], env=self.env(**env), timeout=TIMEOUT_S)

    def start(self, *args: str | Path, **env: str) -> subprocess.Popen[str]:
        """Start a command, with pipes from its stdout and stderr."""
        return forked.start(
            ["-m", "ringlet", *args], env=self.env(**env), stdout=subprocess.PIPE, stderr=subprocess.PIPE
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
            cloud.communicate(timeout=END_S)

    def at(self, ready: dict[str, Any]) -> Program:
        """The same program, pointed at a cloud."""
        there = {"OURA_API_BASE_URL": ready["api"], "OURA_ACCESS_TOKEN": ready["access_token"]}
        return Program(self.home, self.variables | there)
