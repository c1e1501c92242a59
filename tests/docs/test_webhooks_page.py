"""What docs/webhooks.md says works: its commands run in its order, its Python is what frameworks take."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import pytest

from ringlet._cli.main import ringlet as program
from ringlet._cloud.webhooks.deliveries import RETRIES

from .. import forked
from ..callback_server import CallbackServer
from ..paths import ROOT

PAGE = (ROOT / "docs/webhooks.md").read_text("utf-8")
PATIENT = 30.0


def section(title: str) -> str:
    return PAGE.split(f"\n## {title}\n")[1].split("\n## ")[0]


def blocks(language: str, text: str = PAGE) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", text, re.DOTALL)


def typed(text: str = PAGE) -> list[str]:
    """The commands that a reader types."""
    lines = "".join(blocks("console", text)).splitlines()
    assert all(line.startswith("$ ") for line in lines)
    return [line[2:] for line in lines]


def mentioned() -> list[str]:
    """Every command of ours on the page, those within a sentence included."""
    inline = re.findall(r"`(ringlet [^`]+)`", PAGE)
    return sorted({" ".join(one.split()) for one in [*typed(), *inline] if one.startswith("ringlet ")})


@pytest.mark.parametrize("command", mentioned())
def test_every_command_and_option_exists(command: str) -> None:
    words = shlex.split(command)[1:]
    at: click.Command = program
    while isinstance(at, click.Group) and words and not words[0].startswith("-"):
        found = at.get_command(click.Context(at), words.pop(0))
        assert found is not None, command
        at = found
    options = {name for parameter in at.params for name in parameter.opts}
    assert {word for word in words if word.startswith("--")} <= options


def test_there_is_something_to_hold_the_page_to() -> None:
    assert len(mentioned()) >= 20
    assert len(blocks("python")) == 3


# --- A reader who follows it ---


class Reader:
    """Somebody with terminals, who types what stands on the page and pastes what is to be pasted."""

    def __init__(self, ringlet: Any, callback: CallbackServer) -> None:
        self.ringlet = ringlet
        self.callback = callback
        self.standing: list[subprocess.Popen[str]] = []

    def _words(self, command: str) -> list[str]:
        here = f"localhost:{self.callback.server_port}"
        name, *words = shlex.split(command.replace("localhost:8000", here))
        assert name == "ringlet"
        return words

    def runs(self, command: str, code: int = 0) -> str:
        """A command that ends by itself; what it prints."""
        done = self.ringlet(*self._words(command))
        assert done.returncode == code, f"{command}: {done.stderr}"
        printed: str = done.stdout
        return printed

    def leaves_running(self, command: str, *more: str) -> subprocess.Popen[str]:
        self.standing.append(self.ringlet.start(*self._words(command), *more))
        return self.standing[-1]

    def serves(self, command: str) -> None:
        """The first terminal; its lines go to the others."""
        cloud = self.leaves_running(command, "--days", "3", "--port", "0")
        assert cloud.stdout
        for line in cloud.stdout:
            self.ringlet.variables |= dict(re.findall(r"\b([A-Z][A-Z_]+)=(\S+)", line.partition("#")[0]))
            if " ^C" in line:
                return

    def first_event(self) -> dict[str, str]:
        """The first event that came to the program on port 8000."""
        self.callback.wait_for_events(1)
        event: dict[str, str] = json.loads(self.callback.events[0][1])
        return event

    def leaves(self) -> None:
        for process in self.standing:
            process.terminate()
            process.communicate(timeout=PATIENT)


@pytest.fixture
def reader(ringlet: Any, callback: CallbackServer) -> Iterator[Reader]:
    one = Reader(ringlet, callback)
    yield one
    one.leaves()


def read_until(process: subprocess.Popen[str], words: str, stream: str = "stdout") -> str:
    for line in getattr(process, stream):
        if words in line:
            return str(line)
    raise AssertionError(f"{words!r} was not said")


def test_the_first_two_minutes(reader: Reader) -> None:
    serve, listen, *rest = typed(section("Try it in two minutes"))
    reader.serves(serve)
    del reader.ringlet.variables["OURA_CLIENT_SECRET"]  # nobody has set it yet
    listening = reader.leaves_running(listen)
    read_until(listening, "from now on", "stderr")
    assert rest[-1].startswith("ringlet clock advance")
    for command in rest:
        assert reader.runs(command)
    for event in ("sleep.update", "workout.create", "daily_activity."):
        assert read_until(listening, event)

    [forward] = typed(section("Your receiver, without a subscription"))
    forwarding = reader.leaves_running(forward)
    read_until(forwarding, "--print-secret", "stderr")
    assert reader.runs("ringlet listen --print-secret")
    reader.runs(rest[0])
    assert read_until(forwarding, "→ 200")
    assert reader.first_event()["data_type"] == "sleep"


def test_subscriptions_and_what_became_of_them(reader: Reader, tmp_path: Path) -> None:
    reader.serves("ringlet serve --demo")
    export, first, everything, listed, renewed, ended = typed(section("Subscribe"))
    assert export.startswith("export OURA_CLIENT_ID=... OURA_CLIENT_SECRET=... RINGLET_VERIFICATION_TOKEN=")
    reader.ringlet.variables["RINGLET_VERIFICATION_TOKEN"] = export.rpartition("=")[2]
    assert len(reader.runs(first).splitlines()) == 6
    assert len(reader.runs(everything).splitlines()) > 60  # the six that are there already among them
    assert len(reader.runs(listed).splitlines()) == len(reader.runs(renewed).splitlines()) > 60

    reader.runs("ringlet trigger sleep.update --override efficiency=61")
    assert reader.first_event()["event_type"] == "update"
    until = time.monotonic() + PATIENT
    while "delivered" not in reader.runs("ringlet webhooks deliveries --state delivered"):
        assert time.monotonic() < until
    for command in typed(section("See what was delivered")):
        reader.runs(command)

    (tmp_path / "story.yaml").write_text(blocks("yaml")[0])
    [play] = typed(section("Make a test of it"))
    reader.runs(play.replace("story.yaml", str(tmp_path / "story.yaml")))
    reader.runs(ended)
    assert reader.runs(listed) == ""


def test_the_retries_of_the_page_are_those_of_the_cloud() -> None:
    said = re.search(r"10 retries: after 10 s, 30 s, ([\d, and]+) minutes", PAGE)
    assert said
    minutes = [int(number) * 60 for number in re.findall(r"\d+", said[1])]
    assert [one.total_seconds() for one in RETRIES] == [10, 30, *minutes]


# --- Its Python ---

GIVEN = """
import sys, threading, time
from ringlet.webhooks import Event, signed_headers

