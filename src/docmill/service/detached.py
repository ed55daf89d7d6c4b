"""Work that goes on in the background: a worker of its own session, which outlives the terminal that called for it.

A worker holds worker.lock for as long as it sees to it that whatever runs is worked on. Whoever leaves work to the
background writes the work down first and looks at the lock then; a worker that ends lets go of the lock first and looks
for work once more then. So no work falls between two, and many calls do not start many workers.
"""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
from pathlib import Path

from docmill.settings import Settings

LOG = "worker.log"
_MOST_BYTES = 1024 * 1024
_UNKNOWN = 0  # the pid of one that is writing it this very moment
# Its output goes to the log, it is nobody's child, and its pid is all that is said.
_SCRIPT = 'log=$1; shift; "$@" >>"$log" 2>&1 </dev/null & echo $!'


class WorkerLock:
    """Held by one worker of a home. Its content is the worker's pid, and means nothing once the lock is free."""

    def __init__(self, home: Path) -> None:
        self._path = _lock_path(home)
        self._descriptor: int | None = None

    def acquire(self) -> bool:
        """False where another worker holds it. Never waits."""
        if self._descriptor is not None:
            return True
        descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            return False
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, str(os.getpid()).encode(), 0)
        self._descriptor = descriptor
        return True

    def release(self) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


def find_worker(home: Path) -> int | None:
    """The pid of the worker that sees to what runs here; None where none does."""
    try:
        descriptor = os.open(_lock_path(home), os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        written = os.pread(descriptor, 32, 0)
        return int(written) if written.isdigit() else _UNKNOWN
    finally:
        os.close(descriptor)
    return None


def start_worker(home: Path, settings: Settings) -> tuple[int, str]:
    """``docmill worker --once``; it ends when nothing is left to do. Returns its pid and the file that it writes to."""
    log = home / "logs" / LOG
    if log.exists() and log.stat().st_size > _MOST_BYTES:
        log.replace(log.with_suffix(".log.1"))
    command = [sys.executable, "-P", "-m", "docmill", "--home", os.fspath(home), "worker", "--once"]
    for option, value in (("--lock-timeout", settings.lock_timeout), ("--max-minutes", settings.max_minutes)):
        command += [option, str(value)] if value is not None else []
    command += ["--take-over"] if settings.take_over else []
    said = subprocess.run(  # noqa: S603 - our own command
        ["/bin/sh", "-c", _SCRIPT, "docmill", os.fspath(log), *command],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        cwd=home,
        start_new_session=True,
        check=True,
    )
    return int(said.stdout), os.fspath(log)


def _lock_path(home: Path) -> Path:
    return home / "worker.lock"
