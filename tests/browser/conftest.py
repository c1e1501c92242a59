"""A real browser, driven over a pipe by the protocol its developer tools speak: nothing to install beside it.

Everything the browser complains of, and every address it asks for, is written down in `Tab`.
"""

from __future__ import annotations

import base64
import fcntl
import json
import os
import select
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from ..program import Program

SECRET = "a passphrase of this test"
PATIENCE = 30.0
FLAGS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
    *("--disable-dev-shm-usage", "--no-proxy-server", "--remote-debugging-pipe"),
)
KEYS = {"Tab": 9, "Enter": 13, " ": 32, "ArrowDown": 40}


class Chromium:
    """One process, and the messages to and from it: JSON, with a NUL after each."""

    def __init__(self, executable: str, home: Path) -> None:
        # The protocol wants descriptors 3 and 4: ours must not be among them while they are put in place.
        reads, self._to = os.pipe()
        self._from, writes = os.pipe()
        theirs = [fcntl.fcntl(one, fcntl.F_DUPFD, 10) for one in (reads, writes)]
        self._process = subprocess.Popen(
            [
                *("bash", "-c", f'exec "$@" 3<&{theirs[0]} 4>&{theirs[1]}', "bash"),
                *(executable, *FLAGS, f"--user-data-dir={home}"),
            ],
            pass_fds=theirs,
            stderr=subprocess.DEVNULL,
        )
        for one in (reads, writes, *theirs):
            os.close(one)
        self._rest = b""
        self._number = 0
        self.heard: list[dict[str, Any]] = []

    def call(self, method: str, session: str | None = None, **params: Any) -> Any:
        """Ask, and wait for the answer; what happens meanwhile is kept in `heard`."""
        self._number += 1
        message = {"id": self._number, "method": method, "params": params}
        os.write(self._to, json.dumps(message | ({"sessionId": session} if session else {})).encode() + b"\0")
        while (said := self.next()).get("id") != self._number:
            self.heard.append(said)
        assert "error" not in said, (method, said["error"])
        return said["result"]

    def next(self) -> dict[str, Any]:
        """The next message, whatever it is."""
        end = time.monotonic() + PATIENCE
        while b"\0" not in self._rest:
            ready, _, _ = select.select([self._from], [], [], max(0, end - time.monotonic()))
            assert ready, "the browser says nothing"
            piece = os.read(self._from, 1 << 20)
            assert piece, "the browser has gone"
            self._rest += piece
        one, _, self._rest = self._rest.partition(b"\0")
        return json.loads(one)

    def close(self) -> None:
        os.close(self._to)
        os.close(self._from)
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


