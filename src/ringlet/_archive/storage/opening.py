"""Opens the database of an archive: a SQLite file or a PostgreSQL database, depending on the path or URL."""

from __future__ import annotations

import os
from pathlib import Path

from ...errors import ArchiveError
from . import sqlite
from .database import Database

POSTGRES = ("postgresql://", "postgres://")


def default_place() -> str | Path:
    """The path or URL of the default archive: RINGLET_DB, else a file in the user's data directory."""
    import platformdirs

    return os.environ.get("RINGLET_DB") or platformdirs.user_data_path("ringlet") / "archive.db"


def connect(
    place: str | Path, *, create: bool, read_only: bool, timeout: float, durable: bool = True
) -> Database:
    """Open the archive at a path, a SQLite or PostgreSQL URL, or `:memory:`. Raises ArchiveError."""
    if not str(place).startswith(POSTGRES):
        return sqlite.connect(place, create=create, read_only=read_only, timeout=timeout, durable=durable)
    try:
        from . import postgres
    except ImportError as missing:
        raise ArchiveError(
            "an archive on PostgreSQL needs psycopg, which is not installed",
            cure="pip install 'ringlet[postgres]'",
        ) from missing
    return postgres.connect(str(place), create=create, read_only=read_only, timeout=timeout, durable=durable)
