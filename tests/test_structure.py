"""The source keeps to its structure: see `structure` for the rules."""

import sys

from . import structure
from .structure import LANGUAGE, Module, modules, packages_outside

HTTP = {"httpcore2", "aiohttp", "starlette", "uvicorn", "http", "urllib3", "requests", "httptools"}
CLIENTS = {"httpcore2", "aiohttp", "requests", "urllib3"}
IO = {"os", "io", "pathlib", "socket", "ssl", "asyncio", "threading", "subprocess", "sqlite3", "time"}
DIALLING = {"_client.transport", "_net.dial"}
"""The transport connects to the cloud that its user named, the dialer to callbacks that others named."""


def of(*packages: str) -> list[Module]:
    return [module for module in modules() if module.package in packages]


def users(found: list[Module], libraries: set[str]) -> list[str]:
    return [module.name for module in found if packages_outside(module) & libraries]


def test_imports_point_one_way() -> None:
    assert structure.upward() == []


def test_no_files_import_each_other() -> None:
    assert structure.circles() == []


def test_folders_and_files_are_small() -> None:
    assert {folder: n for folder, n in structure.folders().items() if n > structure.LARGEST_FOLDER} == {}
    large = [one for one in modules() if one.lines > structure.LARGEST_FILE]
    assert [one.name for one in large if one.path.name not in structure.EXEMPT] == []


def test_each_database_table_has_one_owner() -> None:
    assert {table: files for table, files in structure.owners().items() if len(files) != 1} == {}


def test_the_language_is_plain_python_and_msgspec_and_does_no_io() -> None:
    for module in of(*LANGUAGE):
        assert packages_outside(module) <= sys.stdlib_module_names | {"msgspec"}, module.name
    assert users(of(*LANGUAGE), IO | HTTP) == []


def test_the_wearer_and_the_archive_know_no_http() -> None:
    assert users(of("_person", "_archive"), HTTP) == []


def test_below_the_commands_only_those_who_connect_know_an_http_client() -> None:
    below = [module for module in modules() if module.package != "_cli"]
    assert set(users(below, CLIENTS)) <= DIALLING


def test_a_file_says_its_job_at_its_top() -> None:
    assert [one.name for one in modules() if not one.path.read_text("utf-8").startswith('"""')] == []
