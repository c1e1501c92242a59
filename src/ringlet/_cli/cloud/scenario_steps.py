"""Parses and checks the steps of a scenario file. The steps are written like this:

    trigger: sleep.update         also user, override {field: value}, count
    clock: 1d                     also settle: 10 (real seconds to wait until all due deliveries are sent)
    fault: drop                   path, also status, seconds, probability, times; `fault: clear` removes all
    wait: 2.5                     real seconds
    expect: {events: {"sleep.*": 1}, deliveries: {delivered: ">= 1"}, requests: {"/v2/*": 3}}
                                  also within: 10 (real seconds in which the counts must be reached)

`expect` counts from the beginning of the scenario, and compares a count with a number (3) or a condition (">=
3").

Rules of this file:
* The whole file is checked before the first step is carried out, so that a typing mistake changes nothing.
  Only the user and the fields to override are checked later: the cloud checks them during the step.
"""

from __future__ import annotations

import difflib
import operator
import re
from collections.abc import Callable, Mapping
from typing import Annotated, Any, ClassVar, Literal, TypeAlias

import msgspec

from ...errors import UsageError
from ..shared.event_names import wanted_events
from .clock import seconds
from .fault import check_path

Count: TypeAlias = Annotated[int, msgspec.Meta(ge=0)] | str
Counted: TypeAlias = Callable[[str, str], int]
"""A function that counts by kind (such as `events`) and name (such as `sleep.*`)."""


class Trigger(msgspec.Struct, forbid_unknown_fields=True):
    """The step `trigger`: make an event happen."""

    SHAPE: ClassVar[str] = "trigger: sleep.update, also user, override {field: value}, count (1 to 10000)"

    trigger: str
    user: str | None = None
    override: dict[str, Any] = {}
    count: Annotated[int, msgspec.Meta(ge=1, le=10_000)] = 1

    def check(self) -> None:
        """Check the values. Raises UsageError for an unknown event."""
        from ..._cloud.control.triggers import parse

        parse(self.trigger)


class Advance(msgspec.Struct, forbid_unknown_fields=True):
    """The step `clock`: move the cloud's clock forward."""

    SHAPE: ClassVar[str] = "clock: 1d, also settle (0 to 300 seconds)"

    clock: str | float
    settle: Annotated[float, msgspec.Meta(ge=0, le=300)] = 10.0

    def check(self) -> None:
        """Check the values. Raises UsageError for a malformed duration."""
        seconds(str(self.clock))


class Fault(msgspec.Struct, forbid_unknown_fields=True):
    """The step `fault`: add a fault, or remove all faults."""

    SHAPE: ClassVar[str] = (
        "fault: drop, status or delay, with path, also status (400 to 599), seconds (0 to 600),"
        " probability (0 to 1), times (1 or more); or fault: clear"
    )

    fault: Literal["drop", "status", "delay", "clear"]
    path: str | None = None
    status: int | None = None
    seconds: float | None = None
    probability: float | None = None
    times: int | None = None

    def check(self) -> None:
        """Check the values. Raises UsageError for a wrong path, ValidationError for a number out of range."""
        from ..._cloud.control import faults

        if (self.fault == "clear") != (self.path is None):
            raise UsageError(
                "a fault needs a path, and `fault: clear` takes none", cure=f"write it as {self.SHAPE}"
            )
        if self.path is not None:
            check_path(self.path)
            msgspec.convert(self.rule(), faults.Fault)

    def rule(self) -> dict[str, Any]:
        """Build the body of the request that adds this fault to the cloud."""
        given = {name: getattr(self, name) for name in self.__struct_fields__[1:]}
        return {"act": self.fault} | {name: value for name, value in given.items() if value is not None}


class Wait(msgspec.Struct, forbid_unknown_fields=True):
    """The step `wait`: pause for some seconds of real time."""

    SHAPE: ClassVar[str] = "wait: 2.5 (0 to 3600 seconds)"

    wait: Annotated[float, msgspec.Meta(ge=0, le=3600)]

    def check(self) -> None:
        """Check nothing, because msgspec has already checked the type and the range of the seconds."""


