"""What an ``ingest`` is given: paths and addresses, from the command line, from a list on stdin, from a manifest."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from docmill.errors import AddressRefused, BadRow, DocumentError, NotFoundError, StorageError, UsageError
from docmill.sources import manifest as manifests
from docmill.sources import url


@dataclass(frozen=True, slots=True)
class Named:
    """One thing that is to be ingested. ``path`` is absolute, ``address`` normalised: one of the two is there, unless
    ``error`` says why neither is. ``line``: of the manifest.
    """

    text: str
    path: Path | None = None
    address: str | None = None
    error: DocumentError | None = None
    line: int | None = None
    meta: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Manifest:
    """``file``: a path, or ``-`` for ``stream``. ``format``: csv, jsonl, or by the name; ``columns``: by key."""

    file: str
    format: str | None = None
    columns: Mapping[str, str] = field(default_factory=dict)
    stream: IO[bytes] | None = None

    @property
    def name(self) -> str:
        return "the manifest on stdin" if self.file == "-" else Path(self.file).name


def manifest(file: str | None, format_: str | None, pairs: Sequence[str], stdin: IO[bytes] | None) -> Manifest | None:
    """What the options of a command say of one; ``pairs`` are texts ``KEY=COLUMN``. Raises UsageError."""
    if file is not None:
        return Manifest(file, format_, columns(pairs), stdin)
    if pairs or format_:
        raise UsageError(f"{'--map' if pairs else '--manifest-format'} is for a manifest", hint="--manifest FILE")
    return None


def from_texts(inputs: Sequence[str], stdin: Iterable[str] | None) -> Iterator[Named]:
    """Arguments and lines of stdin, which ``-`` stands for, in their order. Raises UsageError."""
    for each in inputs:
        if each != "-":
            yield _named(each, Path().absolute())
        elif stdin is None:
            raise UsageError("`-` reads a list of files from stdin, and there is none")
        else:
            yield from (_named(line.rstrip("\r\n"), Path().absolute()) for line in stdin if line.strip())


def from_manifest(given: Manifest) -> Iterator[Named]:
    """Its rows, in their order; paths are relative to the folder that it lies in.

    Raises NotFoundError where it is not there, UsageError where its columns do not fit.
    """
    format_ = manifests.format_of(given.name, given.format)
    folder = Path() if given.file == "-" else Path(given.file).expanduser().parent
    with _opened(given) as stream:
        for row in manifests.read(stream, format_, given.columns, given.name):
            if isinstance(row, manifests.Unusable):
                yield Named(f"{given.name}:{row.line}", error=BadRow(f"line {row.line}: {row.reason}"), line=row.line)
            else:
                yield _named(row.uri, folder.absolute(), row.line, row.meta)


def columns(pairs: Iterable[str]) -> dict[str, str]:
    """From texts ``KEY=COLUMN``. Raises UsageError."""
    found: dict[str, str] = {}
    for pair in pairs:
        key, separator, column = (part.strip() for part in pair.partition("="))
        if not separator or not key or not column:
            raise UsageError(f"--map takes KEY=COLUMN, not {pair!r}", hint="--map uri=path --map title=name")
        if key in found:
            raise UsageError(f"--map says twice which column {key!r} is")
        found[key] = column
    return found


def _named(text: str, folder: Path, line: int | None = None, meta: Mapping[str, Any] | None = None) -> Named:
    if not url.is_address(text):
        path = Path(text) if line is not None else Path(text).expanduser()
        return Named(text, path=folder / path, line=line, meta=meta or {})
    try:
        return Named(text, address=url.normalised(text), line=line, meta=meta or {})
    except AddressRefused as error:
        return Named(text, error=error, line=line)


@contextlib.contextmanager
def _opened(given: Manifest) -> Iterator[IO[bytes]]:
    if given.file == "-":
        if given.stream is None:
            raise UsageError("`--manifest -` reads it from stdin, and there is none")
        yield given.stream
        return
    path = Path(given.file).expanduser()
    try:
        stream = path.open("rb")
    except FileNotFoundError:
        raise NotFoundError(f"there is no manifest {path}") from None
    except OSError as error:
        raise StorageError(f"the manifest {path} cannot be read: {error.strerror}") from error
    with stream:
        yield stream
