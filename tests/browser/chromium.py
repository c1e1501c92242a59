"""Drives Chromium through the DevTools protocol over a pipe; nothing else has to be installed.

`Chromium` is the process, `Tab` a page in a browser context of its own: its cookies and its cache are shared
with no other tab, so that one process serves every test.
"""

from __future__ import annotations

import fcntl
import json
import os
import select
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

REPLY_TIMEOUT_S = 30.0
EXIT_TIMEOUT_S = 10
VIEWPORT_HEIGHT_PX = 900
KEY_CODES = {"Tab": 9, "Enter": 13, " ": 32}
"""Windows virtual key codes, by which the protocol identifies a key."""
FLAGS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
    *("--disable-dev-shm-usage", "--no-proxy-server", "--remote-debugging-pipe"),
    # To save CPU time: no process for drawing, no process ready for the next tab, no page kept for "back".
    *(
        "--in-process-gpu",
        "--disable-gpu-compositing",
        "--disable-software-rasterizer",
        "--disable-extensions",
    ),
    "--disable-features=SpareRendererForSitePerProcess,BackForwardCache",
)


@dataclass(frozen=True)
class Display:
    """What a page is laid out for: the width of the viewport, and the theme that the user prefers."""

    width_px: int
    dark: bool = False


WIDE = Display(width_px=1400)


