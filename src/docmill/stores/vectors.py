"""A LanceDB database, written. One writer at a time: the engine, which holds the home's lock.

A window of documents is replaced by ``delete`` of what may be there, ``add`` of the new rows, fsync, and moving the tag
``published``; readers open that tag (reading.py). Killed anywhere in between, the window is simply done again.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from docmill import __version__, failpoints
from docmill.domain.contracts import ModelInfo
from docmill.errors import ModelMismatch, StorageError
from docmill.stores import checksums, compacting, indexing, lance, schemas
from docmill.stores.database_folders import PUBLISHED
from docmill.stores.faults import storage_error
from docmill.stores.schemas import CHUNKS, DOCUMENTS, SETTINGS, StoredDocument

_ID = re.compile(r"[0-9a-f]{32}\Z")


class VectorStore:
    """One database, open for writing. Raises ModelMismatch where it holds another model's vectors."""

    def __init__(self, folder: Path, model: ModelInfo, embedder: str) -> None:
        self.folder = folder
        self.dimension = model.dimension
        with _lance_errors(self.folder):
            folder.mkdir(parents=True, exist_ok=True)
            self._database = lance.connect(folder, to_write=True)
        self._synced: set[str] = set(_files(folder))
        self._settings = self._table(SETTINGS, schemas.settings_schema())
        self._require_model(model, embedder)
        self._documents = self._table(DOCUMENTS, schemas.document_schema())
        self._chunks = self._table(CHUNKS, schemas.chunk_schema(model.dimension))
        self._rewind()

    def replace(self, documents: Sequence[StoredDocument], stale: Sequence[str]) -> None:
        """Put ``documents`` in and take the rows of ``stale`` document ids out first; then publish.

        stale: every id that may have rows: replaced documents, deleted ones, and those of a window that was cut short.
        """
        with _lance_errors(self.folder):
            if stale:
                condition = f"document_id IN ({', '.join(_quoted(stale))})"
                with failpoints.around("store.delete"):
                    self._chunks.delete(condition)
                with failpoints.around("store.delete"):
                    self._documents.delete(condition)
                lance.give_back_memory()  # what it took to look for them is not on top of what adding takes
            if documents:
                with failpoints.around("store.add"):
                    self._chunks.add(schemas.chunk_rows(list(documents), self.dimension))
                with failpoints.around("store.add"):
                    self._documents.add(schemas.document_rows(list(documents)))
            self.publish()
        lance.give_back_memory()

    def publish(self) -> None:
        """Make what was written last, and make it last through a power loss, before readers are sent there."""
        with failpoints.around("store.fsync"):
            self._sync_files()
        for table in (self._documents, self._chunks):
            with failpoints.around("store.tag"):
                _tag(table)
        with failpoints.around("store.fsync"):
            self._sync_files()

    @property
    def rows(self) -> int:
        """Passages, also of windows that are not published yet."""
        return int(self._chunks.count_rows())

    def is_due(self, *, vector_rows: int) -> bool:
        """Whether :meth:`finish` would write anything."""
        with _lance_errors(self.folder):
            if any(compacting.is_due(table, folder) for table, folder in self._tables()):
                return True
            return indexing.is_due(self._chunks, vector_rows=vector_rows)

    def finish(self, *, vector_rows: int | None) -> None:
        """What is due after the last window of a run: indexes that cover the rows, few files, few old versions.

        vector_rows: from so many rows up there is a vector index. None: no index is made or extended on purpose.
        """
        with _lance_errors(self.folder):
            self._tidy([table for table, folder in self._tables() if compacting.is_due(table, folder)], vector_rows)

    def index(self, *, vector_rows: int, rebuild: bool) -> None:
        """Make the indexes cover every row."""
        with _lance_errors(self.folder):
            indexing.cover(self._chunks, vector_rows=vector_rows, rebuild=rebuild)
            self.publish()

    def vacuum(self, *, vector_rows: int) -> int:
        """Merge files, drop deleted rows and versions that no reader can hold. Returns how many versions went."""
        with _lance_errors(self.folder):
            return self._tidy([table for table, _folder in self._tables()], vector_rows)

    def _tidy(self, tables: list[Any], vector_rows: int | None) -> int:
        for table in tables:
            with failpoints.around("vacuum.merge"):
                indexing.merge(table)
        indexed = vector_rows is not None and indexing.bring_up(self._chunks, vector_rows=vector_rows)
        if not tables and not indexed:
            return 0
        self.publish()  # before cleaning: LanceDB refuses to remove versions while a tag holds one of them
        removed = 0
        for table in tables:
            with failpoints.around("vacuum.clean"):
                removed += compacting.clean(table)
            self.publish()
        lance.give_back_memory()
        return removed

    def _tables(self) -> list[tuple[Any, Path]]:
        """Those that windows are written to, and their folders."""
        both = ((self._documents, DOCUMENTS), (self._chunks, CHUNKS))
        return [(table, self.folder / f"{name}.lance") for table, name in both]

    def _table(self, name: str, schema: Any) -> Any:
        with _lance_errors(self.folder):
            folder = self.folder / f"{name}.lance"
            if folder.is_dir():
                if _has_manifest(folder):
                    return self._database.open_table(name)
                shutil.rmtree(folder)  # LanceDB was killed inside the table's first commit
            with failpoints.around("store.create"):
                table = self._database.create_table(name, schema=schema)
            self._sync_files()
            return table

    def _rewind(self) -> None:
        """Take back what an engine wrote and died before publishing: the next window must not publish half of it."""
        with _lance_errors(self.folder):
            for table in (self._documents, self._chunks):
                tags = table.tags.list()
                if PUBLISHED not in tags:
                    if table.count_rows():
                        with failpoints.around("store.rewind"):
                            table.delete("true")
                elif tags[PUBLISHED]["version"] != table.version:
                    with failpoints.around("store.rewind"):
                        table.restore(PUBLISHED)

    def _require_model(self, model: ModelInfo, embedder: str) -> None:
        wanted = {
            "embedder": embedder,
            "model": model.name,
            "provider": model.provider,
            "fingerprint": model.fingerprint,
            "vector_dim": str(model.dimension),
            "stored_version": __version__,
        }
        with _lance_errors(self.folder):
            found = {row["key"]: row["value"] for row in self._settings.to_arrow().to_pylist()}
        if found.get("fingerprint") is None:
            rows = [{"key": key, "value": value} for key, value in wanted.items()]
            with _lance_errors(self.folder):
                with failpoints.around("store.create"):
                    self._settings.add(rows, mode="overwrite")
                self._sync_files()
        elif found["fingerprint"] != model.fingerprint:
            raise ModelMismatch(
                f"database {self.folder.name} holds vectors of {found['model']}, not of {model.name} as it is now",
                hint="store into another database: --set store.database=NAME",
                database=self.folder.name,
                stored_model=found["model"],
                model=model.name,
            )

    def _sync_files(self) -> None:
        """fsync the files that came since the last time, then the folders they came into.

        Raises StorageError where others have gone meanwhile that the tables need.
        """
        there = set(_files(self.folder))
        if any(path.endswith(".lance") for path in self._synced - there):  # LanceDB itself removes only old versions'
            self._require_readable()
        if any(checksums.is_noted(path) for path in self._synced - there):
            checksums.forget_gone(self.folder)
        fresh, self._synced = there - self._synced, self._synced & there
        checksums.note(self.folder, [noted for path in sorted(fresh) if (noted := _fsync(path)) is not None])
        if fresh:
            _fsync(str(self.folder / checksums.NAME))
        for folder in sorted({os.path.dirname(path) for path in fresh}):  # noqa: PTH120 - plain strings, thousands of them
            _fsync(folder)
        # A tag is a small file that is written again under its own name: it is synced each time.
        self._synced |= {path for path in fresh if f"{os.sep}tags{os.sep}" not in path}

    def _require_readable(self) -> None:
        """Read a narrow column of all rows, past whatever LanceDB still has open or in memory."""
        try:
            anew = lance.connect(self.folder)
            for name in (DOCUMENTS, CHUNKS):
                for _batch in anew.open_table(name).search().select(["document_id"]).to_batches():
                    pass
        except (RuntimeError, OSError, ValueError) as error:
            raise StorageError(
                f"files of database {self.folder.name} have gone from {self.folder} while docmill was at work",
                hint="run the same command again: it makes the database anew, and embeds nothing again",
            ) from error


