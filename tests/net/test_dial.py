"""Requests to an untrusted server: each ends in time, with a status or a reason that contains no secret."""

from __future__ import annotations

import asyncio
import ssl
import subprocess
import time
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ringlet._net.addresses import AddressPolicy
from ringlet._net.dial import MAX_BODY_BYTES, Dialer, Exchange

from ..cloud.untrusted_server import UntrustedServer, untrusted_server
from ..cloud.webhook_service import wait_until
from ..timed import below
from .test_addresses import EMBEDDING, LOOPBACK, METADATA, PRIVATE, SPECIAL

DEV = AddressPolicy("dev")
SHORT_DEADLINE_S = 0.5
"""Where the deadline ends the exchange."""
LONG_DEADLINE_S = 20.0
"""Where something else ends the exchange, also on a busy machine."""
SECRET = "canary-5f2e"


def run_with_server(
    work: Callable[[Dialer, UntrustedServer], Awaitable[None]],
    *,
    host: str = "127.0.0.1",
    deadline: float = LONG_DEADLINE_S,
    **options: object,
) -> None:
    """Run `work` with a dialer and an untrusted server."""

    async def main() -> None:
        dialer = Dialer(DEV, deadline=deadline, **options)  # type: ignore[arg-type]
        async with untrusted_server(host=host) as server:
            await work(dialer, server)
            await dialer.close()

    asyncio.run(main())


@pytest.mark.parametrize(
    "target",
    [
        "ok",
        "500",
        "redirect",
        "410",
        "huge",
        "chunks",
        "tiny-chunks",
        "chunk-extensions",
        "gzip-bomb",
        "close-after",
    ],
)
def test_the_status_is_the_result_even_if_the_body_is_endless_or_broken(target: str) -> None:
    async def work(dialer: Dialer, server: UntrustedServer) -> None:
        exchange = await dialer.send("POST", server.url(target), {"x-one": "1"}, b"{}")
        assert exchange.status == {"500": 500, "410": 410, "redirect": 302}.get(target, 200)
        assert exchange.reason == ""
        assert len(exchange.body) <= MAX_BODY_BYTES
        assert [(request.method, request.body, request.headers["x-one"]) for request in server.requests] == [
            ("POST", b"{}", "1")
        ]

    run_with_server(work)


@pytest.mark.parametrize(
    ("target", "words"),
    [
        ("reset", "reset"),
        ("close", "closed"),
        ("garbage", "HTTP"),
        ("half-body", "closed"),
        ("long-headers", "more than 64 KB"),
        ("interim", "more than 64 KB"),
        ("hang", "within 0.5 s"),
        ("slow-body", "within 0.5 s"),
        ("slow-headers", "within 0.5 s"),
    ],
)
def test_an_incomplete_response_gives_a_reason_in_time_and_without_secrets(target: str, words: str) -> None:
    async def work(dialer: Dialer, server: UntrustedServer) -> None:
        began = time.monotonic()
        exchange = await dialer.send("POST", server.url(f"{target}?key={SECRET}"), {}, b"{}")
        assert below(time.monotonic() - began, SHORT_DEADLINE_S + 0.5)
        assert (exchange.status, exchange.body) == (None, b"")
        assert words in exchange.reason
        assert SECRET not in exchange.reason
        assert len(server.requests) == 1, "one request is sent"

    run_with_server(work, deadline=SHORT_DEADLINE_S if "within" in words else LONG_DEADLINE_S)


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("http://127.0.0.1:1/", "refused"),
        ("http://nobody.invalid/", "resolved"),
        (f"http://user:{SECRET}@127.0.0.1/", "user and password"),
        ("ftp://127.0.0.1/", "http"),
        ("http://" + "a" * 64 + ".example/", "resolved"),
        ("http://a..example/", "resolved"),
        ("http://[fe80::1%25lo]/", "interface"),
        ("http://192.168.0.1/", "lan:192.168.0.1"),
    ],
)
def test_a_url_that_cannot_be_connected_to_gives_a_reason(url: str, words: str) -> None:
    exchange = asyncio.run(Dialer(DEV, deadline=5).send("GET", url, {}))
    assert exchange.status is None
    assert words in exchange.reason
    assert SECRET not in exchange.reason


