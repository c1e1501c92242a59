"""Which addresses a callback may have. Spellings are resolved by the operating system, as the dialer does."""

from __future__ import annotations

import socket
from ipaddress import IPv4Address, IPv6Address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ringlet._net.addresses import MAX_URL_LENGTH, AddressPolicy
from ringlet.errors import UsageError

PUBLIC, DEV = AddressPolicy("public"), AddressPolicy("dev")
LAN = AddressPolicy.parse("lan:192.168.0.0/16,10.1.2.0/24,fd12:3456::/32")


def split(text: str) -> list[str]:
    return text.split()


LOOPBACK = split("""
    127.0.0.1 127.0.0.2 127.255.255.254 127.1 127.0.1 2130706433 0x7f000001 0x7f.0.0.1 0x7f.1
    0177.0.0.1 017700000001 0x7F.0x0.0x0.0x1 127.0.0.0x1 localhost ::1 0:0:0:0:0:0:0:1 ::0001
    0000::0001 ::ffff:127.0.0.1 ::ffff:7f00:1 0:0:0:0:0:ffff:7f00:0001 ::FFFF:127.1.2.3
""")
"""Spellings of loopback addresses."""

PRIVATE = split("""
    10.0.0.1 10.255.255.255 0xa000001 167772161 012.0.0.1 10.1 172.16.0.1 172.31.255.254 192.168.0.1
    192.168.1 0xc0.0xa8.0.1 3232235521 ::ffff:10.0.0.1 ::ffff:c0a8:1 100.64.0.1 100.127.255.255
    fc00::1 fd12:3456:789a::1 fec0::1 feff::1 169.254.0.1 169.254.255.255 fe80::1 febf::1
    ::ffff:169.254.1.1
""")
"""Spellings of private, shared and link-local addresses."""

METADATA = split("""
    169.254.169.254 2852039166 0xa9fea9fe 0251.0376.0251.0376 169.254.43518 ::ffff:169.254.169.254
    ::ffff:a9fe:a9fe 169.254.170.2 169.254.170.23 fd00:ec2::254 fd00:ec2::23 fd20:ce::254
    100.100.100.200 168.63.129.16 192.0.0.192
""")
"""Metadata services of cloud providers: they give credentials to every program that asks."""

SPECIAL = split("""
    0.0.0.0 0 0.1.2.3 :: 0::0 192.0.0.1 192.0.0.8 192.0.2.1 198.51.100.7 203.0.113.9 198.18.0.1
    198.19.255.255 192.88.99.1 224.0.0.1 239.255.255.255 240.0.0.1 255.255.255.255 0xffffffff
    ::ffff:0.0.0.0 ::ffff:255.255.255.255 ff02::1 ff0e::1 2001:db8::1 3fff::1 100::1 2001:2::1
    2001:10::1 5f00::1 4000::1 ::127.0.0.1 ::8.8.8.8 ::7f00:1
""")
"""Unspecified, reserved, multicast and documentation addresses."""

EMBEDDING = split("""
    2002:7f00:1:: 2002:7f00:0001::1 2002:a00:1:: 2002:c0a8:101::1 2002:a9fe:a9fe:: 2002:e000:1::
    64:ff9b::127.0.0.1 64:ff9b::7f00:1 64:ff9b::a9fe:a9fe 64:ff9b::10.0.0.1 64:ff9b:1::7f00:1
    64:ff9b:1::808:808 2001::1 2001:0:7f00:1::1 2001:0:4136:e378:8000:63bf:80ff:fffe
    2001:0:808:808::80ff:fffe 2a00::5efe:127.0.0.1 2a00::200:5efe:10.0.0.1
    2a00:1:2:3:0:5efe:a9fe:a9fe fe80::5efe:192.168.0.1
""")
"""IPv6 addresses that embed one of the above."""

NOT_PUBLIC = [*LOOPBACK, *PRIVATE, *METADATA, *SPECIAL, *EMBEDDING]
ALLOWED_BY_ALL = split("""
    8.8.8.8 0x08080808 134744072 93.184.215.14 172.15.255.255 172.32.0.1 100.63.255.255 100.128.0.1
    169.253.1.1 192.0.1.1 198.17.1.1 198.20.1.1 223.255.255.255 9.255.255.255 11.0.0.0 128.0.0.1
    126.255.255.255 2606:4700::1111 2a00:1450:4001::1 2002:808:808:: 64:ff9b::8.8.8.8 ::ffff:8.8.8.8
    2a00::5efe:8.8.8.8
""")


def resolved(spelling: str) -> str:
    """The address that the operating system resolves a spelling to."""
    return str(socket.getaddrinfo(spelling, 80, type=socket.SOCK_STREAM)[0][4][0])


def allows(policy: AddressPolicy, address: str) -> bool:
    try:
        policy.check_address(address)
    except UsageError:
        return False
    return True


def test_the_tables_have_at_least_110_spellings() -> None:
    assert len(set(NOT_PUBLIC)) == len(NOT_PUBLIC) >= 110


@pytest.mark.parametrize("spelling", NOT_PUBLIC)
def test_the_public_policy_refuses_every_spelling_of_an_address_that_is_not_public(spelling: str) -> None:
    assert not allows(PUBLIC, resolved(spelling))


@pytest.mark.parametrize("spelling", ALLOWED_BY_ALL)
def test_every_policy_allows_public_addresses(spelling: str) -> None:
    assert all(allows(policy, resolved(spelling)) for policy in (PUBLIC, DEV, LAN))


@pytest.mark.parametrize("spelling", LOOPBACK)
def test_dev_and_lan_allow_loopback(spelling: str) -> None:
    assert allows(DEV, resolved(spelling))
    assert allows(LAN, resolved(spelling))


