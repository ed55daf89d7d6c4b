"""Files that a person has asked for, outside the home: whole or absent, readable by whom the person wants.

A file that is there is replaced, and keeps its permissions; a link is replaced, and what it points to is left alone.
Devices, pipes and sockets are written to, as nothing else can be done with them.
"""

from __future__ import annotations

import glob
import os
import secrets
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from docmill import privacy
from docmill.errors import UsageError


@contextmanager
def whole(path: Path, home: Path | None, *, private: bool = False) -> Iterator[Path]:
    """Where to write what is to be at ``path``: beside it, until the block has ended well. Raises OSError.

    UsageError for a place in the home, whose files are docmill's own. ``private``: nobody else may read it, whatever
    the umask says and whatever was there.
    """
    if home is not None:
        require_outside(path, home)
    if not is_replaceable(path):
        yield path
        return
    mode = _mode(path)
    unfinished = path.with_name(_unfinished_name(path.name[:100], secrets.token_hex(6)))
    kept = mode & 0o777 if mode is not None and not path.is_symlink() else privacy.file_mode()
    # Exclusive, so that nobody can have put a link there, in a folder that others may write to.
    os.close(os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
    try:
        yield unfinished
        unfinished.chmod(0o600 if private else kept)
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)


def is_replaceable(path: Path) -> bool:
    """Whether a file is to be put there, instead of writing into a device, a pipe or an open file."""
    mode = _mode(path)
    return mode is None or (stat.S_ISREG(mode) and not _is_of_process(path, path.parent.resolve()))


def require_outside(path: Path, home: Path) -> None:
    """Raises UsageError for a place in the home."""
    if (path.parent.resolve() / path.name).is_relative_to(home.resolve()):
        raise UsageError(f"{path} lies in the home, which is docmill's own", hint="choose another place")


def unfinished_pattern(path: Path) -> str:
    """A glob pattern of what is beside ``path`` while it is written, and stays there where somebody dies over it."""
    return _unfinished_name(glob.escape(path.name[:100]), "[0-9a-f]" * 12)


def _unfinished_name(name: str, token: str) -> str:
    return f".{name}.{token}.new"


def _mode(path: Path) -> int | None:
    """What ``path`` leads to; None where nothing is there, or a link leads nowhere."""
    try:
        return path.stat().st_mode
    except FileNotFoundError:
        return None


def _is_of_process(path: Path, parent: Path) -> bool:
    """Whether it is ``/dev/stdout`` or ``/dev/fd/3``: a link to an open file, which must not be replaced by another."""
    return path.is_symlink() and parent.parts[1:2] in (("dev",), ("proc",))
