"""The policies that say to which IP addresses an emulated cloud may send webhooks.

Applications choose their callback URLs. A cloud that connected to any of them could be made to send requests
into its own network (server-side request forgery).

    dev      public addresses and loopback: for a cloud that only this machine can connect to
    lan:...  public addresses and loopback, and the networks that are listed
    public   public addresses only

Rules of this file:
* Addresses are checked and not names, each time a connection is made (`dial`), because a name may resolve to
  another address by then (DNS rebinding).
* An IPv6 address that embeds an IPv4 address is allowed only if both addresses are, because routers forward
  such packets to the IPv4 address (IPv4-mapped RFC 4291, 6to4 RFC 3056, NAT64 RFC 6052, ISATAP RFC 5214).
* An address that is not known to be public is refused. The table follows the IANA special-purpose registries.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Final, Literal, TypeAlias
from urllib.parse import urlsplit

from ..errors import UsageError

Address: TypeAlias = IPv4Address | IPv6Address
Network: TypeAlias = IPv4Network | IPv6Network
PolicyName: TypeAlias = Literal["dev", "lan", "public"]

ALLOW: Final = "start the cloud with callbacks"
"""The beginning of each cure that recommends another policy, which is the value of `--callbacks`."""
MAX_URL_LENGTH: Final = 2048
"""The most characters of a callback URL."""

_SPECIAL: tuple[tuple[Network, str], ...] = tuple(
    (ip_network(network), kind)
    for kind, networks in {
        "a metadata service": (
            "169.254.169.254/32 169.254.170.2/32 169.254.170.23/32 100.100.100.200/32 168.63.129.16/32"
            " 192.0.0.192/32 fd00:ec2::/32 fd20:ce::254/128"
        ),
        "an unspecified address": "0.0.0.0/8 ::/128",
        "a loopback address": "127.0.0.0/8 ::1/128",
        "a private address": "10.0.0.0/8 172.16.0.0/12 192.168.0.0/16 fc00::/7 fec0::/10",
        "a carrier's shared address": "100.64.0.0/10",
        "a link-local address": "169.254.0.0/16 fe80::/10",
        "a multicast address": "224.0.0.0/4 ff00::/8",
        "an address for protocols": "192.0.0.0/24 192.88.99.0/24 2001::/23 64:ff9b:1::/48 100::/64 5f00::/16",
        "an address for documentation": "192.0.2.0/24 198.51.100.0/24 203.0.113.0/24 2001:db8::/32 3fff::/20",
        "an address for benchmarks": "198.18.0.0/15",
        "a reserved address": "240.0.0.0/4 ::/96",
    }.items()
    for network in networks.split()
)
"""Networks that are not public, with a name for the kind of their addresses. If an address is in several, the
first counts.

