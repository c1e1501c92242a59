"""The house has floors: a room imports only rooms above it in this list. Reads imports, runs nothing."""

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

LANGUAGE = [
    "errors",
    "wire",
    "windows",
    "models",
    "kinds",
    "faces",
    "catalog",
    "oauth",
    "events",
    "subscriptions",
]
ENDS = ["client", "person", "archive"]
"""The two ends and the memory: they speak the language and do not know each other."""
ROOMS = [*LANGUAGE, *ENDS, "sync", "webhooks", "cloud", "web", "cli", "mcp", "testing", "__main__"]
KNOWS: dict[str, set[str]] = {
    **{end: set() for end in ENDS},
    "sync": {"client", "archive"},
    "webhooks": {"sync"},
    "cloud": {"person", "archive"},
}
"""Which rooms beyond the language these may import; the others may import all above them."""

HTTP = {"httpcore2", "aiohttp", "starlette", "uvicorn", "http", "urllib3", "requests", "httptools"}
OUTSIDE = {"os", "io", "pathlib", "socket", "ssl", "asyncio", "threading", "subprocess", "sqlite3", "time"}

FILES = sorted(path for path in SOURCE.rglob("*.py") if path != SOURCE / "__init__.py")


def room_of(path: Path) -> str:
    return path.relative_to(SOURCE).parts[0].removesuffix(".py")


def imports(path: Path) -> Iterator[str]:
    """The absolute name of everything a file imports, those for types included."""
    package = ["ringlet", *path.relative_to(SOURCE).parent.parts]
    for node in ast.walk(ast.parse(path.read_bytes())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            module = [*base, *(node.module or "").split(".")]
            yield from (".".join(filter(None, [*module, alias.name])) for alias in node.names)


def rooms_used(path: Path) -> set[str]:
    """The other rooms that a file imports. Through the door only the version may come: no circles."""
    inside = {name.split(".")[1] for name in imports(path) if name.startswith("ringlet.")}
    return inside - {"__version__", room_of(path)}


def packages_used(path: Path) -> set[str]:
    return {name.split(".")[0] for name in imports(path)} - {"ringlet", "__future__"}


def files_of(*rooms: str) -> list[Path]:
    return [path for path in FILES if room_of(path) in rooms]


def named(path: Path) -> str:
    return str(path.relative_to(SOURCE))


each_file = pytest.mark.parametrize("path", FILES, ids=named)


def test_every_room_has_its_place_in_the_list() -> None:
    assert {room_of(path) for path in FILES} <= set(ROOMS)


@each_file
def test_imports_point_up(path: Path) -> None:
    above = set(ROOMS[: ROOMS.index(room_of(path))])
    allowed = above & (set(LANGUAGE) | KNOWS.get(room_of(path), above))
    assert rooms_used(path) <= allowed


@pytest.mark.parametrize("path", files_of(*LANGUAGE), ids=named)
def test_the_language_is_plain_python_and_msgspec_and_touches_nothing_outside(path: Path) -> None:
    assert packages_used(path) <= sys.stdlib_module_names | {"msgspec"}
    assert not packages_used(path) & (OUTSIDE | HTTP)


@pytest.mark.parametrize("path", files_of("person", "archive"), ids=named)
def test_the_person_and_the_archive_know_no_http(path: Path) -> None:
    assert not packages_used(path) & HTTP


@pytest.mark.parametrize("path", files_of(*LANGUAGE, *ENDS, "sync", "cloud", "web"), ids=named)
def test_below_the_commands_only_those_who_dial_know_an_http_client(path: Path) -> None:
    clients = {"httpcore2", "aiohttp", "requests", "urllib3"}
    # The transport asks a cloud that its user named; the dialer, callbacks that strangers named.
    dialling = {SOURCE / "client/transport.py", SOURCE / "cloud/dial.py"}
    assert not packages_used(path) & clients or path in dialling