@pytest.mark.parametrize(
    "target", ["", "?a=1", "ok;a=1?b=2;c", "ok//x/../y?q=%20&r=/?", "ok?url=http://b.example/"]
)
def test_a_url_is_requested_exactly_as_written(target: str) -> None:
    async def work(dialer: Dialer, server: UntrustedServer) -> None:
        server.choose_behaviour = lambda _: "ok"
        assert (await dialer.send("GET", server.url(target, "LocalHost"), {})).status == 200
        assert server.requests[0].target == f"/{target}"
        assert server.requests[0].headers["host"] == f"LocalHost:{server.port}"

    run_with_server(work)


def test_a_header_that_cannot_be_sent_gives_a_reason_that_does_not_quote_it() -> None:
    async def work(dialer: Dialer, server: UntrustedServer) -> None:
        exchange = await dialer.send("GET", server.url("ok"), {"x-one": f"{SECRET}\r\nx-two: 2"})
        assert exchange.status is None
        assert SECRET not in exchange.reason
        assert not server.requests

    run_with_server(work)


@pytest.mark.parametrize("target", ["interim", "tiny-chunks", "chunk-extensions", "long-headers", "huge"])
def test_an_endless_response_does_not_delay_other_requests(target: str) -> None:
    async def work(_: Dialer, server: UntrustedServer) -> None:
        dialer = Dialer(DEV, deadline=30)
        requests = [asyncio.create_task(dialer.send("GET", server.url(target), {})) for _ in range(8)]
        await wait_until(lambda: len(server.requests) == len(requests))
        assert below((await dialer.send("GET", server.url("ok"), {})).took, 1)
        assert below(max(one.took for one in await asyncio.gather(*requests)), 10)
        await dialer.close()

    run_with_server(work)


def host_of(spelling: str) -> str:
    return f"[{spelling}]" if ":" in spelling else spelling


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_the_public_policy_reaches_no_private_address_in_any_spelling(host: str) -> None:
    async def work(_: Dialer, server: UntrustedServer) -> None:
        dialer = Dialer(AddressPolicy("public"), deadline=5)
        for spelling in [*LOOPBACK, *PRIVATE, *METADATA, *SPECIAL, *EMBEDDING]:
            exchange = await dialer.send("GET", server.url("ok", host_of(spelling)), {})
            assert exchange.status is None
            assert "which this cloud does not allow for callbacks" in exchange.reason, spelling
        assert server.connections == 0

    run_with_server(work, host=host)


@pytest.mark.parametrize(
    "spelling", [one for one in LOOPBACK if ":" not in one and one.startswith(("127.0.0.1", "0x7"))]
)
def test_the_same_spellings_are_reached_where_the_policy_allows_them(spelling: str) -> None:
    async def work(dialer: Dialer, server: UntrustedServer) -> None:
        exchange = await dialer.send("GET", server.url("ok", spelling), {})
        assert exchange.status == 200, exchange

    run_with_server(work)


class ScriptedResolver:
    """A name server under an attacker's hand: each question gets the next answer."""

    def __init__(self, *answers: Sequence[str]) -> None:
        self.answers = list(answers)
        self.calls = 0

    async def __call__(self, host: str) -> Sequence[str]:
        self.calls += 1
        return self.answers[min(self.calls, len(self.answers)) - 1]


def test_a_name_is_resolved_once_for_each_connection_against_dns_rebinding() -> None:
    names = ScriptedResolver(["127.0.0.1"], ["169.254.169.254"])

    async def work(dialer: Dialer, server: UntrustedServer) -> None:
        url = server.url("ok", "rebinding.example")
        assert (await dialer.send("GET", url, {})).status == 200
        assert names.calls == 1
        assert server.requests[0].headers["host"] == f"rebinding.example:{server.port}"
        assert (await dialer.send("GET", url, {})).status == 200
        assert (names.calls, server.connections) == (1, 1), "a connection whose address was checked is reused"
        await dialer.close()
        assert "metadata" in (await dialer.send("GET", url, {})).reason
        assert names.calls == 2

    run_with_server(work, resolve=names)


def test_a_name_that_later_resolves_to_loopback_is_refused_then() -> None:
    names = ScriptedResolver(["192.0.1.1"], ["127.0.0.1"])

    async def work(_: Dialer, server: UntrustedServer) -> None:
        dialer = Dialer(AddressPolicy("public"), deadline=0.2, resolve=names)
        url = server.url("ok", "rebinding.example")
        assert (await dialer.send("GET", url, {})).status is None
        assert "loopback" in (await dialer.send("GET", url, {})).reason
        assert server.connections == 0

    run_with_server(work)


