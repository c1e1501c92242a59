"""What is typed next is about the same: a command that is suggested carries the options that were typed.

"the same again with --port 0, for a reason" at the end of a suggestion stands for the line that was typed,
but for that option.

Rules of this file:
* What came from the environment is still there the next time, and is not repeated.
* A secret, or a place that may hold a password, is not repeated either; its option then stands with `...`.
* Who started the program by its path is told that path where `ringlet` alone would not be this program.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import sys
from collections.abc import Collection, Mapping, MutableMapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import click

TAKES: Mapping[str, tuple[str, ...]] = {
    "sync": ("--db", "--base-url", "--profile"),
    "status": ("--db", "--user"),
    "show night": ("--db", "--user"),
    "login": ("--base-url", "--profile"),
    "auth logout": ("--base-url", "--profile"),
    "webhooks list": ("--base-url", "--profile"),
    "webhooks create": ("--base-url", "--profile"),
    "webhooks update": ("--base-url", "--profile"),
    "webhooks deliveries": ("--base-url",),
    "listen": ("--base-url",),
    "clock advance": ("--base-url",),
    "serve": ("--db",),
}
"""The commands that are suggested, each with what has to be the same the next time."""

_COMMAND = re.compile(rf"\bringlet ({'|'.join(TAKES)})\b(?! --demo)")
"""One of them; not `serve --demo`, whose made-up wearer has no business in the archive that was typed."""
_AGAIN = re.compile(r"\bthe same again with (--[a-z-]+)(?: (\w+))?(?:, (.+))?$")
_OPPOSITES = {"--from-now": "--from-start"}
"""Flags that cannot be meant together: the one takes the place of the other."""
_END = re.compile(r"[;,()]|\bringlet ")
"""Where one suggestion ends and other words, or another suggestion, begin."""
_TYPED = "ringlet.typed"
"""Under which name options are remembered, in the `meta` of click's context."""
_SECRETS = "ringlet.secrets"
"""The same for what was typed and is not to be repeated."""


def remember(meta: MutableMapping[str, Any], option: str, value: str) -> None:
    """An option was typed."""
    meta.setdefault(_TYPED, {})[option] = value


def remembered(meta: Mapping[str, Any], option: str) -> str | None:
    """What was typed as this option."""
    typed: Mapping[str, str] = meta.get(_TYPED, {})
    return typed.get(option)


def conceal(meta: MutableMapping[str, Any], value: str) -> None:
    """A secret was typed."""
    meta.setdefault(_SECRETS, set()).add(value)


def _line(typed: Sequence[str], option: str, value: str, secrets: Collection[str]) -> str:
    """What was typed, with an option instead of what it said of that."""

    def repeated(word: str) -> str:
        name, equals, given = word.partition("=")
        if equals and name.startswith("--"):
            return f"{name}={repeated(given)}"
        return "..." if word in secrets else shown(word)

    kept = ["ringlet"]
    words = iter(typed)
    for word in words:
        name, equals, _ = word.partition("=")
        if name != option:
            kept += [repeated(word)] if word != _OPPOSITES.get(option) else []
        elif value and not equals:
            next(words, "")
    return " ".join(filter(None, [*kept, option, value]))


def same(text: str, meta: Mapping[str, Any] | None = None) -> str:
    """`text`, its commands about what was typed: by default in the command that runs."""
    if meta is None:
        context = click.get_current_context(silent=True)
        meta = context.meta if context else {}
    secrets: Collection[str] = meta.get(_SECRETS, ())
    typed: Mapping[str, str] = meta.get(_TYPED, {})

    def carrying(found: re.Match[str]) -> str:
        said = _END.split(text[found.end() :], maxsplit=1)[0]
        more = [
            f" {option} {shown(typed[option])}"
            for option in TAKES[found[1]]
            if option in typed and option not in said
        ]
        return "".join([found[0], *more])

    def retyped(found: re.Match[str]) -> str:
        why = f"   ({found[3]})" if found[3] else ""
        return _line(sys.argv[1:], found[1], found[2] or "", secrets) + why

    return _AGAIN.sub(retyped, _COMMAND.sub(carrying, text) if typed else text)


def as_started(text: str) -> str:
    """`text`, its commands by the path that this program was started by, where PATH does not lead to it."""
    started = Path(sys.argv[0])
    if started.stem != "ringlet" or _is_same(started, shutil.which("ringlet")):
        return text
    from .commands import COMMANDS

    path = shlex.quote(sys.argv[0])
    return re.sub(rf"(?<![\w/.-])ringlet (?=(?:--|{'|'.join(COMMANDS)})\b)", lambda _: f"{path} ", text)


def _is_same(started: Path, found: str | None) -> bool:
    # On Windows the one is named without its .exe.
    real = (os.path.realpath(Path(one).with_suffix("")) for one in (started, found or os.devnull))
    return len(set(real)) == 1


def shown(value: str) -> str:
    """A value as one types it; `...` where it may hold a password."""
    return "..." if holds_password(value) else shlex.quote(value)


def holds_password(place: str) -> bool:
    """Whether a password may stand in a place: before the host, or as a parameter (libpq knows several)."""
    plain = unquote(place)
    return ":" in plain.partition("://")[2].rpartition("@")[0] or "password" in plain.lower()