def _tag(table: Any) -> None:
    """Move the tag ``published`` to the table's newest version."""
    if PUBLISHED in table.tags.list():
        table.tags.update(PUBLISHED, table.version)
    else:
        table.tags.create(PUBLISHED, table.version)


def _quoted(ids: Sequence[str]) -> list[str]:
    """Ids for a filter. Filters are SQL, so nothing but 32 hex digits may enter one."""
    for each in ids:
        if not _ID.match(each):
            raise ValueError(f"not a document id: {each!r}")
    return [f"'{each}'" for each in ids]


def _has_manifest(table: Path) -> bool:
    versions = table / "_versions"
    return versions.is_dir() and any(path.suffix == ".manifest" for path in versions.iterdir())


def _files(folder: Path) -> Iterator[str]:
    for path, _folders, names in os.walk(folder):
        for name in names:
            yield os.path.join(path, name)  # noqa: PTH118 - plain strings, thousands of them


def _fsync(path: str) -> tuple[str, int, int] | None:
    """Of a file that is never written again, its path, CRC-32 and size."""
    try:
        descriptor = os.open(path, os.O_RDONLY)
    except FileNotFoundError:
        return None  # a temporary file that LanceDB has renamed or removed since the listing
    try:
        os.fsync(descriptor)
        return (path, *checksums.of_file(descriptor)) if checksums.is_noted(path) else None
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def _lance_errors(folder: Path) -> Iterator[None]:
    """LanceDB raises RuntimeError and OSError for what is wrong on disk."""
    try:
        yield
    except (RuntimeError, OSError) as error:
        doing = f"database {folder} cannot be written"
        said = str(error).splitlines()[0][:300]
        hint = "check the disk, then run the same command again"
        raise storage_error(error, doing) or StorageError(f"{doing}: {said}", hint=hint) from error
