"""One Chromium and one demo cloud for all tests of this folder that a worker runs."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from ..program import Program
from .chromium import WIDE, Chromium, Tab
from .portal_flows import PASSPHRASE, sign_in


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the tests of this folder first, in the order that they were shuffled into.

    pytest-xdist gives each worker a run of consecutive tests, and idle workers take tests from the end of
    another's run: the first tests of all stay on one worker, and only that one starts a browser.
    """
    folder = Path(__file__).parent
    items.sort(key=lambda item: folder not in item.path.parents)


@pytest.fixture(scope="session")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chromium]:
    executable = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if executable is None:
        assert not os.environ.get("CI"), "continuous integration must have chromium installed"
        pytest.skip("chromium is not installed")
    browser = Chromium(executable, tmp_path_factory.mktemp("chromium"))
    yield browser
    browser.close()


@pytest.fixture
def new_tab(chromium: Chromium) -> Iterator[Callable[[], Tab]]:
    """Opens tabs in which nobody is signed in, and checks them when the test ends."""
    tabs: list[Tab] = []

    def open_tab() -> Tab:
        tabs.append(Tab(chromium))
        return tabs[-1]

    yield open_tab
    for tab in tabs:
        tab.check()
        tab.close()


@pytest.fixture(scope="session")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    """What the ready line of a running demo cloud says; its users sign in with `PASSPHRASE`."""
    program = Program(tmp_path_factory.mktemp("cloud"))
    with program.serve("--demo", "--days", "5", RINGLET_SECRET=PASSPHRASE) as ready:
        yield ready


@pytest.fixture(scope="session")
def _signed_in_tab(chromium: Chromium, cloud: dict[str, Any]) -> Tab:
    tab = Tab(chromium)
    sign_in(tab, cloud)
    return tab


@pytest.fixture
def tab(_signed_in_tab: Tab) -> Iterator[Tab]:
    """A tab whose user is signed in. Its session is all that a test leaves to the next one."""
    _signed_in_tab.emulate(WIDE)
    yield _signed_in_tab
    _signed_in_tab.check()
