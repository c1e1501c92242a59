"""The public border: which modules programs may import, what they export, and where that is documented."""

import ast
import re
from importlib import import_module
from pathlib import Path

import pytest

from .paths import ROOT, SOURCE

NAMES = ("archive", "client", "cloud", "errors", "models", "webhooks")
PUBLIC = ("ringlet", *(f"ringlet.{name}" for name in NAMES))


def page_of(module: str) -> Path:
    return ROOT / f"docs/reference/{module.rpartition('.')[2]}.md"


def imported(code: str) -> set[str]:
    """The modules of ringlet that some code imports, and those that `from ringlet import ...` names."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.Import):
            found.update(one.name for one in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            submodules = {f"{node.module}.{one.name}" for one in node.names} & set(PUBLIC)
            found |= submodules or {node.module}
    return {name for name in found if name.partition(".")[0] == "ringlet"}


def programs() -> dict[str, str]:
    """What stands for programs of users: examples, interop tests, and the Python blocks of the documents."""
    code = {
        str(path.relative_to(ROOT)): path.read_text("utf-8")
        for folder in ("examples", "tests/interop")
        for path in sorted((ROOT / folder).rglob("*.py"))
    }
    for path in (ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))):
        blocks = re.findall(r"^```python\n(.*?)^```", path.read_text("utf-8"), re.MULTILINE | re.DOTALL)
        code |= {f"{path.relative_to(ROOT)}, block {n}": block for n, block in enumerate(blocks, 1)}
    return code


PROGRAMS = programs()


@pytest.mark.parametrize("name", PROGRAMS)
def test_programs_import_public_modules_only(name: str) -> None:
    assert imported(PROGRAMS[name]) <= set(PUBLIC)


def test_some_programs_were_found() -> None:
    assert any("ringlet.webhooks" in imported(code) for code in PROGRAMS.values())


def test_every_module_without_an_underscore_is_public() -> None:
    modules = [
        path.stem for path in SOURCE.iterdir() if path.suffix == ".py" or (path / "__init__.py").exists()
    ]
    assert {f"ringlet.{name}" for name in modules if not name.startswith("_")} == set(PUBLIC[1:])


@pytest.mark.parametrize("name", PUBLIC)
def test_a_public_module_names_what_it_exports_and_a_page_names_each(name: str) -> None:
    module = import_module(name)
    assert module.__doc__
    assert len(set(module.__all__)) == len(module.__all__)
    words = set(re.findall(r"\w+", page_of(name).read_text("utf-8")))
    for exported in module.__all__:
        assert getattr(module, exported) is not None
        assert exported in words, f"{page_of(name)} does not name {exported}"
