"""Which addresses a callback may have: a cloud that dials what it is told could be sent into its own network.

    dev      public addresses, and this machine: for a cloud that only this machine reaches
    lan:...  the same, and the networks that are named
    public   public addresses only

Rules of this file:
* What is judged are addresses, at the moment they are dialled: a name proves nothing, and may point elsewhere
  by then. `dial` asks for every connection.
* An address that carries another one in it is judged by that one as well (RFC 4291, 3056, 6052, 5214).
* What is not known to be public is refused. The table follows the IANA special-purpose address registries.
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
Profile: TypeAlias = Literal["dev", "lan", "public"]

ALLOW: Final = "start the cloud with callbacks"
"""How each cure begins that would allow an address: `callbacks` is what the cloud takes a profile as."""
LONGEST: Final = 2048
"""Characters of a callback URL."""

_SPECIAL: tuple[tuple[Network, str], ...] = tuple(
    (ip_network(network), what)
    for what, networks in {
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
"""The first that holds an address says what it is. Teredo (2001::/32) is among those for protocols, and so is
64:ff9b:1::/48, where each network decides for itself at which bits an IPv4 address stands (RFC 8215)."""

_METADATA = _SPECIAL[0][1]
"""What hands the keys of a machine to whoever asks: not even a network that is named opens it."""
_UNICAST: Final = IPv6Network("2000::/3")
"""All public addresses of IPv6, but for the NAT64 prefix."""
_NAT64: Final = IPv6Network("64:ff9b::/96")
_ISATAP: Final = frozenset({0x00005EFE, 0x02005EFE})
_OPENED_BY_NAME = frozenset({"a private address", "a carrier's shared address", "a link-local address"})


@dataclass(frozen=True)
class Callbacks:
    """What may be dialled."""

    profile: Profile = "public"
    networks: tuple[Network, ...] = ()
    """The networks that `lan` opens beside the public addresses and this machine."""

    @classmethod
    def parse(cls, text: str) -> Callbacks:
        """`dev`, `public`, or `lan:192.168.0.0/16,10.0.0.0/8`. Raises UsageError."""
        profile, _, networks = text.partition(":")
        try:
            if text == "dev":
                return cls("dev")
            if text == "public":
                return cls("public")
            if profile != "lan":
                raise ValueError(text)
            return cls("lan", tuple(ip_network(one.strip()) for one in networks.split(",")))
        except ValueError:
            raise UsageError(
                f"{text[:80]!r} does not say which callbacks are allowed",
                cure="pass dev, public, or lan: with networks, as in lan:192.168.0.0/16,10.1.2.0/24",
            ) from None

    def check_url(self, url: str) -> None:
        """See that a URL can be a callback. Raises UsageError; its query is never quoted.

        Where its host points to is judged when it is dialled.
        """
        for wrong, what, cure in _faults(url):
            if wrong:
                raise UsageError(f"a callback URL {what}", cure=cure)

    def check_address(self, address: str, name: str = "") -> None:
        """See that an address may be dialled. Raises UsageError, which says what would allow it.

        `name` is the host that was asked for. To a public cloud strangers name hosts, and what a name of the
        network inside resolves to is not for them: they are told its kind only.
        """
        hidden = self.profile == "public" and name not in ("", address)
        has = f"{name[:80]} has" if hidden else f"{address} is"
        try:
            if "%" in address:  # an interface of this machine: link-local, whatever the rest says
                raise ValueError(address)
            outer = ip_address(address)
        except ValueError:
            raise UsageError(f"{address[:80]!r} is no address to dial", cure="use a public address") from None
        one = _plain(outer)
        what = _special(one)
        named = any(one.version == network.version and one in network for network in self.networks)
        if what and not self._allows(what, named=named):
            cure = _cure(what, "its network" if hidden else str(one))
            raise UsageError(f"{has} {what}, which callbacks may not have here", cure=cure)
        for inner in _carried(one):
            if carried := _special(inner):
                wraps = carried if hidden else f"{inner}, {carried}"
                raise UsageError(
                    f"{has} an address that carries {wraps}, which callbacks may not have here",
                    cure="use the address itself, not one that wraps it",
                )

    def _allows(self, what: str, *, named: bool) -> bool:
        if what == "a loopback address":
            return named or self.profile in ("dev", "lan")
        return named and what != _METADATA


def _faults(url: str) -> Iterator[tuple[bool, str, str]]:
    """What a callback URL may not be: whether this one is, in words, and what to do about it."""
    yield len(url) > LONGEST, f"has at most {LONGEST} characters", "use a shorter one"
    # Whoever reads `\`, spaces or other scripts differently than we do would send us elsewhere.
    yield (
        re.search(r"[^!-~]|[\\]", url) is not None,
        "is written in plain ASCII, without spaces and backslashes",
        "write other characters as %XX, and names of other scripts as xn--",
    )
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        yield True, "has a host and a port", "write it like https://example.com/oura"
        return
    yield parts.scheme not in ("http", "https"), "begins with https:// or http://", "use one of these"
    yield not host, "names a host", "write it like https://example.com/oura"
    yield "@" in parts.netloc, "holds no user and password", "put what proves it into its path or query"
    yield "%" in host, "names no interface of this machine", "leave out the % and what follows it"
    yield port == 0 or parts.netloc.endswith(":"), "has a port from 1 to 65535", "leave the port out"
    yield "#" in url, "has no fragment, which is never sent", "leave out the # and what follows it"


def _plain(address: Address) -> Address:
    """The address that is dialled: IPv4, where it is only written as IPv6."""
    return (isinstance(address, IPv6Address) and address.ipv4_mapped) or address


def _carried(address: Address) -> Iterator[IPv4Address]:
    """The IPv4 addresses that routers and translators would read out of it."""
    if isinstance(address, IPv6Address):
        if address.sixtofour:
            yield address.sixtofour
        if address in _NAT64 or int(address) >> 32 & 0xFFFFFFFF in _ISATAP:
            yield IPv4Address(int(address) & 0xFFFFFFFF)


def _special(address: Address) -> str:
    """What an address is, unless it is public."""
    for network, what in _SPECIAL:
        if address.version == network.version and address in network:
            return what
    if isinstance(address, IPv6Address) and address not in _UNICAST and address not in _NAT64:
        return "a reserved address"
    return ""


def _cure(what: str, network: str) -> str:
    if what == "a loopback address":
        return f"{ALLOW} dev, or use a public address"
    if what in _OPENED_BY_NAME:
        return f"{ALLOW} lan:{network}, or use a public address"
    return "use a public address"
