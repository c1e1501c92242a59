"""Opens pages in the user's browser."""

from __future__ import annotations

import os
import sys
import threading
import webbrowser


def open_page(url: str) -> None:
    """Open a page in the browser. A thread does it, because some browsers block until they are closed."""
    threading.Thread(target=webbrowser.open, args=(url,), daemon=True).start()


def has_browser() -> bool:
    """Whether the user would see a browser that this program opens: not over SSH or without a display."""
    if any(name in os.environ for name in ("SSH_TTY", "SSH_CONNECTION", "SSH_CLIENT")):
        return False
    if os.environ.get("BROWSER") or sys.platform in ("win32", "darwin"):
        return True
    return bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))
