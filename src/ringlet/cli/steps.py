"""The steps of a scenario: what each looks like in a file, and what it asks of a cloud.

    trigger: sleep.update         also user, override {field: value}, count
    clock: 1d                     also settle: 10 (real seconds, until all that is due is sent)
    fault: drop                   also path, status, seconds, probability, times; `fault: clear` ends all
    wait: 2.5                     real seconds
    expect: {events: {"sleep.*": 1}, deliveries: {delivered: ">= 1"}, requests: {"/v2/*": 3}}
                                  also within: 10 (real seconds, until it comes true)

What is expected is counted from the beginning of the scenario: a number, or a comparison with one.

Rules of this file:
* A file is understood whole before its first step is done: nothing happens on behalf of a slip of the pen.
"""

from __future__ import annotations

import difflib
import operator
import re
from collections.abc import Callable, Mapping
from fnmatch import fnmatchcase
from typing import Annotated, Any, Literal, TypeAlias

import msgspec

from ..errors import UsageError

Count: TypeAlias = Annotated[int, msgspec.Meta(ge=0)] | str
Counted: TypeAlias = Callable[[str, str], int]
"""How many there are of a kind (`events`) under a name (`sleep.*`)."""


class Trigger(msgspec.Struct, forbid_unknown_fields=True):
    """Let an event happen."""

    trigger: str
    user: str | None = None
    override: dict[str, Any] = {}
    count: int = 1


class Advance(msgspec.Struct, forbid_unknown_fields=True):
    """Let time pass."""

    clock: str | float
    settle: float = 10.0


class Fault(msgspec.Struct, forbid_unknown_fields=True, omit_defaults=True):
    """Let something go wrong, or nothing any more."""

    fault: Literal["drop", "status", "delay", "clear"]
    path: str | None = None
    status: int | None = None
    seconds: float | None = None
    probability: float | None = None
    times: int | None = None


class Wait(msgspec.Struct, forbid_unknown_fields=True):
    """Do nothing for a while."""

    wait: Annotated[float, msgspec.Meta(ge=0, le=3600)]


class Expected(msgspec.Struct, forbid_unknown_fields=True):
    """What is to be true: counts by the name of an event, the state of a delivery, the path of a request."""

    events: dict[str, Count] = {}
    deliveries: dict[Literal["waiting", "delivered", "failed"], Count] = {}
    requests: dict[str, Count] = {}

    def missed(self, counted: Counted) -> list[str]:
        """What is otherwise, a line for each."""
        lines: list[str] = []
        for kind in self.__struct_fields__:
            wanted: Mapping[str, int | str] = getattr(self, kind)
            for name, count in wanted.items():
                found = counted(kind, name)
                if not holds(count, found):
                    lines.append(f"{kind} {name}: expected {count}, there are {found}")
        return lines


class Expect(msgspec.Struct, forbid_unknown_fields=True):
    """See whether something is true, or comes true."""

    expect: Expected
    within: Annotated[float, msgspec.Meta(ge=0, le=3600)] = 0.0


Step: TypeAlias = Trigger | Advance | Fault | Wait | Expect

STEPS: Mapping[str, type[Step]] = {
    "trigger": Trigger,
    "clock": Advance,
    "fault": Fault,
    "wait": Wait,
    "expect": Expect,
}
"""The steps by the key that makes them so."""


class Scenario(msgspec.Struct, forbid_unknown_fields=True):
    """A file."""

    steps: list[dict[str, Any]]
    name: str = ""


def understood(document: Any) -> list[Step]:
    """The steps of a scenario. Raises UsageError, which says which step is wrong, and how."""
    try:
        scenario = msgspec.convert(document, Scenario)
    except msgspec.ValidationError as wrong:
        raise UsageError(f"this is no scenario: {wrong}", cure="write `steps:` and a list of steps") from None
    return [_step(number, raw) for number, raw in enumerate(scenario.steps, 1)]


def _step(number: int, raw: dict[str, Any]) -> Step:
    kinds = [name for name in STEPS if name in raw]
    if len(kinds) != 1:
        what = next(iter(raw), "nothing") if not kinds else " and ".join(kinds)
        close = difflib.get_close_matches(what, STEPS, n=1)
        raise UsageError(
            f"step {number}: {what!r} is no step{f' (did you mean {close[0]!r}?)' if close else ''}",
            cure=f"each step has one of {', '.join(STEPS)}",
        )
    try:
        step = msgspec.convert(raw, STEPS[kinds[0]])
        if isinstance(step, Expect):
            for counts in (step.expect.events, step.expect.deliveries, step.expect.requests):
                for count in counts.values():
                    holds(count, 0)
        if isinstance(step, Fault) and (step.fault == "clear") != (step.path is None):
            raise UsageError("a fault has a path, and `clear` has none")
    except (msgspec.ValidationError, UsageError) as wrong:
        fields = ", ".join(STEPS[kinds[0]].__struct_fields__)
        raise UsageError(f"step {number} ({kinds[0]}): {wrong}", cure=f"it may have {fields}") from None
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
    """Whether a count is as expected: 3, or ">= 3". Raises UsageError."""
    match = _COUNT.fullmatch(str(wanted))
    if match is None:
        raise UsageError(f"{wanted!r} is no count", cure='write 3, or ">= 3"')
    return bool(_COMPARISONS[match[1]](found, int(match[2])))


def covers(pattern: str, name: str) -> bool:
    """Whether a name is among those that a pattern means; a data type alone means all its events."""
    return fnmatchcase(name, pattern) or fnmatchcase(name, f"{pattern}.*")
