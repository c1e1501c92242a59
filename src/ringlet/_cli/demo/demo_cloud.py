"""Runs `ringlet serve --demo` as a child process on a free port, for as long as the demo takes."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from ...errors import RingletError
from ..shared.next_steps import command

NO_PROXY_HOSTS = "127.0.0.1,localhost"


@dataclass(frozen=True)
class Child:
    """A running cloud, and its ready line."""

    process: subprocess.Popen[bytes]
    ready: dict[str, Any]


@contextmanager
def cloud(days: int, seed: int) -> Generator[Child]:
    """A demo cloud on a free port, ended with the block. Raises RingletError when it does not start."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # an end by SIGTERM must end the child too
    _no_proxy()
    serve = [sys.executable, "-m", "ringlet", "serve", "--demo", "--port", "0", "--ready", "json"]
    with tempfile.TemporaryFile() as child_stderr:
        process = subprocess.Popen(  # noqa: S603  # this very program
            [*serve, "--days", str(days), "--seed", str(seed)], stdout=subprocess.PIPE, stderr=child_stderr
        )
        try:
            yield Child(process, _ready(process, child_stderr))
        finally:
            _end(process)


def _ready(process: subprocess.Popen[bytes], child_stderr: Any) -> dict[str, Any]:
    assert process.stdout
    line = process.stdout.readline()
    if not line:
        process.wait()
        child_stderr.seek(0)
        said = child_stderr.read().decode("utf-8", "replace").strip().splitlines() or ["it said nothing"]
        raise RingletError(
            f"the cloud did not start: {said[0].removeprefix('error: ')}",
            cure=f"see what it says: {command('serve', '--demo', '--port', '0')}",
        )
    ready: dict[str, Any] = json.loads(line)
    return ready


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(timeout=15)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    if process.stdout:
        process.stdout.close()


def _no_proxy() -> None:
    """Reach this machine directly, whatever proxy the environment names."""
    for name in ("NO_PROXY", "no_proxy"):
        os.environ[name] = ",".join(filter(None, [os.environ.get(name), NO_PROXY_HOSTS]))
