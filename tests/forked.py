"""Runs Python programs as processes of their own without starting an interpreter: a process that has imported
ringlet, the forker, forks for each of them.

To import ringlet takes longer than most programs of the tests run, and hundreds of tests run one. `start` and
`run` take what follows `python` on a command line, `-m MODULE`, `-c CODE` or the path of a file, and then the
arguments of the program.

Rules of this file:
* The forker has one thread, runs no program itself, and ends with the process that started it. It then kills
  every program that still runs.
* A program inherits no file descriptor except stdin, stdout and stderr, and has the default handlers of
  signals. Every warning is an error in it.
* An interpreter reads some variables only when it starts (`PYTHON...`, the locale). Where they differ from
  those of the forker, and where the operating system has no fork, an interpreter is started.
"""

from __future__ import annotations

import atexit
import gc
import json
import os
import pkgutil
import runpy
import select
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import threading
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, suppress
from functools import cache
from importlib import import_module
from pathlib import Path
from subprocess import DEVNULL, PIPE, STDOUT
from types import ModuleType, TracebackType
from typing import IO, Any

from .paths import ROOT

AVAILABLE = hasattr(os, "fork")
_starting = threading.Lock()
READ_AT_START = ("PYTHON", "LC_", "LANG")
NOT_READ_AT_START = ("PYTHONWARNINGS", "PYTHON_KEYRING_BACKEND")
"""Every warning is an error already, and the library `keyring` reads the other one when it is used."""
LIBRARIES = (
    *("aiohttp", "anyio._backends._asyncio", "keyring", "psycopg", "rich.console", "rich.table"),
    *("uvicorn", "uvicorn.lifespan.on", "uvicorn.protocols.http.httptools_impl", "uvloop"),
)
"""What commands import while they run."""
NUMBER = struct.Struct("!i")
"""What the forker sends about a program: its pid, and later its exit code."""


class Process(subprocess.Popen[str]):
    """A program that the forker runs. Tests use it as they use `subprocess.Popen`, but it is not our child:
    the forker waits for it and reports its exit code."""

    def __init__(
        self, command: Sequence[str], report: socket.socket, pipes: Sequence[IO[str] | None]
    ) -> None:
        self.args = command
        self.returncode: int | None = None
        self.stdin, self.stdout, self.stderr = pipes
        self.pid = NUMBER.unpack(report.recv(NUMBER.size))[0]
        self._report, self._receiving = report, threading.Lock()
        self._readers: list[_Reader] = []

    def poll(self) -> int | None:
        if self._receiving.acquire(blocking=False):  # or another thread waits already
            with ExitStack() as stack:
                stack.callback(self._receiving.release)
                self._receive(0)
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        if self._receiving.acquire(timeout=-1 if timeout is None else timeout):
            with ExitStack() as stack:
                stack.callback(self._receiving.release)
                self._receive(timeout)
        if self.returncode is None:
            assert timeout is not None
            raise subprocess.TimeoutExpired(self.args, timeout)
        return self.returncode

    def _receive(self, timeout: float | None) -> None:
        """Wait at most so many seconds for the exit code."""
        if self.returncode is not None:
            return
        self._report.settimeout(timeout)
        with suppress(TimeoutError, BlockingIOError):
            received = self._report.recv(NUMBER.size)
            self._report.close()
            self.returncode = NUMBER.unpack(received)[0]

    def communicate(self, input: str | None = None, timeout: float | None = None) -> tuple[str, str]:  # type: ignore[override]
        """What still comes on stdout and stderr, to the end. A second call after a timeout goes on."""
        if self.stdin:
            with suppress(BrokenPipeError):
                self.stdin.write(input or "")
            with suppress(BrokenPipeError):
                self.stdin.close()
        if not self._readers:
            self._readers = [_Reader(stream) for stream in (self.stdout, self.stderr)]
        self.wait(timeout)
        for reader in self._readers:
            reader.join(timeout)
            if reader.is_alive():
                raise subprocess.TimeoutExpired(self.args, timeout or 0)
        stdout, stderr = (reader.text for reader in self._readers)
        return stdout, stderr

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> None:
        for stream in (self.stdout, self.stderr, self.stdin):
            if stream:
                with suppress(BrokenPipeError):
                    stream.close()
        self.wait()


class _Reader(threading.Thread):
    """Reads a stream to its end, and closes it."""

    def __init__(self, stream: IO[str] | None) -> None:
        super().__init__(daemon=True)
        self.stream, self.text = stream, ""
        self.start()

    def run(self) -> None:
        if self.stream and not self.stream.closed:
            with self.stream:
                self.text = self.stream.read()


