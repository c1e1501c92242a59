"""Sends the user's browser to the consent page, and waits for the address that it comes back with.

It arrives at a local listener; or the user pastes it, from this machine or from another.

Rules of this file:
* The listener listens before the browser opens: a user who is signed in already comes back at once.
* Pasting and listening go on at the same time. Whichever brings an answer first ends the wait.
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
"""An authorization code lives no longer than ten minutes (RFC 6749 section 4.1.2)."""
PASTE_BYTES = 1 << 16


def await_redirect(attempt: LoginAttempt, *, can_ask: bool, open_browser: bool, cure: str) -> str:
    """The address that the browser came back with.

    Raises UsageError where it can neither be heard nor pasted, NotSignedIn with `cure` where nothing comes.
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
                    "A sign-in does not end on that. Paste the address that the browser shows at the end:"
                )
                returned = answers.get(timeout=BROWSER_WAIT_S)
        except queue.Empty:
            raise NotSignedIn(
                f"nothing came back within {BROWSER_WAIT_S / 60:.0f} minutes", cure=cure
            ) from None
        return returned


def _collect_pastes(answers: queue.SimpleQueue[str]) -> None:
    """Put each line that the user pastes among the answers, in a thread of its own."""

    def collect() -> None:
        # Not through sys.stdin: Python cannot end cleanly while a thread waits inside its lock.
        with contextlib.suppress(OSError):
            while text := os.read(sys.stdin.fileno(), PASTE_BYTES):
                if line := text.decode("utf-8", "replace").strip():
                    answers.put(line)

    threading.Thread(target=collect, daemon=True).start()
