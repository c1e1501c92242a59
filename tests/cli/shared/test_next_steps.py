"""A suggested command is complete: it is about the archive, cloud and sign-in that the user typed."""

from __future__ import annotations

import shlex
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import pytest

from ringlet._cli.main import ringlet
from ringlet._cli.shared.next_steps import (
    CARRIED_OPTIONS,
    COMMANDS_OF_ACTIONS,
    command,
    hide,
    program,
    remember,
    render,
    repeat,
)
from ringlet.errors import Action, Cure

DB, URL, WHO = ("--db", "my/a b.db"), ("--base-url", "http://host"), ("--profile", "mum")


def suggested(say: Callable[[], str], *typed: tuple[str, str], secrets: tuple[str, ...] = ()) -> str:
    """What is said in a command for which these options were typed."""
    with click.Context(ringlet) as context:
        for option, value in typed:
            remember(context.meta, option, value)
        for secret in secrets:
            hide(context.meta, secret)
        return say()


@pytest.mark.parametrize("name", sorted({*CARRIED_OPTIONS, *COMMANDS_OF_ACTIONS.values()}))
def test_each_command_exists_and_takes_the_options_it_carries(name: str) -> None:
    command: click.Command | None = ringlet
    for word in name.split():
        assert isinstance(command, click.Group)
        command = command.get_command(click.Context(command), word)
    assert command
    options = {option for one in command.params for option in one.opts}
    if isinstance(command, click.Group):  # `clock`, which is short for `clock show`
        show = command.get_command(click.Context(command), "show")
        assert show
        options = {option for one in show.params for option in one.opts}
    assert set(CARRIED_OPTIONS.get(name, ())) <= options


def test_each_action_has_its_command() -> None:
    assert set(COMMANDS_OF_ACTIONS) | {Action.REPEAT} == set(Action)


@pytest.mark.parametrize(
    ("say", "typed", "said"),
    [
        (lambda: command("sync"), [DB], "ringlet sync --db 'my/a b.db'"),
        (lambda: command("sync"), [WHO, DB], "ringlet sync --db 'my/a b.db' --profile mum"),
        (lambda: command("show night", "--date", "x"), [DB, WHO],
         "ringlet show night --db 'my/a b.db' --date x"),
        (lambda: command("login"), [URL], "ringlet login --base-url http://host"),
        (lambda: command("login", profile="dad"), [WHO], "ringlet login --profile dad"),
        (lambda: command("login", redirect_uri="http://a/b c"), [],
         "ringlet login --redirect-uri 'http://a/b c'"),
        (lambda: command("sync"), [], "ringlet sync"),
        (lambda: command("demo"), [DB, URL, WHO], "ringlet demo"),
        (lambda: command("serve", "--demo"), [DB], "ringlet serve --demo"),
    ],
)  # fmt: skip
def test_a_command_carries_the_options_that_were_typed_and_that_it_takes(
    say: Callable[[], str], typed: list[tuple[str, str]], said: str
) -> None:
    assert suggested(say, *typed) == said


@pytest.mark.parametrize(
    ("cure", "typed", "said"),
    [
        (Cure("sign in again", Action.SIGN_IN), [URL, DB],
         "ringlet login --base-url http://host"),
        (Cure("sign in again and tick it", Action.SIGN_IN, profile="dad"), [WHO],
         "sign in again and tick it: ringlet login --profile dad"),
        (Cure("fill it", Action.SYNC), [DB], "fill it: ringlet sync --db 'my/a b.db'"),
        (Cure("name another file"), [DB], "name another file"),
        ("see that ringlet login and ringlet sync work", [DB],
         "see that ringlet login and ringlet sync work"),
        ("", [DB], ""),
    ],
)  # fmt: skip
def test_a_cure_is_shown_with_the_command_of_its_action(
    cure: str, typed: list[tuple[str, str]], said: str
) -> None:
    assert suggested(lambda: render(cure), *typed) == said


def test_without_a_command_that_runs_there_is_nothing_to_carry() -> None:
    assert render(Cure("sign in again", Action.SIGN_IN)) == "ringlet login"


@pytest.mark.parametrize(
    "place",
    [
        "postgresql://me:hidden@host/oura",
        "postgresql://me:hid@den@host/oura",
        "postgresql://me:hid/den@host/oura",
        "postgresql://me%3Ahidden@host/oura",
        "postgresql://host/oura?password=hidden",
        "postgresql://host/oura?pass%77ord=hidden",
        "postgresql://host/oura?sslpassword=hidden",
    ],
)
def test_a_password_is_not_repeated(place: str) -> None:
    assert suggested(lambda: command("sync"), ("--db", place)) == "ringlet sync --db ..."


