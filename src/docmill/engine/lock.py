"""engine.lock: one engine per home. The lock is the kernel's (flock), so it goes with the process that held it."""

from __future__ import annotations

import fcntl
import json
import os
import sys
from pathlib import Path
from types import TracebackType

from docmill.domain.events import now
from docmill.domain.results import EngineHolder


class EngineLock:
    """``acquire`` never waits. The file's content tells others who holds it; it means nothing once the lock is free."""

    def __init__(self, home: Path) -> None:
        self._path = home / "engine.lock"
        self._descriptor: int | None = None

    def acquire(self) -> bool:
        descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            return False
        command = " ".join(["docmill", *sys.argv[1:]])[:500]
        record = json.dumps({"pid": os.getpid(), "started_at": now(), "command": command})
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, record.encode("utf-8", "replace"), 0)
        self._descriptor = descriptor
        return True

    def release(self) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def __enter__(self) -> EngineLock:
        return self

    def __exit__(
        self, _type: type[BaseException] | None, _error: BaseException | None, _tb: TracebackType | None
    ) -> None:
        self.release()


def holder(home: Path) -> EngineHolder | None:
    """Who holds the lock now; None where it is free. Looks without taking it for longer than the look."""
    path = home / "engine.lock"
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            try:
                return EngineHolder(**json.loads(path.read_text("utf-8")))
            except (ValueError, TypeError):  # it is writing its name this very moment
                return EngineHolder(pid=0, started_at=now(), command="docmill")
        return None
    finally:
        os.close(descriptor)
