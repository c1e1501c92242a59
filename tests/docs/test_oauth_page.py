"""What docs/oauth.md says to type is typed, in its order, against a cloud of its own."""

from __future__ import annotations

import re
import shlex

from ..paths import ROOT
from ..program import Program

PAGE = (ROOT / "docs/oauth.md").read_text()
COMMANDS = re.findall(r"`ringlet ((?:clock|fault) [^`]+)`", PAGE)


def test_the_page_says_what_to_type() -> None:
    assert {command.split()[0] for command in COMMANDS} == {"clock", "fault"}
    assert len(COMMANDS) >= 3


def test_every_command_of_the_page_does_what_it_says(ringlet: Program) -> None:
    cloud = "--demo", "--days", "5", "--clock", "frozen:2026-03-01T12:00:00Z"
    with ringlet.serve(*cloud, RINGLET_ADMIN_TOKEN="an admin token") as ready:
        there = {"OURA_API_BASE_URL": ready["api"], "RINGLET_ADMIN_TOKEN": "an admin token"}
        for command in COMMANDS:
            done = ringlet(*shlex.split(command), **there)
            assert done.returncode == 0, f"{command}: {done.stderr}"
