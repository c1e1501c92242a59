"""What people read is plain: messages say what was expected, and every constant names its subject."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from .structure import modules

NEGATIVE = re.compile(r"\b(?:is|are) (?:none|no)\b")
"""As in "its signature is none": says that something is wrong, and not what was expected."""

BARE = {
    "AGAIN",
    "DAY",
    "FEW",
    "FIRST",
    "FRESH",
    "HERE",
    "LAST",
    "LEASE",
    "LONG",
    "LONGEST",
    "MOST",
    "PATIENCE",
    "REST",
    "SOON",
}
"""Names of constants that say neither what is limited nor in which unit."""


def texts(path: Path) -> Iterator[str]:
    """The string constants of a file that are not docstrings; the parts of f-strings are put together."""
    tree = ast.parse(path.read_bytes())
    prose = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    inside: set[int] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            inside |= {id(part) for part in node.values}
            yield "".join(str(part.value) if isinstance(part, ast.Constant) else "{}" for part in node.values)
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in prose | inside:
            yield node.value


def test_messages_say_what_was_expected() -> None:
    found = [
        f"{module.name}: {text}"
        for module in modules()
        for text in texts(module.path)
        if NEGATIVE.search(text)
    ]
    assert found == []


def test_constants_name_their_subject() -> None:
    found = [
        f"{module.name}: {target.id}"
        for module in modules()
        for node in ast.parse(module.path.read_bytes()).body
        if isinstance(node, ast.Assign | ast.AnnAssign)
        for target in (node.targets if isinstance(node, ast.Assign) else [node.target])
        if isinstance(target, ast.Name) and target.id.strip("_") in BARE
    ]
    assert found == []
