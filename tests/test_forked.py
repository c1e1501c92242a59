"""A program that is forked is a process of its own, as if an interpreter had been started for it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from . import forked
from .paths import ROOT

pytestmark = pytest.mark.skipif(not forked.AVAILABLE, reason="this operating system has no fork")

TIMEOUT_S = 30
WAITING = "import time; print('ready', flush=True); time.sleep(600)"


def first_line(process: subprocess.Popen[str]) -> str:
    assert process.stdout
    return process.stdout.readline()


def test_it_has_its_arguments_its_streams_and_its_exit_code(tmp_path: Path) -> None:
    code = "import sys; print(sys.argv, sys.stdin.read()); print('complaint', file=sys.stderr); sys.exit(3)"
    done = forked.run(["-c", code, "one"], input="question")
    assert (done.returncode, done.stdout, done.stderr) == (3, "['-c', 'one'] question\n", "complaint\n")
    file = tmp_path / "program.py"
    file.write_text("import os, sys; print(__name__, sys.argv[1:], os.environ['HOME'], os.getcwd())")
    done = forked.run([file, "two"], env={"HOME": "there"}, cwd=tmp_path)
    assert done.stdout == f"__main__ ['two'] there {tmp_path}\n"


@pytest.mark.parametrize(
    ("code", "exit_code", "last"),
    [
        ("1 / 0", 1, "ZeroDivisionError: division by zero"),
        ("import sys; sys.exit('what happened')", 1, "what happened"),
        ("import warnings; warnings.warn('a warning')", 1, "UserWarning: a warning"),
        ("import atexit; atexit.register(print, 'at the end', flush=True)", 0, None),
        ("import threading, time; threading.Thread(target=time.sleep, args=(0.1,)).start()", 0, None),
        ("import os; os.kill(os.getpid(), 15)", -signal.SIGTERM, None),
    ],
)
def test_it_ends_as_an_interpreter_does(code: str, exit_code: int, last: str | None) -> None:
    """Compared with an interpreter, down to what it prints."""
    command = [sys.executable, "-W", "error", "-c", code]
    real = subprocess.run(command, check=False, capture_output=True, text=True)
    done = forked.run(["-c", code])
    assert done.returncode == real.returncode == exit_code
    assert done.stdout == real.stdout
    assert done.stderr.splitlines()[-1:] == real.stderr.splitlines()[-1:] == ([last] if last else [])


def test_it_inherits_no_descriptor_no_thread_and_no_handler_of_signals() -> None:
    """Not even the pipes of another program, of which nobody would see the end otherwise."""
    code = """
import os, signal, threading
print([one for one in range(3, 256) if os.path.exists(f"/dev/fd/{one}")])
print(threading.active_count())
print([signal.getsignal(one) for one in (signal.SIGTERM, signal.SIGCHLD)] == [signal.SIG_DFL] * 2)
print(signal.getsignal(signal.SIGINT) is signal.default_int_handler)
"""
    with forked.start(["-c", WAITING]) as other:
        first_line(other)
        assert forked.run(["-c", code]).stdout.splitlines() == ["[]", "1", "True", "True"]
        other.kill()


def test_the_end_of_a_pipe_comes_with_the_end_of_its_program() -> None:
    reading = "import sys; print('ready', flush=True); print(sys.stdin.read())"
    with (
        forked.start(["-c", reading], stdin=subprocess.PIPE) as first,
        forked.start(["-c", WAITING]) as second,
    ):
        assert [first_line(first), first_line(second)] == ["ready\n"] * 2
        assert first.communicate("a question", timeout=TIMEOUT_S)[0] == "a question\n"
        assert second.poll() is None
        second.terminate()
        assert second.communicate(timeout=TIMEOUT_S)[0] == ""
        assert second.returncode == -signal.SIGTERM


def test_its_pid_is_the_programs_own() -> None:
    with forked.start(["-c", "import os; print(os.getpid(), flush=True); " + WAITING]) as process:
        assert int(first_line(process)) == process.pid
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(0.01)
        os.kill(process.pid, signal.SIGKILL)
        assert process.wait(TIMEOUT_S) == process.poll() == -signal.SIGKILL


def test_programs_end_with_the_process_that_started_them() -> None:
    code = f"""
import sys
from tests import forked
process = forked.start(["-c", {WAITING!r}])
process.stdout.readline()
print(process.pid, flush=True)
sys.stdin.read()
"""
    with subprocess.Popen(
        [sys.executable, "-c", code], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as starting:
        pid = int(first_line(starting))
        os.kill(pid, 0)
        starting.kill()
    until = time.monotonic() + TIMEOUT_S
    while _runs(pid):
        assert time.monotonic() < until
        time.sleep(0.01)


def _runs(pid: int) -> bool:
    """Whether a process runs; one that nobody has waited for does not."""
    state = subprocess.run(
        ["ps", "-o", "stat=", "-p", str(pid)], check=False, capture_output=True, text=True
    ).stdout.strip()
    return bool(state) and not state.startswith("Z")


def test_what_an_interpreter_reads_at_its_start_is_heeded() -> None:
    done = forked.run(["-c", "import sys; print(sys.flags.utf8_mode)"], env=dict(os.environ, PYTHONUTF8="1"))
    assert done.stdout == "1\n"
