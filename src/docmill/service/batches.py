"""Batches: making, listing and showing them, putting documents in, and saying how they stand."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from docmill.domain import uris
from docmill.domain.changes import FoundFile, HashedFile, KnownDocument
from docmill.domain.events import now
from docmill.domain.results import (
    BatchCreated,
    BatchList,
    BatchShown,
    BatchStats,
    BatchStatus,
    DocumentProblem,
    FileCounts,
    HomeStatus,
    IngestCounts,
    IngestedFile,
    IngestResult,
)
from docmill.engine.lock import holder
from docmill.errors import DocumentError, UsageError
from docmill.service import definitions, shapes, sources
from docmill.settings import Settings, find_home
from docmill.sources import folder as folders
from docmill.stores.queries import Row, reading
from docmill.stores.reading import databases

TYPES = ("batch_processing", "incremental", "manual", "scheduled", "real_time")
PRIORITIES = ("low", "normal", "high")
FILES = "files"  # the source of files that were named one by one: their URIs are absolute paths


def create_batch(
    settings: Settings,
    *,
    name: str,
    description: str = "",
    type: str = "batch_processing",  # noqa: A002 - the field's name in the JSON contract
    priority: str = "normal",
    workflow: str = "batch",
    params: str = "default",
    filter_types: list[str] | None = None,
    created_after: str | None = None,
    webhook_url: str | None = None,
    key: str | None = None,
    source: str | None = None,
) -> BatchCreated:
    """A new batch; with a ``key`` that was used before, the batch that it made then. Raises UsageError."""
    _one_of("type", type, TYPES)
    _one_of("priority", priority, PRIORITIES)
    if not name.strip():
        raise UsageError("a batch needs a name", hint="--name NAME")
    home = find_home(settings)
    definitions.resolve(home, workflow, params, [])
    configuration = {
        "filters": {"document_type": filter_types or [], "created_after": _utc(created_after)},
        "webhook_url": _webhook(webhook_url),
    }
    row = {
        **sources.batch_row(name, type, configuration),
        "description": description,
        "priority": priority,
        "source": source,
        "key": key,
        "workflow": workflow,
        "params": params,
    }
    from docmill.stores.state import State, groups

    state = State(home)
    try:
        with state.transaction() as tx:
            known = tx.rows("SELECT id, name, status FROM batch WHERE key = ?", [key]) if key else []
            batch_id = known[0].id if known else groups.create_batch(tx, row)
    finally:
        state.close()
    return BatchCreated(
        batch_id=batch_id,
        name=known[0].name if known else name,
        status=known[0].status if known else "created",
        created=not known,
        message=f"batch {batch_id} was there already" if known else f"created batch {batch_id}",
    )


def list_batches(
    settings: Settings,
    *,
    limit: int,
    offset: int,
    status: str | None = None,
    type: str | None = None,  # noqa: A002 - as above
) -> BatchList:
    with reading(find_home(settings)) as queries, queries.snapshot():
        total, rows = queries.batches(limit=limit, offset=offset, status=status, type_=type)
        summaries = [shapes.batch_summary(queries, row) for row in rows]
    return BatchList(batches=summaries, total=total, limit=limit, offset=offset)


def show_batch(settings: Settings, batch: str) -> BatchShown:
    with reading(find_home(settings)) as queries, queries.snapshot():
        row = queries.batch(batch)
        ids = queries.rows("SELECT id FROM run_group WHERE batch_id = ? ORDER BY id", [row["id"]])
        return BatchShown(
            batch=shapes.batch_summary(queries, row),
            configuration=shapes.configuration(row),
            retry_policy=shapes.retry_policy(queries, row),
            run_groups=[each["id"] for each in ids],
        )


def status(settings: Settings, batch: str) -> BatchStatus:
    with reading(find_home(settings)) as queries, queries.snapshot():
        row = queries.batch(batch)
        group = queries.newest_group(row["id"])
        by_status, by_type = queries.file_counts(row["id"])
        progress = shapes.progress(queries, row, group)
        return BatchStatus(
            batch=shapes.batch_summary(queries, row),
            status=row["status"],
            run_group_id=group["id"] if group else None,
            progress=progress,
            stages=shapes.stages(queries, group["id"]) if group else [],
            stats=_stats(group, progress.processed_files),
            files=FileCounts(total=sum(by_status.values()), by_status=by_status, by_type=by_type),
            errors=shapes.problems_of_batch(queries, row["id"]),
            retry_policy=shapes.retry_policy(queries, row),
        )


def home_status(settings: Settings) -> HomeStatus:
    """The home at a glance."""
    home = find_home(settings)
    with reading(home) as queries, queries.snapshot():
        _total, rows = queries.batches(limit=20, offset=0)
        return HomeStatus(
            home=str(home),
            engine=holder(home),
            batches=[shapes.batch_summary(queries, row) for row in rows],
            documents=queries.value("SELECT COUNT(*) FROM document WHERE state = 'active'"),
            chunks=queries.value("SELECT COALESCE(SUM(chunk_count), 0) FROM placement WHERE state = 'stored'"),
            failed_documents=queries.value(
                "SELECT COUNT(*) FROM document WHERE state = 'active' AND outcome = 'failed'"
            ),
            databases=databases(home),
        )


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
        _one_of("priority", priority, PRIORITIES)
    return _Ingestion(home, settings, paths, batch, source, metadata, priority).run()


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


def _stats(group: Row | None, done: int) -> BatchStats:
    if group is None:
        return BatchStats(
            processing_time_ms=0, total_chunks=0, total_embeddings=0, average_processing_time_per_file_ms=None
        )
    spent = group["processing_seconds"]
    if group["status"] == "running":
        spent = max(spent, shapes.seconds_between(group["started_at"], now()) or 0.0)
    milliseconds = int(spent * 1000)
    return BatchStats(
        processing_time_ms=milliseconds,
        total_chunks=group["chunks_total"],
        total_embeddings=group["chunks_embedded"],
        average_processing_time_per_file_ms=round(milliseconds / done, 1) if done else None,
    )


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


def _one_of(what: str, value: str, allowed: tuple[str, ...]) -> None:
    if value not in allowed:
        raise UsageError(f"unknown {what} {value!r}", hint=f"one of {', '.join(allowed)}")


def _utc(time: str | None) -> str | None:
    if time is None:
        return None
    try:
        parsed = datetime.fromisoformat(time)
    except ValueError:
        raise UsageError(f"not a time: {time!r}", hint="as 2026-01-31 or 2026-01-31T12:00:00Z") from None
    aware = parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)
    return aware.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def _webhook(url: str | None) -> str | None:
    from urllib.parse import urlsplit

    if url is not None and (urlsplit(url).scheme not in ("http", "https") or not urlsplit(url).hostname):
        raise UsageError(f"not a web address: {url!r}", hint="it begins with https:// or http://")
    return url
