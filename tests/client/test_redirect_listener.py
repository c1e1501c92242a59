"""The listener at the redirect URI: one answer, from loopback, at exactly that address."""

import http.client
import queue
import socket
from concurrent.futures import ThreadPoolExecutor

import pytest

from ringlet._client import redirect_listener as listener
from ringlet._client.redirect_listener import Listener, is_local
from ringlet.errors import Cure, RingletError

REDIRECT_TARGET = "/callback?code=hush&state=s"


@pytest.fixture
def port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def ask(port, path=REDIRECT_TARGET, method="GET", host="localhost", address="127.0.0.1"):
    """The status and the page."""
    connection = http.client.HTTPConnection(address, port, timeout=10)
    connection.request(method, path, headers={"host": f"{host}:{port}"})
    response = connection.getresponse()
    page = response.read().decode()
    connection.close()
    return response.status, page


def test_a_redirect_is_accepted_once_and_its_page_does_not_show_the_code(port):
    answers = queue.SimpleQueue()
    with Listener(f"http://localhost:{port}/callback", answers.put):
        status, page = ask(port)
        assert status == 200
        assert "close this page" in page
        assert "hush" not in page
        assert answers.get(timeout=5) == "code=hush&state=s"
        assert ask(port)[0] == 404
        assert answers.empty()
    with pytest.raises(OSError, match="refused"):
        ask(port)


@pytest.mark.parametrize(
    ("path", "method", "host"),
    [
        ("/favicon.ico", "GET", "localhost"),
        ("/callback/?code=c&state=s", "GET", "localhost"),
        ("/Callback?code=c&state=s", "GET", "localhost"),
        ("/callback", "GET", "localhost"),
        ("/callback?code=c", "GET", "localhost"),
        ("/callback?state=s", "GET", "localhost"),
        (REDIRECT_TARGET, "GET", "rebound.example"),
        (REDIRECT_TARGET, "GET", "127.0.0.1"),
        (REDIRECT_TARGET, "POST", "localhost"),
    ],
)
def test_any_other_request_is_refused_and_the_listener_keeps_waiting(port, path, method, host):
    answers = queue.SimpleQueue()
    with Listener(f"http://localhost:{port}/callback", answers.put):
        assert ask(port, path, method, host)[0] in (404, 501)
        assert ask(port, "/callback?error=access_denied&state=s")[0] == 200
        assert answers.get(timeout=5) == "error=access_denied&state=s"
        assert answers.empty()


def test_of_many_answers_at_once_one_is_taken(port):
    answers = queue.SimpleQueue()
    with Listener(f"http://localhost:{port}/callback", answers.put), ThreadPoolExecutor(8) as pool:
        statuses = list(pool.map(lambda _: ask(port)[0], range(8)))
    assert sorted(statuses) == [200] + [404] * 7
    assert answers.qsize() == 1


def test_the_listener_binds_every_loopback_address_of_its_host_and_no_other(port):
    with Listener(f"http://localhost:{port}/callback", lambda _: None) as listener:
        addresses = {server.server_address[0] for server in listener._servers}
    assert addresses <= {"127.0.0.1", "::1"}
    assert "127.0.0.1" in addresses
    with Listener(f"http://127.0.0.1:{port}/callback", lambda _: None) as listener:
        assert [server.server_address[0] for server in listener._servers] == ["127.0.0.1"]


def test_a_token_in_the_fragment_is_asked_to_be_pasted(port):
    with Listener(f"http://localhost:{port}/callback", lambda _: None, fragment=True):
        status, page = ask(port, "/callback")
    assert status == 200
    assert "paste it into the terminal" in page


def test_a_port_in_use_is_an_error_that_names_another(port):
    with (
        Listener(f"http://localhost:{port}/callback", lambda _: None),
        pytest.raises(RingletError, match=f"port {port} of the redirect URI is in use") as caught,
        Listener(f"http://localhost:{port}/callback", lambda _: None),
    ):
        pass
    assert isinstance(caught.value.cure, Cure)
    assert caught.value.cure.options == {"redirect_uri": "http://localhost:8766/callback"}


def test_the_port_in_use_is_not_the_one_it_names(port, monkeypatch):
    uri, other = f"http://localhost:{port}/callback", "http://localhost:1/callback"
    monkeypatch.setattr(listener, "LOCAL_REDIRECT_URIS", (uri, other))
    with (
        Listener(uri, lambda _: None),
        pytest.raises(RingletError, match="is in use") as caught,
        Listener(uri, lambda _: None),
    ):
        pass
    assert isinstance(caught.value.cure, Cure)
    assert caught.value.cure.options == {"redirect_uri": other}


@pytest.mark.parametrize(
    ("uri", "local"),
    [
        ("http://localhost:8765/callback", True),
        ("http://127.0.0.1:8765/", True),
        ("http://[::1]:8765/callback", True),
        ("https://localhost:8765/callback", False),
        ("https://example.com/callback", False),
        ("http://localhost.example/callback", False),
    ],
)
def test_only_a_plain_loopback_address_can_be_listened_at(uri, local):
    assert is_local(uri) is local
