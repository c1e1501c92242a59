"""The HTTP server refuses requests that arrive too slowly, and bounds its connections. Over real sockets."""

from __future__ import annotations

import http.client
import json
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass
from typing import Any

import pytest

from ringlet._cloud.core.bodies import MAX_BODY_BYTES

from .. import forked

MAX_CONNECTIONS = 8
"""The most concurrent connections of the cloud of these tests."""
CLOUD = f"""
from ringlet.archive import Archive
from ringlet._net.http_server import ConnectionLimits
from ringlet.cloud import Cloud
from ringlet._cloud.serve import run
from ringlet._net.listen import bind

limits = ConnectionLimits(request_timeout_s=1.0, max_connections={MAX_CONNECTIONS}, max_head_bytes=20_000)
cloud = Cloud(Archive.open(":memory:"), admin_token="an admin token")
cloud.archive.user("me")
listener = bind("127.0.0.1", 0)
ready = lambda: print(listener.getsockname()[1], flush=True)
run(cloud, listener, ready, shut_down=cloud.shut_down, limits=limits)
"""
HEALTH = b"GET /_ringlet/health HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n"
CHUNKED = b"POST %s HTTP/1.1\r\nhost: 127.0.0.1\r\n%s\r\ntransfer-encoding: chunked\r\n\r\n"
ADMIN = b"authorization: Bearer an admin token"
FORM = b"content-type: application/x-www-form-urlencoded"


@dataclass
class ServedCloud:
    """A cloud in another process."""

    port: int
    process: subprocess.Popen[str]

    def connect(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), timeout=15)

    def ask(self, method: str, path: str, body: Any = None) -> Any:
        with closing(http.client.HTTPConnection("127.0.0.1", self.port, timeout=15)) as connection:
            sent = None if body is None else json.dumps(body)
            connection.request(method, path, sent, {"authorization": "Bearer an admin token"})
            return json.loads(connection.getresponse().read())

    def events(self, wait: float) -> socket.socket:
        """A connection on which a client waits for an event."""
        one = self.connect()
        query = b"/_ringlet/events?wait=%g" % wait
        one.sendall(b"GET " + query + b" HTTP/1.1\r\nhost: 127.0.0.1\r\n" + ADMIN + b"\r\n\r\n")
        return one


@pytest.fixture(scope="module")
def cloud() -> Iterator[ServedCloud]:
    with forked.start(["-c", CLOUD], stderr=subprocess.PIPE) as process:
        assert process.stdout
        yield ServedCloud(int(process.stdout.readline()), process)
        process.terminate()
        assert process.communicate(timeout=30)[1] == "", "clients must not be able to fill the log"
        assert process.returncode == 0


def read_to_end(one: socket.socket) -> bytes:
    """Everything that still comes until the cloud closes the connection."""
    said = b""
    try:
        while piece := one.recv(65536):
            said += piece
    except ConnectionError:
        pass
    return said


def send_byte_by_byte(one: socket.socket, text: bytes) -> bytes:
    """Send slowly until the cloud closes the connection; what it answered."""
    one.settimeout(0.05)
    said = b""
    for byte in text:
        try:
            one.sendall(bytes([byte]))
            piece = one.recv(65536)
        except TimeoutError:
            continue
        except ConnectionError:
            return said
        if not piece:
            return said
        said += piece
    pytest.fail("the connection was not closed")


