"""`ringlet scenario`: carries out the steps of a file in the user's own cloud, and checks what it expects."""

from __future__ import annotations

import contextlib
import json
import signal
import time
from collections.abc import Generator
from contextlib import ExitStack
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ...errors import RingletError, UsageError
from ..shared import options, screen
from ..shared.next_steps import command

if TYPE_CHECKING:
    from ..._webhooks.events import Event
    from ..shared.control_client import ControlClient
    from .scenario_steps import Expect, Step

EXPECT_POLL_S = 0.1
"""The pause in seconds between two checks whether an expectation is met."""
STEP_TIMEOUT_S = 600.0


@click.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@options.own_cloud
@options.as_json
def scenario(file: Path, base_url: str | None, as_json: bool) -> None:
    """Carry out the steps of FILE in your cloud.

    FILE is YAML, which needs `ringlet[scenario]`, or JSON. The exit code is 1 if an expectation is not met.
    The faults that the steps added are removed at the end, also after an error.

    \b
    steps:
      - trigger: daily_sleep.update
        override: {score: 61}
      - clock: 1d
      - expect: {events: {"daily_sleep.*": ">= 2"}, deliveries: {failed: 0}}
        within: 10
    """
    from ..shared.control_client import ControlClient
    from .scenario_steps import parse

    with _naming(f"{file}"):
        steps = parse(_read(file))
    # SIGTERM raises KeyboardInterrupt, as ^C does, so that the faults of the scenario are removed.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with ExitStack() as until_the_end:
        player = Player(until_the_end.enter_context(ControlClient(base_url, timeout=STEP_TIMEOUT_S)))
        until_the_end.callback(player.end)
        for number, step in enumerate(steps, 1):
            with _naming(f"{file}: step {number}"):
                missed = player.play(step)
            kind = step.__struct_fields__[0]
            if as_json:
                click.echo(json.dumps({"v": 1, "step": number, "kind": kind, "missed": missed}))
            else:
                click.echo(f"{'FAILED' if missed else 'ok':<7}{number:>3}. {_line(step)}")
            if missed:
                show = f"{command('webhooks deliveries')}, and {command('listen', '--from-start')}"
                raise RingletError(
                    f"{file}: step {number}: {'; '.join(missed)}", cure=f"{show}, show what there is"
                )


@contextlib.contextmanager
def _naming(place: str) -> Generator[None]:
    """Prefix the message of a RingletError with a place in the file."""
    try:
        yield
    except RingletError as wrong:
        wrong.message = f"{place}: {wrong.message}"
        raise


def _read(file: Path) -> Any:
    """Parse a YAML or JSON file. Raises UsageError if it is malformed, or if PyYAML is not installed."""
    try:
        text = file.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise UsageError(
            "expected a text file in UTF-8", cure="name a file of steps, in YAML or JSON"
        ) from None
    if file.suffix == ".json":
        try:
            return json.loads(text)
        except ValueError as wrong:
            raise UsageError(f"not valid JSON: {wrong}", cure="correct the file there") from None
    try:
        import yaml
    except ImportError:
        raise UsageError(
            "reading YAML needs an extra that is not installed",
            cure="pip install 'ringlet[scenario]', or write it as JSON in a file that ends in .json",
        ) from None
    try:
        return yaml.safe_load(text)
    except yaml.YAMLError as wrong:
        said = " ".join(str(wrong).split())
        raise UsageError(f"not valid YAML: {said}", cure="correct the file there") from None


def _line(step: Step) -> str:
    kind, *_ = step.__struct_fields__
    what = getattr(step, kind)
    return screen.printable(f"{kind} {what if isinstance(what, str | float | int) else ''}".rstrip())


class Player:
    """Carries out steps in a cloud, and counts events, deliveries and requests since it was created."""

    def __init__(self, control: ControlClient) -> None:
        self.control = control
        self._first_event: int = control.get("events", limit=1)["newest"]
        newest = control.get("deliveries", limit=1)["deliveries"]
        self._first_delivery: int = newest[0]["id"] if newest else 0
        self._first_request: float = max([one["at"] for one in control.get("requests")], default=0.0)
        self._faults: list[int] = []

    def play(self, step: Step) -> list[str]:
        """Carry out one step. Returns the expectations that are not met, one text for each.

        Raises RingletError if the cloud refuses a request or does not answer.
        """
        from . import scenario_steps as steps
        from .clock import seconds

        match step:
            case steps.Trigger():
                wanted = {"event": step.trigger, "override": step.override, "count": step.count}
                self.control.post("trigger", wanted | ({"user": step.user} if step.user else {}))
            case steps.Advance():
                self.control.post("clock", {"advance": seconds(str(step.clock)), "settle": step.settle})
            case steps.Fault(fault="clear"):
                self.control.delete("faults")
            case steps.Fault():
                self._faults.append(self.control.post("faults", step.rule())["id"])
            case steps.Wait():
                time.sleep(step.wait)
            case steps.Expect():
                return self._expect(step)
        return []

    def end(self) -> None:
        """Remove the faults that the steps added.

        Errors are ignored: a cloud that does not answer has ended, and then it has no faults any more.
        """
        with contextlib.suppress(RingletError):
            for id in self._faults:
                self.control.delete(f"faults/{id}")

    def _expect(self, step: Expect) -> list[str]:
        until = time.monotonic() + step.within
        while (missed := step.expect.missed(self._count)) and time.monotonic() < until:
            time.sleep(EXPECT_POLL_S)
        return missed

    def _count(self, kind: str, name: str) -> int:
        from ..shared.event_names import wanted_events

        match kind:
            case "events":
                return sum(map(wanted_events(name), self._events()))
            case "deliveries":
                return self._deliveries(name)
            case _:
                seen = self.control.get("requests")
                new = [one["path"] for one in seen if one["at"] > self._first_request]
                return sum(fnmatchcase(path, name) for path in new)

    def _events(self) -> list[Event]:
        import msgspec

        from ..._webhooks.events import Event

        after, found = self._first_event, list[Event]()
        while page := self.control.get("events", after=after, limit=1000)["events"]:
            found += [msgspec.convert(one["event"], Event) for one in page]
            after = page[-1]["seq"]
        return found

    def _deliveries(self, state: str) -> int:
        before, found = None, 0
        while page := self.control.get("deliveries", state=state, before=before, limit=1000)["deliveries"]:
            new = [one for one in page if one["id"] > self._first_delivery]
            found += len(new)
            before = page[-1]["id"]
            if len(new) < len(page):
                break
        return found
