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
from .test_addresses import CARRYING, LOOPBACK, METADATA, PRIVATE, SPECIAL

DEV = AddressPolicy("dev")
DEADLINE = 1.0
"""Seconds, where it is the deadline that ends an exchange."""
AMPLE = 20.0
"""Seconds that a busy machine does not exceed, where something else does."""
SECRET = "canary-5f2e"


def talk(
    work: Callable[[Dialer, UntrustedServer], Awaitable[None]],
    *,
    host: str = "127.0.0.1",
    deadline: float = AMPLE,
    **options: object,
) -> None:
    """Run `work` with a dialer and an untrusted server."""

    async def main() -> None:
        dialer = Dialer(DEV, deadline=deadline, **options)  # type: ignore[arg-type]
        async with untrusted_server(host=host) as there:
            await work(dialer, there)
            await dialer.close()

    asyncio.run(main())


@pytest.mark.parametrize(
    "target", ["ok", "500", "redirect", "410", "huge", "chunks", "crumbs", "extensions", "bomb", "once"]
)
def test_a_status_is_the_result_whatever_follows_it(target: str) -> None:
    async def work(dialer: Dialer, there: UntrustedServer) -> None:
        exchange = await dialer.send("POST", there.url(target), {"x-one": "1"}, b"{}")
        assert exchange.status == {"500": 500, "410": 410, "redirect": 302}.get(target, 200)
        assert exchange.reason == ""
        assert len(exchange.body) <= MAX_BODY_BYTES
        assert [(seen.method, seen.body, seen.headers["x-one"]) for seen in there.seen] == [
            ("POST", b"{}", "1")
        ]

    talk(work)


@pytest.mark.parametrize(
    ("target", "words"),
    [
        ("reset", "reset"),
        ("close", "closed"),
        ("garbage", "HTTP"),
        ("half", "closed"),
        ("long-headers", "more than 64 KB"),
        ("interim", "more than 64 KB"),
        ("hang", "within 1 s"),
        ("dribble", "within 1 s"),
        ("dribble-headers", "within 1 s"),
    ],
)
def test_an_incomplete_response_gives_a_reason_in_time_and_without_secrets(target: str, words: str) -> None:
    async def work(dialer: Dialer, there: UntrustedServer) -> None:
        began = time.monotonic()
        exchange = await dialer.send("POST", there.url(f"{target}?key={SECRET}"), {}, b"{}")
        assert below(time.monotonic() - began, DEADLINE + 0.5)
        assert (exchange.status, exchange.body) == (None, b"")
        assert words in exchange.reason
        assert SECRET not in exchange.reason
        assert len(there.seen) == 1, "it is asked once"

    talk(work, deadline=DEADLINE if "within" in words else AMPLE)


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
    async def work(dialer: Dialer, there: UntrustedServer) -> None:
        there._choose = lambda _: "ok"
        assert (await dialer.send("GET", there.url(target, "LocalHost"), {})).status == 200
        assert there.seen[0].target == f"/{target}"
        assert there.seen[0].headers["host"] == f"LocalHost:{there.port}"

    talk(work)


def test_a_header_that_cannot_be_sent_gives_a_reason_that_does_not_quote_it() -> None:
    async def work(dialer: Dialer, there: UntrustedServer) -> None:
        exchange = await dialer.send("GET", there.url("ok"), {"x-one": f"{SECRET}\r\nx-two: 2"})
        assert exchange.status is None
        assert SECRET not in exchange.reason
        assert not there.seen

    talk(work)


@pytest.mark.parametrize("target", ["interim", "crumbs", "extensions", "long-headers", "huge"])
def test_a_response_without_end_does_not_delay_other_requests(target: str) -> None:
    async def work(_: Dialer, there: UntrustedServer) -> None:
        dialer = Dialer(DEV, deadline=30)
        talking = [asyncio.create_task(dialer.send("GET", there.url(target), {})) for _ in range(8)]
        await wait_until(lambda: len(there.seen) == len(talking))
        assert below((await dialer.send("GET", there.url("ok"), {})).took, 1)
        assert below(max(one.took for one in await asyncio.gather(*talking)), 10)
        await dialer.close()

    talk(work)


