"""The public names of `ringlet`, whose modules are imported on first use."""

import subprocess
import sys

import pytest

import ringlet

SLOW_IMPORTS = [
    "httpcore2",
    "starlette",
    "sqlite3",
    "rich",
    "aiohttp",
    "uvicorn",
    "jinja2",
    "click",
    "msgspec",
]


def loaded_after(code: str) -> set[str]:
    """The packages that a new interpreter has imported after running some code."""
    print_modules = "; import sys; print(*{name.split('.')[0] for name in sys.modules})"
    run = subprocess.run(
        [sys.executable, "-c", code + print_modules], capture_output=True, text=True, check=True
    )
    return set(run.stdout.split())


def test_importing_ringlet_imports_no_slow_package() -> None:
    assert not loaded_after("import ringlet") & set(SLOW_IMPORTS)


def test_the_language_imports_no_slow_package_but_msgspec() -> None:
    code = "import ringlet; ringlet.Catalog, ringlet.RetryPolicy, ringlet.App, ringlet.RingletError"
    assert loaded_after(code) & set(SLOW_IMPORTS) == {"msgspec"}


def test_a_client_imports_neither_a_server_nor_a_database() -> None:
    assert not loaded_after("import ringlet; ringlet.Client") & {"starlette", "uvicorn", "sqlite3", "jinja2"}


@pytest.mark.parametrize("name", ringlet.__all__)
def test_every_public_name_can_be_imported(name: str) -> None:
    assert getattr(ringlet, name) is not None


def test_all_lists_exactly_the_public_names() -> None:
    assert set(ringlet.__all__) == {*ringlet._MODULES, "__version__"}
    assert set(ringlet.__all__) <= set(dir(ringlet))
    imported: dict[str, object] = {}
    exec("from ringlet import *", imported)
    assert set(ringlet.__all__) <= set(imported)


def test_an_unknown_name_raises_attribute_error() -> None:
    with pytest.raises(AttributeError, match="'daily_sleep'"):
        ringlet.daily_sleep  # noqa: B018  # the access is the test
