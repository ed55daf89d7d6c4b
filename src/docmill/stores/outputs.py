"""Files and folders that a person has asked for, outside the home: whole or absent, readable by whom the person wants.

A file that is there is replaced, and keeps its permissions; a link is replaced, and what it points to is left alone.
Devices, pipes and sockets are written to, as nothing else can be done with them. A folder that is there is replaced
only where that was asked for, and only if it carries the mark of one that was written here.
"""

from __future__ import annotations

import ctypes
import glob
import os
import secrets
import shutil
import stat
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from docmill import privacy
from docmill.durable import fsync
from docmill.errors import AlreadyExists, StorageError, UsageError
from docmill.stores import unfinished
from docmill.stores.compression import Tally

MARK = "docmill-export.json"
_TOKEN_BYTES = 6
_HERE, _EXCHANGE = -100, 2  # AT_FDCWD and RENAME_EXCHANGE of Linux


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
    kept = mode & 0o777 if mode is not None and not path.is_symlink() else privacy.file_mode()
    with _unfinished(path, folder=False) as fresh:
        yield fresh
        fresh.chmod(0o600 if private else kept)
        fsync(fresh)
        fresh.replace(path)


def place(output: str) -> Path | None:
    """What ``-o`` names: a path, or None for ``-``, which is stdout."""
    return None if output == "-" else Path(output).expanduser().absolute()


@contextmanager
def stream(path: Path | None, home: Path | None, *, hashed: bool = False) -> Iterator[Tally]:
    """A stream into a file that is whole or absent, as :func:`whole` has it; for None, into stdout. It cannot seek.

    Raises UsageError for a place in the home, StorageError where it cannot be written, BrokenPipeError where whoever
    reads stdout has had enough.
    """
    try:
        if path is None:
            # Not /dev/stdout, which would be opened at the front of a file that it is appended to.
            yield Tally(sys.stdout.buffer)
            sys.stdout.buffer.flush()
        else:
            with whole(path, home) as fresh, fresh.open("wb") as file:
                yield Tally(file, hashed=hashed)
    except OSError as error:
        if path is None and isinstance(error, BrokenPipeError):
            raise
        raise unwritten(path, error) from error


def unwritten(path: Path | None, error: OSError) -> StorageError:
    return StorageError(
        f"{path or 'stdout'} cannot be written: {error.strerror or error}", hint="choose another place with -o"
    )


@contextmanager
def whole_folder(path: Path, home: Path, *, replace: bool = False) -> Iterator[Path]:
    """The same for a folder, which is empty at first. Raises AlreadyExists for what must not be replaced."""
    require_outside(path, home)
    refuse_taken(path, replace=replace)
    with _unfinished(path, folder=True) as fresh:
        yield fresh
        for each in (fresh, *fresh.rglob("*")):
            privacy.open_up(each)
        refuse_taken(path, replace=replace)  # it took a while
        if not path.is_dir() or not any(path.iterdir()):
            fresh.rename(path)
        elif not _exchange(fresh, path):
            old = fresh.with_suffix(".old")  # for an instant this is all that there is
            path.rename(old)
            fresh.rename(path)
            shutil.rmtree(old)


@contextmanager
def passing_folder(path: Path) -> Iterator[Path]:
    """A folder beside ``path`` that is gone when the block has ended, for what has to lie somewhere in between."""
    with _unfinished(path, folder=True) as fresh:
        yield fresh


def refuse_taken(path: Path, *, replace: bool) -> None:
    """AlreadyExists where something is at ``path`` that a folder must not take the place of."""
    if not os.path.lexists(path):
        return
    if path.is_symlink() or not path.is_dir():
        raise AlreadyExists(f"{path} is there and is not a folder", hint="choose another place with -o")
    if not any(path.iterdir()):
        return
    if not (path / MARK).is_file():
        raise AlreadyExists(f"{path} has files that no export has written", hint="choose another place with -o")
    if not replace:
        raise AlreadyExists(f"{path} holds an export already", hint="--replace puts the new one in its place")


@contextmanager
def _unfinished(path: Path, *, folder: bool) -> Iterator[Path]:
    """A new file or folder beside ``path``, private, locked while it is written, and gone afterwards."""
    for left in path.parent.glob(_unfinished_name(glob.escape(path.name[:100]), "[0-9a-f]" * 2 * _TOKEN_BYTES)):
        unfinished.discard(left)
    fresh = path.with_name(_unfinished_name(path.name[:100], secrets.token_hex(_TOKEN_BYTES)))
    with unfinished.made(fresh, folder=folder):
        yield fresh


def is_replaceable(path: Path) -> bool:
    """Whether a file is to be put there, instead of writing into a device, a pipe or an open file."""
    mode = _mode(path)
    return mode is None or (stat.S_ISREG(mode) and not _is_of_process(path, path.parent.resolve()))


def require_outside(path: Path, home: Path) -> None:
    """Raises UsageError for a place in the home."""
    if (path.parent.resolve() / path.name).is_relative_to(home.resolve()):
        raise UsageError(f"{path} lies in the home, which is docmill's own", hint="choose another place")


def _unfinished_name(name: str, token: str) -> str:
    return f".{name}.{token}.new"


def _exchange(one: Path, other: Path) -> bool:
    """Have two folders change names at once; False where the system or its file system cannot. Linux can."""
    try:
        renameat2 = ctypes.CDLL(None).renameat2
    except (OSError, AttributeError):
        return False
    done: int = renameat2(_HERE, os.fsencode(one), _HERE, os.fsencode(other), _EXCHANGE)
    return done == 0


def _mode(path: Path) -> int | None:
    """What ``path`` leads to; None where nothing is there, or a link leads nowhere."""
    try:
        return path.stat().st_mode
    except FileNotFoundError:
        return None


def _is_of_process(path: Path, parent: Path) -> bool:
    """Whether it is ``/dev/stdout`` or ``/dev/fd/3``: a link to an open file, which must not be replaced by another."""
    return path.is_symlink() and parent.parts[1:2] in (("dev",), ("proc",))
