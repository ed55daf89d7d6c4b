"""Asks an address under the rules: resolved once, checked, connected to, few redirects, bounded in time and bytes.

No proxy is taken from the environment, no cookie is kept, and what a server sends is not unpacked.
"""

from __future__ import annotations

import queue
import socket
import ssl
import threading
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import cached_property
from typing import TYPE_CHECKING

from docmill.web.rules import Refused, Unreachable, Url, is_public, parse, redirected

if TYPE_CHECKING:
    from collections.abc import Iterator

    import httpcore

    from docmill.web.pinned import Deadline

MOST_REDIRECTS = 3
MOST_BYTES = 64 * 1024
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_REPEATED = frozenset({307, 308})  # redirects that repeat method and body
_SAFE = frozenset({"GET", "HEAD"})
_OK = 200

Sink = Callable[[bytes], object]
Resolver = Callable[[str, int], Sequence[str]]


@dataclass(frozen=True, slots=True)
class Answer:
    """``headers`` by lower-case name; ``body`` as it was sent, cut where ``whole`` is False; ``url`` asked at last."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    whole: bool
    url: Url

    @property
    def retry_after(self) -> float | None:
        """Seconds that the server asks to be left alone, from either form of the header (RFC 9110, 10.2.3)."""
        value = self.headers.get("retry-after")
        if value is None:
            return None
        if value.strip().isdecimal():
            return float(value[:9])
        try:
            when = parsedate_to_datetime(value)
        except ValueError:
            return None
        aware = when if when.tzinfo else when.replace(tzinfo=UTC)
        return max((aware - datetime.now(UTC)).total_seconds(), 0.0)


def resolve(host: str, port: int) -> list[str]:
    """Every address of a name, in the system's order of preference. Raises OSError."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(each[4][0]) for each in found))


class Web:
    """Asks public machines, and the hosts that the user has allowed. May be used from several threads."""

    def __init__(self, allowed_hosts: Collection[str] = (), *, resolver: Resolver = resolve) -> None:
        self._allowed = tuple(allowed_hosts)
        self._resolver = resolver

    def request(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        body: bytes = b"",
        timeout_s: float,
        most_bytes: int = MOST_BYTES,
        sink: Sink | None = None,
        follow: bool = True,
    ) -> Answer:
        """The answer, whatever its status. ``timeout_s`` is for all of it, redirects included.

        Without ``follow`` a redirect is an answer as any other: what is sent goes to the named machine and no further.

        With ``sink``, the body of a 200 goes there, part by part, and ``most_bytes`` is a limit for that alone; one
        that announces more is not read at all. Any other body is then held to MOST_BYTES, in the answer.

        A redirect of anything but GET and HEAD is followed only where it repeats the body (307, 308). ``Authorization``
        is left out once a redirect leads to another origin. Raises Refused, Unreachable.
        """
        from docmill.web.pinned import Deadline

        deadline, where, sent = Deadline(timeout_s), parse(url), dict(headers or {})
        for _ in range(MOST_REDIRECTS + 1):
            answer = self._ask(method, where, sent, body, deadline, most_bytes, sink)
            location = answer.headers.get("location")
            if answer.status not in _REDIRECTS or location is None or not follow:
                return answer
            if method not in _SAFE and answer.status not in _REPEATED:
                raise Refused(f"{where.origin} answers {answer.status}, a redirect that would lose what is sent")
            following = redirected(where, location)
            if following.origin != where.origin:
                sent = {name: value for name, value in sent.items() if name.lower() != "authorization"}
            where = following
        raise Refused(f"more than {MOST_REDIRECTS} redirects")

    def addresses(self, url: Url, timeout_s: float) -> Sequence[str]:
        """Where the host lives: all of it public, or allowed by name. Raises Refused, Unreachable."""
        found = self._resolved(url, timeout_s)
        if not found:
            raise Unreachable(f"{url.host_text} has no address")
        if not url.is_allowed(self._allowed) and not all(map(is_public, found)):
            raise Refused(f"{url.host_text} leads to an address that is not public; DOCMILL_ALLOWED_HOSTS may allow it")
        return found

    def _resolved(self, url: Url, timeout_s: float) -> Sequence[str]:
        """The system's resolver knows no time limit, so it is asked in a thread that may be left behind."""
        answers: queue.SimpleQueue[Sequence[str] | OSError] = queue.SimpleQueue()

        def look_up() -> None:
            try:
                answers.put(self._resolver(url.host, url.port))
            except OSError as error:
                answers.put(error)
            except UnicodeError:  # a label of the name is too long for the DNS
                answers.put(OSError("not a name"))

        threading.Thread(target=look_up, daemon=True, name=f"look up {url.host}").start()
        try:
            answer = answers.get(timeout=timeout_s)
        except queue.Empty:
            raise Unreachable(f"the name {url.host_text} was not resolved in time") from None
        if isinstance(answer, OSError):
            raise Unreachable(f"the name {url.host_text} cannot be resolved: {answer.strerror or answer}")
        return answer

    def _ask(
        self,
        method: str,
        url: Url,
        headers: Mapping[str, str],
        body: bytes,
        deadline: Deadline,
        most_bytes: int,
        sink: Sink | None,
    ) -> Answer:
        import httpcore

        from docmill.web.pinned import PinnedBackend

        asked = httpcore.URL(scheme=url.scheme, host=url.host_text, port=url.port, target=url.target)
        sent = {"Host": url.authority, "Accept-Encoding": "identity", "Connection": "close", **headers}
        if body or method not in _SAFE:
            sent["Content-Length"] = str(len(body))
        with _explained(url):
            addresses = self.addresses(url, deadline.left())
            backend = PinnedBackend(addresses, deadline)
            with (
                httpcore.ConnectionPool(self._tls, network_backend=backend) as pool,
                pool.stream(method, asked, headers=list(sent.items()), content=body or None) as response,
            ):
                names = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in response.headers}
                if sink is not None and response.status == _OK:
                    return Answer(response.status, names, b"", _pour(response, names, most_bytes, sink), url)
                most = most_bytes if sink is None else MOST_BYTES
                content = bytearray()
                for part in response.iter_stream():
                    content += part
                    if len(content) > most:
                        break
                return Answer(response.status, names, bytes(content[:most]), len(content) <= most, url)

    @cached_property
    def _tls(self) -> ssl.SSLContext:
        """Checks certificates by the system's authorities and by those of certifi."""
        import httpcore

        return httpcore.default_ssl_context()


def _pour(response: httpcore.Response, headers: Mapping[str, str], most_bytes: int, sink: Sink) -> bool:
    """The body into ``sink``. False where it has more bytes than allowed, which are not read."""
    announced = headers.get("content-length", "")
    if announced.isdecimal() and (len(announced) > 18 or int(announced) > most_bytes):
        return False
    size = 0
    for part in response.iter_stream():
        size += len(part)
        if size > most_bytes:
            return False
        sink(part)
    return True


@contextmanager
def _explained(url: Url) -> Iterator[None]:
    """httpcore's errors as ours. Their own words are kept only where they cannot hold anything that was sent."""
    import httpcore

    try:
        yield
    except httpcore.TimeoutException:
        raise Unreachable(f"{url.origin} did not answer in time") from None
    except httpcore.NetworkError as error:
        raise Unreachable(f"{url.origin} cannot be reached: {error or type(error).__name__}") from None
    except httpcore.LocalProtocolError:
        raise Refused(f"what is to be sent to {url.origin} is no HTTP") from None
    except httpcore.RemoteProtocolError as error:
        raise Unreachable(f"{url.origin} does not answer in HTTP: {error}") from None
