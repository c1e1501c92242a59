"""The command line: `ringlet COMMAND`. `shared/commands.py` lists the commands.

Rules of the command line:
* Results go to stdout. Remarks, progress and errors go to stderr.
* Every failure prints two lines on stderr, `error:` and `next:`, and has an exit code: 1 other failure, 2
  wrong usage, 3 partial success, 4 sign-in needed, 5 rate limited, 6 error of the archive, 130 interrupted.
* Only four commands print secrets, because secrets are their result: `auth token`, `listen --print-secret`,
  `serve`, and `demo --keep`, which repeats what its cloud printed.
* Modules that are slow to import are imported inside the functions that need them, so that `ringlet --help`
  is quick.
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


class LazyGroup(click.Group):
    """A click group that imports the module of a command only when the user types the command."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            # click suggests similar names from its registered commands, so all commands are registered.
            self.commands.update({name: _load(name) for name in COMMANDS})
            return None
        return _load(cmd_name)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, entry.help) for name, entry in COMMANDS.items()])


def _load(name: str) -> click.Command:
    loaded: click.Command = getattr(import_module(f"ringlet._cli.{COMMANDS[name].module}"), name)
    return loaded


@click.group(
    cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100}
)
@click.version_option(__version__, message="ringlet %(version)s")
def ringlet() -> None:
    """Your Oura data, both ends of the wire: fetch it, archive it, look at it, or serve it yourself.

    \b
    New here?        ringlet demo
    Your own data:   ringlet login ; ringlet sync ; ringlet show night
    No ring at all:  ringlet serve --demo
    """


def main() -> None:
    """The entry point of the program `ringlet`: runs a command and exits with its exit code."""
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(AttributeError, ValueError):
            stream.reconfigure(errors="replace")  # type: ignore[union-attr]  # other streams may lack the method
    sys.exit(run())


def run() -> int:
    """Run the command that the user typed. Returns the exit code."""
    try:
        # `ringlet.main` of click is not used: it ends with exit code 1 when stdout is a closed pipe.
        with ringlet.make_context("ringlet", sys.argv[1:]) as context:
            try:
                code = ringlet.invoke(context)
            except RingletError as known:  # Caught inside the context, because cures use the typed options.
                return _fail(known.message, cure_for(known), known.exit_code)
        sys.stdout.flush()
    except BrokenPipeError:
        return _reader_has_gone()
    except BaseExceptionGroup as several:
        # Concurrent tasks raise their errors as a group. A closed pipe among the errors ends the program.
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
    """End without a message, because the reader of stdout (such as `head`) has closed the pipe."""
    # Python flushes stdout once more when it exits. stdout becomes /dev/null, so that the flush succeeds.
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 0


def cure_for(error: RingletError) -> str:
    """Return the text after `next:` for an error: what the user can type to solve the problem."""
    if error.cure == type(error).default_cure:
        return _default_cure(error) or render(error.cure) or _help()
    return render(error.cure)


def _default_cure(error: RingletError) -> str:
    """Return the command that replaces a default cure written for programs, such as "pass `token=...`"."""
    match error:
        case NotSignedIn():
            return f"{command('login')}, or try it without an account: {command('demo')}"
        case InvalidToken():
            # With --profile, OURA_ACCESS_TOKEN is not used, so a new token in this variable has no effect.
            profile = click.get_current_context().meta.get(options.PROFILE)
            return command("login") + ("" if profile else ", or export a fresh OURA_ACCESS_TOKEN")
        case OAuthError():
            return command("login")
        case ConnectionFailed(sent=False):
            from .shared.control_client import unreached

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