class Chromium:
    """One browser process, and the messages to and from it: JSON, with a NUL after each."""

    def __init__(self, executable: str, profile: Path) -> None:
        # Chromium reads from descriptor 3 and writes to 4. In this process the pipes get numbers above 9, so
        # that neither of them is overwritten while the shell moves them to 3 and 4.
        browser_reads, self._to_browser = os.pipe()
        self._from_browser, browser_writes = os.pipe()
        inherited = [fcntl.fcntl(end, fcntl.F_DUPFD, 10) for end in (browser_reads, browser_writes)]
        self._process = subprocess.Popen(
            [
                *("bash", "-c", f'exec "$@" 3<&{inherited[0]} 4>&{inherited[1]}', "bash"),
                *(executable, *FLAGS, f"--user-data-dir={profile}"),
            ],
            pass_fds=inherited,
            stderr=subprocess.DEVNULL,
        )
        for descriptor in (browser_reads, browser_writes, *inherited):
            os.close(descriptor)
        self._unread = b""
        self._last_id = 0
        self.events: list[dict[str, Any]] = []
        """What the browser reported unasked, until a tab takes it."""

    def call(self, method: str, session: str | None = None, **params: Any) -> Any:
        """Send a command and return its result; events that arrive before the result go to `events`."""
        self._last_id += 1
        message = {"id": self._last_id, "method": method, "params": params}
        if session is not None:
            message["sessionId"] = session
        os.write(self._to_browser, json.dumps(message).encode() + b"\0")
        while (reply := self.receive()).get("id") != self._last_id:
            self.events.append(reply)
        assert "error" not in reply, (method, reply["error"])
        return reply["result"]

    def receive(self) -> dict[str, Any]:
        """Wait for the next message, be it a result or an event."""
        deadline = time.monotonic() + REPLY_TIMEOUT_S
        while b"\0" not in self._unread:
            ready, _, _ = select.select([self._from_browser], [], [], max(0, deadline - time.monotonic()))
            assert ready, f"the browser sent nothing for {REPLY_TIMEOUT_S} s"
            received = os.read(self._from_browser, 1 << 20)
            assert received, "the browser has closed the pipe"
            self._unread += received
        message, _, self._unread = self._unread.partition(b"\0")
        return json.loads(message)

    def close(self) -> None:
        """End the browser: it exits when its pipe is closed."""
        os.close(self._to_browser)
        os.close(self._from_browser)
        try:
            self._process.wait(EXIT_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


class Tab:
    """A page in a new browser context, which has no cookies yet."""

    def __init__(self, browser: Chromium) -> None:
        self._browser = browser
        self._context = browser.call("Target.createBrowserContext")["browserContextId"]
        target = browser.call("Target.createTarget", url="about:blank", browserContextId=self._context)
        attached = browser.call("Target.attachToTarget", targetId=target["targetId"], flatten=True)
        self._session: str = attached["sessionId"]
        self.problems: list[str] = []
        """Everything that the browser reported about the pages: errors, console messages, warnings."""
        self.requested_urls: list[str] = []
        """The address of every request, also those of stylesheets and images."""
        self._document_urls: set[str] = set()
        self._load_events = 0
        for domain in ("Page", "Runtime", "Network", "Log", "Audits"):
            self._call(f"{domain}.enable")
        self._call("Emulation.setScrollbarsHidden", hidden=True)
        self.emulate(WIDE)

    def emulate(self, display: Display) -> None:
        """Lay out the page shown, and those to come, for a display."""
        theme = {"name": "prefers-color-scheme", "value": "dark" if display.dark else "light"}
        self._call("Emulation.setEmulatedMedia", features=[theme])
        self._call(
            "Emulation.setDeviceMetricsOverride",
            width=display.width_px,
            height=VIEWPORT_HEIGHT_PX,
            deviceScaleFactor=1,
            mobile=False,
        )

    def _call(self, method: str, **params: Any) -> Any:
        result = self._browser.call(method, self._session, **params)
        self._take_events()
        return result

    def _take_events(self) -> int:
        """Record what the browser reported about this tab; return how many pages have finished loading."""
        events, self._browser.events = self._browser.events, []
        for event in events:
            if event.get("sessionId") == self._session:
                self._record(event["method"], event["params"])
        return self._load_events

    def _record(self, method: str, params: dict[str, Any]) -> None:
        if method == "Page.loadEventFired":
            self._load_events += 1
        elif method == "Network.requestWillBeSent":
            self.requested_urls.append(params["request"]["url"])
            if params.get("type") == "Document":
                self._document_urls.add(params["request"]["url"])
        elif method == "Log.entryAdded":
            entry = params["entry"]
            # The browser logs every page that is answered with 4xx. Such a status is the right answer to some
            # requests; only that of a stylesheet or an image is a problem.
            if entry["source"] != "network" or entry.get("url") not in self._document_urls:
                self.problems.append(f"{entry['text']} {entry.get('url', '')}")
        elif method in ("Runtime.exceptionThrown", "Runtime.consoleAPICalled", "Audits.issueAdded"):
            self.problems.append(json.dumps(params)[:500])

    def check(self) -> None:
        """Check that the browser reported no problem and requested nothing of another host."""
        self._take_events()
        assert self.problems == []
        assert {urlsplit(url).hostname for url in self.requested_urls} <= {"127.0.0.1", "localhost"}

    def wait_for_load(self, action: Callable[[], Any]) -> None:
        """Do what makes the browser load another page, and wait until that page has loaded."""
        loads_before = self._take_events()
        action()
        while self._take_events() == loads_before:
            self._browser.events.append(self._browser.receive())

    def open(self, url: str) -> None:
        self.wait_for_load(lambda: self._call("Page.navigate", url=url))

    def evaluate(self, expression: str) -> Any:
        """The value of a JavaScript expression in the page, as JSON carries it."""
        result = self._call("Runtime.evaluate", expression=expression, returnByValue=True)
        assert "exceptionDetails" not in result, result
        return result["result"].get("value")

    @property
    def url(self) -> str:
        return str(self.evaluate("location.href"))

    @property
    def path(self) -> str:
        return urlsplit(self.url).path

    @property
    def text(self) -> str:
        """The text of the page as it is rendered, without what is hidden."""
        return str(self.evaluate("document.body.innerText"))

    def click(self, selector: str) -> None:
        """Press and release the mouse button in the middle of an element."""
        x, y = self.evaluate(
            f"(() => {{ const element = document.querySelector({json.dumps(selector)});"
            " element.scrollIntoView({block: 'center'}); const box = element.getBoundingClientRect();"
            " return [box.x + box.width / 2, box.y + box.height / 2]; })()"
        )
        for event in ("mousePressed", "mouseReleased"):
            self._call("Input.dispatchMouseEvent", type=event, x=x, y=y, button="left", clickCount=1)

    def click_to_load(self, selector: str) -> None:
        """Click a link or a button that loads another page, and wait for it."""
        self.wait_for_load(lambda: self.click(selector))

    def insert_text(self, text: str) -> None:
        """Type text into the focused field."""
        self._call("Input.insertText", text=text)

    def fill(self, selector: str, text: str) -> None:
        """Replace the text of a field."""
        self.click(selector)
        self.evaluate(f"document.querySelector({json.dumps(selector)}).select()")
        self.insert_text(text)

    def press_key(self, key: str) -> None:
        """Press and release one of `KEY_CODES`."""
        code = {"key": key, "code": "Space" if key == " " else key, "windowsVirtualKeyCode": KEY_CODES[key]}
        text = {"Enter": "\r", " ": " "}.get(key)
        self._call("Input.dispatchKeyEvent", type="keyDown", **code, **({"text": text} if text else {}))
        self._call("Input.dispatchKeyEvent", type="keyUp", **code)

    @property
    def focused_text(self) -> str:
        """The value or the label of the focused element, or else its tag."""
        return str(
            self.evaluate(
                "(() => { const element = document.activeElement;"
                " return element.value || element.innerText.trim() || element.tagName; })()"
            )
        )

    def close(self) -> None:
        """Close the page and delete its cookies and its cache."""
        self._browser.call("Target.disposeBrowserContext", browserContextId=self._context)