@pytest.mark.parametrize("spelling", [*PRIVATE, *METADATA, *SPECIAL, *EMBEDDING])
def test_dev_allows_loopback_and_no_other_special_address(spelling: str) -> None:
    assert not allows(DEV, resolved(spelling))


@pytest.mark.parametrize(
    ("address", "allowed"),
    [
        ("192.168.7.7", True),
        ("10.1.2.3", True),
        ("10.1.3.3", False),
        ("172.16.0.1", False),
        ("::ffff:192.168.7.7", True),
        ("fd12:3456::1", True),
        ("fd12:3457::1", False),
        ("2002:c0a8:101::1", False),
    ],
)
def test_lan_allows_the_networks_it_lists(address: str, allowed: bool) -> None:
    assert allows(LAN, address) is allowed


@pytest.mark.parametrize("address", METADATA)
def test_lan_never_allows_a_metadata_service(address: str) -> None:
    everything = AddressPolicy.parse("lan:0.0.0.0/0,::/0")
    assert not allows(everything, resolved(address))


@pytest.mark.parametrize(
    "address", ["fe80::1%lo", "fe80::1%1", "127.0.0.1%eth0", "", "example.com", "1.2.3", "::g"]
)
def test_anything_but_a_plain_ip_address_is_refused(address: str) -> None:
    assert not allows(DEV, address)


@given(st.ip_addresses(v=4))
def test_an_ipv4_mapped_address_is_treated_as_its_ipv4_address(address: IPv4Address) -> None:
    for policy in (PUBLIC, DEV, LAN):
        assert allows(policy, str(address)) == allows(policy, f"::ffff:{address}")


@given(st.ip_addresses(v=4))
def test_an_address_that_embeds_another_is_allowed_only_if_that_is_public(address: IPv4Address) -> None:
    high, low = int(address) >> 16, int(address) & 0xFFFF
    for embedding in (
        f"2002:{high:x}:{low:x}::1",
        f"64:ff9b::{high:x}:{low:x}",
        f"2a00::5efe:{high:x}:{low:x}",
    ):
        assert allows(PUBLIC, embedding) == allows(DEV, embedding) == allows(PUBLIC, str(address))


@given(st.ip_addresses())
def test_the_public_policy_refuses_what_the_standard_library_calls_private(
    address: IPv4Address | IPv6Address,
) -> None:
    if address.is_private or address.is_loopback or address.is_link_local or address.is_multicast:
        assert not allows(PUBLIC, str(address))


@pytest.mark.parametrize(
    ("text", "name"),
    [("dev", "dev"), ("public", "public"), ("lan:10.0.0.0/8", "lan"), ("lan:::1/128", "lan")],
)
def test_policies_are_parsed(text: str, name: str) -> None:
    assert AddressPolicy.parse(text).name == name


@pytest.mark.parametrize(
    "text", ["", "DEV", "dev:", "lan", "lan:", "lan:10.0.0.1/8", "lan:10.0.0.0/8,", "open", "lan:x"]
)
def test_any_other_text_is_refused_with_a_cure(text: str) -> None:
    with pytest.raises(UsageError) as refused:
        AddressPolicy.parse(text)
    assert "lan:" in refused.value.cure


@pytest.mark.parametrize(
    "url",
    [
        "https://example.com",
        "http://example.com/oura?token=x&y=%20",
        "https://example.com:8443/a;b",
        "http://127.0.0.1:8000/hook",
        "http://[::1]:8000/hook",
        "https://xn--bcher-kva.example/",
        "http://2130706433/",
    ],
)
def test_a_callback_url_is_any_http_url(url: str) -> None:
    PUBLIC.check_url(url)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "example.com/hook",
        "ftp://example.com/",
        "file:///etc/passwd",
        "gopher://example.com/",
        "javascript:alert(1)",
        "http:///hook",
        "http://",
        "https://:443/",
        "https://user@example.com/",
        "https://user:secret@example.com/",
        "https://@example.com/",
        "https://example.com:0/",
        "https://example.com:65536/",
        "https://example.com:http/",
        "https://example.com:/",
        "https://example.com/#part",
        "https://example.com/#",
        "https://example.com\\@127.0.0.1/",
        "https://exa mple.com/",
        "https://example.com/\r\nX-Injected: 1",
        "https://example.com/\t",
        "https://bücher.example/",
        "https://[fe80::1%25eth0]/",
        "https://[::1",
        "https://[zz]/",
        "https://example.com/" + "a" * MAX_URL_LENGTH,
    ],
)
def test_any_other_url_is_refused_with_a_cure_and_without_quoting_its_query(url: str) -> None:
    with pytest.raises(UsageError) as refused:
        PUBLIC.check_url(url + "?secret=canary")
    assert refused.value.cure
    assert "canary" not in refused.value.message + refused.value.cure


def test_a_refusal_says_which_policy_would_allow_the_address() -> None:
    def cure(address: str) -> str:
        with pytest.raises(UsageError) as refused:
            PUBLIC.check_address(address)
        return refused.value.cure

    assert "callbacks dev" in cure("127.0.0.1")
    assert "callbacks lan:192.168.1.5" in cure("::ffff:192.168.1.5")
    assert "callbacks" not in cure("169.254.169.254")


@pytest.mark.parametrize("address", [one for one in (*PRIVATE, *EMBEDDING) if resolved(one) == one])
def test_the_public_policy_does_not_quote_the_address_of_a_name(address: str) -> None:
    with pytest.raises(UsageError) as refused:
        PUBLIC.check_address(address, "intranet.example")
    assert "intranet.example has " in refused.value.message
    assert address not in refused.value.message + refused.value.cure
    with pytest.raises(UsageError) as refused:
        PUBLIC.check_address(address, address)
    assert address in refused.value.message, "the URL itself contains the address"
