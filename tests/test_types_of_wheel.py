"""The types of the built wheel, as a program that installs it sees them: complete, and few enough to learn.

The wheel is built and unpacked without its dependencies, which are those of the test environment. Building
takes the build backend from the package registry: without it the tests are skipped.
"""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from .paths import ROOT

MAX_PUBLIC_MODULES = 12
MAX_SYMBOLS = 1500
"""Exported and referenced together."""

PIP = (sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet")

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with the wheel in it, and nothing else."""
    built, site = tmp_path_factory.mktemp("wheel"), tmp_path_factory.mktemp("site")
    build = subprocess.run(
        [*PIP, "wheel", "--no-deps", "--wheel-dir", built, ROOT], capture_output=True, text=True, check=False
    )
    if "No matching distribution found for hatchling" in build.stderr:
        pytest.skip("building the wheel needs hatchling from the package registry, which does not answer")
    assert build.returncode == 0, build.stderr
    [wheel] = built.glob("ringlet-*.whl")
    subprocess.run([*PIP, "install", "--no-deps", "--no-compile", "--target", site, wheel], check=True)
    return site


@pytest.fixture(scope="module")
def report(installed: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What pyright says of the public names.

    `--verifytypes` reads neither a configuration nor `--pythonpath`: it looks for packages where the first
    `python` of PATH does, in PYTHONPATH before anything else.
    """
    here = Path(sys.executable).parent
    done = subprocess.run(
        [sys.executable, "-m", "pyright", "--verifytypes", "ringlet", "--ignoreexternal", "--outputjson"],
        cwd=tmp_path_factory.mktemp("empty"),
        env=os.environ
        | {"PATH": f"{here}{os.pathsep}{os.environ['PATH']}", "PYTHONPATH": os.fspath(installed)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout.startswith("{"), done.stdout + done.stderr
    found = json.loads(done.stdout)["typeCompleteness"]
    assert Path(found["packageRootDirectory"]) == installed / "ringlet", "the wheel is what was examined"
    return found


def symbols(report: dict[str, Any], count: str) -> int:
    """How many symbols, exported and referenced, are counted under this name."""
    return sum(report[which][count] for which in ("exportedSymbolCounts", "otherSymbolCounts"))


def complaints(report: dict[str, Any]) -> str:
    return "\n".join(
        f"{symbol['name']}: {one['message']}"
        for symbol in report["symbols"]
        for one in symbol["diagnostics"]
        if one["severity"] == "error"
    )


def test_the_public_modules_are_few(report: dict[str, Any]) -> None:
    names = [module["name"] for module in report["modules"]]
    assert 0 < len(names) <= MAX_PUBLIC_MODULES, names


def test_the_names_and_what_they_refer_to_are_few(report: dict[str, Any]) -> None:
    counts = ("withKnownType", "withAmbiguousType", "withUnknownType")
    assert 0 < sum(symbols(report, count) for count in counts) <= MAX_SYMBOLS


def test_every_type_is_known(report: dict[str, Any]) -> None:
    assert symbols(report, "withUnknownType") == 0, complaints(report)
    assert symbols(report, "withAmbiguousType") == 0, complaints(report)
    assert report["completenessScore"] == 1, complaints(report)


def test_every_class_and_every_function_has_a_docstring(report: dict[str, Any]) -> None:
    missing = {
        symbol["name"]
        for symbol in report["symbols"]
        for one in symbol["diagnostics"]
        if one["message"].startswith("No docstring")
    }
    assert missing <= {"ringlet._archive.storage.settings.Key"}, "a NewType cannot have one"
