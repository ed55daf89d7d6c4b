"""Copies of what was fetched from the web, or lies in other documents: files under the home, whole or absent, and
named by their content.

A copy is written in ``downloads/new``, brought to the disk, and appears by a rename. Which copies count is in state.db:
one that no active document leads to is left over, from a crash or from an older version, and may go at any time. So
whoever makes a copy known looks once more whether it is there, inside the transaction that does so.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import IO, TYPE_CHECKING

from docmill.domain import places
from docmill.domain.identity import CONTENT_PREFIX
from docmill.durable import fsync

if TYPE_CHECKING:
    from docmill.stores.state.database import State, Transaction

Copy = tuple[str, str]
"""Content hash and suffix."""

_stores = itertools.count(1)
_NAME = re.compile(r"([0-9a-f]{64})((?:\.[^/]*)?)\Z")
REFERENCES = (
    "FROM document WHERE state = 'active' AND (parent_id IS NOT NULL OR uri GLOB 'http://*' OR uri GLOB 'https://*')"
)


class DownloadStore:
    """The copies of one home. May be used from several threads."""

    def __init__(self, home: Path) -> None:
        self._home = home
        self.folder = home / places.DOWNLOADS
        self._new = self.folder / "new"
        self._mine = f"{os.getpid()}-{next(_stores)}"
        self._numbers = itertools.count(1)

    def path(self, copy: Copy) -> Path:
        return places.copy_path(self._home, *copy)

    def has(self, copy: Copy) -> bool:
        return self.path(copy).is_file()

    @contextlib.contextmanager
    def incoming(self) -> Iterator[IO[bytes]]:
        """A file to write to, which is gone afterwards unless it was kept."""
        self._new.mkdir(parents=True, exist_ok=True)
        temporary = self._new / f"{self._mine}-{next(self._numbers)}.new"
        try:
            with temporary.open("wb") as stream:
                yield stream
        finally:
            temporary.unlink(missing_ok=True)

    def keep(self, stream: IO[bytes], copy: Copy, modified_s: float | None = None) -> Path:
        """Make what was written to ``stream`` the copy with this content. It is on the disk when this returns."""
        path = self.path(copy)
        stream.flush()
        if modified_s is not None:
            with contextlib.suppress(OSError, OverflowError):  # a time that the file system cannot hold
                os.utime(stream.fileno(), (modified_s, modified_s))
        os.fsync(stream.fileno())
        fresh = not path.parent.is_dir()
        path.parent.mkdir(exist_ok=True)
        Path(stream.name).replace(path)
        for folder in (path.parent, *((self.folder, self._home) if fresh else ())):
            fsync(folder)
        return path

    def abandon(self) -> None:
        """Remove what was being written here, whichever thread is still at it."""
        for path in self._new.glob(f"{self._mine}-*.new"):
            path.unlink(missing_ok=True)

    def unfinished(self) -> list[Path]:
        """Files that somebody is writing, or died writing."""
        return list(self._new.glob("*.new"))

    def copies(self) -> Iterator[Copy]:
        """Every copy that is there, whether it counts or not."""
        for path in self.folder.glob("[0-9a-f][0-9a-f]/*"):
            found = _NAME.match(path.name)
            if found:
                yield CONTENT_PREFIX + found[1], found[2]

    def discard(self, tx: Transaction, copies: Iterable[Copy]) -> int:
        """Remove those of these that no active document leads to. Returns the bytes that are free now.

        Inside the transaction nobody can make one known. What leads to them must have been committed to be gone.
        """
        freed = 0
        for copy in unreferenced(tx, copies):
            with contextlib.suppress(FileNotFoundError):
                path = self.path(copy)
                freed += path.stat().st_size
                path.unlink()
        return freed


def discard_members(home: Path, tx: Transaction, document_ids: Sequence[str]) -> int:
    """Remove the copies of those of these documents that lay in others and are gone. Returns the bytes freed."""
    sql = (
        "SELECT content_hash, suffix FROM document WHERE parent_id IS NOT NULL AND state != 'active'"
        " AND id IN (SELECT value FROM json_each(?))"
    )
    copies = [(row.content_hash, row.suffix) for row in tx.rows(sql, [json.dumps(document_ids)])]
    return DownloadStore(home).discard(tx, copies)


def sweep(home: Path, state: State) -> int:
    """Remove every copy that no active document leads to. Returns the bytes that are free now."""
    store = DownloadStore(home)
    if not store.folder.is_dir():
        return 0
    with state.transaction() as tx:
        return store.discard(tx, store.copies())


def unreferenced(tx: Transaction, copies: Iterable[Copy]) -> list[Copy]:
    """Those that no active document leads to."""
    sql = f"SELECT 1 {REFERENCES} AND content_hash = ? AND suffix = ? LIMIT 1"
    return [copy for copy in dict.fromkeys(copies) if tx.value(sql, copy) is None]