Teredo (2001::/32) is among the addresses for protocols. So is 64:ff9b:1::/48, where each network chooses
which bits are the IPv4 address (RFC 8215), so the IPv4 address cannot be checked."""

_METADATA = _SPECIAL[0][1]
"""The addresses at which cloud providers give a machine its credentials without a password. No policy allows
them."""
_UNICAST: Final = IPv6Network("2000::/3")
"""All public IPv6 addresses except those with the NAT64 prefix (RFC 4291 section 2.4)."""
_NAT64: Final = IPv6Network("64:ff9b::/96")
_ISATAP: Final = frozenset({0x00005EFE, 0x02005EFE})
"""Values of bits 64 to 95 which mean that the last 32 bits are an IPv4 address (RFC 5214 section 6.1)."""
_ALLOWED_BY_LAN = frozenset({"a private address", "a carrier's shared address", "a link-local address"})
"""The kinds of addresses for which a cure recommends the policy `lan`."""


@dataclass(frozen=True)
class AddressPolicy:
    """Which addresses a callback may have."""

    name: PolicyName = "public"
    networks: tuple[Network, ...] = ()
    """The networks that `lan` allows in addition to public addresses and loopback."""

    @classmethod
    def parse(cls, text: str) -> AddressPolicy:
        """Parse `dev`, `public`, or e.g. `lan:192.168.0.0/16,10.0.0.0/8`. Raises UsageError."""
        name, _, networks = text.partition(":")
        try:
            if text == "dev":
                return cls("dev")
            if text == "public":
                return cls("public")
            if name != "lan":
                raise ValueError(text)
            return cls("lan", tuple(ip_network(network.strip()) for network in networks.split(",")))
        except ValueError:
            raise UsageError(
                f"{text[:80]!r} does not name a policy for callback addresses",
                cure="pass dev, public, or lan: with networks, as in lan:192.168.0.0/16,10.1.2.0/24",
            ) from None

    def check_url(self, url: str) -> None:
        """Check the form of a callback URL. Raises UsageError, which never quotes the query.

        The addresses of its host are checked when a connection is made.
        """
        for wrong, what, cure in _faults(url):
            if wrong:
                raise UsageError(f"a callback URL {what}", cure=cure)

    def check_address(self, address: str, name: str = "") -> None:
        """Check that an address may be connected to. Raises UsageError, whose cure says what would allow it.

        `name` is the host of the URL. In a public cloud untrusted users choose it, and must not learn from
        the message which address an internal name resolves to: they see only what kind of address it is.
        """
        hidden = self.name == "public" and name not in ("", address)
        has = f"{name[:80]} has" if hidden else f"{address} is"
        try:
            if "%" in address:  # A zone (RFC 4007 section 11): the address is link-local, so it is refused.
                raise ValueError(address)
            outer = ip_address(address)
        except ValueError:
            raise UsageError(f"{address[:80]!r} is not an IP address", cure="use a public address") from None
        ip = _plain(outer)
        kind = _special_kind(ip)
        listed = any(ip.version == network.version and ip in network for network in self.networks)
        if kind and not self._allows(kind, listed=listed):
            cure = _cure(kind, "its network" if hidden else str(ip))
            raise UsageError(f"{has} {kind}, which this cloud does not allow for callbacks", cure=cure)
        for embedded in _embedded(ip):
            if kind := _special_kind(embedded):
                shown = kind if hidden else f"{embedded}, {kind}"
                raise UsageError(
                    f"{has} an address that embeds {shown}, which this cloud does not allow for callbacks",
                    cure="use the IPv4 address itself, if this cloud allows it",
                )

    def _allows(self, kind: str, *, listed: bool) -> bool:
        if kind == "a loopback address":
            return listed or self.name in ("dev", "lan")
        return listed and kind != _METADATA


def _faults(url: str) -> Iterator[tuple[bool, str, str]]:
    """Check a callback URL. Yields for each rule: whether the URL breaks it, its text, and the cure."""
    yield len(url) > MAX_URL_LENGTH, f"has at most {MAX_URL_LENGTH} characters", "use a shorter one"
    # URL parsers disagree about backslashes, spaces and non-ASCII characters, so the host that we check might
    # not be the host that is connected to.
    yield (
        re.search(r"[^!-~]|[\\]", url) is not None,
        "is written in plain ASCII, without spaces and backslashes",
        "write other characters as %XX, and those of a host name in Punycode (xn--)",
    )
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        yield True, "has a host and a port", "write it like https://example.com/oura"
        return
    yield parts.scheme not in ("http", "https"), "begins with https:// or http://", "use one of these"
    yield not host, "names a host", "write it like https://example.com/oura"
    yield "@" in parts.netloc, "holds no user and password", "put a secret into its path or query"
    yield "%" in host, "has a host without a network interface", "leave out the % and what follows it"
    yield port == 0 or parts.netloc.endswith(":"), "has a port from 1 to 65535", "leave the port out"
    yield "#" in url, "has no fragment, which is never sent", "leave out the # and what follows it"


def _plain(address: Address) -> Address:
    """The IPv4 address in an IPv4-mapped IPv6 address (::ffff:192.0.2.1), to which the system connects."""
    return (isinstance(address, IPv6Address) and address.ipv4_mapped) or address


def _embedded(address: Address) -> Iterator[IPv4Address]:
    """The IPv4 addresses, embedded in an IPv6 address, to which routers would forward packets."""
    if isinstance(address, IPv6Address):
        if address.sixtofour:
            yield address.sixtofour
        if address in _NAT64 or int(address) >> 32 & 0xFFFFFFFF in _ISATAP:
            yield IPv4Address(int(address) & 0xFFFFFFFF)


def _special_kind(address: Address) -> str:
    """The kind of an address as in "a private address"; "" for a public address."""
    for network, kind in _SPECIAL:
        if address.version == network.version and address in network:
            return kind
    if isinstance(address, IPv6Address) and address not in _UNICAST and address not in _NAT64:
        return "a reserved address"
    return ""


def _cure(kind: str, network: str) -> str:
    if kind == "a loopback address":
        return f"{ALLOW} dev, or use a public address"
    if kind in _ALLOWED_BY_LAN:
        return f"{ALLOW} lan:{network}, or use a public address"
    return "use a public address"
