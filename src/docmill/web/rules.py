"""What an address may look like, and which machines may be asked. Pure: nothing is resolved and nothing is asked here.

A service that asks whatever address it is given can be made to ask the machine it runs on, its neighbours, or the
metadata service of a cloud (server-side request forgery). So an address leads to public machines only, unless the user
has allowed its host by name.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass
from ipaddress import AddressValueError, IPv4Address, IPv6Address, IPv6Network, ip_address
from urllib.parse import quote, urljoin, urlsplit

SCHEMES = {"http": 80, "https": 443}
_HOST = re.compile(r"(?!-)[a-z0-9_.-]{1,253}\Z")
_UNFIT = re.compile(r"[\x00-\x20\x7f\\]")
_KEPT = "%/:=&?~+!$,;'@()*[]"
# What a NAT64 gateway makes IPv4 of: the addresses look public, and may lead to private ones.
_NAT64 = IPv6Network("64:ff9b::/96")


class WebError(Exception):
    """A request that got no answer. The message holds no path, query, token or body, so that it can be logged."""


class Refused(WebError):
    """The rules forbid it: asking again will not help."""


class Unreachable(WebError):
    """Nobody answered in time, or not in HTTP: asking again later may help."""


@dataclass(frozen=True, slots=True)
class Url:
    """An address that is fit to be asked. ``host`` is lower-case ASCII, an IPv6 address without its brackets."""

    scheme: str
    host: str
    port: int
    target: str

    @property
    def host_text(self) -> str:
        return f"[{self.host}]" if ":" in self.host else self.host

    @property
    def authority(self) -> str:
        """The Host header."""
        return self.host_text if self.port == SCHEMES[self.scheme] else f"{self.host_text}:{self.port}"

    @property
    def origin(self) -> str:
        """All that may be told of it: paths and queries of webhooks often hold a secret."""
        return f"{self.scheme}://{self.authority}"

    def is_allowed(self, hosts: Collection[str]) -> bool:
        """Whether the user has named the host, as ``host``, ``host:port`` or, for IPv6, ``[host]:port``."""
        named = {self.host, self.host_text, f"{self.host_text}:{self.port}"}
        return any(each.strip().lower() in named for each in hosts)


def parse(url: str) -> Url:
    """Raises Refused for anything but a plain http(s) address without user name and password."""
    if _UNFIT.search(url):
        raise Refused("the address holds spaces, backslashes or control characters")
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise Refused(f"not a web address: {error}") from None
    if parts.scheme not in SCHEMES:
        raise Refused(f"only http and https addresses are asked, not {parts.scheme or 'relative'} ones")
    if "@" in parts.netloc:
        raise Refused("the address holds a user name or a password")
    if port == 0:
        raise Refused("not a web address: port 0")
    target = quote(parts.path or "/", safe=_KEPT) + (f"?{quote(parts.query, safe=_KEPT)}" if parts.query else "")
    return Url(parts.scheme, _host(parts.hostname or ""), port or SCHEMES[parts.scheme], target)


def redirected(url: Url, location: str) -> Url:
    """Where an answer sends us to. Raises Refused where that is no fit address, or gives up encryption."""
    try:
        new = parse(urljoin(f"{url.origin}{url.target}", location))
    except ValueError:
        raise Refused(f"{url.origin} redirects to what is no web address") from None
    if url.scheme == "https" and new.scheme == "http":
        raise Refused(f"{url.origin} redirects to an address without encryption")
    return new


def is_public(address: str) -> bool:
    """Whether a resolved address belongs to a machine of the public internet, in whichever form it is written."""
    found = ip_address(address.partition("%")[0])
    if isinstance(found, IPv6Address):
        inner = found.ipv4_mapped or found.sixtofour
        if inner is not None:
            return _is_global(inner)
        if found in _NAT64:
            return False
    return _is_global(found)


def _is_global(address: IPv4Address | IPv6Address) -> bool:
    return address.is_global and not (address.is_multicast or address.is_reserved or address.is_unspecified)


def _host(text: str) -> str:
    if ":" in text:
        try:
            if "%" not in text:  # which network card to take is not a stranger's to say
                return str(IPv6Address(text))
        except AddressValueError:
            pass
        raise Refused("not a web address: the host is no IPv6 address")
    try:
        host = (text if text.isascii() else text.encode("idna").decode("ascii")).rstrip(".")
    except UnicodeError:
        raise Refused("not a web address: the host is no name") from None
    if not _HOST.match(host):
        raise Refused("not a web address: the host is no name")
    return host
