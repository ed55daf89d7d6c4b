"""Who may read what docmill writes: its home is the user's alone, what it writes elsewhere goes by the user's umask.

SQLite, LanceDB and workers make files by themselves, so the umask of the whole process is set, once, before any of them
is made. Imports nothing of ours.
"""

from __future__ import annotations

import os
from pathlib import Path

PRIVATE_UMASK = 0o077
_found: list[int] = []  # the umask that the process was started with, once it has been changed


def keep_private() -> None:
    """From here on, this process and its workers make files that nobody else can read."""
    previous = os.umask(PRIVATE_UMASK)
    if not _found:
        _found.append(previous)


def users_umask() -> int:
    """What the user wants for files of his own, and for the commands that he has us run."""
    if _found:
        return _found[0]
    current = os.umask(PRIVATE_UMASK)  # there is no other way to ask
    os.umask(current)
    return current


def file_mode() -> int:
    """Of a file that the user has asked for, outside the home."""
    return 0o666 & ~users_umask()


def open_up(path: Path) -> None:
    """Let others read what was made privately, as far as the user's umask allows."""
    path.chmod((0o777 if path.is_dir() else 0o666) & ~users_umask())
