"""Runs the program without starting an interpreter: a process that has imported it forks for each command.

A command is a process all the same, with its own environment, streams, signals and exit code. But it does not
begin with the imports, which take longer than most commands, and hundreds of tests run one.

Rules of this file:
* The process that forks has no threads, runs no command itself, and ends with the process that started it.
* What an interpreter reads at its start (`PYTHON...`, the locale) is that of the forking process: `Program`
  starts an interpreter where a test asks for something else.
"""

from __future__ import annotations

import atexit
import gc
import json
import os
import runpy
import socket
import subprocess
import sys
import tempfile
from functools import cache
from importlib import import_module
from pathlib import Path
from threading import Lock

from .paths import ROOT

AVAILABLE = hasattr(os, "fork")
_lock = Lock()


@cache
def _forker() -> socket.socket:
    """The socket to a process that forks; it leaves when this end is closed."""
    ours, theirs = socket.socketpair()
    command = [sys.executable, "-W", "error", "-m", "tests.forked", str(theirs.fileno())]
    process = subprocess.Popen(command, pass_fds=[theirs.fileno()], cwd=ROOT)
    theirs.close()

    def end() -> None:
        ours.close()
        process.wait()

    atexit.register(end)
    return ours


def run(args: list[str], env: dict[str, str], timeout: float) -> subprocess.CompletedProcess[str]:
    """Run `ringlet ARGS`, as `subprocess.run` does."""
    ours, theirs = socket.socketpair()
    with ours, tempfile.TemporaryFile() as stdout, tempfile.TemporaryFile() as stderr:
        with theirs, _lock:
            socket.send_fds(_forker(), [b"!"], [theirs.fileno(), stdout.fileno(), stderr.fileno()])
        ours.sendall(json.dumps({"args": args, "env": env, "cwd": str(Path.cwd())}).encode())
        ours.shutdown(socket.SHUT_WR)
        ours.settimeout(timeout)
        with ours.makefile() as answer:
            pid, code = int(answer.readline()), ""
            try:
                code = answer.readline()
            except TimeoutError:
                os.kill(pid, 9)
                raise subprocess.TimeoutExpired(args, timeout) from None
        said = []
        for stream in (stdout, stderr):
            stream.seek(0)
            said.append(stream.read().decode().replace("\r\n", "\n"))
        return subprocess.CompletedProcess(args, int(code), *said)


def _fork_for_each(control: socket.socket) -> None:
    """Returns when the other end is closed, and in a process that is to become the program."""
    while True:
        _, descriptors, _, _ = socket.recv_fds(control, 1, 3)
        if not descriptors:
            control.close()
            sys.exit(0)
        if os.fork() == 0:
            control.close()
            return _become(*descriptors)
        for one in descriptors:
            os.close(one)
        _reap()


def _reap() -> None:
    """Lets those that have ended go, whose waiting was for the program."""
    try:
        while os.waitpid(-1, os.WNOHANG) != (0, 0):
            pass
    except ChildProcessError:
        pass


def _become(descriptor: int, stdout: int, stderr: int) -> None:
    """Forks once more: one waits for the program and reports how it ended, the other is the program."""
    reply = socket.socket(fileno=descriptor)
    with reply.makefile("rb") as lines:
        asked = json.load(lines)
    if pid := os.fork():
        reply.sendall(b"%d\n" % pid)
        reply.sendall(b"%d\n" % os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
        os._exit(0)
    reply.close()
    nothing = os.open(os.devnull, os.O_RDONLY)
    for descriptor, number in ((nothing, 0), (stdout, 1), (stderr, 2)):
        os.dup2(descriptor, number)
        os.close(descriptor)
    os.environ.clear()
    os.environ.update(asked["env"])
    os.chdir(asked["cwd"])
    sys.argv[1:] = asked["args"]


def _main(control: socket.socket) -> None:
    entries = import_module("ringlet._cli.shared.commands").COMMANDS.values()
    for name in ("client", "archive", "cloud", "_cli.main", *(f"_cli.{entry.module}" for entry in entries)):
        import_module(f"ringlet.{name}")
    gc.collect()
    gc.freeze()  # so that the collector of a fork does not touch, and thereby copy, every page
    _fork_for_each(control)
    runpy.run_module("ringlet", run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    _main(socket.socket(fileno=int(sys.argv[1])))