def host_of(spelling: str) -> str:
    return f"[{spelling}]" if ":" in spelling else spelling


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_the_public_policy_reaches_no_private_address_in_any_spelling(host: str) -> None:
    async def work(_: Dialer, there: UntrustedServer) -> None:
        dialer = Dialer(AddressPolicy("public"), deadline=5)
        for spelling in [*LOOPBACK, *PRIVATE, *METADATA, *SPECIAL, *CARRYING]:
            exchange = await dialer.send("GET", there.url("ok", host_of(spelling)), {})
            assert exchange.status is None
            assert "which callbacks may not have here" in exchange.reason, spelling
        assert there.connections == 0

    talk(work, host=host)


@pytest.mark.parametrize(
    "spelling", [one for one in LOOPBACK if ":" not in one and one.startswith(("127.0.0.1", "0x7"))]
)
def test_the_same_spellings_are_reached_where_the_policy_allows_them(spelling: str) -> None:
    async def work(dialer: Dialer, there: UntrustedServer) -> None:
        exchange = await dialer.send("GET", there.url("ok", spelling), {})
        assert exchange.status == 200, exchange

    talk(work)


class Answers:
    """A name server under an attacker's hand: each question gets the next answer."""

    def __init__(self, *answers: Sequence[str]) -> None:
        self.answers = list(answers)
        self.asked = 0

    async def __call__(self, host: str) -> Sequence[str]:
        self.asked += 1
        return self.answers[min(self.asked, len(self.answers)) - 1]


def test_a_name_is_resolved_once_for_each_connection_against_dns_rebinding() -> None:
    names = Answers(["127.0.0.1"], ["169.254.169.254"])

    async def work(dialer: Dialer, there: UntrustedServer) -> None:
        url = there.url("ok", "rebinding.example")
        assert (await dialer.send("GET", url, {})).status == 200
        assert names.asked == 1
        assert there.seen[0].headers["host"] == f"rebinding.example:{there.port}"
        assert (await dialer.send("GET", url, {})).status == 200
        assert (names.asked, there.connections) == (1, 1), "a connection that was judged goes on"
        await dialer.close()
        assert "metadata" in (await dialer.send("GET", url, {})).reason
        assert names.asked == 2

    talk(work, resolve=names)


def test_a_name_that_later_resolves_to_loopback_is_refused_then() -> None:
    names = Answers(["192.0.1.1"], ["127.0.0.1"])

    async def work(_: Dialer, there: UntrustedServer) -> None:
        dialer = Dialer(AddressPolicy("public"), deadline=0.2, resolve=names)
        url = there.url("ok", "rebinding.example")
        assert (await dialer.send("GET", url, {})).status is None
        assert "loopback" in (await dialer.send("GET", url, {})).reason
        assert there.connections == 0

    talk(work)


def test_the_public_policy_does_not_reveal_the_address_of_an_internal_name() -> None:
    async def work(_: Dialer, there: UntrustedServer) -> None:
        for address, kind in (("10.9.8.7", "a private address"), ("2002:a09:807::", "a private address")):
            dialer = Dialer(AddressPolicy("public"), resolve=Answers([address]))
            reason = (await dialer.send("GET", there.url("ok", "intranet.example"), {})).reason
            assert kind in reason
            assert "intranet.example" in reason
            assert not any(part in reason for part in (address, "10.9.8.7"))
        assert there.connections == 0

    talk(work)


@pytest.mark.parametrize("order", [1, -1])
def test_a_name_with_one_private_address_is_refused(order: int) -> None:
    names = Answers(["127.0.0.1", "10.0.0.1"][::order])

    async def work(dialer: Dialer, there: UntrustedServer) -> None:
        exchange = await dialer.send("GET", there.url("ok", "mixed.example"), {})
        assert "10.0.0.1 is a private address" in exchange.reason
        assert there.connections == 0

    talk(work, resolve=names)


def test_after_an_address_that_does_not_answer_the_next_is_tried() -> None:
    names = Answers(["127.0.0.9", "127.0.0.1"])

    async def work(dialer: Dialer, there: UntrustedServer) -> None:
        assert (await dialer.send("GET", there.url("ok", "two.example"), {})).status == 200

    talk(work, resolve=names)


def test_a_redirect_is_not_followed() -> None:
    async def work(dialer: Dialer, there: UntrustedServer) -> None:
        exchange = await dialer.send("POST", there.url("redirect"), {}, b"{}")
        assert (exchange.status, exchange.headers["location"]) == (302, "/ok")
        assert [seen.target for seen in there.seen] == ["/redirect"]

    talk(work)


