"""Which hosts are this machine itself."""

from __future__ import annotations

import pytest

from ringlet._net.loopback import FAMILIES, HOST_HEADERS, is_loopback


@pytest.mark.parametrize("host", [*FAMILIES, "LocalHost", "127.9.9.9"])
def test_loopback_hosts(host: str) -> None:
    assert is_loopback(host)


@pytest.mark.parametrize(
    "host",
    [
        "",
        "api.ouraring.com",
        "127.0.0.1.nowhere.invalid",
        "localhost.example",
        "192.168.0.1",
        "[::1]",
        "0.0.0.0",
    ],
)
def test_other_hosts(host: str) -> None:
    assert not is_loopback(host)


def test_an_ipv6_address_stands_in_brackets_in_a_host_header() -> None:
    assert {"localhost", "127.0.0.1", "[::1]"} == HOST_HEADERS
