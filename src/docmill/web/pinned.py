"""The connection below HTTP: it goes to addresses that were checked before, and ends when its time is over.

Names are not looked up again here, so a name whose answer changes between the check and the connection gains nothing;
HTTP and TLS above still see the name, so that certificates are checked against it. The time is that of the whole
request: a server that sends one byte now and then does not get more of it.
"""

from __future__ import annotations

import ssl
import time
from collections.abc import Iterable, Sequence
from typing import Any

import httpcore

_PART_BYTES = 16 * 1024  # what is sent is handed over in parts, as each part may take all the time that is left


class Deadline:
    """A point in time that all parts of one request share."""

    def __init__(self, seconds: float) -> None:
        self._end = time.monotonic() + seconds

    def left(self) -> float:
        """Seconds. Raises httpcore's ReadTimeout once there are none."""
        seconds = self._end - time.monotonic()
        if seconds <= 0:
            raise httpcore.ReadTimeout("the time is over")
        return seconds


class PinnedBackend(httpcore.NetworkBackend):
    """Connects to the first of ``addresses`` that answers, whatever host it is asked for."""

    def __init__(self, addresses: Sequence[str], deadline: Deadline) -> None:
        self._addresses = addresses
        self._deadline = deadline
        self._network = httpcore.SyncBackend()

    def connect_tcp(
        self,
        host: str,  # noqa: ARG002 - the addresses are known
        port: int,
        timeout: float | None = None,  # noqa: ARG002 - the deadline holds
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        for tried, address in enumerate(self._addresses, start=1):
            share = self._deadline.left() / (len(self._addresses) - tried + 1)
            try:
                stream = self._network.connect_tcp(address, port, share, local_address, socket_options)
            except (httpcore.ConnectError, httpcore.ConnectTimeout):
                if tried == len(self._addresses):
                    raise
                continue
            return TimedStream(stream, self._deadline)
        raise httpcore.ConnectError("the name has no address")


class TimedStream(httpcore.NetworkStream):
    """A stream whose every operation gets what is left of the time."""

    def __init__(self, stream: httpcore.NetworkStream, deadline: Deadline) -> None:
        self._stream = stream
        self._deadline = deadline

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:  # noqa: ARG002 - the deadline holds
        return self._stream.read(max_bytes, self._deadline.left())

    def write(self, buffer: bytes, timeout: float | None = None) -> None:  # noqa: ARG002 - the deadline holds
        for start in range(0, len(buffer), _PART_BYTES):
            self._stream.write(buffer[start : start + _PART_BYTES], self._deadline.left())

    def close(self) -> None:
        self._stream.close()

    def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,  # noqa: ARG002 - the deadline holds
    ) -> httpcore.NetworkStream:
        stream = self._stream.start_tls(ssl_context, server_hostname, self._deadline.left())
        return TimedStream(stream, self._deadline)

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)
