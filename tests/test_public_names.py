"""The door: `ringlet` itself, whose names are loaded when first touched."""

import subprocess
import sys

import pytest

import ringlet

HEAVY = ["httpcore2", "starlette", "sqlite3", "rich", "aiohttp", "uvicorn", "jinja2", "click", "msgspec"]


def loaded_after(code: str) -> set[str]:
    """The packages that a fresh interpreter holds after running some code."""
    show = "; import sys; print(*{name.split('.')[0] for name in sys.modules})"
    run = subprocess.run([sys.executable, "-c", code + show], capture_output=True, text=True, check=True)
    return set(run.stdout.split())


def test_importing_ringlet_loads_nothing_heavy() -> None:
    assert not loaded_after("import ringlet") & set(HEAVY)


def test_the_language_loads_nothing_heavy_but_its_decoder() -> None:
    code = "import ringlet; ringlet.Catalog, ringlet.RetryPolicy, ringlet.App, ringlet.RingletError"
    assert loaded_after(code) & set(HEAVY) == {"msgspec"}


def test_a_client_loads_neither_a_server_nor_a_database() -> None:
    assert not loaded_after("import ringlet; ringlet.Client") & {"starlette", "uvicorn", "sqlite3", "jinja2"}


@pytest.mark.parametrize("name", ringlet.__all__)
def test_every_name_on_the_door_opens(name: str) -> None:
    assert getattr(ringlet, name) is not None


def test_the_door_shows_exactly_what_it_opens() -> None:
    assert set(ringlet.__all__) == {*ringlet._MODULES, "__version__"}
    assert set(ringlet.__all__) <= set(dir(ringlet))
    everything: dict[str, object] = {}
    exec("from ringlet import *", everything)
    assert set(ringlet.__all__) <= set(everything)


def test_what_is_not_there_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="'daily_sleep'"):
        ringlet.daily_sleep  # noqa: B018  # touching is the test
