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
    """A child process that runs a cloud, and the JSON that the cloud printed when it was ready."""

    process: subprocess.Popen[bytes]
    ready: dict[str, Any]


@contextmanager
def cloud(days: int, seed: int) -> Generator[Child]:
    """Run a demo cloud on a free port until the `with` block ends.

    Raises RingletError if it does not start.
    """
    # SIGTERM raises KeyboardInterrupt, so that `finally` ends the child process too.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    _no_proxy()
    serve = [sys.executable, "-m", "ringlet", "serve", "--demo", "--port", "0", "--ready", "json"]
    with tempfile.TemporaryFile() as child_stderr:
        process = subprocess.Popen(  # noqa: S603  # the command is this program itself
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
    """Set NO_PROXY so that requests to this machine do not go through the proxy of the environment."""
    for name in ("NO_PROXY", "no_proxy"):
        os.environ[name] = ",".join(filter(None, [os.environ.get(name), NO_PROXY_HOSTS]))
