"""Where a connection may go: the defence against requests forged into the inner network."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import (
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    ip_address,
    ip_network,
)
from typing import Self, TypeAlias

import httpx2

from hub.errors import AddressRefused

Address: TypeAlias = IPv4Address | IPv6Address
Network: TypeAlias = IPv4Network | IPv6Network

# Where clouds hand out credentials to whoever asks; 169.254.0.0/16 and fe80::/10 are refused whole.
METADATA = frozenset(
    ip_address(address)
    for address in (
        "100.100.100.200",  # Alibaba
        "168.63.129.16",  # Azure: a public address, answered inside only
        "192.0.0.192",  # Oracle
        "fd00:ec2::254",  # AWS
        "fd00:ec2::23",  # AWS EKS
        "fd20:ce::254",  # Google
    )
)
# Special ranges that `is_global` of the Pythons we support still calls global.
# https://www.iana.org/assignments/iana-ipv4-special-registry and iana-ipv6-special-registry
NOT_PUBLIC = tuple(
    ip_network(network) for network in ("192.0.0.0/24", "192.88.99.0/24", "3fff::/20")
)
GLOBAL_UNICAST = IPv6Network("2000::/3")
NAT64 = IPv6Network("64:ff9b::/96")
IPV4_COMPATIBLE = IPv6Network("::/96")
PUBLIC_PORTS = frozenset({80, 443})
_NAME = re.compile(r"(?=.{1,253}$)[a-z0-9_-]{1,63}(\.[a-z0-9_-]{1,63})*\.?")
_NUMBER = re.compile(r"\d+|0x[0-9a-f]*")


@dataclass(frozen=True, slots=True)
class Guard:
    """`private` is for URLs that the operator wrote; `allow` adds networks to the public ones."""

    private: bool
    allow: tuple[Network, ...] = ()

    @classmethod
    def operator(cls) -> Self:
        return cls(private=True)

    @classmethod
    def public(cls, allow_networks: Iterable[str | Network] = ()) -> Self:
        return cls(private=False, allow=tuple(ip_network(network) for network in allow_networks))

    def check(
        self, address: str | Address, *, port: int | None = None, secure: bool = True
    ) -> None:
        """Raise AddressRefused unless a connection to this address is permitted."""
        outer = _without_zone(ip_address(address))
        inner = unwrap(outer)
        if why := _never(inner) or _never(outer):
            raise AddressRefused(f"{outer} is {why}, where the hub never connects")
        if self.private or self._allowed(inner):
            return
        if not _is_public(inner):
            raise AddressRefused(
                f"{outer} is not a public address",
                "The operator can permit its network",
            )
        _check_way(secure=secure, port=port)

    def check_url(self, url: str) -> None:
        """Refuse early what will be refused at the connection; a name is judged only there."""
        read = parse(url)
        secure = read.scheme == "https"
        if (address := literal(host_of(read))) is not None:
            self.check(address, port=port_of(read), secure=secure)
        elif not (self.private or self.allow):
            _check_way(secure=secure, port=port_of(read))

    def _allowed(self, address: Address) -> bool:
        return any(address in network for network in self.allow)


def parse(url: str) -> httpx2.URL:
    """Read a URL with the parser that also makes the request, so that the two cannot differ."""
    try:
        read = httpx2.URL(url)
    except httpx2.InvalidURL as error:
        raise AddressRefused(f"This is not a URL: {error}") from None
    if read.scheme not in {"http", "https"}:
        raise AddressRefused("Only http and https are called")
    host = host_of(read)
    if not host:
        raise AddressRefused("The URL names no host")
    if read.userinfo:
        raise AddressRefused("A URL may not carry a user or a password")
    if not 0 < port_of(read) < 1 << 16:
        raise AddressRefused(f"There is no port {read.port}")
    if "%" in host or not (literal(host) or _NAME.fullmatch(host)):
        raise AddressRefused("The URL's host is neither a name nor an address")
    if literal(host) is None and _NUMBER.fullmatch(host.rstrip(".").rpartition(".")[2]):
        # 2130706433, 0x7f.1, 127.1 and 127.0.0.1. mean 127.0.0.1 to the system's resolver.
        raise AddressRefused("An address is written as four decimal numbers")
    return read


def host_of(url: httpx2.URL) -> str:
    """Name the host as it goes over the wire."""
    return url.raw_host.decode()


def port_of(url: httpx2.URL) -> int:
    return (443 if url.scheme == "https" else 80) if url.port is None else url.port


def literal(host: str) -> Address | None:
    try:
        return ip_address(host)
    except ValueError:
        return None


def unwrap(address: Address) -> Address:
    """Find the IPv4 address that an IPv6 address stands for, if it does."""
    if isinstance(address, IPv4Address):
        return address
    if address.ipv4_mapped:
        return address.ipv4_mapped
    if address.sixtofour:
        return address.sixtofour
    if address.teredo:
        return address.teredo[1]
    if address in NAT64 or (address in IPV4_COMPATIBLE and int(address) > 1):
        return IPv4Address(int(address) & 0xFFFFFFFF)
    return address


def _without_zone(address: Address) -> Address:
    return IPv6Address(int(address)) if isinstance(address, IPv6Address) else address


def _check_way(*, secure: bool, port: int | None) -> None:
    if not secure:
        raise AddressRefused("A public address is called by https only")
    if port is not None and port not in PUBLIC_PORTS:
        raise AddressRefused(f"Port {port} is not called on public addresses, only 443 and 80")


def _never(address: Address) -> str | None:
    if address in METADATA:
        return "a cloud's metadata service"
    if address.is_link_local:
        return "a link-local address"
    if address.is_multicast:
        return "a multicast address"
    if address.is_unspecified or (isinstance(address, IPv4Address) and int(address) < 1 << 24):
        return "no host's address"
    if address == IPv4Address("255.255.255.255"):
        return "the broadcast address"
    return None


def _is_public(address: Address) -> bool:
    if isinstance(address, IPv6Address) and address not in GLOBAL_UNICAST:
        return False
    return address.is_global and not any(address in network for network in NOT_PUBLIC)
