"""What the workers of one run share: a directory, in which each thing is made once.

Tests run in several processes (pytest-xdist). Whoever needs something first makes it; the others wait for it.
"""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

VARIABLE = "TESTS_SHARED_DIRECTORY"
"""Set by the process that starts the workers, and inherited by them."""
TIMEOUT_S = 120


def make_directory() -> tempfile.TemporaryDirectory[str]:
    """Called once, before the workers start."""
    directory = tempfile.TemporaryDirectory(prefix="tests-")
    Path(directory.name).chmod(0o755)  # PostgreSQL's own user must reach what is below
    os.environ[VARIABLE] = directory.name
    return directory


def directory() -> Path:
    return Path(os.environ[VARIABLE])


def once(name: str, make: Callable[[Path], object]) -> Path:
    """A directory that `make` fills, in whichever process asks first."""
    place = directory() / name
    done, failed = place.with_suffix(".done"), place.with_suffix(".failed")
    try:
        place.mkdir()
    except FileExistsError:
        end = time.monotonic() + TIMEOUT_S
        while not done.exists():
            assert not failed.exists(), f"another worker could not make {name}"
            assert time.monotonic() < end, f"{name} is not made within {TIMEOUT_S} seconds"
            time.sleep(0.02)
        return place
    try:
        make(place)
    except BaseException:
        failed.touch()
        raise
    done.touch()
    return place
