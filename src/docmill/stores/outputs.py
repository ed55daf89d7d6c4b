"""Files that a person has asked for, outside the home: whole or absent, readable by whom the person wants.

A file that is there is replaced, and keeps its permissions; a link is replaced, and what it points to is left alone.
Devices, pipes and sockets are written to, as nothing else can be done with them.
"""

from __future__ import annotations

import os
import secrets
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from docmill import privacy
from docmill.errors import UsageError


@contextmanager
def whole(path: Path, home: Path | None) -> Iterator[Path]:
    """Where to write what is to be at ``path``: beside it, until the block has ended well. Raises OSError.

    UsageError for a place in the home, whose files are docmill's own.
    """
    parent = path.parent.resolve()
    if home is not None and (parent / path.name).is_relative_to(home.resolve()):
        raise UsageError(f"{path} lies in the home, which is docmill's own", hint="choose another place")
    mode = _mode(path)
    if mode is not None and (not stat.S_ISREG(mode) or _is_of_process(path, parent)):
        yield path
        return
    unfinished = path.with_name(f".{path.name[:100]}.{secrets.token_hex(6)}.new")
    wanted = mode & 0o777 if mode is not None and not path.is_symlink() else privacy.file_mode()
    # Exclusive, so that nobody can have put a link there, in a folder that others may write to.
    os.close(os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
    try:
        yield unfinished
        unfinished.chmod(wanted)
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)


def _mode(path: Path) -> int | None:
    """What ``path`` leads to; None where nothing is there, or a link leads nowhere."""
    try:
        return path.stat().st_mode
    except FileNotFoundError:
        return None


def _is_of_process(path: Path, parent: Path) -> bool:
    """Whether it is ``/dev/stdout`` or ``/dev/fd/3``: a link to an open file, which must not be replaced by another."""
    return path.is_symlink() and parent.parts[1:2] in (("dev",), ("proc",))
