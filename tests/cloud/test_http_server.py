"""Whoever asks does so in time, or makes room for others. Over sockets, with a second for half a minute."""

from __future__ import annotations

import http.client
import json
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass
from typing import Any

import pytest

from ringlet._cloud.browser.pages import MAX_BODY

MOST = 8
"""Connections that this cloud takes."""
CLOUD = f"""
from ringlet.archive import Archive
from ringlet._net import http_server
from ringlet.cloud import Cloud
from ringlet._cloud.serve import bind, run

http_server.WHOLE = 1.0
http_server.MOST = {MOST}
cloud = Cloud(Archive.open(":memory:"), admin_token="an admin token")
cloud.archive.user("me")
listener = bind("127.0.0.1", 0)
run(cloud, listener, lambda: print(listener.getsockname()[1], flush=True), leave=cloud.leave)
"""
HEALTH = b"GET /_ringlet/health HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n"
CHUNKED = b"POST %s HTTP/1.1\r\nhost: 127.0.0.1\r\n%s\r\ntransfer-encoding: chunked\r\n\r\n"
ADMIN = b"authorization: Bearer an admin token"
FORM = b"content-type: application/x-www-form-urlencoded"


@dataclass
class There:
    """A cloud that runs."""

    port: int
    process: subprocess.Popen[str]

    def dial(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), timeout=15)

    def ask(self, method: str, path: str, body: Any = None) -> Any:
        with closing(http.client.HTTPConnection("127.0.0.1", self.port, timeout=15)) as connection:
            sent = None if body is None else json.dumps(body)
            connection.request(method, path, sent, {"authorization": "Bearer an admin token"})
            return json.loads(connection.getresponse().read())

    def events(self, wait: float) -> socket.socket:
        """Somebody who waits for an event."""
        one = self.dial()
        query = b"/_ringlet/events?wait=%g" % wait
        one.sendall(b"GET " + query + b" HTTP/1.1\r\nhost: 127.0.0.1\r\n" + ADMIN + b"\r\n\r\n")
        return one


@pytest.fixture
def cloud() -> Iterator[There]:
    with subprocess.Popen(
        [sys.executable, "-W", "error", "-c", CLOUD],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
    ) as process:
        assert process.stdout
        yield There(int(process.stdout.readline()), process)
        process.terminate()
        assert process.communicate(timeout=30)[1] == "", "nobody fills the log"
        assert process.returncode == 0


def rest(one: socket.socket) -> bytes:
    """All that still comes, until the other end hangs up."""
    said = b""
    try:
        while piece := one.recv(65536):
            said += piece
    except ConnectionError:
        pass
    return said


def byte_by_byte(one: socket.socket, text: bytes) -> bytes:
    """Send so until they hang up; what they said."""
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
    pytest.fail("nobody hung up")


