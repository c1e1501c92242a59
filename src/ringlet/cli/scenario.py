"""`ringlet scenario`: a story in a file, played in a cloud of one's own, with what is expected of it."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ..errors import RingletError, UsageError
from . import options, screen

if TYPE_CHECKING:
    from .steps import Expect, Step
    from .tiller import Tiller

LOOK = 0.1
"""Seconds between two looks at what is to come true."""
PATIENCE = 600.0


@click.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@options.own_cloud
@options.as_json
def scenario(file: Path, base_url: str | None, as_json: bool) -> None:
    """Play the steps of FILE (YAML or JSON): events, time, faults, expectations.

    Ends with 1 and says what is otherwise where an expectation is not met. YAML needs `ringlet[scenario]`.

    \b
    steps:
      - trigger: daily_sleep.update
        override: {score: 61}
      - clock: 1d
      - expect: {events: {"daily_sleep.*": ">= 2"}, deliveries: {failed: 0}}
        within: 10
    """
    from .steps import understood
    from .tiller import Tiller

    steps = understood(_read(file))
    with Tiller(base_url, timeout=PATIENCE) as tiller:
        stage = Stage(tiller)
        for number, step in enumerate(steps, 1):
            missed = stage.play(step)
            kind = step.__struct_fields__[0]
            if as_json:
                click.echo(json.dumps({"v": 1, "step": number, "kind": kind, "missed": missed}))
            else:
                click.echo(f"{'FAILED' if missed else 'ok':<7}{number:>3}. {_line(step)}")
            if missed:
                raise RingletError(
                    f"step {number} of {file}: {'; '.join(missed)}",
                    cure="ringlet webhooks deliveries, and ringlet listen --from-start, show what there is",
                )


def _read(file: Path) -> Any:
    """What a file holds. Raises UsageError."""
    text = file.read_text(encoding="utf-8")
    if file.suffix == ".json":
        try:
            return json.loads(text)
        except ValueError as wrong:
            raise UsageError(f"{file} is no JSON: {wrong}", cure="correct it there") from None
    try:
        import yaml
    except ImportError:
        raise UsageError(
            f"{file} is YAML, and nothing here reads that",
            cure="pip install 'ringlet[scenario]', or write it as JSON in a file that ends in .json",
        ) from None
    try:
        return yaml.safe_load(text)
    except yaml.YAMLError as wrong:
        said = " ".join(str(wrong).split())
        raise UsageError(f"{file} is no YAML: {said}", cure="correct it there") from None


def _line(step: Step) -> str:
    kind, *_ = step.__struct_fields__
    what = getattr(step, kind)
    return screen.printable(f"{kind} {what if isinstance(what, str | float | int) else ''}".rstrip())


class Stage:
    """A cloud in which steps are played. It counts from now on."""

    def __init__(self, tiller: Tiller) -> None:
        self.tiller = tiller
        self._first_event: int = tiller.get("events", limit=1)["newest"]
        newest = tiller.get("deliveries", limit=1)["deliveries"]
        self._first_delivery: int = newest[0]["id"] if newest else 0
        self._first_request: float = max([one["at"] for one in tiller.get("requests")], default=0.0)

    def play(self, step: Step) -> list[str]:
        """Do one step; what is otherwise than expected. Raises RingletError where the cloud refuses."""
        from . import steps

        match step:
            case steps.Trigger():
                wish = {"event": step.trigger, "override": step.override, "count": step.count}
                self.tiller.post("trigger", wish | ({"user": step.user} if step.user else {}))
            case steps.Advance():
                self.tiller.post("clock", {"advance": step.clock, "settle": step.settle})
            case steps.Fault(fault="clear"):
                self.tiller.delete("faults")
            case steps.Fault():
                given = {name: getattr(step, name) for name in step.__struct_fields__[1:]}
                rule = {name: value for name, value in given.items() if value is not None}
                self.tiller.post("faults", {"act": step.fault, **rule})
            case steps.Wait():
                time.sleep(step.wait)
            case steps.Expect():
                return self._expect(step)
        return []

    def _expect(self, step: Expect) -> list[str]:
        until = time.monotonic() + step.within
        while (missed := step.expect.missed(self._count)) and time.monotonic() < until:
            time.sleep(LOOK)
        return missed

    def _count(self, kind: str, name: str) -> int:
        from .steps import covers

        match kind:
            case "events":
                return sum(covers(name, one) for one in self._events())
            case "deliveries":
                return self._deliveries(name)
            case _:
                seen = self.tiller.get("requests")
                return sum(one["at"] > self._first_request and covers(name, one["path"]) for one in seen)

    def _events(self) -> list[str]:
        after, found = self._first_event, list[str]()
        while page := self.tiller.get("events", after=after, limit=1000)["events"]:
            found += [f"{one['event']['data_type']}.{one['event']['event_type']}" for one in page]
            after = page[-1]["seq"]
        return found

    def _deliveries(self, state: str) -> int:
        before, found = None, 0
        while page := self.tiller.get("deliveries", state=state, before=before, limit=1000)["deliveries"]:
            new = [one for one in page if one["id"] > self._first_delivery]
            found += len(new)
            before = page[-1]["id"]
            if len(new) < len(page):
                break
        return found
