"""A home with nothing in it, and keyrings to choose from."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import keyring
import pytest
from keyring.core import load_keyring

BACKENDS = Path(__file__).with_name("backends")


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """This user's configuration, empty, and no variable of ours."""
    for name in [name for name in os.environ if name.startswith(("OURA_", "RINGLET_"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    monkeypatch.setenv("HOME", str(tmp_path))
    return tmp_path


@pytest.fixture
def use_keyring(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], None]]:
    """Makes this process use a keyring, named by its module and class."""
    before = keyring.get_keyring()
    monkeypatch.syspath_prepend(BACKENDS)
    monkeypatch.setenv("KEYRING_FILE", str(tmp_path / "keyring.json"))
    yield lambda name: keyring.set_keyring(load_keyring(name))
    keyring.set_keyring(before)
