"""`ringlet login` on a real terminal, as people meet it: each way ends signed in, or in a way out."""

import importlib.util
import os
import re
import shlex
import shutil
import subprocess
import sys
import time
import urllib.error
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        shutil.which("tmux") is None and "CI" not in os.environ, reason="tmux is not installed"
    ),
]

BROWSER = Path(__file__).with_name("browser.py")
NOTICE = "this system has no keyring: the sign-in is stored in a file that only you can read"


def consent(url, who):
    spec = importlib.util.spec_from_file_location("browser", BROWSER)
    browser = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(browser)
    return browser.consent(url, who)


class Terminal:
    """One command in a terminal of its own, and what a person sees and types."""

    def __init__(self, socket, command, env):
        self.tmux = ["tmux", "-S", str(socket), "-f", "/dev/null"]
        words = ["env", "-i", *(f"{name}={value}" for name, value in env.items()), *command]
        shown = f"{shlex.join(words)}; echo ended with $?; sleep 600"
        self._run("new-session", "-d", "-x", "200", "-y", "50", shown)

    def _run(self, *words):
        return subprocess.run([*self.tmux, *words], check=True, capture_output=True, text=True).stdout

    def screen(self):
        return self._run("capture-pane", "-p", "-J", "-S", "-")

    def sees(self, pattern):
        """Wait until it is there; the match."""
        end = time.monotonic() + 60
        while not (found := re.search(pattern, self.screen())):
            assert time.monotonic() < end, f"no {pattern!r} on\n{self.screen()}"
            time.sleep(0.05)
        return found

    def types(self, text):
        self._run("send-keys", "-l", text)
        self._run("send-keys", "Enter")

    def interrupts(self):
        self._run("send-keys", "C-c")

    def close(self):
        self._run("kill-server")


@pytest.fixture
def login(ringlet, ready, tmp_path, redirect_port):
    """Starts `ringlet login` on a terminal."""
    terminals = []

    def start(*args, **env):
        here = {
            "OURA_API_BASE_URL": ready["api"],
            "WEARER": ready["user_id"],
            "PYTHON_KEYRING_BACKEND": "keyring.backends.fail.Keyring",
            "TERM": "screen",
        }
        there = {k: v for k, v in ringlet.env(**here | env).items() if k not in ("DISPLAY", "SSH_TTY")}
        terminals.append(
            Terminal(tmp_path / f"tmux{len(terminals)}", ringlet.command("login", *args), there | env)
        )
        return terminals[-1]

    yield start
    for terminal in terminals:
        terminal.close()


def introduces_itself(terminal, ready):
    """The first questions, answered; the secret is not shown."""
    terminal.sees(r"open +\S+/oauth/applications")
    terminal.sees("Client ID: ")
    terminal.types(ready["client_id"])
    terminal.sees("Client secret .*: ")
    terminal.types(ready["client_secret"])
    shown = terminal.sees(r"(?s).*redirect URI   \S+\n.*?(http\S+/oauth/authorize\S+)")
    assert ready["client_secret"] not in terminal.screen()
    return shown[1]


def ends_signed_in(terminal, ringlet, ready):
    terminal.sees("ended with 0")
    shown = terminal.screen()
    assert "signed in as demo@example.com" in shown
    assert NOTICE in shown
    following = re.search(r"next: ringlet (.*)\n", shown)[1].split()
    assert following == ["sync"]
    done = ringlet("auth", "refresh", OURA_API_BASE_URL=ready["api"])
    assert done.returncode == 0, done.stderr


def test_with_a_browser_nothing_is_pasted(login, ringlet, ready):
    terminal = login(BROWSER=f"{sys.executable} {BROWSER} %s")
    introduces_itself(terminal, ready)
    ends_signed_in(terminal, ringlet, ready)


def test_with_a_scope_refused_it_is_said_which(login, ringlet, ready):
    terminal = login(BROWSER=f"{sys.executable} {BROWSER} %s", UNTICK="heartrate")
    introduces_itself(terminal, ready)
    ends_signed_in(terminal, ringlet, ready)
    terminal.sees(r"not granted  heartrate\n")


