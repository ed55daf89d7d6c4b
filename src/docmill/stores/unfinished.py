"""Files and folders while they are written: under names of their own, locked, and gone if whoever writes them dies.

The lock is the kernel's, so it goes with the process: what nobody holds is a leftover, and the next one removes it.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def made(path: Path, *, folder: bool) -> Iterator[None]:
    """A new file or folder, private, which is gone afterwards unless it was moved away. Raises OSError."""
    descriptor = _made_and_locked(path, folder=folder)
    try:
        yield
    finally:
        _remove(path)
        os.close(descriptor)


def discard(path: Path) -> None:
    """Remove what somebody has died over; nothing where he is still at it, and holds its lock."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError:
        return
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        _remove(path)
    except OSError:
        return  # it is held; or its file system has no locks, and nobody can tell
    finally:
        os.close(descriptor)


def _made_and_locked(path: Path, *, folder: bool) -> int:
    """Its descriptor. Somebody may take it for a leftover before it is locked: then it is made again."""
    while True:
        # Exclusive, so that nobody can have put a link there, in a folder that others may write to.
        if folder:
            path.mkdir(mode=0o700)
        else:
            os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
        try:
            descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        except FileNotFoundError:
            continue
        with contextlib.suppress(OSError):  # a file system without locks
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        if path.exists():
            return descriptor
        os.close(descriptor)


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)
