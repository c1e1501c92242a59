"""The system's keyring, through the library `keyring` (extra `keyring`), which is imported when first asked.

macOS Keychain, Windows Credential Locker, Secret Service and KWallet on Linux. Rules of this file:

* No call waits for ever. A locked keyring asks its owner in a window that may be on no screen, so each call
  runs in a thread of its own and is given up after `PATIENCE`.
* A keyring that is missing and one that refuses are different: the first is known before anything is kept
  (`why_not`), the second is a RingletError.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import suppress
from importlib.util import find_spec
from typing import TypeVar

from ..errors import Action, Cure, RingletError

SERVICE = "ringlet"
_IN_A_FILE = "or sign in once more with the tokens in a file"
PATIENCE = 60.0
"""Seconds to unlock a keyring in."""

R = TypeVar("R")


class Vault:
    """Secret texts by name, under the service `ringlet`."""

    def __init__(self, patience: float = PATIENCE) -> None:
        self.patience = patience

    def why_not(self) -> str:
        """Why nothing can be kept in a keyring here; empty when it can. Raises RingletError."""
        if find_spec("keyring") is None:
            return "the library keyring is not installed"
        return self._bounded(_no_backend)

    def get(self, name: str) -> str | None:
        """What is kept under a name. Raises RingletError."""

        def get() -> str | None:
            import keyring

            return keyring.get_password(SERVICE, name)

        return self._bounded(get)

    def put(self, name: str, secret: str) -> None:
        """Keep it. Raises RingletError."""

        def put() -> None:
            import keyring

            keyring.set_password(SERVICE, name, secret)

        self._bounded(put)

    def remove(self, name: str) -> None:
        """Forget it, if it is there. Raises RingletError."""

        def remove() -> None:
            import keyring
            from keyring.errors import PasswordDeleteError

            with suppress(PasswordDeleteError):
                keyring.delete_password(SERVICE, name)

        self._bounded(remove)

    def _bounded(self, call: Callable[[], R]) -> R:
        """What a call answers, if it does so in time."""
        answers: list[R] = []
        failures: list[Exception] = []

        def run() -> None:
            try:
                answers.append(call())
            except Exception as failure:  # what a backend raises is its own affair
                failures.append(failure)

        # A thread that hangs must not keep the program from ending.
        thread = threading.Thread(target=run, daemon=True)
        thread.start()
        thread.join(self.patience)
        if answers:
            return answers[0]
        if failures:
            raise RingletError(
                f"the keyring refused: {type(failures[0]).__name__}",
                cure=Cure(
                    f"unlock it, install the extra 'ringlet[keyring]', {_IN_A_FILE}",
                    Action.SIGN_IN,
                    store="file",
                ),
            ) from failures[0]
        raise RingletError(
            f"the keyring did not answer in {self.patience:.0f} seconds: it may be locked",
            cure=Cure(f"unlock it and run this again, {_IN_A_FILE}", Action.SIGN_IN, store="file"),
        )


def _no_backend() -> str:
    import keyring

    # The backends `fail` and `null` stand in where there is none, with a priority of 0 or less.
    backend = keyring.get_keyring()
    return "" if backend.priority > 0 else "this system has no keyring"