def test_over_ssh_the_address_that_the_browser_ends_on_is_pasted(login, ringlet, ready):
    terminal = login(SSH_TTY="/dev/pts/9", BROWSER="false")
    url = introduces_itself(terminal, ready)
    terminal.sees("Paste the address of that page here")
    terminal.types(url)
    terminal.sees("This is not the address of a redirect")
    terminal.types(consent(url, {"WEARER": ready["user_id"]}))
    ends_signed_in(terminal, ringlet, ready)


def test_over_ssh_with_a_forwarded_port_the_listener_hears_it(login, ringlet, ready):
    terminal = login(SSH_CONNECTION="somewhere")
    url = introduces_itself(terminal, ready)
    urllib.request.urlopen(consent(url, {"WEARER": ready["user_id"]}), timeout=10).close()
    ends_signed_in(terminal, ringlet, ready)


def test_without_a_secret_the_token_itself_is_pasted_and_not_shown(login, ringlet):
    with ringlet.serve("--demo", "--days", "2", "--implicit") as ready:
        terminal = login("--implicit", "--no-browser", OURA_API_BASE_URL=ready["api"])
        terminal.sees("Client ID: ")
        terminal.types(ready["client_id"])
        url = terminal.sees(r"\n(http\S+/oauth/authorize\S+)")[1]
        terminal.sees("Address .not shown.:")
        terminal.types(consent(url, {"WEARER": ready["user_id"]}))
        terminal.sees("ended with 0")
        assert "access_token" not in terminal.screen()
        terminal.sees("renewal      not possible: sign in again when the token has expired")
        assert ringlet("api", "personal_info", OURA_API_BASE_URL=ready["api"]).returncode == 0


def test_an_address_of_another_sign_in_is_refused(login, ready):
    terminal = login("--no-browser")
    introduces_itself(terminal, ready)
    terminal.types("http://localhost:8766/callback?code=c&state=s")
    terminal.sees(r"error: invalid_request: the answer belongs to another sign-in.*\nnext: start again")
    terminal.sees("ended with 4")


def test_a_redirect_uri_that_is_not_registered_ends_in_what_to_register(login, ringlet, ready):
    wrong = "http://localhost:8766/callback/"
    terminal = login("--redirect-uri", wrong, "--no-browser")
    url = introduces_itself(terminal, ready)
    with pytest.raises(urllib.error.HTTPError):
        consent(url, {"WEARER": ready["user_id"]})
    terminal.interrupts()
    terminal.sees("ended with 130")
    where = f"{ready['api']}/oauth/applications"
    assert f"next: if the browser showed an error, register exactly {wrong} at {where}," in terminal.screen()
    again = login("--redirect-uri", ready["redirect_uris"][0], BROWSER=f"{sys.executable} {BROWSER} %s")
    introduces_itself(again, ready)
    ends_signed_in(again, ringlet, ready)


@pytest.fixture
def new_portal(ready):
    """The cloud as an application of the newer portal finds it: the older token endpoint knows it not."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            body = self.rfile.read(int(self.headers.get("content-length", 0)))
            if self.path == "/oauth/token":
                self._say(400, [("content-type", "application/json")], b'{"error":"invalid_request"}')
                return
            kept = {
                k: v for k, v in self.headers.items() if k.lower() not in ("host", "connection", "origin")
            }
            asked = urllib.request.Request(ready["api"] + self.path, body or None, kept, method=self.command)
            with opener.open(asked, timeout=10) as answer:
                self._say(answer.status, answer.headers.items(), answer.read())

        do_POST = do_GET  # noqa: N815  # the name that http.server calls

        def _say(self, status, headers, body):
            self.send_response_only(status)
            for name, value in headers:
                if name.lower() not in ("content-length", "transfer-encoding", "connection"):
                    self.send_header(name, value)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format, *args):
            pass

    class Stay(urllib.request.HTTPErrorProcessor):
        def http_response(self, request, response):
            return response

    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), Stay())
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def test_an_application_of_the_newer_portal_is_signed_in_and_its_host_remembered(
    login, ringlet, ready, new_portal
):
    terminal = login(OURA_API_BASE_URL=new_portal, BROWSER=f"{sys.executable} {BROWSER} %s")
    introduces_itself(terminal, ready)
    ends_signed_in(terminal, ringlet, ready | {"api": new_portal})
    card = (ringlet.home / "config/ringlet/profiles/default.json").read_text()
    assert f'"token_url":"{new_portal}/oauth/v2/ext/oauth-token"' in card
