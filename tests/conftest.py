"""For every test: where an archive may be, an application that listens, and how hypothesis searches."""

from __future__ import annotations

import gc
import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from threading import Thread

import pytest

from ringlet.archive import Archive

from . import examples, shared
from .callback_server import CallbackServer
from .postgres import Databases, databases

examples.load_default_profile()

# Hundreds of tests start the program: it is compiled once, not by each of them.
sys.dont_write_bytecode = False
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # A shell that starts us in the background has this ignored, and so would what we start and ^C.
    signal.signal(signal.SIGINT, signal.default_int_handler)


_shared = shared.make_directory() if shared.VARIABLE not in os.environ else None
"""Made by the process that starts the workers, or runs the tests itself."""


def pytest_unconfigure() -> None:
    if _shared is not None:
        _shared.cleanup()


def pytest_collection_finish() -> None:
    """Keep the garbage collector from searching what the collection made: all of it stays until the end."""
    gc.collect()
    gc.freeze()


def pytest_xdist_auto_num_workers() -> int:
    """For `--numprocesses auto`: many tests wait, so that more of them than there are cores run at a time."""
    return 2 * (os.cpu_count() or 1)


@pytest.fixture(scope="session")
def _databases() -> Iterator[Databases]:
    with databases() as lent:
        yield lent


@pytest.fixture
def postgres(_databases: Databases) -> Iterator[str]:
    """The URL of a PostgreSQL database that belongs to this test alone, without tables."""
    with _databases.lend() as url:
        yield url


@pytest.fixture
def _postgres_with_tables(_databases: Databases) -> Iterator[str]:
    with _databases.lend(tables=True) as url:
        yield url


@pytest.fixture(params=["sqlite", "postgres"])
def empty_place(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Where an archive can be created: a file, or a database on a PostgreSQL server."""
    return str(request.getfixturevalue("postgres") if request.param == "postgres" else tmp_path / "oura.db")


@pytest.fixture(params=["sqlite", "postgres"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Like `empty_place`, but the tables may have been created by another test, and the rows deleted."""
    on_postgres = request.param == "postgres"
    return str(request.getfixturevalue("_postgres_with_tables") if on_postgres else tmp_path / "oura.db")


@pytest.fixture
def archive(place: str) -> Iterator[Archive]:
    """An archive of the test's own, on each of the two databases."""
    with Archive.open(place) as opened:
        yield opened


@pytest.fixture
def callback() -> Iterator[CallbackServer]:
    """The program of an application, which listens."""
    with CallbackServer() as server:
        thread = Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()
