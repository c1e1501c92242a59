"""Builds the commands in `next:` lines: complete, with the options that the user typed for this command.

    command("sync")         ringlet sync --db mine.db --profile mum   a command, with the options typed before
    repeat("--port", "0")   ringlet serve --demo --port 0             the command typed, with one option
    changed render(error.cure)      fill it first: ringlet sync               a `Cure`, with the command for
    its action

Rules of this file:
* An option from the environment is not repeated: the variable is still set for the next command.
* A secret is never repeated, nor a database URL that may hold a password: `...` stands in its place.
* If `ringlet` on PATH is not the running program, the path of the running program is shown instead.
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
"""For each suggested command, the options that it takes over from what the user typed.

They name the archive, the cloud or the sign-in. A command that is not listed takes over no options: the
simulated wearer of `serve --demo` must not get into the archive that the user typed.
"""

COMMANDS_OF_ACTIONS: Mapping[Action, str] = {
    Action.SIGN_IN: "login",
    Action.SHOW_SIGN_IN: "auth status",
    Action.SYNC: "sync",
    Action.SERVE: "serve",
}
"""The command for each action of a cure.

`Action.REPEAT` is missing: it repeats the command that was typed.
"""

_OPPOSITES = {"--from-now": "--from-start"}
"""Flags that exclude each other: suggesting the first drops the second."""

_TYPED = "ringlet.typed"
_SECRETS = "ringlet.secrets"
"""Keys of click's `context.meta`, which all contexts of a run share: options as typed, secret values."""


def remember(meta: MutableMapping[str, Any], option: str, value: str) -> None:
    """Store an option that the user typed, so that suggested commands can take it over."""
    meta.setdefault(_TYPED, {})[option] = value


def remembered(option: str) -> str | None:
    """The value that the user typed for an option, stored by `remember`; None if the option was not typed."""
    typed: Mapping[str, str] = _meta().get(_TYPED, {})
    return typed.get(option)


def hide(meta: MutableMapping[str, Any], value: str) -> None:
    """Store a secret that the user typed, so that suggested commands show `...` in its place."""
    meta.setdefault(_SECRETS, set()).add(value)


def command(name: str, *words: str, **options: str) -> str:
    """A suggested command: a name, words, and options that are given here or that the user typed.

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
    """The command that the user typed, with the value of one option replaced, or with the option added."""
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
                next(typed, "")  # skip the old value of the option
        elif word != _OPPOSITES.get(option):
            words.append(repeated(word))
    return " ".join(filter(None, [*words, option, value]))


def render(cure: str) -> str:
    """The text of a cure for the command line: what to do, a colon, and the command that does it.

    The text is left out where it only names the action, e.g. "sign in".
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
    """The word that starts this program: `ringlet`, or its path if PATH leads to another `ringlet`."""
    from pathlib import Path  # Imported here, because `ringlet --help` does not need these modules.
    from shutil import which

    started = Path(sys.argv[0])
    if started.stem != "ringlet":
        return "ringlet"  # Started as `python -m ringlet`, or by a test.
    found = which("ringlet")
    # On Windows sys.argv[0] lacks the suffix .exe, and the result of `which` has it.
    is_same = found and Path(found).with_suffix("").resolve() == started.with_suffix("").resolve()
    return "ringlet" if is_same else shlex.quote(sys.argv[0])


def shown_value(value: str) -> str:
    """A value quoted for a shell; `...` where the value may contain a password."""
    return "..." if may_hold_password(value) else shlex.quote(value)


def may_hold_password(url: str) -> bool:
    """Whether a database URL may contain a password: before the host, or in a parameter of libpq."""
    from urllib.parse import unquote

    plain = unquote(url)
    return ":" in plain.partition("://")[2].rpartition("@")[0] or "password" in plain.lower()


def _meta() -> Mapping[str, Any]:
    context = click.get_current_context(silent=True)
    return context.meta if context else {}
