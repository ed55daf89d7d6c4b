"""Turns whatever a parsing library raises into one DocumentError that a person understands.

Owns the translation only; it reads no document and knows no format.
"""

from __future__ import annotations

import errno
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from docmill.errors import CorruptedFile, DocumentError, OutOfMemory, SourceFileDenied, SourceFileMissing

if TYPE_CHECKING:
    from docmill.domain.assembly import DocumentBuilder

_LONGEST_WORDS = 200
_LONGEST_LOOK = 2000
_LIBXML2_NO_MEMORY = 2  # XML_ERR_NO_MEMORY
_USED_UP = 0.98
# Of the machine, not of the file: a disk that is full, a quota, a device that fails.
_NOT_THE_FILE = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.ENFILE, errno.EMFILE})
_OUT_OF_MEMORY_WORDS = ("memory allocation", "out of memory", "cannot allocate memory", "bad_alloc")


@contextmanager
def readable(kind: str) -> Iterator[None]:
    """Run a library on a file of ``kind`` ("PDF", "Word document"); its failures leave as DocumentErrors.

    Raises OutOfMemory for MemoryError and for libraries that hide it in another error, SourceFileMissing and
    SourceFileDenied for a file that cannot be opened, CorruptedFile for everything else. Parsing libraries raise far
    outside their own hierarchies on broken files (AssertionError, TypeError, KeyError, RecursionError …). An OSError
    that tells of the disk goes through as it is.
    """
    try:
        yield
    except DocumentError:
        raise
    except FileNotFoundError as error:
        raise SourceFileMissing("the file is no longer there") from error
    except PermissionError as error:
        raise SourceFileDenied("the file may not be read") from error
    except Exception as error:
        if isinstance(error, OSError) and error.errno in _NOT_THE_FILE:
            raise
        if is_out_of_memory(error):
            raise OutOfMemory(f"reading the {kind} needs more memory than is allowed") from error
        raise CorruptedFile(f"the {kind} cannot be read: {words_of(error)}") from error


@contextmanager
def keeping_what_was_read(builder: DocumentBuilder) -> Iterator[None]:
    """What was read before the damage is worth having, and the reader is told; where nothing was, it is a failure."""
    try:
        yield
    except Exception as error:
        if is_out_of_memory(error) or not builder.has_blocks:
            raise
        builder.warn("DAMAGED_PART", f"the rest is unreadable: {words_of(error)}", degrades=True)


def is_out_of_memory(error: BaseException) -> bool:
    """Whether ``error`` tells of a lack of memory: by its type, its words, or because there is next to none left.

    libxml2 reports it as a syntax error, "unknown error", that is known by its number alone.
    """
    if isinstance(error, MemoryError) or tells_of_memory(_said(error)):
        return True
    if type(error).__name__ == "XMLSyntaxError" and getattr(error, "code", None) == _LIBXML2_NO_MEMORY:
        return True
    return _memory_is_used_up()


def tells_of_memory(text: str) -> bool:
    """Whether that is what libraries say when they get no more memory."""
    return any(words in text.lower() for words in _OUT_OF_MEMORY_WORDS)


def _memory_is_used_up() -> bool:
    """Whether this process stands at the limit of its address space, where anything may fail in any words."""
    limit = resource.getrlimit(resource.RLIMIT_AS)[0]
    if limit == resource.RLIM_INFINITY:
        return False
    try:
        pages = int(Path("/proc/self/statm").read_text("ascii").split()[0])
    except (OSError, ValueError):  # there is no such file on other systems than Linux
        return False
    return pages * resource.getpagesize() > _USED_UP * limit


def words_of(error: BaseException) -> str:
    """One short printable line that says what ``error`` says."""
    words = " ".join(_said(error).split())
    words = "".join(character if character.isprintable() else "?" for character in words)
    name = type(error).__name__
    return f"{name}: {words[:_LONGEST_WORDS]}" if words else name


def _said(error: BaseException) -> str:
    """The beginning of it. An exception of a foreign class may fail even here, or say megabytes."""
    try:
        return str(error)[:_LONGEST_LOOK]
    except Exception:  # noqa: BLE001 - whatever it is, it says nothing
        return ""
