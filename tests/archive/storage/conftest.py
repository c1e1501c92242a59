"""For tests of the tables' creation: archives are opened where no table exists."""

from __future__ import annotations

import pytest


@pytest.fixture
def place(empty_place: str) -> str:
    """Where an archive can be created: a file, or a database on a PostgreSQL server."""
    return empty_place
