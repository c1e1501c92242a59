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
from importlib import import_module

import click

from .._version import __version__
from ..errors import ConnectionFailed, InvalidToken, NotSignedIn, OAuthError, RingletError
from .shared import options
from .shared.commands import COMMANDS
from .shared.next_steps import command, program, remembered, render


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
    try:
        # Not `ringlet.main`: that would answer a closed pipe with exit code 1.
        with ringlet.make_context("ringlet", sys.argv[1:]) as context:
            try:
                code = ringlet.invoke(context)
            except RingletError as known:  # within the context, which knows the options that were typed
                return _fail(known.message, cure_for(known), known.exit_code)
        sys.stdout.flush()
    except BrokenPipeError:
        return _reader_has_gone()
    except BaseExceptionGroup as several:
        # Tasks that ran at once end together: what one of them met is what there is to say.
        if several.subgroup(BrokenPipeError):
            return _reader_has_gone()
        raise
    except click.exceptions.Exit as left:
        return left.exit_code
    except click.exceptions.NoArgsIsHelpError as bare:
        following = _help_for(bare) if bare.ctx.parent else command("demo")
        click.echo(f"{bare.format_message()}\n\nnext: {following}", err=True)
        return bare.exit_code
    except click.ClickException as wrong:
        return _fail(wrong.format_message(), _help_for(wrong), wrong.exit_code)
    except (KeyboardInterrupt, click.Abort):
        return _fail("interrupted", "run it again", 130)
    except Exception as unknown:
        if os.environ.get("RINGLET_DEBUG"):
            raise
        what = f"{type(unknown).__name__}: {unknown}"
        return _fail(what, "run again with RINGLET_DEBUG=1 for the traceback", 1)
    return code if isinstance(code, int) else 0


def _reader_has_gone() -> int:
    """End in silence where the reader of a pipe has: it has seen enough."""
    # Python flushes stdout once more on its way out: let that go nowhere.
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 0


def cure_for(error: RingletError) -> str:
    """What to do about an error, for the user at a prompt."""
    if error.cure == type(error).default_cure:
        return _default_cure(error) or render(error.cure) or _help()
    return render(error.cure)


def _default_cure(error: RingletError) -> str:
    """What to type, where the default cure is for programs: it would have them pass `token=...`."""
    match error:
        case NotSignedIn():
            return f"{command('login')}, or try it without an account: {command('demo')}"
        case InvalidToken():
            # A profile comes before OURA_ACCESS_TOKEN, so another token would not be looked at.
            profile = click.get_current_context().meta.get(options.PROFILE)
            return command("login") + ("" if profile else ", or export a fresh OURA_ACCESS_TOKEN")
        case OAuthError():
            return command("login")
        case ConnectionFailed(sent=False):
            from .cloud.control_client import unreached

            return unreached(remembered("--base-url"))
        case _:
            return ""


def _help_for(wrong: click.ClickException) -> str:
    context = getattr(wrong, "ctx", None)
    return _help(context.command_path.removeprefix("ringlet") if context else "")


def _help(path: str = "") -> str:
    return f"{program()}{path} --help"


def _fail(what: str, next_step: str, code: int) -> int:
    with contextlib.suppress(BrokenPipeError):
        click.echo(f"error: {what}\nnext: {next_step}", err=True)
    return code
