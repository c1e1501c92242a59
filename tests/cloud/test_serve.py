"""Running the cloud: the port, the ready line, and an end that finishes what was begun."""

import http.client
import json
import signal
import socket
import subprocess
import sys
from urllib.parse import urlsplit

import pytest

from ringlet._cloud.core.throttle import FREE_FAILURES
from ringlet._cloud.serve import keep_freed_memory
from ringlet._net.listen import bind
from ringlet.errors import Action, Cure, RingletError

from .. import forked

WAITING = """
import sys
from ringlet.archive import Archive
from ringlet.cloud import Cloud, CloudSettings
from ringlet._cloud.serve import run
from ringlet._net.listen import bind

cloud = Cloud(Archive.open(":memory:"), settings=CloudSettings(latency_s=0.5))
app_id, _ = cloud.grants.apps.register("App", [])
token = cloud.grants.issue(app_id, cloud.archive.user("me"), ["daily"]).access_token
listener = bind("127.0.0.1", 0)

async def app(scope, receive, send):
    if scope["type"] == "http":
        print("begun", flush=True)
    await cloud(scope, receive, send)

run(app, listener, lambda: print(listener.getsockname()[1], token, flush=True))
print("left", flush=True)
"""
"""A cloud that takes half a second to answer and says when it begins to."""


@pytest.fixture
def waiting():
    with forked.start(["-c", WAITING], stderr=subprocess.PIPE) as process:
        yield process
        process.kill()


def test_a_bound_port_is_a_port_that_takes_connections():
    with bind("127.0.0.1", 0) as listener:
        port = listener.getsockname()[1]
        assert port > 0
        socket.create_connection(("127.0.0.1", port)).close()


def test_a_taken_port_says_which_and_what_to_do():
    with bind("127.0.0.1", 0) as listener:
        port = listener.getsockname()[1]
        with pytest.raises(RingletError, match=f"port {port} on 127.0.0.1 is taken") as taken:
            bind("127.0.0.1", port)
    assert isinstance(taken.value.cure, Cure)
    assert (taken.value.cure.action, taken.value.cure.options) == (Action.REPEAT, {"port": "0"})


def test_a_port_is_free_again_at_once():
    with bind("127.0.0.1", 0) as listener:
        port = listener.getsockname()[1]
        client = socket.create_connection(("127.0.0.1", port))
        taken, _ = listener.accept()
        taken.close()
        client.close()
    bind("127.0.0.1", port).close()


@pytest.mark.parametrize("host", ["192.0.2.1", "no.such.host.invalid"])
def test_a_host_that_is_not_ours_is_refused(host):
    with pytest.raises(RingletError, match="cannot listen on") as refused:
        bind(host, 0)
    assert isinstance(refused.value.cure, Cure)
    assert refused.value.cure.options["host"] == "127.0.0.1"


def test_ipv6_where_there_is_some():
    try:
        listener = bind("::1", 0)
    except RingletError:
        pytest.skip("this machine has no ::1")
    with listener:
        socket.create_connection(("::1", listener.getsockname()[1])).close()


def test_resting_the_heap_harms_nothing():
    keep_freed_memory()
    keep_freed_memory()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_lets_requests_in_flight_finish_and_ends_with_0(waiting, number):
    port, token = waiting.stdout.readline().split()
    flying = []
    for _ in range(5):
        connection = http.client.HTTPConnection("127.0.0.1", int(port), timeout=30)
        connection.request("GET", "/v2/usercollection/sleep", headers={"authorization": f"Bearer {token}"})
        flying.append(connection)
        assert waiting.stdout.readline() == "begun\n"
    waiting.send_signal(number)
    for connection in flying:
        answer = connection.getresponse()
        assert answer.status == 200
        assert json.loads(answer.read()) == {"data": [], "next_token": None}
        connection.close()
    said, complaints = waiting.communicate(timeout=30)
    assert (waiting.returncode, said, complaints) == (0, "left\n", "")
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", int(port)))


def test_idle_connections_do_not_hold_it_up(waiting):
    port, token = waiting.stdout.readline().split()
    connection = http.client.HTTPConnection("127.0.0.1", int(port), timeout=30)
    connection.request("GET", "/v2/usercollection/sleep", headers={"authorization": f"Bearer {token}"})
    assert connection.getresponse().read()
    idle = socket.create_connection(("127.0.0.1", int(port)))
    waiting.send_signal(signal.SIGTERM)
    waiting.communicate(timeout=8)
    assert waiting.returncode == 0
    connection.close()
    idle.close()


def test_ready_is_said_when_it_answers_and_not_before(tmp_path):
    """Whoever reads the line asks at once, without trying again."""
    command = [
        sys.executable,
        "-m",
        "ringlet",
        "serve",
        "--demo",
        "--days",
        "2",
        "--port",
        "0",
        "--ready",
        "json",
    ]
    with subprocess.Popen(
        command, env={"HOME": str(tmp_path), "PATH": ""}, stdout=subprocess.PIPE, encoding="utf-8"
    ) as process:
        try:
            ready = json.loads(process.stdout.readline())
            connection = http.client.HTTPConnection(urlsplit(ready["api"]).netloc, timeout=10)
            connection.request("GET", "/_ringlet/health")
            answer = connection.getresponse()
            assert (answer.status, json.loads(answer.read())["status"]) == (200, "ok")
            connection.close()
        finally:
            process.terminate()
        assert process.wait(30) == 0


def test_nobody_dodges_the_wait_for_wrong_guesses_by_naming_other_addresses(waiting):
    port = int(waiting.stdout.readline().split()[0])
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    statuses = []
    for guess in range(2 * FREE_FAILURES):
        headers = {"x-forwarded-for": f"192.0.2.{guess}", "content-type": "application/x-www-form-urlencoded"}
        body = f"grant_type=refresh_token&client_id=x&client_secret={guess}"
        connection.request("POST", "/oauth/token", body, headers)
        answer = connection.getresponse()
        answer.read()
        statuses.append(answer.status)
    connection.close()
    assert statuses[0] == 401
    assert statuses[-1] == 429
