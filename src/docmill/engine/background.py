"""Processes in the background of a home: one of each kind, by flock, begun so that they outlive who called for them.

``NAME.lock`` says who it is, and means nothing once the lock is free; ``logs/NAME.log`` takes what it prints.
"""

from __future__ import annotations

import fcntl
import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType

from docmill import privacy
from docmill.domain.events import now
from docmill.domain.redaction import command_line
from docmill.domain.results import EngineHolder

_LOG_BYTES = 1024 * 1024
# Its output goes to the log, it is nobody's child, and its pid is all that is said.
_SCRIPT = 'log=$1; shift; "$@" >>"$log" 2>&1 </dev/null & echo $!'


class ServiceLock:
    """Held by the one process of its kind that is at work in a home."""

    def __init__(self, home: Path, name: str) -> None:
        self._path = _lock_path(home, name)
        self._descriptor: int | None = None

    def acquire(self) -> bool:
        """False where another process holds it. Never waits; holding it already is no hindrance."""
        if self._descriptor is not None:
            return True
        descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            return False
        command = command_line(["docmill", *sys.argv[1:]])
        record = json.dumps({"pid": os.getpid(), "started_at": now(), "command": command})
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, record.encode("utf-8", "replace"), 0)
        self._descriptor = descriptor
        return True

    def release(self) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def __enter__(self) -> ServiceLock:
        return self

    def __exit__(
        self, _type: type[BaseException] | None, _error: BaseException | None, _tb: TracebackType | None
    ) -> None:
        self.release()


def at_work(home: Path, name: str) -> EngineHolder | None:
    """The process of that kind that is at work. Looks without taking the lock for longer than the look."""
    path = _lock_path(home, name)
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        try:
            return EngineHolder(**json.loads(path.read_text("utf-8")))
        except (ValueError, TypeError):  # it is writing its name this very moment
            return EngineHolder(pid=0, started_at=now(), command=f"docmill {name}")
    finally:
        os.close(descriptor)
    return None


def start(
    home: Path, name: str, arguments: Sequence[str], environment: Mapping[str, str] | None = None
) -> tuple[int, str]:
    """``docmill NAME …`` in a session of its own. Returns its pid and the file that it writes to. Raises OSError."""
    log = home / "logs" / f"{name}.log"
    if log.exists() and log.stat().st_size > _LOG_BYTES:
        log.replace(log.with_suffix(".log.1"))
    log.touch(0o600)
    command = [sys.executable, "-P", "-m", "docmill", "--home", os.fspath(home), name, *arguments]
    said = subprocess.run(  # noqa: S603 - our own program
        ["/bin/sh", "-c", _SCRIPT, "docmill", os.fspath(log), *command],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        cwd=home,
        env={**os.environ, **(environment or {})},
        start_new_session=True,
        umask=privacy.users_umask(),  # it makes its own umask private, and has to know the user's
        check=True,
    )
    return int(said.stdout), os.fspath(log)


def _lock_path(home: Path, name: str) -> Path:
    return home / f"{name}.lock"
