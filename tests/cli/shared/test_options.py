"""A secret that is typed as an argument is taken, and it is said who can read it there."""

from __future__ import annotations

from typing import Any

import click
import pytest
from click.testing import CliRunner

from ringlet._cli.shared import options


@click.command()
@options.secret("--secret", "RINGLET_SECRET", "What opens.")
@options.secret("--token", "RINGLET_TOKEN", "What proves.", on_demand=True)
@options.db
def command(**given: Any) -> None:
    click.echo(repr(given))


SEEN = "is seen by every user of this machine, as all arguments are: better set"


@pytest.mark.parametrize(
    ("args", "remark"),
    [
        (["--secret", "x"], f"--secret {SEEN} RINGLET_SECRET\n"),
        (["--token", "x"], f"--token {SEEN} RINGLET_TOKEN\n"),
        (["--db", "postgresql://me:x@host/oura"], f"a password in --db {SEEN} RINGLET_DB\n"),
        (["--db", "postgresql://me@host/oura"], ""),
        (["--token"], ""),
        ([], ""),
    ],
)
def test_what_is_typed_is_remarked_upon_and_what_is_exported_is_not(args: list[str], remark: str) -> None:
    environment = {"RINGLET_SECRET": "s", "RINGLET_TOKEN": "t", "RINGLET_DB": "postgresql://me:p@host/oura"}
    done = CliRunner().invoke(command, args, env=environment)
    assert done.exit_code == 0, done.output
    assert done.stderr == remark


def test_a_secret_on_demand_comes_from_the_environment_only_where_it_is_asked_for() -> None:
    def given(*args: str, **environment: str) -> str:
        return CliRunner().invoke(command, args, env={"RINGLET_TOKEN": "t"} | environment).stdout

    assert "'token': None" in given()
    assert "'token': 't'" in given("--token")
    assert "'token': 't'" in given("--token", "--secret", "s")
    assert "'token': 'x'" in given("--token", "x")
    assert "'token': ''" in given("--token", RINGLET_TOKEN="")


def test_the_help_says_where_it_is_better() -> None:
    assert "[better as RINGLET_SECRET: others see arguments]" in " ".join(
        CliRunner().invoke(command, ["--help"]).stdout.split()
    )