def start(
    args: Sequence[str | Path],
    *,
    env: Mapping[str, str] | None = None,
    cwd: str | Path | None = None,
    stdin: int | IO[Any] = DEVNULL,
    stdout: int | IO[Any] = PIPE,
    stderr: int | IO[Any] | None = None,
) -> subprocess.Popen[str]:
    """Start `python ARGS`, as `subprocess.Popen` does. Streams of text are UTF-8."""
    command, env = [*map(str, args)], dict(os.environ if env is None else env)
    if not AVAILABLE or _read_at_start(env) != _read_at_start(_forker_environ()):
        return subprocess.Popen(
            [sys.executable, *command],
            env=env,
            cwd=cwd,
            stdin=stdin,
            stdout=stdout,
            stderr=stderr,
            encoding="utf-8",
        )
    ours: list[IO[str] | None] = []
    with ExitStack() as theirs:
        descriptors: list[int] = []
        for number, stream in enumerate((stdin, stdout, stderr)):
            our, their = _stream(number, stream, descriptors, theirs)
            ours.append(our)
            descriptors.append(their)
        report, reply = socket.socketpair()
        theirs.enter_context(reply)
        with _starting:
            socket.send_fds(_forker(), [b"!"], [reply.fileno(), *descriptors])
    request = {"command": command, "env": env, "cwd": str(cwd or Path.cwd())}
    report.sendall(json.dumps(request).encode())
    report.shutdown(socket.SHUT_WR)
    return Process(command, report, ours)


def run(
    args: Sequence[str | Path],
    *,
    env: Mapping[str, str] | None = None,
    cwd: str | Path | None = None,
    input: str | None = None,
    timeout: float = 120,
    check: bool = False,
) -> subprocess.CompletedProcess[str]:
    """Run `python ARGS` to its end, as `subprocess.run` does, and capture what it writes.

    Raises `subprocess.TimeoutExpired` after so many seconds, and with `check` `subprocess.CalledProcessError`
    for any exit code but 0.
    """
    with ExitStack() as stack:
        stdin, *written = [stack.enter_context(tempfile.TemporaryFile()) for _ in range(3)]
        stdin.write((input or "").encode())
        stdin.seek(0)
        process = start(args, env=env, cwd=cwd, stdin=stdin, stdout=written[0], stderr=written[1])
        try:
            process.wait(timeout)
        except BaseException:
            process.kill()
            process.wait()
            raise
        for stream in written:
            stream.seek(0)
        stdout, stderr = (stream.read().decode().replace("\r\n", "\n") for stream in written)
    done = subprocess.CompletedProcess(process.args, process.returncode, stdout, stderr)
    if check:
        done.check_returncode()
    return done


def _stream(
    number: int, stream: int | IO[Any] | None, before: list[int], theirs: ExitStack
) -> tuple[IO[str] | None, int]:
    """Our end of a stream, if there is a pipe, and the file descriptor that the program gets."""
    if stream is None:
        return None, number
    if stream == STDOUT:
        return None, before[1]
    if stream == PIPE:
        reading, writing = os.pipe()
        mine, other = (writing, reading) if number == 0 else (reading, writing)
        theirs.callback(os.close, other)
        return os.fdopen(mine, "w" if number == 0 else "r", encoding="utf-8"), other
    if stream == DEVNULL:
        nothing = os.open(os.devnull, os.O_RDWR)
        theirs.callback(os.close, nothing)
        return None, nothing
    return None, stream if isinstance(stream, int) else stream.fileno()


def _read_at_start(env: Mapping[str, str]) -> dict[str, str]:
    """The variables that matter when an interpreter starts."""
    return {
        name: value
        for name, value in env.items()
        if name.startswith(READ_AT_START) and name not in NOT_READ_AT_START
    }


@cache
def _forker_environ() -> dict[str, str]:
    """The variables that the forker was started with."""
    return dict(os.environ)


@cache
def _forker() -> socket.socket:
    """The socket to the forker, which ends when this end is closed."""
    ours, theirs = socket.socketpair()
    command = [sys.executable, "-W", "error", "-m", "tests.forked", str(theirs.fileno())]
    forker = subprocess.Popen(
        command,
        env=_forker_environ(),
        pass_fds=[theirs.fileno()],
        cwd=ROOT,
        stdin=DEVNULL,
        stdout=DEVNULL,  # never a terminal: a program that writes to a pipe must not have a terminal's buffer
    )
    theirs.close()

    def end() -> None:
        ours.close()
        forker.wait()

    atexit.register(end)
    return ours


# --- The forker ---


