"""Many processes that refresh one sign-in, some killed at random moments; `test_contention` starts this
program.

    refresh_processes.py WALLET SECONDS     with what the cloud's ready line said on stdin

The first process signs in again whenever the sign-in is dead. Its children refresh it without end. Each
writes a line for what it stored: which process, how often the refresh token was sent without an answer, and
the token.
"""

import json
import os
import random
import signal
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from ringlet._api.wire import RetryPolicy
from ringlet._cli.demo.headless_sign_in import sign_in
from ringlet._oauth.grant import App, Tokens
from ringlet._oauth.renewal import MAX_UNANSWERED, renew
from ringlet.client import Client, FileTokenStore
from ringlet.errors import ConnectionFailed, NotSignedIn, OAuthError, ServerError

PROCESSES = 16
ONCE = RetryPolicy(max_tries=1)


class NotingWallet(FileTokenStore):
    """Writes down what it stored, in one write each, so that a kill leaves whole lines."""

    def save(self, tokens: Tokens) -> None:
        super().save(tokens)
        line = f"{os.getpid()} {tokens.unanswered} {tokens.refresh_token}\n"
        handle = os.open(self.path.with_suffix(".stored"), os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        os.write(handle, line.encode())
        os.close(handle)


def is_dead(tokens: Tokens | None) -> bool:
    return tokens is None or tokens.refresh_token is None or tokens.unanswered >= MAX_UNANSWERED


def renew_without_end(api: str, path: Path, app: App) -> None:
    token_store = NotingWallet(path)
    with Client(base_url=api, token_store=token_store, retry_policy=ONCE) as client:
        while True:
            tokens = token_store.load()
            if tokens is None or is_dead(tokens):
                time.sleep(0.02)
                continue
            with suppress(ConnectionFailed, OAuthError, ServerError, NotSignedIn):
                client.run(renew(token_store, app, client.hosts, stale=tokens, clock=time.time))


def fork(api: str, path: Path, app: App) -> int:
    child = os.fork()
    if child == 0:
        random.seed()
        try:
            renew_without_end(api, path, app)
        except BaseException as odd:
            sys.stderr.write(f"a child ended: {odd!r}\n")
            sys.stderr.flush()
        finally:
            os._exit(1)
    return child


def sign_in_again(token_store: FileTokenStore, ready: dict[str, Any]) -> None:
    while not token_store.claim():
        time.sleep(0.005)
    while is_dead(token_store.load()):
        with suppress(ConnectionFailed):  # the answer that brings the tokens may be lost as well
            token_store.save(sign_in(ready))
    token_store.release()


def main(path: Path, seconds: float) -> None:
    ready = json.loads(sys.stdin.read())
    api = ready["api"]
    app = App(client_id=ready["client_id"], client_secret=ready["client_secret"])
    # A token_store of its own: whoever forks while it holds a lock would hand the lock on.
    token_store = NotingWallet(path)
    sign_in_again(token_store, ready)
    children = {fork(api, path, app) for _ in range(PROCESSES)}
    end = time.monotonic() + seconds
    try:
        while time.monotonic() < end:
            time.sleep(random.uniform(0.01, 0.1))
            victim = random.choice(sorted(children))
            os.kill(victim, signal.SIGKILL)
            os.waitpid(victim, 0)
            children.remove(victim)
            children.add(fork(api, path, app))
            if is_dead(token_store.load()):
                sign_in_again(token_store, ready)
    finally:
        for child in children:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)


if __name__ == "__main__":
    main(Path(sys.argv[1]), float(sys.argv[2]))
