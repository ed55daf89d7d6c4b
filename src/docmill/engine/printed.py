"""What libraries print in workers: taken off a pipe as it comes, kept within bounds, written to logs/workers.log."""

from __future__ import annotations

import contextlib
import os
import threading
from multiprocessing.connection import Connection
from pathlib import Path

from docmill.domain.events import now
from docmill.domain.redaction import redacted
from docmill.domain.terminal import safe

KEPT_BYTES = 16 * 1024  # of what is printed during one task: so much of its beginning, and as much of its end
LOG_BYTES = 4 * 1024**2  # then the log becomes workers.log.1
_READ_BYTES = 256 * 1024
_LAST_WORDS = 200


class Printed:
    """Our end of the pipe that is a worker's stdout and stderr. However much it prints, it never waits for a reader."""

    def __init__(self, pipe: Connection) -> None:
        self._pipe = pipe
        self.open = True
        os.set_blocking(pipe.fileno(), False)
        self._first, self._last, self._total = b"", b"", 0

    def fileno(self) -> int:
        return self._pipe.fileno()

    def drain(self) -> bool:
        """Take in what is there. False where there was nothing."""
        try:
            data = os.read(self._pipe.fileno(), _READ_BYTES)
        except BlockingIOError:
            return False
        except OSError:
            data = b""
        self.open = bool(data)
        self._total += len(data)
        room = KEPT_BYTES - len(self._first)
        self._first += data[:room]
        self._last = (self._last + data[room:])[-KEPT_BYTES:] if len(data) > room else self._last
        return bool(data)

    def take(self) -> str:
        """What was printed since the last time, its middle left out where it is long."""
        for _ in range(8):  # what fits into the pipe, and not what somebody goes on printing
            if not self.open or not self.drain():
                break
        left_out = self._total - len(self._first) - len(self._last)
        gap = f"\n… {left_out:,} bytes left out …\n".encode() if left_out else b""
        text = (self._first + gap + self._last).decode("utf-8", "replace")
        self._begin_anew()
        return "".join(each if each.isprintable() or each in "\n\t" else "?" for each in text)

    def close(self) -> None:
        self.open = False
        self._pipe.close()

    def _begin_anew(self) -> None:
        self._first, self._last, self._total = b"", b"", 0


def last_words(text: str) -> str:
    """The last line that says anything, for a message."""
    lines = [" ".join(line.split()) for line in text.splitlines() if line.strip()]
    return lines[-1][:_LAST_WORDS] if lines else ""


class WorkerLog:
    """logs/workers.log: an entry for each document during which something was printed. Threads may share it."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._said: set[str] = set()

    def add(self, about: str, text: str) -> None:
        """Append what was printed. A log that cannot be written is no reason to stop work."""
        entry = f"{now()} {safe(about)}\n{redacted(text.rstrip())}\n\n"
        with self._lock, contextlib.suppress(OSError):
            self._path.parent.mkdir(mode=0o700, exist_ok=True)
            if self._path.exists() and self._path.stat().st_size + len(entry) > LOG_BYTES:
                self._path.replace(self._path.with_suffix(".log.1"))
            descriptor = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW, 0o600)
            with os.fdopen(descriptor, "w", encoding="utf-8", errors="replace") as stream:
                stream.write(entry)

    def add_once(self, about: str, text: str) -> None:
        """The same, but not again what has been said before: each worker that starts says it."""
        with self._lock:
            known = text in self._said
            self._said.add(text)
        if not known:
            self.add(about, text)