def send_chunks(one: socket.socket, size: int) -> None:
    for _ in range(size // 4096):
        one.sendall(b"1000\r\n" + b" " * 4096 + b"\r\n")
        time.sleep(0.001)


def status_of_answer(one: socket.socket) -> int:
    """Read one whole answer; its status."""
    answer = http.client.HTTPResponse(one)
    answer.begin()
    answer.read()
    return answer.status


def status(said: bytes) -> int:
    assert said, "the connection was closed without an answer"
    return int(said.split(b" ", 2)[1])


@pytest.mark.parametrize("before", [b"", HEALTH])
def test_an_incomplete_head_is_answered_with_408(cloud: ServedCloud, before: bytes) -> None:
    with cloud.connect() as one:
        if before:  # the first of the connection, or a later one
            one.sendall(before)
            assert status_of_answer(one) == 200
        said = send_byte_by_byte(one, b"GET /_ringlet/health HTTP/1.1\r\nx-slow: " + b"a" * 200)
    assert status(said) == 408
    assert b"\r\nconnection: close\r\n" in said
    assert b"\r\ndate: " in said


@pytest.mark.parametrize(
    ("path", "header"),
    [(b"/oauth/token", FORM), (b"/_ringlet/clock", ADMIN), (b"/v2/webhook/subscription", FORM)],
)
def test_an_incomplete_body_is_answered_with_408(cloud: ServedCloud, path: bytes, header: bytes) -> None:
    with cloud.connect() as one:
        one.sendall(
            b"POST %s HTTP/1.1\r\nhost: 127.0.0.1\r\n%s\r\ncontent-length: 1000\r\n\r\n" % (path, header)
        )
        said = send_byte_by_byte(one, b"a" * 200)
    assert status(said) in (408, 401)
    assert said.count(b"HTTP/1.1 ") == 1


def test_an_incomplete_body_after_the_answer_gets_no_second_answer(cloud: ServedCloud) -> None:
    with cloud.connect() as one:
        one.sendall(b"GET /_ringlet/health HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-length: 1000\r\n\r\n")
        said = send_byte_by_byte(one, b"a" * 200)
    assert status(said) == 200
    assert said.count(b"HTTP/1.1 ") == 1


def test_a_connection_without_a_request_is_closed_without_an_answer(cloud: ServedCloud) -> None:
    with cloud.connect() as one:
        assert read_to_end(one) == b""


def test_requests_in_time_are_answered_and_an_answer_may_take_any_time(cloud: ServedCloud) -> None:
    with cloud.events(2.5) as waiting, cloud.connect() as one:
        until = time.monotonic() + 2.2
        while time.monotonic() < until:
            one.sendall(HEALTH)
            assert status_of_answer(one) == 200
            time.sleep(0.3)
        assert status_of_answer(waiting) == 200


def test_the_client_that_kept_the_cloud_waiting_longest_is_evicted_first(cloud: ServedCloud) -> None:
    with ExitStack() as stack:
        waiting = stack.enter_context(cloud.events(1))
        silent = [stack.enter_context(cloud.connect()) for _ in range(3 * MAX_CONNECTIONS)]
        resting = stack.enter_context(cloud.connect())
        resting.sendall(HEALTH)
        assert status_of_answer(resting) == 200
        silent[0].settimeout(0.5)  # sooner than it would be late
        assert read_to_end(silent[0]) == b""
        resting.sendall(HEALTH)
        assert status_of_answer(resting) == 200
        assert status_of_answer(waiting) == 200


def newcomers_are_answered(cloud: ServedCloud) -> bool:
    """Whether new clients are answered, one after the other, each of which keeps its connection."""
    with ExitStack() as stack:
        for _ in range(2 * MAX_CONNECTIONS):
            one = stack.enter_context(cloud.connect())
            one.sendall(HEALTH)
            try:
                if status_of_answer(one) != 200:
                    return False
            except ConnectionError:  # evicted in favour of no other
                return False
    return True


@pytest.mark.parametrize("more", [b"", b"\r\n", b"\r\n\r\n"], ids=["nothing", "a line", "two lines"])
def test_idle_connections_are_evicted_whatever_is_sent_after_the_answer(
    cloud: ServedCloud, more: bytes
) -> None:
    with ExitStack() as stack:
        for _ in range(MAX_CONNECTIONS):
            one = stack.enter_context(cloud.connect())
            one.sendall(HEALTH)
            assert status_of_answer(one) == 200
            one.sendall(more)
        assert newcomers_are_answered(cloud)


@pytest.mark.parametrize("last", [b"", b"connection: close\r\n"], ids=["kept", "closed"])
def test_clients_that_do_not_read_their_answers_are_evicted(cloud: ServedCloud, last: bytes) -> None:
    asked = b"GET /openapi.json HTTP/1.1\r\nhost: 127.0.0.1\r\n"
    with ExitStack() as stack:
        for _ in range(MAX_CONNECTIONS):
            one = stack.enter_context(cloud.connect())
            one.sendall((asked + b"\r\n") * 500 + asked + last + b"\r\n")
        # It takes the cloud a while to make as many answers as fit into the buffers of the system.
        until = time.monotonic() + 30
        while not newcomers_are_answered(cloud):
            assert time.monotonic() < until
            time.sleep(0.2)


def test_a_pipelined_request_has_its_deadline_after_the_answer_before_it(cloud: ServedCloud) -> None:
    with cloud.events(2.5) as one:
        one.sendall(HEALTH[:10])
        assert status_of_answer(one) == 200
        one.sendall(HEALTH[10:])
        assert status_of_answer(one) == 200


def test_a_client_that_reads_slowly_gets_every_answer(cloud: ServedCloud) -> None:
    count, got = 200, 0
    with cloud.connect() as one, one.makefile("rb") as said:
        one.sendall(b"GET /openapi.json HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n" * count)
        while got < count:
            length = 0
            while (line := said.readline()) != b"\r\n":
                name, _, value = line.partition(b": ")
                length = int(value) if name == b"content-length" else length
            assert len(said.read(length)) == length > 0
            got += 1
            time.sleep(3 / count)


@pytest.mark.parametrize(
    ("path", "header"),
    [
        (b"/oauth/token", FORM),
        (b"/oauth/revoke", FORM),
        (b"/oauth/introspect", FORM),
        (b"/v2/webhook/subscription", b"content-type: application/json"),
        (b"/_ringlet/tokens", ADMIN),
        (b"/_ringlet/users", ADMIN),
        (b"/_ringlet/faults", ADMIN),
        (b"/_ringlet/clock", ADMIN),
        (b"/_ringlet/trigger", ADMIN),
        (b"/_ringlet/deliveries/replay", ADMIN),
    ],
)
def test_a_body_without_end_is_answered_with_413_and_not_read_further(
    cloud: ServedCloud, path: bytes, header: bytes
) -> None:
    with cloud.connect() as one:
        one.sendall(CHUNKED % (path, header))
        with pytest.raises(ConnectionError):
            send_chunks(one, 100 * MAX_BODY_BYTES)
        assert status(read_to_end(one)) in ({413} if header in (FORM, ADMIN) else {401, 413})