@pytest.mark.parametrize(
    "place", ["postgresql://me@host:5432/oura", "postgresql://host/oura", "a.db", "sqlite:///a.db"]
)
def test_a_place_without_a_password_is(place: str) -> None:
    assert suggested(lambda: command("sync"), ("--db", place)) == f"ringlet sync --db {place}"


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ("serve --demo", "ringlet serve --demo --port 0"),
        ("serve --port 8765 --demo", "ringlet serve --demo --port 0"),
        ("serve --port=8765 --demo", "ringlet serve --demo --port 0"),
        ("serve --secret hush --db 'a b.db'", "ringlet serve --secret ... --db 'a b.db' --port 0"),
        ("serve --secret=hush", "ringlet serve --secret=... --port 0"),
        ("serve --db postgresql://me:other@host/oura", "ringlet serve --db ... --port 0"),
        ("serve --db=postgresql://me:other@host/oura", "ringlet serve --db=... --port 0"),
    ],
)
def test_a_repeated_command_is_the_one_that_was_typed_but_for_one_option(
    typed: str, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.argv", ["ringlet", *shlex.split(typed)])
    cure = Cure("ask for any port", Action.REPEAT, port="0")
    shown = suggested(lambda: render(cure), ("--db", "a b.db"), secrets=("hush",))
    assert shown == f"ask for any port: {said}"


def test_a_flag_that_would_contradict_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    typed = ["listen", "--from-start", "--events", "sleep.*,tag.*", *URL]
    monkeypatch.setattr("sys.argv", ["ringlet", *typed])
    line = "ringlet listen --events 'sleep.*,tag.*' --base-url http://host --from-now"
    assert suggested(lambda: repeat("--from-now"), URL) == line


@pytest.mark.skipif(sys.platform == "win32", reason="finds programs by their extension")
def test_a_program_that_is_not_on_path_is_named_by_its_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here, there = tmp_path / "here it is" / "ringlet", tmp_path / "there" / "ringlet"
    for one in here, there:
        one.parent.mkdir()
        one.write_text("#!/bin/sh\n")
        one.chmod(0o700)

    def named(path: Path, started: object = here) -> str:
        monkeypatch.setenv("PATH", str(path))
        monkeypatch.setattr("sys.argv", [str(started), "serve"])
        name = program()
        assert command("login") == f"{name} login"
        assert repeat("--port", "0") == f"{name} serve --port 0"
        return name

    assert named(tmp_path) == f"'{here}'", "PATH leads to none"
    assert named(there.parent) == f"'{here}'", "PATH leads to another"
    assert named(here.parent) == "ringlet"
    (tmp_path / "ringlet").symlink_to(here)
    assert named(tmp_path) == "ringlet", "a link leads to it, too"
    assert named(there.parent, "ringlet/cli/__main__.py") == "ringlet", "no path that could be typed"


SCRIPT = Path(sys.executable).with_name("ringlet")


@pytest.mark.skipif(not SCRIPT.exists(), reason="installed without its script")
@pytest.mark.parametrize(
    ("args", "step"),
    [(["status", "--db", "none.db"], "sync --db none.db"), (["syn"], "--help"), (["auth"], "auth")],
)
def test_every_next_line_names_the_program_so(ringlet: Any, args: list[str], step: str) -> None:
    env = ringlet.env(PATH=str(ringlet.home))
    done = subprocess.run([SCRIPT, *args], check=False, env=env, capture_output=True, encoding="utf-8")
    assert f"{SCRIPT} {step}" in done.stderr.rpartition("next: ")[2]


def test_what_is_in_the_environment_is_not_repeated(ringlet: Any, synced: Any) -> None:
    asked = ("show", "night", "--date", "2020-02-29")
    assert " --db " not in ringlet(*asked, RINGLET_DB=str(synced)).stderr
    typed = ringlet(*asked, "--db", synced, RINGLET_DB="another.db").stderr
    assert f"next: ringlet show night --db {synced} --date " in typed


def test_a_failure_says_what_to_do_about_the_archive_that_was_named(ringlet: Any, refused: Any) -> None:
    refused(
        ringlet("status", "--db", "none.db"), 6, "no archive exists at none.db", "ringlet sync --db none.db"
    )
    done = ringlet("status", "--db", "postgresql://me:hidden@127.0.0.1:1/oura")
    assert "hidden" not in done.stderr
