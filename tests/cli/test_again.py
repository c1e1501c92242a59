"""What is typed next is about the same archive, cloud and person as what was typed."""

from __future__ import annotations

from typing import Any

import click
import pytest

from ringlet.cli import again, ringlet

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


def test_what_is_in_the_environment_is_not_repeated(ringlet: Any, synced: Any) -> None:
    asked = ("show", "night", "--date", "2020-02-29")
    assert " --db " not in ringlet(*asked, RINGLET_DB=str(synced)).stderr
    typed = ringlet(*asked, "--db", synced, RINGLET_DB="another.db").stderr
    assert f"next: ringlet show night --db {synced} --date " in typed


def test_a_failure_says_what_to_do_about_the_archive_that_was_named(ringlet: Any, refused: Any) -> None:
    refused(ringlet("status", "--db", "none.db"), 6, "no archive at none.db", "ringlet sync --db none.db")
    done = ringlet("status", "--db", "postgresql://me:hidden@127.0.0.1:1/oura")
    assert "hidden" not in done.stderr
