"""Streams that count, hash and compress what is written to them, as it comes."""

from __future__ import annotations

import gzip
import hashlib
import io
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

ENDINGS = {"gz": ".gz", "zst": ".zst", "zip": ".zip"}
Stream = Any  # binary; the classes of io and of its libraries have no type in common
_COPIED_AT_ONCE = 1024 * 1024


class Tally(io.RawIOBase):
    """Hands on what is written to another stream, and knows how much that was and, if asked to, its SHA-256.

    Closing it leaves the other stream open, as libraries close what is lent to them.
    """

    def __init__(self, stream: Stream, *, hashed: bool = False) -> None:
        self._stream = stream
        self._hash = hashlib.sha256() if hashed else None
        self.size_bytes = 0

    def write(self, data: Any) -> int:
        view = memoryview(data).cast("B")
        self._stream.write(view)
        if self._hash is not None:
            self._hash.update(view)
        self.size_bytes += len(view)
        return len(view)

    def tell(self) -> int:
        return self.size_bytes

    def writable(self) -> bool:
        return True

    def isatty(self) -> bool:
        return bool(self._stream.isatty())

    def flush(self) -> None:
        if not self.closed:
            self._stream.flush()

    @property
    def sha256(self) -> str | None:
        return self._hash.hexdigest() if self._hash is not None else None


@contextmanager
def compressing(stream: Stream, how: str | None, name: str) -> Iterator[Stream]:
    """A stream whose bytes arrive at ``stream`` compressed: gz, zst or zip, or as they are. ``name``: within a zip."""
    if how == "gz":
        # Without a time or a name in it, so that the same rows give the same bytes.
        with gzip.GzipFile("", "wb", 6, stream, mtime=0) as packed:
            yield packed
    elif how == "zst":
        import pyarrow as pa

        with pa.CompressedOutputStream(pa.PythonFile(Tally(stream), "w"), "zstd") as packed:
            yield packed
    elif how == "zip":
        with zipfile.ZipFile(stream, "w") as package, package.open(_entry(name), "w", force_zip64=True) as packed:
            yield packed
    else:
        yield stream


def zip_folder(folder: Path, stream: Stream, name: str) -> None:
    """All files of a folder, below ``name``, in a fixed order."""
    with zipfile.ZipFile(stream, "w") as package:
        for path in sorted(folder.rglob("*")):
            if path.is_file():
                inside = f"{name}/{path.relative_to(folder).as_posix()}"
                with path.open("rb") as whole, package.open(_entry(inside), "w", force_zip64=True) as packed:
                    while part := whole.read(_COPIED_AT_ONCE):
                        packed.write(part)


def _entry(name: str) -> zipfile.ZipInfo:
    """Made at the first instant that a zip can tell, so that the same rows give the same bytes."""
    entry = zipfile.ZipInfo(name)
    entry.compress_type = zipfile.ZIP_DEFLATED
    entry.external_attr = 0o644 << 16
    return entry