class Expected(msgspec.Struct, forbid_unknown_fields=True):
    """Expected counts: of events by name, of deliveries by state, and of requests by path."""

    events: dict[str, Count] = {}
    deliveries: dict[Literal["waiting", "delivered", "failed"], Count] = {}
    requests: dict[str, Count] = {}

    def missed(self, counted: Counted) -> list[str]:
        """Return one line of text for each count that is not as expected."""
        lines: list[str] = []
        for kind in self.__struct_fields__:
            wanted: Mapping[str, int | str] = getattr(self, kind)
            for name, count in wanted.items():
                found = counted(kind, name)
                if not holds(count, found):
                    lines.append(f"{kind} {name}: expected {count}, found {found}")
        return lines


class Expect(msgspec.Struct, forbid_unknown_fields=True):
    """The step `expect`: check that counts are as expected, now or within some seconds."""

    SHAPE: ClassVar[str] = (
        'expect: {events: {"sleep.*": ">= 1"}, deliveries: {waiting, delivered or failed: 0},'
        ' requests: {"/v2/*": 3}}, also within (0 to 3600 seconds)'
    )

    expect: Expected
    within: Annotated[float, msgspec.Meta(ge=0, le=3600)] = 0.0

    def check(self) -> None:
        """Check the names of events and the paths. The count of a mistyped name would always be 0.

        Raises UsageError for an unknown event, a path that is not counted, or a malformed count.
        """
        wanted = self.expect
        for count in (*wanted.events.values(), *wanted.deliveries.values(), *wanted.requests.values()):
            holds(count, 0)
        for name in wanted.events:
            wanted_events(name)
        for path in wanted.requests:
            if not path.startswith(("/v2/", "/*", "*")):
                raise UsageError(
                    f"{path!r}: only requests to /v2/ are counted",
                    cure="write a path, as in '/v2/usercollection/*'",
                )


Step: TypeAlias = Trigger | Advance | Fault | Wait | Expect

STEPS: Mapping[str, type[Step]] = {
    "trigger": Trigger,
    "clock": Advance,
    "fault": Fault,
    "wait": Wait,
    "expect": Expect,
}
"""The class of each step, by the key that names the step in a file."""


class Scenario(msgspec.Struct, forbid_unknown_fields=True):
    """The content of a scenario file."""

    steps: list[dict[str, Any]]
    name: str = ""


def parse(document: Any) -> list[Step]:
    """Parse and check the steps of a scenario. Raises UsageError that says what is wrong in which step."""
    try:
        scenario = msgspec.convert(document, Scenario)
    except msgspec.ValidationError as wrong:
        raise UsageError(
            f"a scenario has `steps:`, and {wrong}", cure="write `steps:` and a list of steps"
        ) from None
    return [_step(number, raw) for number, raw in enumerate(scenario.steps, 1)]


def _step(number: int, raw: dict[str, Any]) -> Step:
    kinds = [name for name in STEPS if name in raw]
    if len(kinds) != 1:
        what = next(iter(raw), "nothing") if not kinds else " and ".join(kinds)
        close = difflib.get_close_matches(what, STEPS, n=1)
        raise UsageError(
            f"step {number}: {what!r} is not a step{f' (did you mean {close[0]!r}?)' if close else ''}",
            cure=f"each step has one of {', '.join(STEPS)}",
        )
    try:
        step = msgspec.convert(raw, STEPS[kinds[0]])
        step.check()
    except msgspec.ValidationError as wrong:
        shape = STEPS[kinds[0]].SHAPE
        raise UsageError(f"step {number} ({kinds[0]}): {wrong}", cure=f"write it as {shape}") from None
    except UsageError as wrong:
        raise UsageError(f"step {number} ({kinds[0]}): {wrong.message}", cure=wrong.cure) from None
    return step


_COMPARISONS = {
    ">=": operator.ge,
    "<=": operator.le,
    ">": operator.gt,
    "<": operator.lt,
    "!=": operator.ne,
    "": operator.eq,
}
_COUNT = re.compile(r"\s*(>=|<=|>|<|!=|)\s*(\d+)\s*")


def holds(wanted: int | str, found: int) -> bool:
    """Whether `found` meets the expectation `wanted`, which is a number (3) or a condition (">= 3").

    Raises UsageError for a condition that cannot be parsed.
    """
    match = _COUNT.fullmatch(str(wanted))
    if match is None:
        raise UsageError(f"{wanted!r} is not a count", cure='write 3, or ">= 3"')
    return bool(_COMPARISONS[match[1]](found, int(match[2])))
