"""The packages of the source and their imports: `python -m tests.structure` prints them.

`test_structure.py` checks the rules. The source is parsed for imports and SQL statements, and never run.

Rules:
* Imports point one way. `PACKAGES` lists the packages and `SUBPACKAGES` those inside them; each imports only
  what is listed before it.
* No two files import each other, directly or through others.
* A folder holds at most 16 files, a file at most 300 lines (`models.py`, one class per document, excepted).
* A database table is named in the SQL of one file: its owner.
"""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from .paths import SOURCE

PACKAGES = (
    "_version",
    "errors",
    "models",
    "_api",
    "_oauth",
    "_webhooks",
    "_net",
    "_client",
    "_person",
    "_archive",
    "_receiver",
    "_sync",
    "webhooks",
    "_cloud",
    "client",
    "archive",
    "cloud",
    "_cli",
    "__init__",
    "__main__",
)
"""Every package and top-level module; each may import those before it, and `ALLOWED` narrows that."""

LANGUAGE = {"_version", "errors", "models", "_api", "_oauth", "_webhooks"}
"""The packages without input or output: plain Python and msgspec. Everything may import them."""

ALLOWED: Mapping[str, set[str]] = {
    "_client": LANGUAGE | {"_net"},
    "_person": LANGUAGE,
    "_archive": LANGUAGE,
    "_receiver": LANGUAGE | {"_net", "_archive"},
    "_sync": LANGUAGE | {"_net", "_client", "_archive", "_receiver"},
    "webhooks": LANGUAGE | {"_receiver"},
    "_cloud": LANGUAGE | {"_net", "_person", "_archive"},
}
"""The client, the wearer and the archive do not import each other; the cloud never imports the client."""

SUBPACKAGES: Mapping[str, tuple[str, ...]] = {
    "_person": ("simulation", "documents", "."),
    "_archive": ("storage", "series", "."),
    "_cloud": ("core", "data", "browser", "oauth", "webhooks", "portal", "wearer", "control", "."),
    "_cli": ("shared", "account", "archive", "cloud", "webhooks", "demo", "."),
}
"""The subpackages of a package, in the order in which they may import; `.` is the package's own files."""

MAX_FILES_PER_FOLDER = 16
MAX_LINES_PER_FILE = 300
FILES_OF_ANY_LENGTH = {"models.py"}


@dataclass(frozen=True)
class Module:
    """One file."""

    path: Path

    @property
    def name(self) -> str:
        """The dotted name of the module below `ringlet`, as in `_cloud.core.clock`."""
        return ".".join(self.path.relative_to(SOURCE).with_suffix("").parts)

    @property
    def package(self) -> str:
        """The package of the module, as in `_cloud`: the first part of `name`."""
        return self.name.split(".")[0]

    @property
    def subpackage(self) -> str:
        """Package and subpackage, as in `_cloud.core`; a package's own files are the subpackage `.`."""
        parts = self.name.split(".")
        if self.package not in SUBPACKAGES:
            return self.package
        return f"{parts[0]}.{parts[1]}" if len(parts) > 2 else f"{parts[0]}.."

    @cache  # noqa: B019  # a few hundred small modules, read once
    def imports(self) -> tuple[str, ...]:
        """The absolute name of everything imported, for types as well."""
        return tuple(_imports(self.path))

    @property
    def lines(self) -> int:
        return len(self.path.read_text("utf-8").splitlines())


