"""Stores secrets in the system's keyring, through the library `keyring` (extra `keyring`).

The keyring is macOS Keychain, Windows Credential Locker, or Secret Service or KWallet on Linux. The library
is imported at the first call.

Rules of this file:
* Each call runs in its own thread and is abandoned after `KEYRING_TIMEOUT_S`: a locked keyring opens a dialog
  and waits for it, and over SSH the user cannot see the dialog.
* A caller asks `why_not` before it stores anything, whether there is a usable keyring. If the keyring refuses
  a later call, the call raises RingletError.
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
KEYRING_TIMEOUT_S = 60.0
"""Seconds that a call waits for the keyring, which the user may have to unlock in that time."""

R = TypeVar("R")


class SystemKeyring:
    """Stores secret texts by name in the system's keyring, under the service `ringlet`."""

    def __init__(self, timeout: float = KEYRING_TIMEOUT_S) -> None:
        self.timeout = timeout

    def why_not(self) -> str:
        """The reason why this machine has no usable keyring; "" if it has one. Raises RingletError."""
        if find_spec("keyring") is None:
            return "the library keyring is not installed"
        return self._bounded(_no_backend)

    def get(self, name: str) -> str | None:
        """Return the text stored under a name, or None if the name does not exist. Raises RingletError."""

        def get() -> str | None:
            import keyring

            return keyring.get_password(SERVICE, name)

        return self._bounded(get)

    def put(self, name: str, secret: str) -> None:
        """Stores a text under a name. Raises RingletError."""

        def put() -> None:
            import keyring

            keyring.set_password(SERVICE, name, secret)

        self._bounded(put)

    def remove(self, name: str) -> None:
        """Deletes the text stored under a name, if there is one. Raises RingletError."""

        def remove() -> None:
            import keyring
            from keyring.errors import PasswordDeleteError

            with suppress(PasswordDeleteError):
                keyring.delete_password(SERVICE, name)

        self._bounded(remove)

    def _bounded(self, call: Callable[[], R]) -> R:
        """Run a call in a thread and return its result. Raises RingletError on an error or a timeout."""
        answers: list[R] = []
        failures: list[Exception] = []

        def run() -> None:
            try:
                answers.append(call())
            except Exception as failure:  # Backends of `keyring` raise exceptions of any class.
                failures.append(failure)

        # The thread is a daemon, so that a call that hangs does not keep the program from exiting.
        thread = threading.Thread(target=run, daemon=True)
        thread.start()
        thread.join(self.timeout)
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
            f"the keyring did not answer in {self.timeout:.0f} seconds: it may be locked",
            cure=Cure(f"unlock it and run this again, {_IN_A_FILE}", Action.SIGN_IN, store="file"),
        )


def _no_backend() -> str:
    import keyring

    # Without a keyring the library uses its backends `fail` or `null`, whose priority is 0 or less.
    backend = keyring.get_keyring()
    return "" if backend.priority > 0 else "this system has no keyring"
