"""What the files of a database were when they were written: a CRC-32 of each, in the file ``checksums`` beside them.

LanceDB's files are written once and never changed, and carry no checksum of their own: a bit that flips in them is read
as another word or another number, and one in an index is not seen at all. So whoever writes a database notes its files
as they are synced to the disk, before readers are sent to them.

A line is ``crc size path``, hexadecimal, decimal and relative. A line that is torn, or whose file has gone since, says
nothing. Files that LanceDB rewrites, or that nobody reads, are not noted.
"""

from __future__ import annotations

import contextlib
import os
import re
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path

from docmill.errors import StorageError
from docmill.stores.faults import storage_error

NAME = "checksums"
_LINE = re.compile(r"([0-9a-f]{8}) ([0-9]+) (.+)\Z")
_UNNOTED = (f"{os.sep}_refs{os.sep}", f"{os.sep}_transactions{os.sep}", "latest_version_hint.json")
_PART = 1024**2


def is_noted(path: str) -> bool:
    """Whether a file below a database's folder is of a kind that is written once and read."""
    return path.endswith((".lance", ".idx", ".manifest", ".arrow", ".bin")) and not any(
        each in path for each in _UNNOTED
    )


def of_file(descriptor: int) -> tuple[int, int]:
    """CRC-32 and size of an open file, from its beginning."""
    crc = size = 0
    while part := os.read(descriptor, _PART):
        crc, size = zlib.crc32(part, crc), size + len(part)
    return crc, size


def note(folder: Path, files: Iterable[tuple[str, int, int]]) -> None:
    """Add files: path, CRC and size of each. To be synced by the caller, with the folder."""
    lines = "".join(f"{crc:08x} {size} {os.path.relpath(path, folder)}\n" for path, crc, size in files)
    if lines:
        with (folder / NAME).open("ab") as file:
            # A line that a killed process left torn ends here; an empty one says nothing.
            file.write((lines if file.tell() == 0 else f"\n{lines}").encode("utf-8", "surrogateescape"))


def forget_gone(folder: Path) -> None:
    """Write the list anew, of the files that are still there."""
    kept = [(path, crc, size) for path, (crc, size) in read(folder).items() if (folder / path).is_file()]
    fresh = folder / f"{NAME}.new"
    fresh.write_bytes(
        "".join(f"{crc:08x} {size} {path}\n" for path, crc, size in kept).encode("utf-8", "surrogateescape")
    )
    fresh.replace(folder / NAME)


def read(folder: Path) -> dict[str, tuple[int, int]]:
    """CRC and size by path; empty for a database that an older docmill made."""
    found: dict[str, tuple[int, int]] = {}
    with contextlib.suppress(FileNotFoundError):
        for line in (folder / NAME).read_bytes().decode("utf-8", "surrogateescape").split("\n"):
            if match := _LINE.match(line):
                found[match[3]] = int(match[1], 16), int(match[2])
    return found


def compare(folder: Path) -> Iterator[tuple[str, bool]]:
    """Every noted file that is there: its path, and whether it has changed since. Gone meanwhile: passed over.

    Raises StorageError for one that cannot be read.
    """
    for path, noted in read(folder).items():
        try:
            descriptor = os.open(folder / path, os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            continue  # LanceDB removes what no version needs; whatever a reader lacks, reading tells
        except OSError as error:
            raise _unreadable(error) from error
        try:
            yield path, of_file(descriptor) != noted
        except OSError as error:
            raise _unreadable(error) from error
        finally:
            os.close(descriptor)


def _unreadable(error: OSError) -> StorageError:
    doing = "a file of a database cannot be read"
    return storage_error(error, doing) or StorageError(f"{doing}: {error.strerror}", hint="check the disk")