def _imports(path: Path) -> Iterator[str]:
    package = ["ringlet", *path.relative_to(SOURCE).parent.parts]
    for node in ast.walk(ast.parse(path.read_bytes())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            module = [*base, *(node.module or "").split(".")]
            yield from (".".join(filter(None, [*module, alias.name])) for alias in node.names)


@cache
def modules() -> tuple[Module, ...]:
    """Every file of the package."""
    return tuple(Module(path) for path in sorted(SOURCE.rglob("*.py")))


@cache
def by_name() -> dict[str, Module]:
    return {module.name.removesuffix(".__init__"): module for module in modules()}


def targets(module: Module) -> Iterator[Module]:
    """The files of the package that a file imports."""
    for name in module.imports():
        parts = name.split(".")
        if parts[0] != "ringlet" or name == "ringlet.__version__":
            continue
        for length in range(len(parts), 1, -1):
            found = by_name().get(".".join(parts[1:length]))
            if found is not None:
                if found != module:
                    yield found
                break


def packages_outside(module: Module) -> set[str]:
    """The libraries that a file imports, those of Python itself among them."""
    return {name.split(".")[0] for name in module.imports()} - {"ringlet", "__future__"}


def imports_against_the_order() -> list[str]:
    """Imports against the order of packages and of subpackages."""
    found: list[str] = []
    for module in modules():
        allowed = ALLOWED.get(module.package, set(PACKAGES[: PACKAGES.index(module.package)]))
        for target in targets(module):
            if target.package != module.package:
                if target.package not in allowed:
                    found.append(f"{module.name} imports {target.name}")
            elif module.package in SUBPACKAGES and target.subpackage != module.subpackage:
                order = SUBPACKAGES[module.package]
                importing, imported = (one.subpackage.partition(".")[2] for one in (module, target))
                if order.index(imported) >= order.index(importing):
                    found.append(f"{module.name} imports {target.name}")
    return found


def imports_between_subpackages() -> dict[str, set[str]]:
    """Which subpackages each subpackage imports."""
    found: dict[str, set[str]] = {module.subpackage: set() for module in modules()}
    for module in modules():
        for target in targets(module):
            if target.subpackage != module.subpackage:
                found[module.subpackage].add(target.subpackage)
    return found


def import_cycles() -> list[list[str]]:
    """The groups of files that import each other, directly or through others."""
    graph = {module.name: {target.name for target in targets(module)} for module in modules()}
    index: dict[str, int] = {}
    low: dict[str, int] = {}
    stack: list[str] = []
    groups: list[list[str]] = []

    def visit(name: str) -> None:  # Tarjan's strongly connected components
        index[name] = low[name] = len(index)
        stack.append(name)
        for other in graph[name]:
            if other not in index:
                visit(other)
            if other in stack:
                low[name] = min(low[name], low[other])
        if low[name] == index[name]:
            group: list[str] = []
            while not group or group[-1] != name:
                group.append(stack.pop())
            if len(group) > 1:
                groups.append(sorted(group))

    for name in graph:
        if name not in index:
            visit(name)
    return groups


def files_per_folder() -> dict[str, int]:
    """How many files each folder holds."""
    found: dict[str, int] = defaultdict(int)
    for module in modules():
        found[str(module.path.parent.relative_to(SOURCE))] += 1
    return dict(found)


_CREATED_TABLE = re.compile(r"CREATE TABLE (?:IF NOT EXISTS )?(\w+)")
_TABLE_USE = r"\b(?:FROM|JOIN|INTO|UPDATE|TABLE|EXISTS|ON)\s+{table}\b"


@cache
def _statements(module: Module) -> tuple[str, ...]:
    """The strings of a file, cut at `;` as SQL statements are; docstrings do not count."""
    tree = ast.parse(module.path.read_bytes())
    skipped = {
        id(node.value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    }
    texts: list[str] = []
    for node in ast.walk(tree):  # breadth first: an f-string comes before its parts
        if isinstance(node, ast.JoinedStr):
            parts = [part for part in node.values if isinstance(part, ast.Constant)]
            skipped |= {id(part) for part in parts}
            texts.append("".join(str(part.value) for part in parts))
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in skipped:
            texts.append(node.value)
    return tuple(statement.strip() for text in texts for statement in text.split(";"))


def files_using_each_table() -> dict[str, set[str]]:
    """The files whose SQL reads or writes each database table.

    What creates a table, an index or a view does not count: the archive's own tables are created in one
    place, its schema, and each is read and written by another file.
    """
    tables = {
        table
        for module in modules()
        for statement in _statements(module)
        for table in _CREATED_TABLE.findall(statement)
    }
    used = {
        module.name: "\n".join(one for one in _statements(module) if not one.startswith("CREATE "))
        for module in modules()
    }
    return {
        table: {name for name, text in used.items() if re.search(_TABLE_USE.format(table=table), text)}
        for table in sorted(tables)
    }


def main() -> None:
    graph = imports_between_subpackages()
    for package in PACKAGES:
        subpackages = [
            subpackage
            for subpackage in graph
            if subpackage == package or subpackage.startswith(f"{package}.")
        ]
        files = [module for module in modules() if module.package == package]
        if not files:
            continue
        print(f"{package}: {len(files)} files, {sum(module.lines for module in files)} lines")
        for subpackage in subpackages:
            inside = sorted(other for other in graph[subpackage])
            names = ", ".join(one.removesuffix("..") for one in inside) or "nothing"
            print(f"    {subpackage.removesuffix('..'):<18} imports {names}")
    print(f"\nimports between subpackages: {sum(map(len, graph.values()))}")
    print(
        "imports against the order:", "".join(f"\n    {one}" for one in imports_against_the_order()) or "none"
    )
    print(
        "files that import each other:",
        "".join(f"\n    {' <-> '.join(one)}" for one in import_cycles()) or "none",
    )
    folder, size = max(files_per_folder().items(), key=lambda one: one[1])
    print(f"largest folder: {folder}, {size} files (at most {MAX_FILES_PER_FOLDER})")
    longest = max(
        (one for one in modules() if one.path.name not in FILES_OF_ANY_LENGTH), key=lambda one: one.lines
    )
    print(f"largest file: {longest.name}, {longest.lines} lines (at most {MAX_LINES_PER_FILE})")
    for one in modules():
        if one.lines > MAX_LINES_PER_FILE and one.path.name not in FILES_OF_ANY_LENGTH and one != longest:
            print(f"    and {one.name}, {one.lines} lines")
    shared = {table: files for table, files in files_using_each_table().items() if len(files) != 1}
    print(f"database tables: {len(files_using_each_table())}")
    print(
        "with more than one owner:",
        "".join(f"\n    {t}: {', '.join(sorted(f))}" for t, f in shared.items()) or "none",
    )


if __name__ == "__main__":
    main()
