"""What is typed next is about the same archive, cloud and person as what was typed."""

from __future__ import annotations

import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import click
import pytest

from ringlet._cli.main import ringlet
from ringlet._cli.shared import next_steps as again

DB, URL, WHO = ("--db", "my/a b.db"), ("--base-url", "http://host"), ("--profile", "mum")


def same(text: str, *typed: tuple[str, str]) -> str:
    meta: dict[str, Any] = {}
    for option, value in typed:
        again.remember(meta, option, value)
    return again.same(text, meta)


@pytest.mark.parametrize("name", again.TAKES)
def test_each_command_takes_what_it_is_given(name: str) -> None:
    command: click.Command | None = ringlet
    for word in name.split():
        assert isinstance(command, click.Group)
        command = command.get_command(click.Context(command), word)
    assert command
    assert set(again.TAKES[name]) <= {option for one in command.params for option in one.opts}


@pytest.mark.parametrize(
    ("text", "typed", "said"),
    [
        ("ringlet sync", [DB], "ringlet sync --db 'my/a b.db'"),
        ("fill it: ringlet sync", [WHO, DB], "fill it: ringlet sync --db 'my/a b.db' --profile mum"),
        ("ringlet show night --date x", [DB, WHO], "ringlet show night --db 'my/a b.db' --date x"),
        ("ringlet login, or ringlet demo", [URL], "ringlet login --base-url http://host, or ringlet demo"),
        ("ringlet login --profile dad; ringlet sync", [WHO],
         "ringlet login --profile dad; ringlet sync --profile mum"),
        ("ringlet sync", [], "ringlet sync"),
        ("see that the server runs", [DB], "see that the server runs"),
    ],
)  # fmt: skip
def test_a_command_carries_what_was_typed_and_it_takes(
    text: str, typed: list[tuple[str, str]], said: str
) -> None:
    assert same(text, *typed) == said


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
    assert same("ringlet sync", ("--db", place)) == "ringlet sync --db ..."


@pytest.mark.parametrize(
    "place", ["postgresql://me@host:5432/oura", "postgresql://host/oura", "a.db", "sqlite:///a.db"]
)
def test_a_place_without_a_password_is(place: str) -> None:
    assert same("ringlet sync", ("--db", place)) == f"ringlet sync --db {place}"


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
def test_the_same_again_is_the_line_that_was_typed(
    typed: str, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.argv", ["ringlet", *shlex.split(typed)])
    meta: dict[str, Any] = {}
    again.conceal(meta, "hush")
    again.remember(meta, "--db", "a b.db")
    assert again.same("the same again with --port 0, for any", meta) == f"{said}   (for any)"


def test_a_flag_that_would_contradict_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    typed = ["listen", "--from-start", "--events", "sleep.*,tag.*", *URL]
    monkeypatch.setattr("sys.argv", ["ringlet", *typed])
    line = "ringlet listen --events 'sleep.*,tag.*' --base-url http://host --from-now"
    assert same("or so: the same again with --from-now", URL) == f"or so: {line}"


def test_a_demo_is_not_served_over_the_archive_that_was_typed() -> None:
    assert same("ringlet serve --demo, or ringlet serve", DB) == (
        "ringlet serve --demo, or ringlet serve --db 'my/a b.db'"
    )


@pytest.mark.skipif(sys.platform == "win32", reason="finds programs by their extension")
def test_a_program_that_is_not_on_path_is_named_by_its_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here, there = tmp_path / "here it is" / "ringlet", tmp_path / "there" / "ringlet"
    for one in here, there:
        one.parent.mkdir()
        one.write_text("#!/bin/sh\n")
        one.chmod(0o700)
    named = f"'{here}' login, or as `'{here}' serve` printed it; '{here}' --version; a newer ringlet has it"
    plain = named.replace(f"'{here}'", "ringlet")

    def said(path: Path, started: object = here) -> str:
        monkeypatch.setenv("PATH", str(path))
        monkeypatch.setattr("sys.argv", [str(started)])
        return again.as_started(plain)

    assert said(tmp_path) == named, "PATH leads to none"
    assert said(there.parent) == named, "PATH leads to another"
    assert again.as_started(named) == named, "once is enough"
    assert said(here.parent) == plain
    (tmp_path / "ringlet").symlink_to(here)
    assert said(tmp_path) == plain, "a link leads to it, too"
    assert said(there.parent, "ringlet/cli/__main__.py") == plain, "no path that could be typed"


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
    refused(ringlet("status", "--db", "none.db"), 6, "no archive at none.db", "ringlet sync --db none.db")
    done = ringlet("status", "--db", "postgresql://me:hidden@127.0.0.1:1/oura")
    assert "hidden" not in done.stderr