class Tab:
    """A page of a browser that has never been here: cookies are its own."""

    def __init__(self, browser: Chromium, *, width: int = 1400, dark: bool = False) -> None:
        self._browser = browser
        self._context = browser.call("Target.createBrowserContext")["browserContextId"]
        target = browser.call("Target.createTarget", url="about:blank", browserContextId=self._context)
        attached = browser.call("Target.attachToTarget", targetId=target["targetId"], flatten=True)
        self._session: str = attached["sessionId"]
        self.complaints: list[str] = []
        self.asked: list[str] = []
        self._pages: set[str] = set()
        self._loaded = 0
        for domain in ("Page", "Runtime", "Network", "Log", "Audits"):
            self._call(f"{domain}.enable")
        self._call("Emulation.setScrollbarsHidden", hidden=True)
        theme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self._call("Emulation.setEmulatedMedia", features=[theme])
        self._call(
            "Emulation.setDeviceMetricsOverride", width=width, height=900, deviceScaleFactor=1, mobile=False
        )

    def _call(self, method: str, **params: Any) -> Any:
        result = self._browser.call(method, self._session, **params)
        self._sort()
        return result

    def _sort(self) -> int:
        """Look through what was heard; how many pages have finished loading."""
        heard, self._browser.heard = self._browser.heard, []
        for one in heard:
            if one.get("sessionId") != self._session:
                continue
            method, params = one["method"], one["params"]
            self._loaded += method == "Page.loadEventFired"
            if method == "Network.requestWillBeSent":
                self.asked.append(params["request"]["url"])
                if params.get("type") == "Document":
                    self._pages.add(params["request"]["url"])
            elif method == "Log.entryAdded":
                entry = params["entry"]
                # A page that refuses is logged as well: its status is the answer, and no fault of the page.
                if entry["source"] != "network" or entry.get("url") not in self._pages:
                    self.complaints.append(f"{entry['text']} {entry.get('url', '')}")
            elif method in ("Runtime.exceptionThrown", "Runtime.consoleAPICalled", "Audits.issueAdded"):
                self.complaints.append(json.dumps(params)[:500])
        return self._loaded

    def leads_on(self, act: Callable[[], Any]) -> None:
        """Do something that leads to another page, and wait until it is there."""
        before = self._sort()
        act()
        while self._sort() == before:
            self._browser.heard.append(self._browser.next())

    def open(self, url: str) -> None:
        self.leads_on(lambda: self._call("Page.navigate", url=url))

    def read(self, expression: str) -> Any:
        """What an expression is worth in the page."""
        result = self._call("Runtime.evaluate", expression=expression, returnByValue=True)
        assert "exceptionDetails" not in result, result
        return result["result"].get("value")

    @property
    def url(self) -> str:
        return str(self.read("location.href"))

    @property
    def path(self) -> str:
        return urlsplit(self.url).path

    @property
    def text(self) -> str:
        return str(self.read("document.body.innerText"))

    def click(self, selector: str) -> None:
        """Press the mouse button on the middle of an element."""
        spot = self.read(
            f"(() => {{ const it = document.querySelector({json.dumps(selector)});"
            " it.scrollIntoView({block: 'center'}); const box = it.getBoundingClientRect();"
            " return [box.x + box.width / 2, box.y + box.height / 2]; })()"
        )
        for kind in ("mousePressed", "mouseReleased"):
            self._call(
                "Input.dispatchMouseEvent", type=kind, x=spot[0], y=spot[1], button="left", clickCount=1
            )

    def follow(self, selector: str) -> None:
        """Click what leads to another page."""
        self.leads_on(lambda: self.click(selector))

    def type(self, text: str) -> None:
        self._call("Input.insertText", text=text)

    def fill(self, selector: str, text: str) -> None:
        self.click(selector)
        self.read(f"document.querySelector({json.dumps(selector)}).select()")
        self.type(text)

    def press(self, key: str) -> None:
        code = {"key": key, "code": "Space" if key == " " else key, "windowsVirtualKeyCode": KEYS[key]}
        text = {"Enter": "\r", " ": " "}.get(key)
        self._call("Input.dispatchKeyEvent", type="keyDown", **code, **({"text": text} if text else {}))
        self._call("Input.dispatchKeyEvent", type="keyUp", **code)

    @property
    def focused(self) -> str:
        """What has the focus, in words."""
        return str(
            self.read(
                "(() => { const it = document.activeElement;"
                " return it.value || it.innerText.trim() || it.tagName; })()"
            )
        )

    def picture(self, path: Path) -> None:
        size = self.read("[document.documentElement.clientWidth, document.documentElement.scrollHeight]")
        clip = {"x": 0, "y": 0, "width": size[0], "height": size[1], "scale": 1}
        shot = self._call("Page.captureScreenshot", clip=clip, captureBeyondViewport=True)
        path.write_bytes(base64.b64decode(shot["data"]))

    def close(self) -> None:
        self._browser.call("Target.disposeBrowserContext", browserContextId=self._context)


@pytest.fixture(scope="session")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chromium]:
    executable = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if executable is None:
        assert not os.environ.get("CI"), "continuous integration needs chromium"
        pytest.skip("there is no chromium on this machine")
    browser = Chromium(executable, tmp_path_factory.mktemp("chromium"))
    yield browser
    browser.close()


@pytest.fixture
def tab(chromium: Chromium) -> Iterator[Callable[..., Tab]]:
    """Opens tabs; afterwards none of them may have complained, or asked another host for anything."""
    tabs: list[Tab] = []

    def build(**looks: Any) -> Tab:
        tabs.append(Tab(chromium, **looks))
        return tabs[-1]

    yield build
    for one in tabs:
        assert one.complaints == []
        assert {urlsplit(url).hostname for url in one.asked} <= {"127.0.0.1", "localhost"}
        one.close()


DEMO = ("--demo", "--days", "5")


@pytest.fixture(scope="session")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    """A demo cloud that asks for a passphrase, and what its ready line said."""
    with Program(tmp_path_factory.mktemp("guarded")).serve(*DEMO, RINGLET_SECRET=SECRET) as ready:
        yield ready


@pytest.fixture(scope="session")
def open_cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    """A demo cloud that lets everybody in."""
    with Program(tmp_path_factory.mktemp("open")).serve(*DEMO) as ready:
        yield ready


@pytest.fixture(scope="session")
def secret() -> str:
    return SECRET
