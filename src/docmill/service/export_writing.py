"""Writes an export to where it goes: a file, a folder, a zip of one, or stdout; and a report beside it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, cast

from docmill import __version__
from docmill.domain.contracts import Exporter, FileExporter, FolderExporter
from docmill.domain.events import now
from docmill.domain.results import ExportedFile, ExportedModel, ExportReport, ExportResult
from docmill.domain.terminal import json_text
from docmill.service import shapes
from docmill.stores import outcome_queries, outputs
from docmill.stores.compression import ENDINGS, Tally, compressing, zip_folder
from docmill.stores.published import Published
from docmill.stores.queries import OF_BATCH
from docmill.stores.queries import reading as reading_state

REPORT = ".report.json"


@dataclass(frozen=True, slots=True)
class Target:
    """Where it goes, and how. ``path``: None for stdout."""

    path: Path | None
    format: str
    exporter: Exporter
    compression: str | None
    report: bool
    replace: bool

    def inner_name(self, database: str) -> str:
        """Of what a zip holds."""
        if (
            self.path is not None
            and self.compression is not None
            and self.path.name.endswith(ENDINGS[self.compression])
        ):
            return self.path.name.removesuffix(ENDINGS[self.compression])
        return f"{database}{self.exporter.suffix}"


@dataclass(frozen=True, slots=True)
class Chosen:
    """Which documents. ``document_ids``: None for all that the database has."""

    database: str
    document_ids: list[str] | None = None
    batch_id: int | None = None
    batch_name: str | None = None


@dataclass(frozen=True, slots=True)
class Written:
    rows: int
    size_bytes: int
    files: tuple[ExportedFile, ...] = ()


def write(target: Target, published: Published, home: Path) -> Written:
    """Raises StorageError, AlreadyExists; BrokenPipeError where whoever reads stdout has had enough."""
    if target.exporter.folder is False:
        return _write_file(target, target.exporter, published, home)
    assert target.path is not None
    try:
        if target.compression is None:
            return _write_folder(target, target.exporter, published, target.path, home)
        return _write_zipped(target, target.exporter, published, target.path, home)
    except OSError as error:
        raise outputs.unwritten(target.path, error) from error


def _write_file(target: Target, exporter: FileExporter, published: Published, home: Path) -> Written:
    name = target.inner_name(published.database)
    with (
        outputs.stream(target.path, home, hashed=target.report) as stream,
        compressing(stream, target.compression, name) as plain,
    ):
        rows = exporter.write(published, cast(IO[bytes], plain if plain is stream else Tally(plain)))
    return _written(rows, target, stream)


def _write_zipped(target: Target, exporter: FolderExporter, published: Published, path: Path, home: Path) -> Written:
    with outputs.passing_folder(path) as folder:
        rows = exporter.write(published, folder)
        with outputs.stream(path, home, hashed=target.report) as stream:
            zip_folder(folder, stream, target.inner_name(published.database))
    return _written(rows, target, stream)


def _write_folder(target: Target, exporter: FolderExporter, published: Published, path: Path, home: Path) -> Written:
    with outputs.whole_folder(path, home, replace=target.replace) as folder:
        rows = exporter.write(published, folder)
        size = sum(each.stat().st_size for each in _files(folder))
        files = tuple(_described(folder)) if target.report else ()
        mark = {"format": target.format, "database": published.database, "rows": rows, "created_at": now()}
        (folder / outputs.MARK).write_text(json_text(mark) + "\n", "utf-8")
    return Written(rows, size, files)


def _written(rows: int, target: Target, stream: Tally) -> Written:
    if target.path is None or stream.sha256 is None:
        return Written(rows, stream.size_bytes)
    file = ExportedFile(path=target.path.name, size_bytes=stream.size_bytes, sha256=stream.sha256)
    return Written(rows, stream.size_bytes, (file,))


def _files(folder: Path) -> list[Path]:
    return sorted(each for each in folder.rglob("*") if each.is_file())


def _described(folder: Path) -> Iterator[ExportedFile]:
    for path in _files(folder):
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        name = path.relative_to(folder).as_posix()
        yield ExportedFile(path=name, size_bytes=path.stat().st_size, sha256=digest)


def write_report(
    home: Path,
    path: Path,
    result: ExportResult,
    published: Published,
    chosen: Chosen,
    written: Written,
    filter_: str | None,
) -> None:
    with reading_state(home) as queries, queries.snapshot():
        condition, values = _troubled(chosen)
        counts = outcome_queries.count_outcomes(queries, condition, values)
        failed = outcome_queries.failed_documents(queries, condition, values)
    said = ExportReport(
        created_at=now(),
        docmill_version=__version__,
        batch_name=chosen.batch_name,
        filter=filter_,
        model=ExportedModel(
            name=published.model.name,
            provider=published.model.provider,
            fingerprint=published.model.fingerprint,
            vector_dim=published.model.dimension,
        ),
        versions=published.versions,
        outcomes=shapes.outcomes(counts),
        failed_documents=[shapes.problem(row) for row in failed],
        files=list(written.files),
        size_bytes=written.size_bytes,
        **result.model_dump(exclude={"path", "report", "size_bytes"}),
    )
    with outputs.whole(path, home) as unfinished:
        unfinished.write_text(json_text(said.model_dump(), indent=1) + "\n", "utf-8")


def _troubled(chosen: Chosen) -> tuple[str, Sequence[Any]]:
    """A condition on documents: of the batch, or of all batches whose work goes into the database."""
    if chosen.batch_id is not None:
        return OF_BATCH.replace("?1", "?"), [chosen.batch_id] * OF_BATCH.count("?1")
    return "d.batch_id IN (SELECT batch_id FROM run_group WHERE database = ?)", [chosen.database]