def test_the_public_policy_does_not_reveal_the_address_of_an_internal_name() -> None:
    async def work(_: Dialer, server: UntrustedServer) -> None:
        for address, kind in (("10.9.8.7", "a private address"), ("2002:a09:807::", "a private address")):
            dialer = Dialer(AddressPolicy("public"), resolve=ScriptedResolver([address]))
            reason = (await dialer.send("GET", server.url("ok", "intranet.example"), {})).reason
            assert kind in reason
            assert "intranet.example" in reason
            assert not any(part in reason for part in (address, "10.9.8.7"))
        assert server.connections == 0

    run_with_server(work)


@pytest.mark.parametrize("order", [1, -1])
def test_a_name_with_one_private_address_is_refused(order: int) -> None:
    names = ScriptedResolver(["127.0.0.1", "10.0.0.1"][::order])

    async def work(dialer: Dialer, server: UntrustedServer) -> None:
        exchange = await dialer.send("GET", server.url("ok", "mixed.example"), {})
        assert "10.0.0.1 is a private address" in exchange.reason
        assert server.connections == 0

    run_with_server(work, resolve=names)


def test_the_next_address_is_tried_if_one_does_not_answer() -> None:
    names = ScriptedResolver(["127.0.0.9", "127.0.0.1"])

    async def work(dialer: Dialer, server: UntrustedServer) -> None:
        assert (await dialer.send("GET", server.url("ok", "two.example"), {})).status == 200

    run_with_server(work, resolve=names)


def test_a_redirect_is_not_followed() -> None:
    async def work(dialer: Dialer, server: UntrustedServer) -> None:
        exchange = await dialer.send("POST", server.url("redirect"), {}, b"{}")
        assert (exchange.status, exchange.headers["location"]) == (302, "/ok")
        assert [request.target for request in server.requests] == ["/redirect"]

    run_with_server(work)


def test_proxies_of_the_environment_are_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")

    async def work(dialer: Dialer, server: UntrustedServer) -> None:
        assert (await dialer.send("GET", server.url("ok"), {})).status == 200

    run_with_server(work)


def test_connections_are_reused_and_replaced_if_the_server_closed_them() -> None:
    async def work(dialer: Dialer, server: UntrustedServer) -> None:
        for _ in range(3):
            assert (await dialer.send("GET", server.url("ok"), {})).status == 200
        assert server.connections == 1
        for _ in range(3):
            assert (await dialer.send("GET", server.url("close-after"), {})).status == 200
        assert len(server.requests) == 6

    run_with_server(work)


def test_a_request_is_sent_again_once_and_only_after_a_reused_connection() -> None:
    async def work(dialer: Dialer, server: UntrustedServer) -> None:
        assert {
            one.status
            for one in await asyncio.gather(*(dialer.send("GET", server.url("ok"), {}) for _ in range(9)))
        } == {200}
        assert server.connections == 9
        server.requests.clear()
        assert (await dialer.send("GET", server.url("close"), {})).status is None
        assert [request.behaviour for request in server.requests] == ["close", "close"]

    run_with_server(work)


def test_idle_connections_are_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ringlet._net.dial.IDLE_TIMEOUT_S", 0.05)

    async def work(dialer: Dialer, server: UntrustedServer) -> None:
        await asyncio.gather(*(dialer.send("GET", server.url("ok"), {}) for _ in range(9)))
        await asyncio.sleep(0.1)
        assert (await dialer.send("GET", server.url("ok", "localhost"), {})).status == 200
        assert sum(map(len, dialer._idle.values())) == 1

    run_with_server(work)


RESPONSE_PARTS = st.sampled_from(
    [
        *(
            b"HTTP/1.1 200 OK",
            b"HTTP/1.1 100 Continue",
            b"HTTP/1.1 101 X",
            b"HTTP/1.0 204",
            b"HTTP/9.9 999 ?",
        ),
        *(
            b"\r\n",
            b"\r\n\r\n",
            b"\n\n",
            b"\0",
            b"Content-Length: 5",
            b"Content-Length: -1",
            b"Content-Length: 9e9",
        ),
        *(
            b"Transfer-Encoding: chunked",
            b"Transfer-Encoding: gzip",
            b"5\r\nhello\r\n",
            b"0\r\n\r\n",
            b"ffffffffffffffff\r\n",
        ),
        *(
            b"Connection: close",
            b"Location: http://[",
            b": x",
            b"A" * 9000,
            "Ä: ö".encode(),
            b"Retry-After: \xff",
        ),
    ]
)


