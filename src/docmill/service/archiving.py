"""``archive``: all that is known of a batch in one zip: report, summary, documents, log, events, passages.

What is large is written line by line and never held; the zip is whole or absent. The same state gives the same files in
the same order, with a fixed time on each, so that two archives differ only where their contents do.
"""

from __future__ import annotations

import json
import tempfile
import zipfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from docmill.domain.redaction import redacted_values
from docmill.domain.results import ArchivedFile, ArchiveResult, SummaryResult
from docmill.reports.page import page
from docmill.service import documents, exporting, recording, summarizing
from docmill.settings import Settings, find_home
from docmill.stores import document_queries, history, outputs
from docmill.stores.compression import Tally
from docmill.stores.document_queries import ChosenDocuments
from docmill.stores.queries import Queries, reading

MANIFEST = "manifest.json"
VERSION = 1
_PAGE, _MANY_DOCUMENTS = 1000, 10_000
_BLOCK_BYTES = 1024 * 1024
_MODE = 0o644 << 16


def archive(
    settings: Settings,
    batch: str,
    *,
    output: str,
    format: str = "jsonl",  # noqa: A002 - the option's name
    include_embeddings: bool = False,
    include_metadata: bool = False,
) -> ArchiveResult:
    """Write the zip to ``output``, a path, or ``-`` for stdout. ``format`` and ``include_…``: as ``export`` has them.

    Raises BatchNotFound, UsageError, StorageError.
    """
    home = find_home(settings)
    exporter = exporting.exporter_of(format)
    summary = summarizing.summary(settings, batch)
    path = outputs.place(output)
    beside = None if path is None else path.parent
    batch_id = str(summary.batch_id)
    export = _Export(settings, batch_id, format, exporter.folder, include_embeddings, include_metadata, beside)
    with (
        outputs.stream(path, home) as stream,
        zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as package,
        reading(home) as queries,
        queries.snapshot(),
    ):
        files = _write(_Package(package), queries, summary, export)
    return ArchiveResult(
        batch_id=summary.batch_id,
        path=None if path is None else str(path),
        size_bytes=None if path is None else stream.size_bytes,
        files=files,
    )


class _Package:
    """The zip as it grows, and what its manifest will say of each file."""

    def __init__(self, package: zipfile.ZipFile) -> None:
        self._package = package
        self.files: list[ArchivedFile] = []

    def add(self, name: str, content: str) -> None:
        with self._entry(name) as write:
            write(content.encode("utf-8", "backslashreplace"))

    def add_lines(self, name: str, records: Iterable[Any]) -> None:
        """JSON, one a line."""
        rows = 0
        with self._entry(name) as write:
            for record in records:
                write(json.dumps(record, ensure_ascii=False).encode("utf-8", "backslashreplace") + b"\n")
                rows += 1
        self.files[-1] = self.files[-1].model_copy(update={"rows": rows})

    def add_file(self, name: str, stream: IO[bytes], rows: int) -> None:
        with self._entry(name) as write:
            while block := stream.read(_BLOCK_BYTES):
                write(block)
        self.files[-1] = self.files[-1].model_copy(update={"rows": rows})

    def finish(self, said: dict[str, Any]) -> None:
        """The manifest comes last, as only then is known what there is; it does not name itself."""
        listed = [each.model_dump(exclude_none=True) for each in self.files]
        self.add(MANIFEST, json.dumps({**said, "files": listed}, ensure_ascii=False, indent=1) + "\n")

    @contextmanager
    def _entry(self, name: str) -> Iterator[Callable[[bytes], int]]:
        info = zipfile.ZipInfo(name)  # dated 1980, as the format's first day
        info.compress_type, info.external_attr = zipfile.ZIP_DEFLATED, _MODE
        with self._package.open(info, "w", force_zip64=True) as member:
            tally = Tally(member, hashed=True)
            yield tally.write
        self.files.append(ArchivedFile(name=name, size_bytes=tally.size_bytes, sha256=tally.sha256))


@dataclass(frozen=True, slots=True)
class _Export:
    """The passages, as the exporter writes them: into a file first, as some formats are no streams, and in a zip of
    their own, as some are of many files.
    """

    settings: Settings
    batch: str
    format: str
    folder: bool
    embeddings: bool
    metadata: bool
    beside: Path | None

    def add_to(self, package: _Package) -> None:
        with tempfile.TemporaryDirectory(prefix=".docmill-archive-", dir=self.beside) as folder:
            path = Path(folder) / f"passages.{self.format}{'.zip' if self.folder else ''}"
            made = exporting.export(
                self.settings,
                batch=self.batch,
                format=self.format,
                output=str(path),
                include_embeddings=self.embeddings,
                include_metadata=self.metadata,
            )
            with path.open("rb") as stream:
                package.add_file(f"passages/{path.name}", stream, made.rows)


def _write(package: _Package, queries: Queries, summary: SummaryResult, export: _Export) -> list[ArchivedFile]:
    batch_id = summary.batch_id
    package.add("report.html", page(summary))
    package.add("summary.json", json.dumps(summary.model_dump(mode="json"), ensure_ascii=False, indent=1) + "\n")
    package.add_lines("documents.jsonl", _documents(queries, batch_id))
    package.add_lines("log.jsonl", _log(queries, batch_id))
    groups = queries.rows("SELECT * FROM run_group WHERE batch_id = ? ORDER BY id", [batch_id])
    for group in groups:
        name = f"run-groups/{group['id']}"
        pipeline = redacted_values(json.loads(group["pipeline"]))
        record = recording.group(group, queries.run_counts(group["id"])).model_dump(mode="json")
        said = {"run_group": record, "pipeline": pipeline}
        package.add(f"{name}/run-group.json", json.dumps(said, ensure_ascii=False, indent=1) + "\n")
        package.add_lines(f"{name}/events.jsonl", _events(queries, group["id"]))
    if summary.summary.total_chunks_created:
        export.add_to(package)
    package.finish(
        {
            "version": VERSION,
            "batch_id": batch_id,
            "name": summary.name,
            "created_at": summary.generated_at,
            "run_groups": [group["id"] for group in groups],
        }
    )
    return package.files


def _documents(queries: Queries, batch_id: int) -> Iterator[dict[str, Any]]:
    """Every document of the batch as it stands, by source and URI."""
    offset = 0
    while True:
        chosen = ChosenDocuments(batch_id=batch_id, limit=_MANY_DOCUMENTS, offset=offset)
        total, rows = document_queries.list_documents(queries, chosen)
        yield from (documents.file(row).model_dump(mode="json") for row in rows)
        offset += len(rows)
        if not rows or offset >= total:
            return


def _log(queries: Queries, batch_id: int) -> Iterator[dict[str, Any]]:
    after = 0
    while rows := history.log_entries(queries, batch_id, "debug", limit=_PAGE, after=after):
        yield from (recording.log_entry(row).model_dump(mode="json") for row in rows)
        after = rows[-1]["id"]


def _events(queries: Queries, group_id: int) -> Iterator[dict[str, Any]]:
    """The lifecycle events of a run group, in order."""
    after = 0
    while rows := history.events_of_group(queries, group_id, after, _PAGE):
        yield from (recording.event(row).model_dump(mode="json") for row in rows)
        after = rows[-1]["id"]
