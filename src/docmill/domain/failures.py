"""Turns whatever a parsing library raises into one DocumentError that a person understands.

Owns the translation only; it reads no file and knows no format.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from docmill.errors import CorruptedFile, DocumentError, OutOfMemory, SourceFileDenied, SourceFileMissing

_LONGEST_WORDS = 200
_OUT_OF_MEMORY_WORDS = ("memory allocation", "out of memory", "cannot allocate memory")


@contextmanager
def readable(kind: str) -> Iterator[None]:
    """Run a library on a file of ``kind`` ("PDF", "Word document"); its failures leave as DocumentErrors.

    Raises OutOfMemory for MemoryError and for libraries that hide it in another error, SourceFileMissing and
    SourceFileDenied for a file that cannot be opened, CorruptedFile for everything else. Parsing libraries raise far
    outside their own hierarchies on broken files (AssertionError, TypeError, KeyError, RecursionError …).
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
        if is_out_of_memory(error):
            raise OutOfMemory(f"reading the {kind} needs more memory than is allowed") from error
        raise CorruptedFile(f"the {kind} cannot be read: {words_of(error)}") from error


def is_out_of_memory(error: BaseException) -> bool:
    """Whether ``error`` is a MemoryError, by type or by its words (libxml2 reports one as a syntax error)."""
    return isinstance(error, MemoryError) or any(words in str(error).lower() for words in _OUT_OF_MEMORY_WORDS)


def words_of(error: BaseException) -> str:
    """One short printable line that says what ``error`` says."""
    words = " ".join(str(error).split())
    words = "".join(character if character.isprintable() else "?" for character in words)
    name = type(error).__name__
    return f"{name}: {words[:_LONGEST_WORDS]}" if words else name
