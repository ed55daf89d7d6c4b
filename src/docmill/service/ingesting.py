"""``ingest``: makes files known, as documents of a batch, without processing them."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path
from typing import Any

from docmill.domain import uris
from docmill.domain.changes import FoundFile, HashedFile, KnownDocument
from docmill.domain.results import DocumentProblem, IngestCounts, IngestedFile, IngestResult
from docmill.errors import DocumentError, Overtaken, UsageError
from docmill.service import sources
from docmill.service.inputs import PRIORITIES, one_of
from docmill.settings import Settings, find_home
from docmill.sources import folder as folders
from docmill.stores.queries import reading

FILES = "files"  # the source of files that were named one by one: their URIs are absolute paths


def ingest(
    settings: Settings,
    inputs: list[str],
    *,
    batch: str | None = None,
    source: str | None = None,
    meta: list[str] | None = None,
    priority: str | None = None,
    stdin: Iterable[str] | None = None,
) -> IngestResult:
    """Make files known, as documents of a batch. Nothing is processed; ``start`` does that.

    A folder's files have URIs relative to it; files that are named one by one have their absolute path, unless they lie
    in the folder of the source that is named.
    """
    home = find_home(settings)
    named = [*(line for each in inputs if each == "-" for line in _lines(stdin)), *(i for i in inputs if i != "-")]
    if not named:
        raise UsageError("nothing to ingest", hint="name files or folders, or `-` for a list on stdin")
    paths = [Path(each).expanduser().absolute() for each in named]
    metadata = _metadata(meta or [])
    if priority is not None:
        one_of("priority", priority, PRIORITIES)
    while True:
        try:
            return _Ingestion(home, settings, paths, batch, source, metadata, priority).run()
        except Overtaken:  # another shell was faster: what it wrote is known by now
            continue


class _Ingestion:
    """One ``ingest``: collect, hash, compare, write down."""

    def __init__(
        self,
        home: Path,
        settings: Settings,
        paths: list[Path],
        batch: str | None,
        source: str | None,
        metadata: dict[str, Any],
        priority: str | None,
    ) -> None:
        self.home = home
        self.settings = settings
        self.paths = paths
        self.metadata = metadata
        self.priority = priority
        self.errors: list[DocumentProblem] = []
        self.ignored = 0
        only = paths[0] if len(paths) == 1 and paths[0].is_dir() else None
        with reading(home) as queries:
            self.batch = queries.batch(batch) if batch is not None else None
            row = (
                queries.source(source)
                if source
                else (queries.source_of_folder(sources.folder_text(only)) if only else None)
            )
            self.source = source or (row["name"] if row else sources.free_name(queries, only) if only else FILES)
            self.folder = sources.folder_path(row["folder"]) if row else only
            self.is_new = row is None and self.source != FILES
            self.known = queries.known_documents(self.source)
            hashes = queries.rows("SELECT DISTINCT content_hash FROM document WHERE state = 'active'")
            self.contents = {each[0] for each in hashes}
            lives_in = queries.rows("SELECT id, batch_id FROM document WHERE source = ?", [self.source])
            self.lives_in = {each["id"]: each["batch_id"] for each in lives_in}

    def run(self) -> IngestResult:
        hashed = [each for each in map(self._hash, self._collect()) if each is not None]
        files = self._write(hashed)
        outcomes = Counter(file.outcome for file in files)
        return IngestResult(
            batch_id=self.batch_id,
            source=self.source,
            files=files,
            counts=IngestCounts(**outcomes, ignored=self.ignored, failed=len(self.errors)),
            errors=self.errors,
            reason=f"{len(self.errors)} files could not be read" if self.errors else None,
        )

    def _collect(self) -> Iterable[FoundFile]:
        filters = json.loads(self.batch["configuration"])["filters"] if self.batch else {}
        for path in self.paths:
            if path.is_dir():
                scan = folders.scan(path, folders.Rules(home=self.home))
                self.ignored += sum(map(len, scan.ignored.values()))
                prefix = self._uri(path)
                found: Iterable[FoundFile] = (
                    FoundFile(f"{prefix}/{f.uri}" if prefix else f.uri, f.path, f.suffix, f.stat) for f in scan.files
                )
                for uri, reason in scan.unreadable.items():
                    self._problem(uri, DocumentError(reason))
            else:
                try:
                    found = [folders.found_file(path, self._uri(path))]
                except DocumentError as error:
                    self._problem(self._uri(path), error)
                    continue
            for file in found:
                if _passes(file, filters):
                    yield file
                else:
                    self.ignored += 1

    def _uri(self, path: Path) -> str:
        if self.folder is not None and path.is_relative_to(self.folder):
            relative = str(path.relative_to(self.folder))
            return "" if relative == "." else uris.encode(relative)
        return uris.encode(str(path))

    def _hash(self, file: FoundFile) -> HashedFile | None:
        try:
            return folders.hash_file(file)
        except DocumentError as error:
            self._problem(file.uri, error)
            return None

    def _write(self, hashed: list[HashedFile]) -> list[IngestedFile]:
        from docmill.stores.state import State, catalogue, groups

        state = State(self.home)
        try:
            with state.transaction() as tx:
                self.batch_id = self.batch["id"] if self.batch else self._own_batch(tx, groups)
                if self.priority:
                    tx.run("UPDATE batch SET priority = ? WHERE id = ?", [self.priority, self.batch_id])
                folder = sources.folder_text(self.folder) if self.folder else None
                there = tx.rows("SELECT folder FROM source WHERE name = ?", [self.source])
                if there and self.is_new and there[0].folder != folder:
                    raise Overtaken(f"another shell has just made a source {self.source!r}")
                catalogue.add_source(tx, self.source, folder, self.batch_id)
                return [self._one(tx, catalogue, each) for each in hashed]
        finally:
            state.close()

    def _one(self, tx: Any, catalogue: Any, hashed: HashedFile) -> IngestedFile:
        uri, content = hashed.file.uri, hashed.content_hash
        document = self.known.get(uri)
        if document is not None and document.content_hash == content:
            outcome, document_id, batch_id = "unchanged", document.id, self.lives_in[document.id]
        elif document is not None:
            catalogue.replace_content(tx, [(document, hashed)], self.batch_id)
            outcome, document_id, batch_id = "changed", document.id, self.lives_in[document.id]
            self.known[uri] = document._replace(content_hash=content, version=document.version + 1)
        else:
            [document_id] = catalogue.add_documents(tx, self.source, self.batch_id, [hashed], self.metadata)
            outcome, batch_id = "duplicate" if content in self.contents else "new", self.batch_id
            self.known[uri] = KnownDocument(
                document_id, uri, hashed.file.suffix, content, 1, hashed.file.stat, hashed.hashed_at_ns
            )
            self.lives_in[document_id] = self.batch_id
        self.contents.add(content)
        return IngestedFile(
            document_id=document_id,
            document_hash=content,
            uri=uri,
            source=self.source,
            batch_id=batch_id,
            outcome=outcome,
        )

    def _own_batch(self, tx: Any, groups: Any) -> int:
        """The batch that files of this source go to where none is named: one, made when it is first needed."""
        known = tx.value("SELECT batch_id FROM source WHERE name = ?", [self.source])
        if known is not None:
            return int(known)
        row = sources.batch_row(self.source, "manual")
        return int(groups.create_batch(tx, row))

    def _problem(self, uri: str, error: DocumentError) -> None:
        self.errors.append(sources.unread(uri, error))


def _passes(file: FoundFile, filters: dict[str, Any]) -> bool:
    types = filters.get("document_type") or []
    if types and file.suffix.lstrip(".") not in types:
        return False
    after = filters.get("created_after")
    return not after or file.stat.mtime_ns >= datetime.fromisoformat(after).timestamp() * 1e9


def _lines(stdin: Iterable[str] | None) -> list[str]:
    if stdin is None:
        raise UsageError("`-` reads a list of files from stdin, and there is none")
    return [line.rstrip("\r\n") for line in stdin if line.strip()]


def _metadata(pairs: list[str]) -> dict[str, Any]:
    result = {}
    for pair in pairs:
        key, separator, value = pair.partition("=")
        if not separator or not key.strip():
            raise UsageError(f"--meta takes key=value, not {pair!r}")
        result[key.strip()] = value
    return result
