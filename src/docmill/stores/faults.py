"""Says what is wrong with a disk or a database file, and what to do: the one place that words it for every store.

Told by error numbers and SQLite's own codes; by a library's text only where that is all it gives. What is no disk's
fault is left alone, so that mistakes of the program are not blamed on the machine.
"""

from __future__ import annotations

import errno
import os
import shutil
import sqlite3
from pathlib import Path

from docmill.errors import StorageError

_FULL = ("the disk is full", "make room, then run the same command again: nothing that was done is lost")
_READ_ONLY = ("it is read-only", "make the disk and the files of the home writable, then run the same command again")
_FAILING = ("the disk reports an error", "check the disk before anything else is written to it")
_DENIED = ("permission denied", "check who owns the file and its folder")
_DAMAGED = (
    "it is damaged",
    "restore it from a backup; without one, `docmill verify --repair` mends it, or makes it anew and embeds nothing",
)
_UNOPENED = ("it cannot be opened", "check who owns it and its folder")

_NUMBERS = {
    errno.ENOSPC: _FULL,
    errno.EDQUOT: ("the disk quota is used up", _FULL[1]),
    errno.EROFS: ("the file system is read-only", "make it writable, or use a home on a disk that is"),
    errno.EACCES: _DENIED,
    errno.EPERM: ("not permitted", _DENIED[1]),
    errno.EIO: _FAILING,
    errno.EMFILE: ("too many files are open", "raise the limit with `ulimit -n`, then run the same command again"),
    errno.ENFILE: ("too many files are open on this machine", "close other programs, then run the same command again"),
}
_CODES = {
    sqlite3.SQLITE_FULL: _FULL,
    sqlite3.SQLITE_READONLY: _READ_ONLY,
    sqlite3.SQLITE_BUSY: (
        "another program has locked it for long",
        "`fuser -v` on the file shows who: let that end, then run the same command again",
    ),
    sqlite3.SQLITE_LOCKED: ("it is locked", "run the same command again"),
    sqlite3.SQLITE_IOERR: _FAILING,
    sqlite3.SQLITE_CORRUPT: _DAMAGED,
    sqlite3.SQLITE_NOTADB: ("it is damaged: it is no SQLite database", _DAMAGED[1]),
    sqlite3.SQLITE_CANTOPEN: _UNOPENED,
    sqlite3.SQLITE_PERM: _DENIED,
    sqlite3.SQLITE_PROTOCOL: ("its locks do not work", "put the home on a local disk"),
}
_DAMAGE = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)
_GONE = "files of a database are gone"
_TEXTS = {  # what LanceDB's own errors carry of the system's
    "No space left on device": _FULL,
    "Disk quota exceeded": _NUMBERS[errno.EDQUOT],
    "Read-only file system": _NUMBERS[errno.EROFS],
    "Permission denied": _DENIED,
    "Too many open files": _NUMBERS[errno.EMFILE],
    "Input/output error": _FAILING,
    "Not found:": (
        _GONE,
        "move the database's folder out of the home: the next `docmill sync` makes it anew, and embeds nothing again",
    ),
}
_LITTLE_BYTES = 256 * 1024  # SQLite's log cannot grow any more below this


def storage_error(error: BaseException, doing: str = "", *, home: Path | None = None) -> StorageError | None:
    """The error as one of ours; None where it is not the fault of a disk or of a file.

    ``doing`` begins the message, such as "state.db cannot be written". ``home`` is looked at where SQLite only says
    that something has failed: its disk may be full, or read-only.
    """
    if isinstance(error, StorageError):
        return error
    cause = getattr(error, "orig", None) or error  # SQLAlchemy, which makes the tables, wraps what sqlite3 raised
    found = _found(cause)
    if found is None:
        return None
    if home is not None and found is _FAILING and _is_full(home):
        found = _FULL
    if home is not None and found is _UNOPENED and _is_read_only(home):
        found = _READ_ONLY
    what, hint = found
    name = cause.filename if isinstance(cause, OSError) else None
    context = {"locked": True} if found is _CODES[sqlite3.SQLITE_BUSY] else {}
    return StorageError(": ".join(str(part) for part in (doing, what, name) if part), hint=hint, **context)


def require_machine(error: BaseException, doing: str) -> None:
    """Raises StorageError where not what was read is to blame, but the disk, a right, a lock or another program.

    For whoever is to tell damage, and to make anew what is damaged: a file that may only not be read is none.
    """
    causes: list[BaseException] = [error]
    while (cause := causes[-1].__cause__) is not None:
        causes.append(cause)
    for each in causes:
        text = str(each)
        found = next((said for words, said in _TEXTS.items() if words in text and said[0] != _GONE), None)
        if isinstance(each, OSError) and each.errno in _NUMBERS:
            found = _NUMBERS[each.errno]
        elif isinstance(each, sqlite3.DatabaseError):
            code = getattr(each, "sqlite_errorcode", None) or 0
            found = _CODES.get(code & 0xFF) if code & 0xFF not in _DAMAGE else None
        elif isinstance(each, MemoryError):
            found = ("there is not enough memory", "close other programs, then run the same command again")
        if found is not None:
            raise StorageError(f"{doing}: {found[0]}", hint=found[1]) from error


def _found(cause: BaseException) -> tuple[str, str] | None:
    if isinstance(cause, OSError) and cause.errno in _NUMBERS:
        return _NUMBERS[cause.errno]
    if isinstance(cause, sqlite3.DatabaseError):
        code = getattr(cause, "sqlite_errorcode", None)
        if code is not None:
            return _CODES.get(code & 0xFF)  # wrong SQL and constraints are our own faults, and have no entry
        # Python's own module raises a few without a code.
        known = isinstance(cause, sqlite3.OperationalError) or type(cause) is sqlite3.DatabaseError
        return (str(cause), "check the disk, and that nothing else locks it") if known else None
    text = str(cause)
    return next((said for words, said in _TEXTS.items() if words in text), None) if _is_lance(cause, text) else None


def _is_lance(cause: BaseException, text: str) -> bool:
    return isinstance(cause, (RuntimeError, OSError)) or (isinstance(cause, ValueError) and "lance error" in text)


def _is_read_only(home: Path) -> bool:
    try:
        return bool(os.statvfs(home).f_flag & os.ST_RDONLY)
    except OSError:
        return False


def _is_full(home: Path) -> bool:
    try:
        return shutil.disk_usage(home).free < _LITTLE_BYTES
    except OSError:
        return False
