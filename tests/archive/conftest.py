"""An archive in a file of its own, and the recorded answers of the real API beside the checkout."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from ringlet.archive import Archive


@pytest.fixture
def archive(tmp_path: Path) -> Iterator[Archive]:
    with Archive.open(tmp_path / "oura.db") as opened:
        yield opened


@pytest.fixture
def me(archive: Archive) -> int:
    return archive.user("me")
