"""What is typed next is about the same: a command that is suggested carries the options that were typed.

Rules of this file:
* What came from the environment is still there the next time, and is not repeated.
* A place that may hold a password is not repeated either; its option then stands with `...`.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping, MutableMapping
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

_COMMAND = re.compile(rf"\bringlet ({'|'.join(TAKES)})\b")
_END = re.compile(r"[;,()]|\bringlet ")
"""Where one suggestion ends and other words, or another suggestion, begin."""
_TYPED = "ringlet.typed"
"""Under which name options are remembered, in the `meta` of click's context."""


def remember(meta: MutableMapping[str, Any], option: str, value: str) -> None:
    """An option was typed."""
    meta.setdefault(_TYPED, {})[option] = value


def same(text: str, meta: Mapping[str, Any] | None = None) -> str:
    """`text`, its commands about what was typed: by default in the command that runs."""
    if meta is None:
        context = click.get_current_context(silent=True)
        meta = context.meta if context else {}
    typed: Mapping[str, str] = meta.get(_TYPED, {})

    def carrying(found: re.Match[str]) -> str:
        said = _END.split(text[found.end() :], maxsplit=1)[0]
        more = [
            f" {option} {shown(typed[option])}"
            for option in TAKES[found[1]]
            if option in typed and option not in said
        ]
        return "".join([found[0], *more])

    return _COMMAND.sub(carrying, text) if typed else text


def shown(value: str) -> str:
    """A value as one types it; `...` where it may hold a password."""
    return "..." if holds_password(value) else shlex.quote(value)


def holds_password(place: str) -> bool:
    """Whether a password may stand in a place: before the host, or as a parameter (libpq knows several)."""
    plain = unquote(place)
    return ":" in plain.partition("://")[2].rpartition("@")[0] or "password" in plain.lower()
