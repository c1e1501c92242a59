"""Commands to type next, as they stand in `next:` lines: complete, and about what this command was about.

    command("sync")         ringlet sync --db mine.db --profile mum   with the options that the user typed
    repeat("--port", "0")   ringlet serve --demo --port 0             what was typed, but for one option
    render(error.cure)      fill it first: ringlet sync               a `Cure` and the command of its action

Rules of this file:
* An option from the environment is not repeated: the variable is still set for the next command.
* A secret is never repeated, nor a database URL that may hold a password: `...` stands in its place.
* Where `ringlet` on PATH is not the program that runs, its path is shown instead.
"""

from __future__ import annotations

import shlex
import sys
from collections.abc import Mapping, MutableMapping
from typing import Any

import click

from ...errors import Action, Cure

CARRIED_OPTIONS: Mapping[str, tuple[str, ...]] = {
    "sync": ("--db", "--base-url", "--profile"),
    "status": ("--db", "--user"),
    "show night": ("--db", "--user"),
    "login": ("--base-url", "--profile"),
    "auth status": ("--base-url", "--profile"),
    "auth logout": ("--base-url", "--profile"),
    "webhooks list": ("--base-url", "--profile"),
    "webhooks create": ("--base-url", "--profile"),
    "webhooks update": ("--base-url", "--profile"),
    "webhooks deliveries": ("--base-url",),
    "listen": ("--base-url",),
    "trigger": ("--base-url",),
    "clock": ("--base-url",),
    "clock advance": ("--base-url",),
}
"""The options that say which archive, cloud or sign-in is meant, for each command that is suggested.

A command that is not listed carries none. `serve --demo` must not: its simulated wearer does not belong into
the archive that the user typed.
"""

COMMANDS_OF_ACTIONS: Mapping[Action, str] = {
    Action.SIGN_IN: "login",
    Action.SHOW_SIGN_IN: "auth status",
    Action.SYNC: "sync",
    Action.SERVE: "serve",
}
"""`REPEAT` has no command of its own: it is the one that the user typed."""

_OPPOSITES = {"--from-now": "--from-start"}
"""Flags that exclude each other: suggesting the first drops the second."""

_TYPED = "ringlet.typed"
_SECRETS = "ringlet.secrets"
"""Keys of click's `meta`, which a command shares with its group: options as typed, and secret values."""


def remember(meta: MutableMapping[str, Any], option: str, value: str) -> None:
    """Note that the user typed an option, for the commands that are suggested."""
    meta.setdefault(_TYPED, {})[option] = value


def remembered(option: str) -> str | None:
    """What the user typed as an option that was noted with `remember`."""
    typed: Mapping[str, str] = _meta().get(_TYPED, {})
    return typed.get(option)


def hide(meta: MutableMapping[str, Any], value: str) -> None:
    """Note that the user typed a secret, which is not to be shown."""
    meta.setdefault(_SECRETS, set()).add(value)


def command(name: str, *words: str, **options: str) -> str:
    """A command to type: its name and words as given, its options as given or as the user typed them.

    `command("webhooks update", "ID", "--callback", "URL")`; options are named as in the library, so
    `redirect_uri=uri` becomes `--redirect-uri URI`.
    """
    given = {f"--{option.replace('_', '-')}": value for option, value in options.items()}
    typed: Mapping[str, str] = _meta().get(_TYPED, {})
    for option in CARRIED_OPTIONS.get(name, ()):
        if option in typed and option not in words:
            given.setdefault(option, typed[option])
    shown = [f"{option} {shown_value(value)}" for option, value in given.items()]
    return " ".join([program(), name, *shown, *words])


def repeat(option: str, value: str = "") -> str:
    """The command that the user typed, with this option in place of what it said of it."""
    secrets = _meta().get(_SECRETS, ())

    def repeated(word: str) -> str:
        name, equals, given = word.partition("=")
        if equals and name.startswith("--"):
            return f"{name}={repeated(given)}"
        return "..." if word in secrets else shown_value(word)

    words = [program()]
    typed = iter(sys.argv[1:])
    for word in typed:
        name, equals, _ = word.partition("=")
        if name == option:
            if value and not equals:
                next(typed, "")  # the value that stood there
        elif word != _OPPOSITES.get(option):
            words.append(repeated(word))
    return " ".join(filter(None, [*words, option, value]))


def render(cure: str) -> str:
    """A cure for the command line: its text and, after a colon, the command for its action.

    Where the text says the action and no more, the command alone.
    """
    if not isinstance(cure, Cure) or cure.action is None:
        return cure
    if cure.action is Action.REPEAT:
        ((option, value),) = cure.options.items()
        line = repeat(f"--{option}", value)
    else:
        line = command(COMMANDS_OF_ACTIONS[cure.action], **cure.options)
    return line if cure == cure.action.value else f"{cure}: {line}"


def program() -> str:
    """How this program is called: `ringlet`, or the path it was started by where PATH leads elsewhere."""
    from pathlib import Path  # both here, since `ringlet --help` does without
    from shutil import which

    started = Path(sys.argv[0])
    if started.stem != "ringlet":
        return "ringlet"  # `python -m ringlet`, or a test: there is no better name
    found = which("ringlet")
    # Windows leaves .exe out of the name that a program was started by, and puts it into what PATH leads to.
    is_same = found and Path(found).with_suffix("").resolve() == started.with_suffix("").resolve()
    return "ringlet" if is_same else shlex.quote(sys.argv[0])


def shown_value(value: str) -> str:
    """A value as a shell reads it; `...` where it may hold a password."""
    return "..." if may_hold_password(value) else shlex.quote(value)


def may_hold_password(url: str) -> bool:
    """Whether a password may stand in a database URL: before the host, or in one of libpq's parameters."""
    from urllib.parse import unquote

    plain = unquote(url)
    return ":" in plain.partition("://")[2].rpartition("@")[0] or "password" in plain.lower()


def _meta() -> Mapping[str, Any]:
    context = click.get_current_context(silent=True)
    return context.meta if context else {}
