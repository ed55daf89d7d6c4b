"""A file held open while it is at work, so that what is hashed and what is parsed are the same bytes.

A path can lead to another file each time it is opened: a symbolic link is turned, a file is replaced and put back. Here
it is followed once. On Linux parsers get a path that leads to the open file, whatever its own path leads to by then.
"""

from __future__ import annotations

import contextlib
import os
import stat
from pathlib import Path

from docmill.domain.identity import CONTENT_PREFIX
from docmill.sources import digests


class HeldFile:
    """``path`` is what parsers open; it says nothing of the file's name. Raises OSError where it cannot be opened."""

    def __init__(self, path: str | Path) -> None:
        # Without O_NONBLOCK a pipe that took the file's place would be waited for, for ever.
        self._descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        if not stat.S_ISREG(os.fstat(self._descriptor).st_mode):
            os.close(self._descriptor)
            raise FileNotFoundError(f"{path} is no regular file any more")
        self._found = self._look()
        held = _path_of(self._descriptor)
        self._given = None if held else path
        self.path = Path(held or path)

    @property
    def size_bytes(self) -> int:
        return self._found[2]

    def content_hash(self) -> str:
        return CONTENT_PREFIX + digests.of_file(self._descriptor, self.size_bytes)

    @property
    def unchanged(self) -> bool:
        """Whether nobody has written into it since it was opened, and its path led to it where parsers used that."""
        if self._look() != self._found:
            return False
        if self._given is None:
            return True
        try:
            return _identity(Path(self._given).stat()) == self._found
        except OSError:
            return False

    def close(self) -> None:
        with contextlib.suppress(OSError):
            os.close(self._descriptor)

    def _look(self) -> tuple[int, ...]:
        return _identity(os.fstat(self._descriptor))


def _identity(found: os.stat_result) -> tuple[int, ...]:
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns


def _path_of(descriptor: int) -> str | None:
    """The open file's place in /proc, which holds for programs that a parser runs too; None where there is none.

    /dev/fd will not do: on other systems all who open it share one position in the file.
    """
    path = f"/proc/{os.getpid()}/fd/{descriptor}"
    try:
        same = os.path.samestat(os.stat(path), os.fstat(descriptor))  # noqa: PTH116 - for each document
    except OSError:
        return None
    return path if same else None