printed = threading.Event()

def print(event):
    sys.stdout.write(f"{event}\\n")
    printed.set()

CLIENT_SECRET, VERIFICATION_TOKEN = "the client secret", "the token"
QUERY = "verification_token=the%20token&challenge=1234"
BODY = Event(event_type="update", data_type="sleep", object_id="5f2e", event_time="now", user_id="me").body
SIGNED = signed_headers(CLIENT_SECRET, BODY, now=time.time())
"""
"""What the page's readers have."""

ASKED = {
    "fastapi": """
import asyncio

async def asked(method, query, headers, body):
    said = []
    async def receive(): return {"type": "http.request", "body": body}
    async def send(message): said.append(message)
    scope = {"type": "http", "method": method, "path": "/oura/", "query_string": query.encode(),
             "headers": [(name.encode(), value.encode()) for name, value in headers.items()]}
    await app(scope, receive, send)
    return said[0]["status"], said[1]["body"]

async def both():
    return await asked("GET", QUERY, {}, b""), await asked("POST", "", SIGNED, BODY)

challenge, event = asyncio.run(both())
""",
    "flask": """
browser = app.test_client()
answers = browser.get("/oura?" + QUERY), browser.post("/oura", data=BODY, headers=SIGNED)
challenge, event = [(answer.status_code, answer.data) for answer in answers]
""",
    "django": """
from django.conf import settings
from django.test import RequestFactory

settings.configure()
made = RequestFactory()
asked = made.get("/oura?" + QUERY), made.post("/oura", BODY, "application/json", headers=SIGNED)
challenge, event = [(answer.status_code, answer.content) for answer in map(oura, asked)]
""",
}
"""How each framework is asked without a server; with one it is in tests/interop."""

TOLD = """
assert challenge == (200, b'{"challenge":"1234"}'), challenge
assert event == (200, b""), event
assert printed.wait(10)
hook.close()
"""


@pytest.mark.parametrize("block", blocks("python"), ids=lambda block: block.split()[1].partition(".")[0])
def test_the_python_of_the_page_runs(block: str, tmp_path: Path) -> None:
    name = block.split()[1].partition(".")[0]
    pytest.importorskip(name)
    done = forked.run(["-c", GIVEN + block + ASKED[name] + TOLD], cwd=tmp_path, timeout=PATIENT)
    assert done.returncode == 0, done.stderr
    assert "object_id='5f2e'" in done.stdout  # the handler of the page prints
    assert (tmp_path / "inbox.db").exists()
