"""Opens the consent page in the user's browser, and waits for the redirect (RFC 6749 section 4.1.2).

The redirect arrives at a local listener, or the user pastes its address, perhaps from another machine.

Rules of this file:
* The listener listens before the browser opens, because a server may redirect the browser at once.
* The command waits for the listener and for a pasted address at the same time, and takes whichever is first.
"""

from __future__ import annotations

import contextlib
import os
import queue
import sys
import threading
from typing import TYPE_CHECKING

from ...errors import NotSignedIn, UsageError
from ..shared import browser, screen
from .login_application import DEFAULT_REDIRECT_URI, ask_secret

if TYPE_CHECKING:
    from ..._client.login import LoginAttempt

BROWSER_WAIT_S = 600.0
"""How many seconds to wait for the redirect. A code is valid for ten minutes (RFC 6749 section 4.1.2)."""
PASTE_BYTES = 1 << 16


def await_redirect(attempt: LoginAttempt, *, can_ask: bool, open_browser: bool, cure: str) -> str:
    """Wait for the redirect of the browser, and return its address.

    Raises UsageError if neither a listener can receive the redirect nor the user can paste its address, and
    NotSignedIn with `cure` if no redirect arrives in time.
    """
    from ..._client.redirect_listener import Listener, is_local

    redirect_uri = attempt.app.redirect_uri
    answers: queue.SimpleQueue[str] = queue.SimpleQueue()
    listening = is_local(redirect_uri)
    if not can_ask and (attempt.implicit or not listening):
        raise UsageError(
            "the address that the browser ends on must be pasted, and without a terminal you cannot be asked",
            cure="run it on a terminal, or sign in by code with a local redirect URI such as"
            f" {DEFAULT_REDIRECT_URI}",
        )
    with contextlib.ExitStack() as while_waiting:
        if listening:
            listener = Listener(redirect_uri, answers.put, fragment=attempt.implicit)
            while_waiting.enter_context(listener)
        screen.remark(f"redirect URI   {redirect_uri}")
        if open_browser:
            screen.remark("Waiting for the browser. If none opens, open this address by hand:")
            browser.open_page(attempt.url)
        else:
            screen.remark("Open this address in any browser, on any machine:")
        screen.remark(f"\n{attempt.url}\n")
        if can_ask:
            screen.remark(
                "It may end on a page that cannot be shown. Paste the address of that page here."
                if attempt.implicit or not open_browser
                else "If it ends on a page that cannot be shown, paste the address of that page here."
            )
        if attempt.implicit:
            # The address holds the access token itself, so it is not shown.
            return ask_secret("Address (not shown)")
        if can_ask:
            _collect_pastes(answers)
        else:
            screen.remark(f"Waiting here for at most {BROWSER_WAIT_S / 60:.0f} minutes.")
        try:
            returned = answers.get(timeout=BROWSER_WAIT_S)
            while can_ask and not attempt.is_answer(returned):
                screen.remark(
                    "This is not the address of a redirect. Paste the address that the browser shows last:"
                )
                returned = answers.get(timeout=BROWSER_WAIT_S)
        except queue.Empty:
            raise NotSignedIn(
                f"the browser was not redirected within {BROWSER_WAIT_S / 60:.0f} minutes", cure=cure
            ) from None
        return returned


def _collect_pastes(answers: queue.SimpleQueue[str]) -> None:
    """Start a thread that puts each line that the user pastes into `answers`."""

    def collect() -> None:
        # This reads the file descriptor and not sys.stdin. A thread that waits in sys.stdin holds its lock,
        # and then Python cannot exit cleanly.
        with contextlib.suppress(OSError):
            while text := os.read(sys.stdin.fileno(), PASTE_BYTES):
                if line := text.decode("utf-8", "replace").strip():
                    answers.put(line)

    threading.Thread(target=collect, daemon=True).start()
