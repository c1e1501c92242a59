"""The command line: `ringlet VERB`, one verb per room.

    demo      the whole story on one screen              sync     fetch what is missing into the archive
    serve     an Oura Cloud of your own                  status   what the archive holds
    login     sign in, and keep it                       show     look at a night
    auth      a kept sign-in: look, renew, end           api      one raw request
    webhooks  subscriptions, and what was delivered      listen   a cloud's events, as they happen
    trigger   make an event happen                       clock    let time pass in a cloud of your own
    fault     let something go wrong                     scenario all of that from a file, with expectations

Rules of this house:
* Results on stdout, everything else on stderr.
* Every failure is two lines on stderr, `error:` and `next:`, and an exit code: 1 failure, 2 usage, 3 partial,
  4 sign-in needed, 5 rate limited, 6 archive, 130 interrupted with what was done saved.
* No secret is printed, but by `serve` (and by `demo --keep`, which relays it): a cloud of one's own has to
  say how it opens. And by `auth token` and `listen --print-secret`, whose result it is.
* Heavy imports stand inside the verbs, so that `ringlet --help` starts at once.
"""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Mapping
from importlib import import_module
from typing import Any

import click

from .._version import __version__
from ..errors import ConnectionFailed, InvalidToken, NotSignedIn, OAuthError, RingletError
from .shared import next_steps as again
from .shared import options
from .shared.commands import COMMANDS


class Commands(click.Group):
    """The group whose commands are loaded when they are named."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            # click suggests among the registered ones
            self.commands.update({name: _load(name) for name in COMMANDS})
            return None
        return _load(cmd_name)


def _load(verb: str) -> click.Command:
    command: click.Command = getattr(import_module(f"ringlet._cli.{COMMANDS[verb]}"), verb)
    return command


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, message="ringlet %(version)s")
def ringlet() -> None:
    """Your Oura data, both ends of the wire: ask for it, keep it, look at it, or serve it yourself.

    \b
    New here?        ringlet demo
    Your own data:   ringlet login ; ringlet sync ; ringlet show night
    No ring at all:  ringlet serve --demo
    """


def main() -> None:
    """The program: run a verb, and turn every ending into an exit code."""
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(AttributeError, ValueError):
            stream.reconfigure(errors="replace")  # type: ignore[union-attr]  # a replaced stream may not offer it
    sys.exit(run())


def run() -> int:
    """Carry the command line out; the exit code."""
    about: dict[str, Any] = {}
    try:
        # Not `ringlet.main`: that would answer a closed pipe with exit code 1.
        with ringlet.make_context("ringlet", sys.argv[1:]) as context:
            about = context.meta
            code = ringlet.invoke(context)
        sys.stdout.flush()
    except BrokenPipeError:
        return _seen_enough()
    except BaseExceptionGroup as several:
        # Tasks that ran at once end together: what one of them met is what there is to say.
        if several.subgroup(BrokenPipeError):
            return _seen_enough()
        raise
    except click.exceptions.Exit as left:
        return left.exit_code
    except click.exceptions.NoArgsIsHelpError as bare:
        following = _help_for(bare) if bare.ctx.parent else "ringlet demo"
        click.echo(f"{bare.format_message()}\n\nnext: {again.as_started(following)}", err=True)
        return bare.exit_code
    except click.ClickException as wrong:
        return _said(wrong.format_message(), _help_for(wrong), wrong.exit_code)
    except (KeyboardInterrupt, click.Abort):
        return _said("interrupted", "run it again", 130)
    except RingletError as known:
        return _said(known.message, cure_for(known, about), known.exit_code)
    except Exception as unknown:
        if os.environ.get("RINGLET_DEBUG"):
            raise
        what = f"{type(unknown).__name__}: {unknown}"
        return _said(what, "run again with RINGLET_DEBUG=1 for the traceback", 1)
    return code if isinstance(code, int) else 0


def _seen_enough() -> int:
    """The reader of a pipe has gone. Python flushes stdout once more on its way out: let that go nowhere."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 0


CURES: dict[type[RingletError], str] = {
    NotSignedIn: "ringlet login, or try it without an account: ringlet demo",
    InvalidToken: "ringlet login, or export a fresh OURA_ACCESS_TOKEN",
    OAuthError: "ringlet login",
}
"""Default cures that read differently at a prompt than in a program."""


def cure_for(error: RingletError, about: Mapping[str, Any]) -> str:
    """What to do next, as one would type it, `about` what was typed (click's `meta`).

    To sign in without a name that was given would put one person's sign-in in another's place.
    """
    by_default = error.cure == type(error).default_cure
    cure = (CURES.get(type(error)) if by_default else None) or error.cure or "ringlet --help"
    if by_default and isinstance(error, InvalidToken) and about.get(options.WHOSE):
        cure = "ringlet login"  # a variable would come after the profile
    if by_default and isinstance(error, ConnectionFailed) and not error.sent:
        from .cloud.control_client import unreached

        cure = unreached(again.remembered(about, "--base-url")) or cure
    return again.same(cure, about)


def _help_for(wrong: click.ClickException) -> str:
    context = getattr(wrong, "ctx", None)
    return f"{context.command_path if context else 'ringlet'} --help"


def _said(what: str, next_step: str, code: int) -> int:
    with contextlib.suppress(BrokenPipeError):
        click.echo(f"error: {what}\nnext: {again.as_started(next_step)}", err=True)
    return code
