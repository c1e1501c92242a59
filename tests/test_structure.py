"""The source follows the rules that `structure` lists."""

import sys

from . import structure
from .structure import LANGUAGE, Module, modules, packages_outside

HTTP = {"httpcore2", "aiohttp", "starlette", "uvicorn", "http", "urllib3", "requests", "httptools"}
CLIENTS = {"httpcore2", "aiohttp", "requests", "urllib3"}
IO = {"os", "io", "pathlib", "socket", "ssl", "asyncio", "threading", "subprocess", "sqlite3", "time"}
CONNECTING = {"_client.transport", "_net.dial"}
"""The transport connects to the cloud that its user chose, the dialer to callback URLs that others chose."""


def modules_of(*packages: str) -> list[Module]:
    return [module for module in modules() if module.package in packages]


def names_importing(found: list[Module], libraries: set[str]) -> list[str]:
    return [module.name for module in found if packages_outside(module) & libraries]


def test_imports_point_one_way() -> None:
    assert structure.imports_against_the_order() == []


def test_no_files_import_each_other() -> None:
    assert structure.import_cycles() == []


def test_folders_and_files_are_small() -> None:
    assert {
        folder: n for folder, n in structure.files_per_folder().items() if n > structure.MAX_FILES_PER_FOLDER
    } == {}
    large = [one for one in modules() if one.lines > structure.MAX_LINES_PER_FILE]
    assert [one.name for one in large if one.path.name not in structure.FILES_OF_ANY_LENGTH] == []


def test_each_database_table_has_one_owner() -> None:
    assert {
        table: files for table, files in structure.files_using_each_table().items() if len(files) != 1
    } == {}


def test_the_language_is_plain_python_and_msgspec_and_does_no_io() -> None:
    for module in modules_of(*LANGUAGE):
        assert packages_outside(module) <= sys.stdlib_module_names | {"msgspec"}, module.name
    assert names_importing(modules_of(*LANGUAGE), IO | HTTP) == []


def test_the_wearer_and_the_archive_import_no_http_library() -> None:
    assert names_importing(modules_of("_person", "_archive"), HTTP) == []


def test_below_the_commands_only_the_transport_and_the_dialer_import_an_http_client() -> None:
    below = [module for module in modules() if module.package != "_cli"]
    assert set(names_importing(below, CLIENTS)) <= CONNECTING


def test_each_file_begins_with_a_docstring() -> None:
    assert [one.name for one in modules() if not one.path.read_text("utf-8").startswith('"""')] == []
