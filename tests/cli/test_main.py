"""The group: lazy, forgiving about typing mistakes, and never a traceback."""

import subprocess
import sys

import click

HEAVY = (
    "httpcore2",
    "starlette",
    "sqlite3",
    "backports.zstd",
    "rich",
    "msgspec",
    "jinja2",
    "uvicorn",
    "asyncio",
)


def test_help_imports_nothing_heavy(ringlet):
    code = (
        "import sys; sys.argv = ['ringlet', '--help']\n"
        "from ringlet._cli.main import run; run()\n"
        f"print('HEAVY', [name for name in {HEAVY!r} if name in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], check=False, env=ringlet.env(), capture_output=True, encoding="utf-8"
    )
    assert done.stdout.strip().endswith("HEAVY []"), done.stderr


def test_help_names_every_verb(ringlet):
    from ringlet._cli.shared.commands import COMMANDS

    said = ringlet("--help").stdout
    assert all(f"\n  {verb} " in said for verb in COMMANDS)


def test_help_says_what_the_commands_say_of_themselves():
    from ringlet._cli.main import ringlet
    from ringlet._cli.shared.commands import COMMANDS

    for name, entry in COMMANDS.items():
        command = ringlet.get_command(click.Context(ringlet), name)
        assert command
        assert command.get_short_help_str(limit=200) == entry.help


def test_help_imports_no_command(ringlet):
    code = (
        "import sys; sys.argv = ['ringlet', '--help']\n"
        "from ringlet._cli.main import run; run()\n"
        "print([one for one in sys.modules if one.startswith('ringlet._cli.') and '.shared' not in one])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], check=False, env=ringlet.env(), capture_output=True, encoding="utf-8"
    )
    assert done.stdout.endswith("['ringlet._cli.main']\n"), done.stderr


def test_every_verb_explains_itself(ringlet):
    from ringlet._cli.shared.commands import COMMANDS

    for verb in COMMANDS:
        done = ringlet(verb, "--help")
        assert done.returncode == 0
        assert done.stdout.startswith(f"Usage: ringlet {verb}")


def test_version(ringlet):
    from ringlet import __version__

    assert ringlet("--version").stdout == f"ringlet {__version__}\n"


def test_bare_call_shows_the_way(ringlet):
    done = ringlet()
    assert done.returncode == 2
    assert "Commands:" in done.stderr
    assert done.stderr.endswith("next: ringlet demo\n")


def test_unknown_command_suggests(ringlet, refused):
    refused(ringlet("snyc"), 2, "Did you mean 'sync'?", "ringlet --help")


def test_unknown_option_suggests(ringlet, refused):
    refused(ringlet("sync", "--sinc", "7d"), 2, "--since", "ringlet sync --help")


def test_surplus_argument(ringlet, refused):
    refused(ringlet("status", "everything"), 2, "unexpected extra argument", "ringlet status --help")


def test_unexpected_failure_is_two_lines_and_debug_shows_the_rest(ringlet, tmp_path, refused):
    """A dependency that cannot be imported is nothing we planned for."""
    broken = {"PYTHONPATH": str(tmp_path)}
    (tmp_path / "platformdirs.py").write_text("raise RuntimeError('odd')")
    refused(ringlet("status", **broken), 1, "RuntimeError: odd", "RINGLET_DEBUG=1")
    assert "Traceback" in ringlet("status", RINGLET_DEBUG="1", **broken).stderr


def test_closed_pipe_is_success(ringlet, synced):
    reading = ringlet.start("status", "--db", synced)
    reading.stdout.close()
    assert reading.wait(timeout=60) == 0
    assert reading.stderr.read() == ""
    reading.stderr.close()


def test_screen_without_unicode_still_prints(ringlet, synced):
    done = ringlet("show", "night", "--db", synced, PYTHONIOENCODING="ascii", PYTHONUTF8="0")
    assert done.returncode == 0
    assert "efficiency" in done.stdout
