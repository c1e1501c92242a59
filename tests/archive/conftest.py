"""Whose archive it is."""

from __future__ import annotations

import pytest

from ringlet.archive import Archive


@pytest.fixture
def me(archive: Archive) -> int:
    return archive.user("me")