def send_chunks(one: socket.socket, size: int) -> None:
    for _ in range(size // 4096):
        one.sendall(b"1000\r\n" + b" " * 4096 + b"\r\n")
        time.sleep(0.001)


def answered(one: socket.socket) -> int:
    """One whole answer; its status."""
    answer = http.client.HTTPResponse(one)
    answer.begin()
    answer.read()
    return answer.status


def status(said: bytes) -> int:
    assert said, "they hung up without a word"
    return int(said.split(b" ", 2)[1])


@pytest.mark.parametrize("before", [b"", HEALTH])
def test_a_head_that_does_not_come_to_an_end_is_answered_with_408(cloud: There, before: bytes) -> None:
    with cloud.dial() as one:
        if before:  # the first of the connection, or a later one
            one.sendall(before)
            assert answered(one) == 200
        said = byte_by_byte(one, b"GET /_ringlet/health HTTP/1.1\r\nx-slow: " + b"a" * 200)
    assert status(said) == 408
    assert b"\r\nconnection: close\r\n" in said
    assert b"\r\ndate: " in said


@pytest.mark.parametrize(
    ("path", "header"),
    [(b"/oauth/token", FORM), (b"/_ringlet/clock", ADMIN), (b"/v2/webhook/subscription", FORM)],
)
def test_a_body_that_does_not_come_to_an_end_neither(cloud: There, path: bytes, header: bytes) -> None:
    with cloud.dial() as one:
        one.sendall(
            b"POST %s HTTP/1.1\r\nhost: 127.0.0.1\r\n%s\r\ncontent-length: 1000\r\n\r\n" % (path, header)
        )
        said = byte_by_byte(one, b"a" * 200)
    assert status(said) in (408, 401)
    assert said.count(b"HTTP/1.1 ") == 1


def test_a_body_that_nobody_waits_for_gets_no_second_answer(cloud: There) -> None:
    with cloud.dial() as one:
        one.sendall(b"GET /_ringlet/health HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-length: 1000\r\n\r\n")
        said = byte_by_byte(one, b"a" * 200)
    assert status(said) == 200
    assert said.count(b"HTTP/1.1 ") == 1


def test_who_asks_nothing_is_hung_up_on_without_a_word(cloud: There) -> None:
    with cloud.dial() as one:
        assert rest(one) == b""


def test_who_asks_in_time_goes_on_and_an_answer_takes_the_time_it_takes(cloud: There) -> None:
    with cloud.events(2.5) as waiting, cloud.dial() as one:
        until = time.monotonic() + 2.2
        while time.monotonic() < until:
            one.sendall(HEALTH)
            assert answered(one) == 200
            time.sleep(0.3)
        assert answered(waiting) == 200


def test_whoever_lets_the_cloud_wait_longest_makes_room_and_not_who_waits_for_it(cloud: There) -> None:
    with ExitStack() as all_of_them:
        waiting = all_of_them.enter_context(cloud.events(1))
        silent = [all_of_them.enter_context(cloud.dial()) for _ in range(3 * MOST)]
        resting = all_of_them.enter_context(cloud.dial())
        resting.sendall(HEALTH)
        assert answered(resting) == 200
        silent[0].settimeout(0.5)  # sooner than it would be late
        assert rest(silent[0]) == b""
        resting.sendall(HEALTH)
        assert answered(resting) == 200
        assert answered(waiting) == 200


def all_are_answered(cloud: There, count: int) -> bool:
    """Whether so many newcomers are, one after the other, each of whom keeps its connection."""
    with ExitStack() as all_of_them:
        for _ in range(count):
            one = all_of_them.enter_context(cloud.dial())
            one.sendall(HEALTH)
            if answered(one) != 200:
                return False
    return True


@pytest.mark.parametrize("more", [b"", b"\r\n", b"\r\n\r\n"], ids=["nothing", "a line", "two lines"])
def test_who_has_been_answered_makes_room_whatever_comes_after(cloud: There, more: bytes) -> None:
    with ExitStack() as all_of_them:
        for _ in range(MOST):
            one = all_of_them.enter_context(cloud.dial())
            one.sendall(HEALTH)
            assert answered(one) == 200
            one.sendall(more)
        assert all_are_answered(cloud, 2 * MOST)


@pytest.mark.parametrize("last", [b"", b"connection: close\r\n"], ids=["kept", "closed"])
def test_who_takes_nothing_of_the_answers_makes_room(cloud: There, last: bytes) -> None:
    asked = b"GET /openapi.json HTTP/1.1\r\nhost: 127.0.0.1\r\n"
    with ExitStack() as all_of_them:
        for _ in range(MOST):
            one = all_of_them.enter_context(cloud.dial())
            one.sendall((asked + b"\r\n") * 500 + asked + last + b"\r\n")
        time.sleep(1.5)
        assert all_are_answered(cloud, 2 * MOST)


def test_a_request_that_comes_behind_another_is_not_late_while_that_is_answered(cloud: There) -> None:
    with cloud.events(2.5) as one:
        one.sendall(HEALTH[:10])
        assert answered(one) == 200
        one.sendall(HEALTH[10:])
        assert answered(one) == 200


def test_who_takes_the_answers_slowly_gets_all_of_them(cloud: There) -> None:
    count, got = 200, 0
    with cloud.dial() as one, one.makefile("rb") as said:
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
def test_a_body_that_never_ends_is_413_and_not_read_on(cloud: There, path: bytes, header: bytes) -> None:
    with cloud.dial() as one:
        one.sendall(CHUNKED % (path, header))
        with pytest.raises(ConnectionError):
            send_chunks(one, 100 * MAX_BODY)
        assert status(rest(one)) in ({413} if header in (FORM, ADMIN) else {401, 413})