@given(st.one_of(st.binary(max_size=300), st.lists(RESPONSE_PARTS, max_size=12).map(b"".join)))
def test_any_bytes_give_a_status_or_a_reason_in_time(response: bytes) -> None:
    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(response)
        writer.close()

    async def main() -> Exchange:
        server = await asyncio.start_server(handle, "127.0.0.1", 0)
        dialer = Dialer(DEV, deadline=SHORT_DEADLINE_S)
        exchange = await dialer.send("GET", f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/", {})
        await dialer.close()
        server.close()
        return exchange

    exchange = asyncio.run(main())
    assert (exchange.status is None) is bool(exchange.reason)
    assert below(exchange.took, SHORT_DEADLINE_S + 0.5)
    assert "broke" not in exchange.reason, "each kind of error has its own reason"


def test_concurrent_requests_each_get_their_own_response() -> None:
    async def work(dialer: Dialer, server: UntrustedServer) -> None:
        targets = ["ok", "500", "410", "redirect", "huge", "reset"] * 20
        exchanges = await asyncio.gather(*(dialer.send("GET", server.url(one), {}) for one in targets))
        expected = {"ok": 200, "500": 500, "410": 410, "redirect": 302, "huge": 200, "reset": None}
        assert [one.status for one in exchanges] == [expected[one] for one in targets]

    run_with_server(work)


def test_a_name_server_that_hangs_does_not_delay_other_names() -> None:
    async def slow(host: str) -> Sequence[str]:
        if host == "slow.example":
            await asyncio.sleep(60)
        return ["127.0.0.1"]

    async def work(dialer: Dialer, server: UntrustedServer) -> None:
        hanging_requests = [
            asyncio.create_task(dialer.send("GET", "http://slow.example/", {})) for _ in range(100)
        ]
        await asyncio.sleep(0)
        assert below((await dialer.send("GET", server.url("ok", "quick.example"), {})).took, 0.5)
        assert {one.status for one in await asyncio.gather(*hanging_requests)} == {None}

    run_with_server(work, deadline=SHORT_DEADLINE_S, resolve=slow)


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file with a key and a self-signed certificate for `tls.example`."""
    path = tmp_path_factory.mktemp("tls") / "both.pem"
    command = [
        "openssl",
        "req",
        "-x509",
        "-newkey",
        "rsa:2048",
        "-nodes",
        "-days",
        "2",
        "-subj",
        "/CN=tls.example",
    ]
    command += ["-addext", "subjectAltName=DNS:tls.example", "-keyout", str(path), "-out", f"{path}.crt"]
    try:
        subprocess.run(command, check=True, capture_output=True)
    except FileNotFoundError:
        pytest.skip("openssl is not installed")
    path.write_bytes(path.read_bytes() + Path(f"{path}.crt").read_bytes())
    return path


@pytest.mark.parametrize(
    ("host", "trusted", "words"),
    [
        ("tls.example", True, ""),
        ("other.example", True, "certificate is not valid"),
        ("tls.example", False, "certificate is not valid"),
    ],
)
def test_certificates_are_verified_for_the_host_of_the_url(
    certificate: Path, host: str, trusted: bool, words: str
) -> None:
    names: list[str | None] = []

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 204 X\r\nConnection: close\r\n\r\n")
        await writer.drain()
        writer.close()

    async def main() -> Exchange:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
        context.sni_callback = lambda _, name, __: names.append(name)
        server = await asyncio.start_server(handle, "127.0.0.1", 0, ssl=context)
        port = server.sockets[0].getsockname()[1]
        trust = ssl.create_default_context(cafile=f"{certificate}.crt" if trusted else None)
        dialer = Dialer(DEV, deadline=5, resolve=ScriptedResolver(["127.0.0.1"]), tls=trust)
        exchange = await dialer.send("GET", f"https://{host}:{port}/", {})
        await dialer.close()
        server.close()
        await server.wait_closed()
        return exchange

    exchange = asyncio.run(main())
    assert names == [host]
    assert exchange.status == (None if words else 204)
    assert words in exchange.reason