class _Forker:
    """Forks for each request, and reports how the programs end."""

    def __init__(self, control: socket.socket) -> None:
        self._control = control
        self._ended, self._wake = socket.socketpair()
        """Readable when a program has ended."""
        self._running: dict[int, socket.socket] = {}
        """Where the end of each program is reported."""

    def serve(self) -> list[str]:
        """Returns only in a process that is to become a program: the command of this program."""
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # ^C in a terminal is for the programs
        signal.signal(signal.SIGCHLD, lambda *_: None)
        for one in (self._ended, self._wake):
            one.setblocking(False)
        signal.set_wakeup_fd(self._wake.fileno(), warn_on_full_buffer=False)
        while True:
            readable, _, _ = select.select([self._control, self._ended], [], [])
            if self._ended in readable:
                self._ended.recv(4096)
                self._report()
            if self._control in readable:
                _, descriptors, _, _ = socket.recv_fds(self._control, 1, 4)
                if not descriptors:
                    self._end()
                if command := self._fork(*descriptors):
                    return command

    def _fork(self, reply: int, *streams: int) -> list[str]:
        """The command in the process of the program, and nothing in the forker."""
        report = socket.socket(fileno=reply)
        if pid := os.fork():
            self._running[pid] = report
            with suppress(BrokenPipeError):
                report.sendall(NUMBER.pack(pid))
            for one in streams:
                os.close(one)
            return []
        for number in (signal.SIGCHLD, signal.SIGTERM):
            signal.signal(number, signal.SIG_DFL)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        signal.set_wakeup_fd(-1)
        for number, one in enumerate(streams):
            os.dup2(one, number)
        for one in streams:
            os.close(one)
        for other in (self._control, self._ended, self._wake, *self._running.values()):
            other.close()
        with report, report.makefile("rb") as lines:
            request = json.load(lines)
        _open_streams()
        os.environ.clear()
        os.environ.update(request["env"])
        os.chdir(request["cwd"])
        command: list[str] = request["command"]
        return command

    def _report(self) -> None:
        """Reports every program that has ended, and forgets it."""
        with suppress(ChildProcessError):
            while (ended := os.waitpid(-1, os.WNOHANG)) != (0, 0):
                with self._running.pop(ended[0]) as report, suppress(BrokenPipeError):
                    report.sendall(NUMBER.pack(os.waitstatus_to_exitcode(ended[1])))

    def _end(self) -> None:
        """Ends the forker, and kills what still runs: whoever started it is gone."""
        for pid in self._running:
            os.kill(pid, signal.SIGKILL)
        os._exit(0)


def _open_streams() -> None:
    """Makes `sys.stdin`, `sys.stdout` and `sys.stderr` as an interpreter does at its start: they have to find
    out whether what they read and write is a file or a pipe."""
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        before = getattr(sys, name)
        mode, buffering = "w" if number else "r", 1 if name == "stderr" else -1  # 1: up to the end of a line
        stream = os.fdopen(number, mode, buffering, before.encoding, before.errors, closefd=False)
        setattr(sys, name, stream)
        setattr(sys, f"__{name}__", stream)


def _import() -> None:
    """Imports all that programs may import. No thread may start, and no file may stay open."""
    import ringlet

    for module in pkgutil.walk_packages(ringlet.__path__, "ringlet."):
        if not module.name.endswith("__main__"):
            import_module(module.name)
    for name in LIBRARIES:
        with suppress(ImportError):
            import_module(name)


def _execute(command: list[str]) -> None:
    """Does what `python COMMAND` does."""
    match command:
        case ["-m", module, *args]:
            sys.argv, sys.path[0] = ["-m", *args], str(Path.cwd())
            runpy.run_module(module, run_name="__main__", alter_sys=True)
        case ["-c", code, *args]:
            sys.argv, sys.path[0] = ["-c", *args], ""
            main = sys.modules["__main__"] = ModuleType("__main__")
            exec(compile(code, "<string>", "exec", dont_inherit=True), main.__dict__)
        case [path, *args]:
            sys.argv, sys.path[0] = [path, *args], str(Path(path).parent)
            runpy.run_path(path, run_name="__main__")
        case _:
            raise ValueError(command)


def _exit(code: int) -> None:
    """Does what an interpreter does at its end, except taking every module apart, which copies every page of
    memory and takes longer than most programs. Returns if a stream cannot be written."""
    threading._shutdown()  # type: ignore[attr-defined]  # waits for threads
    atexit._run_exitfuncs()
    gc.collect()  # warns of resources that were not closed
    with suppress(OSError, ValueError):
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def _main(control: socket.socket) -> None:
    _import()
    gc.collect()
    gc.freeze()  # so that the collector of a program does not touch, and thereby copy, every page
    command = _Forker(control).serve()
    try:
        _execute(command)
    except SystemExit as end:
        code = end.code or 0
        if not isinstance(code, int):
            raise
        _exit(code)
        raise
    _exit(0)


if __name__ == "__main__":
    _main(socket.socket(fileno=int(sys.argv[1])))
