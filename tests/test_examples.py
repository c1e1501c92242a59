"""The programs of examples/ run as they stand, against a real demo cloud on a free port."""

import ast
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

import pytest

from ringlet._cli.demo.headless_sign_in import ConsentPage

from . import forked
from .program import Program

EXAMPLES = Path(__file__).resolve().parents[1] / "examples"
PUBLIC = {
    f"ringlet{name}" for name in ("", ".errors", ".models", ".webhooks", ".client", ".archive", ".cloud")
}


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("examples")


@pytest.fixture(scope="module")
def ready(home: Path) -> Iterator[dict[str, Any]]:
    with Program(home).serve("--demo", "--days", "15") as ready:
        yield ready


@pytest.fixture(scope="module")
def ringlet(home: Path, ready: dict[str, Any]) -> Program:
    """The program with the variables that `serve --demo` says to export."""
    exported = {
        "OURA_API_BASE_URL": ready["api"],
        "OURA_ACCESS_TOKEN": ready["access_token"],
        "OURA_CLIENT_ID": ready["client_id"],
        "OURA_CLIENT_SECRET": ready["client_secret"],
        "RINGLET_ADMIN_TOKEN": ready["admin_token"],
        "RINGLET_VERIFICATION_TOKEN": "a-long-random-text-of-mine",
    }
    return Program(home, exported)


def run(ringlet: Program, name: str, *args: str | Path) -> str:
    done = forked.run([EXAMPLES / name, *args], env=ringlet.env(), cwd=ringlet.home)
    assert done.returncode == 0, done.stderr
    return done.stdout


@contextmanager
def serving(ringlet: Program, name: str, **env: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """An example that serves, on a free port, and its address."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server = forked.start([EXAMPLES / name], env=ringlet.env(PORT=str(port), **env), cwd=ringlet.home)
    address = f"http://localhost:{port}"
    try:
        for _ in range(600):
            try:
                with socket.create_connection(("127.0.0.1", port)):
                    break
            except OSError:
                assert server.poll() is None
                time.sleep(0.1)
        yield server, address
    finally:
        server.terminate()
        server.communicate(timeout=30)


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.py")), ids=lambda path: path.stem)
def test_an_example_imports_only_public_modules_and_is_listed(path: Path) -> None:
    tree = ast.parse(path.read_text("utf-8"))
    imported = {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert {name for name in imported if name and name.startswith("ringlet")} <= PUBLIC
    assert f"]({path.name})" in (EXAMPLES / "README.md").read_text("utf-8")


@pytest.mark.parametrize("name", ["last_week_of_sleep.py", "last_week_of_sleep_async.py"])
def test_last_week_of_sleep(ringlet: Program, name: str) -> None:
    lines = run(ringlet, name).splitlines()
    assert 4 <= len(lines) <= 7
    assert all("asleep" in line for line in lines)


def test_an_archive_is_read_with_sqlite_alone(ringlet: Program) -> None:
    archive = ringlet.home / "archive.db"
    synced = ringlet("sync", "--db", archive, "--types", "daily_sleep")
    assert synced.returncode == 0, synced.stderr
    assert "nights, average sleep score" in run(ringlet, "read_archive.py", archive)


def test_a_webhook_receiver_prints_the_document_that_changed(ringlet: Program) -> None:
    with serving(ringlet, "webhook_receiver.py") as (server, address):
        made = ringlet("webhooks", "create", "--callback", f"{address}/oura/", "--type", "sleep")
        assert made.returncode == 0, made.stderr
        triggered = ringlet("trigger", "sleep.update", "--override", "efficiency=61")
        assert triggered.returncode == 0, triggered.stderr
        assert server.stdout
        line = server.stdout.readline()
        assert line.startswith("update sleep")
        assert '"efficiency":61' in line
        assert ringlet("webhooks", "delete", "--all").returncode == 0


def test_a_program_is_tested_against_a_cloud_of_its_own(ringlet: Program) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", EXAMPLES / "cloud_for_tests.py"],
        env=ringlet.env(),
        cwd=ringlet.home,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "1 passed" in done.stdout


class _Stay(urllib.request.HTTPErrorProcessor):
    """Gives every answer as it is, redirects too."""

    def http_response(self, request: urllib.request.Request, response: Any) -> Any:
        return response


def test_a_user_of_a_web_application_signs_in(ringlet: Program, ready: dict[str, Any]) -> None:
    """The browser follows the redirect by itself; here the callback is asked at the port it really has."""
    redirect = ready["redirect_uris"][0]
    browser = urllib.request.build_opener(
        urllib.request.ProxyHandler({}), urllib.request.HTTPCookieProcessor(), _Stay()
    )
    with serving(ringlet, "web_sign_in.py", OURA_REDIRECT_URI=redirect) as (_, address):
        with browser.open(f"{address}/") as begun:
            consent = begun.headers["location"]
        with browser.open(consent) as page:
            fields = ConsentPage(page.read().decode()).fields
        form = [*(field for field in fields if field[0] != "user"), ("decision", "allow")]
        with browser.open(consent, data=urlencode([*form, ("user", ready["user_id"])]).encode()) as sent:
            back = sent.headers["location"]
        assert back.startswith(redirect)
        with browser.open(f"{address}{urlsplit(back).path}?{urlsplit(back).query}") as shown:
            assert "sleep score" in shown.read().decode()
        with browser.open(f"{address}/callback?code=x&state=forged") as refused:
            assert refused.status == 400
