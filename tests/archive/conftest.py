"""An archive of the test's own, on each of the two databases."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from ringlet.archive import Archive


@pytest.fixture(params=["sqlite", "postgres"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Where an archive may be made: on either database, all is the same."""
    on_postgres = request.param == "postgres"
    return str(request.getfixturevalue("postgres") if on_postgres else tmp_path / "oura.db")


@pytest.fixture
def archive(place: str) -> Iterator[Archive]:
    with Archive.open(place) as opened:
        yield opened


@pytest.fixture
def me(archive: Archive) -> int:
    return archive.user("me")