def test_proxies_of_the_environment_are_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")

    async def work(dialer: Dialer, there: UntrustedServer) -> None:
        assert (await dialer.send("GET", there.url("ok"), {})).status == 200

    talk(work)


def test_connections_are_reused_and_replaced_if_the_server_closed_them() -> None:
    async def work(dialer: Dialer, there: UntrustedServer) -> None:
        for _ in range(3):
            assert (await dialer.send("GET", there.url("ok"), {})).status == 200
        assert there.connections == 1
        for _ in range(3):
            assert (await dialer.send("GET", there.url("once"), {})).status == 200
        assert len(there.seen) == 6

    talk(work)


def test_a_request_is_sent_again_once_and_only_after_a_reused_connection() -> None:
    async def work(dialer: Dialer, there: UntrustedServer) -> None:
        assert {
            one.status
            for one in await asyncio.gather(*(dialer.send("GET", there.url("ok"), {}) for _ in range(9)))
        } == {200}
        assert there.connections == 9
        there.seen.clear()
        assert (await dialer.send("GET", there.url("close"), {})).status is None
        assert [seen.act for seen in there.seen] == ["close", "close"]

    talk(work)


def test_idle_connections_are_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ringlet._net.dial.IDLE_TIMEOUT_S", 0.05)

    async def work(dialer: Dialer, there: UntrustedServer) -> None:
        await asyncio.gather(*(dialer.send("GET", there.url("ok"), {}) for _ in range(9)))
        await asyncio.sleep(0.1)
        assert (await dialer.send("GET", there.url("ok", "localhost"), {})).status == 200
        assert sum(map(len, dialer._idle.values())) == 1

    talk(work)


PIECES = st.sampled_from(
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


@given(st.one_of(st.binary(max_size=300), st.lists(PIECES, max_size=12).map(b"".join)))
def test_any_bytes_give_a_status_or_a_reason_in_time(said: bytes) -> None:
    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(said)
        writer.close()

    async def main() -> Exchange:
        server = await asyncio.start_server(handle, "127.0.0.1", 0)
        dialer = Dialer(DEV, deadline=DEADLINE)
        exchange = await dialer.send("GET", f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/", {})
        await dialer.close()
        server.close()
        return exchange

    exchange = asyncio.run(main())
    assert (exchange.status is None) is bool(exchange.reason)
    assert below(exchange.took, DEADLINE + 0.5)
    assert "broke" not in exchange.reason, "each has words of its own"


def test_concurrent_requests_each_get_their_own_response() -> None:
    async def work(dialer: Dialer, there: UntrustedServer) -> None:
        targets = ["ok", "500", "410", "redirect", "huge", "reset"] * 20
        exchanges = await asyncio.gather(*(dialer.send("GET", there.url(one), {}) for one in targets))
        expected = {"ok": 200, "500": 500, "410": 410, "redirect": 302, "huge": 200, "reset": None}
        assert [one.status for one in exchanges] == [expected[one] for one in targets]

    talk(work)


def test_a_name_server_that_hangs_does_not_delay_other_names() -> None:
    async def slow(host: str) -> Sequence[str]:
        if host == "slow.example":
            await asyncio.sleep(60)
        return ["127.0.0.1"]

    async def work(dialer: Dialer, there: UntrustedServer) -> None:
        slow_ones = [asyncio.create_task(dialer.send("GET", "http://slow.example/", {})) for _ in range(100)]
        await asyncio.sleep(0)
        assert below((await dialer.send("GET", there.url("ok", "quick.example"), {})).took, 0.5)
        assert {one.status for one in await asyncio.gather(*slow_ones)} == {None}

    talk(work, deadline=DEADLINE, resolve=slow)


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A key and a certificate for `tls.example`, signed by itself."""
    path = tmp_path_factory.mktemp("tls") / "both.pem"
    made = [
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
    made += ["-addext", "subjectAltName=DNS:tls.example", "-keyout", str(path), "-out", f"{path}.crt"]
    try:
        subprocess.run(made, check=True, capture_output=True)
    except FileNotFoundError:
        pytest.skip("there is no openssl here to make a certificate with")
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
        dialer = Dialer(DEV, deadline=5, resolve=Answers(["127.0.0.1"]), tls=trust)
        exchange = await dialer.send("GET", f"https://{host}:{port}/", {})
        await dialer.close()
        server.close()
        await server.wait_closed()
        return exchange

    exchange = asyncio.run(main())
    assert names == [host]
    assert exchange.status == (None if words else 204)
    assert words in exchange.reason
