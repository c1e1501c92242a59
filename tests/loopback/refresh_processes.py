"""Processes that refresh one stored sign-in and are killed at random; `test_contention` starts this program.

    refresh_processes.py TOKEN_FILE SECONDS     with the ready line of the cloud on stdin

The parent signs in whenever the stored tokens cannot be renewed any more. Its children renew them in a loop.
After each save a process appends a line to a log: its id, how often the refresh token was sent without an
answer, and the refresh token.
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
WITHOUT_RETRIES = RetryPolicy(max_tries=1)


class LoggingTokenStore(FileTokenStore):
    """Logs what it saves, each line with one write, so that a kill leaves no partial line."""

    def save(self, tokens: Tokens) -> None:
        super().save(tokens)
        line = f"{os.getpid()} {tokens.unanswered} {tokens.refresh_token}\n"
        handle = os.open(self.path.with_suffix(".stored"), os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        os.write(handle, line.encode())
        os.close(handle)


def cannot_be_renewed(tokens: Tokens | None) -> bool:
    return tokens is None or tokens.refresh_token is None or tokens.unanswered >= MAX_UNANSWERED


def renew_in_a_loop(api: str, path: Path, app: App) -> None:
    token_store = LoggingTokenStore(path)
    with Client(base_url=api, token_store=token_store, retry_policy=WITHOUT_RETRIES) as client:
        while True:
            tokens = token_store.load()
            if tokens is None or cannot_be_renewed(tokens):
                time.sleep(0.02)
                continue
            with suppress(ConnectionFailed, OAuthError, ServerError, NotSignedIn):
                client.run(renew(token_store, app, client.hosts, stale=tokens, clock=time.time))


def fork(api: str, path: Path, app: App) -> int:
    child = os.fork()
    if child == 0:
        random.seed()
        try:
            renew_in_a_loop(api, path, app)
        except BaseException as error:
            sys.stderr.write(f"a child ended: {error!r}\n")
            sys.stderr.flush()
        finally:
            os._exit(1)
    return child


def sign_in_anew(token_store: FileTokenStore, ready: dict[str, Any]) -> None:
    while not token_store.claim():
        time.sleep(0.005)
    while cannot_be_renewed(token_store.load()):
        with suppress(ConnectionFailed):  # the response with the tokens may be dropped as well
            token_store.save(sign_in(ready))
    token_store.release()


def main(path: Path, seconds: float) -> None:
    ready = json.loads(sys.stdin.read())
    api = ready["api"]
    app = App(client_id=ready["client_id"], client_secret=ready["client_secret"])
    # Each child opens its own token store: a child inherits the locks that its parent holds.
    token_store = LoggingTokenStore(path)
    sign_in_anew(token_store, ready)
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
            if cannot_be_renewed(token_store.load()):
                sign_in_anew(token_store, ready)
    finally:
        for child in children:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)


if __name__ == "__main__":
    main(Path(sys.argv[1]), float(sys.argv[2]))
