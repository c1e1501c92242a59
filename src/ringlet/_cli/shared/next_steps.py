"""Builds the commands that `next:` lines suggest, with the options that the user typed for this command.

    command("sync")         ringlet sync --db mine.db --profile mum   a command, with the options typed before
    repeat("--port", "0")   ringlet serve --demo --port 0             the command typed, with one option
    changed render(error.cure)      fill it first: ringlet sync               a `Cure`, with the command for
    its action

Rules of this file:
* An option from the environment is not repeated: the variable is still set for the next command.
* A secret or a database URL that may contain a password is not repeated: `...` stands in its place.
* If `ringlet` on PATH is not the running program, commands begin with the path of the running program.
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

These options name the archive, the cloud or the sign-in. A command that is not listed takes over no options.
In particular `serve --demo` does not take over `--db`: it must not write into the user's own archive.
"""

COMMANDS_OF_ACTIONS: Mapping[Action, str] = {
    Action.SIGN_IN: "login",
    Action.SHOW_SIGN_IN: "auth status",
    Action.SYNC: "sync",
    Action.SERVE: "serve",
}
"""The command for each action of a cure.

`Action.REPEAT` is missing here, because it repeats the command that the user typed.
"""

_OPPOSITES = {"--from-now": "--from-start"}
"""Flags that exclude each other. A suggestion that adds the first one leaves the second one out."""

_TYPED = "ringlet.typed"
_SECRETS = "ringlet.secrets"
"""Keys of click's `context.meta`, which lasts for one run: options that the user typed, secret values."""


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
    """Build a suggested command from its name, its words, its options, and options that the user typed.

    An example is `command("webhooks update", "ID", "--callback", "URL")`. The keyword argument
    `redirect_uri=uri` becomes the option `--redirect-uri URI`.
    """
    given = {f"--{option.replace('_', '-')}": value for option, value in options.items()}
    typed: Mapping[str, str] = _meta().get(_TYPED, {})
    for option in CARRIED_OPTIONS.get(name, ()):
        if option in typed and option not in words:
            given.setdefault(option, typed[option])
    shown = [f"{option} {shown_value(value)}" for option, value in given.items()]
    return " ".join([program(), name, *shown, *words])


def repeat(option: str, value: str = "") -> str:
    """Build the command that the user typed, with one option added or its value replaced."""
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
    """Format a cure for the command line: what to do, a colon, and the command that does it.

    If the text only names the action, such as "sign in", the command alone is returned.
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
    """The word that starts this program: `ringlet`, or its path if `ringlet` on PATH is another program."""
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
    """Quote a value for a shell. A value that may contain a password becomes `...`."""
    return "..." if may_hold_password(value) else shlex.quote(value)


def may_hold_password(url: str) -> bool:
    """Whether a database URL may contain a password, before its host or in a parameter of libpq."""
    from urllib.parse import unquote

    plain = unquote(url)
    return ":" in plain.partition("://")[2].rpartition("@")[0] or "password" in plain.lower()


def _meta() -> Mapping[str, Any]:
    context = click.get_current_context(silent=True)
    return context.meta if context else {}
