"""Gets stored passages out of a database, as they come, into a file or a folder that is whole or absent."""

from __future__ import annotations

from pathlib import Path

from docmill import registry
from docmill.domain import filter_grammar
from docmill.domain.contracts import Exporter
from docmill.domain.results import ExportResult
from docmill.errors import UsageError
from docmill.service import export_writing, filtering
from docmill.service.export_writing import REPORT, Chosen, Target
from docmill.settings import Settings, find_home
from docmill.stores import document_queries, outputs
from docmill.stores.compression import ENDINGS
from docmill.stores.published import Published
from docmill.stores.queries import reading as reading_state
from docmill.stores.reading import Database

FIELDS = (
    "uri",
    "source",
    "title",
    "type",
    "position",
    "text",
    "char_start",
    "char_end",
    "page_start",
    "page_end",
    "headings",
    "tokens",
    "chunk_id",
    "document_id",
    "embedding",
    "metadata",
)
PER_DOCUMENT = "markdown"  # the exporter of ``per_document``
_DEFAULT = "jsonl"


def export(
    settings: Settings,
    *,
    batch: str | None = None,
    database: str | None = None,
    filter: str | None = None,  # noqa: A002 - the option's name
    format: str | None = None,  # noqa: A002 - the option's name
    output: str | None = None,
    per_document: str | None = None,
    include_embeddings: bool = False,
    include_metadata: bool = False,
    include_text: bool = True,
    compression: str | None = None,
    report: bool = False,
    replace: bool = False,
) -> ExportResult:
    """The passages of a batch's documents, or of a database; ``filter``: as in search. ``output``: a path, or ``-``.

    ``format`` and ``compression`` follow from the ending of ``output`` where they are not named. ``per_document``: a
    folder for a Markdown and a JSON file of each document. ``replace``: a folder of an earlier export is replaced.

    Raises UsageError, BatchNotFound, DatabaseNotFound, AlreadyExists, StorageError.
    """
    if (batch is None) == (database is None):
        raise UsageError("name a batch or a database", hint="docmill export BATCH, or docmill export --database NAME")
    if per_document is not None:
        if output not in (None, "-") or format is not None:
            raise UsageError("--per-document names its folder itself, and takes no --output and no --format")
        output, format = per_document, PER_DOCUMENT  # noqa: A001 - the option's name
    target = _target(output, format, compression, report=report, replace=replace)
    fields = _fields(target, embeddings=include_embeddings, metadata=include_metadata, text=include_text)
    wanted = filter_grammar.parse(filter) if filter is not None else None
    home = find_home(settings)
    chosen = _chosen(home, batch, database)
    published = Published(
        home,
        Database(home, chosen.database),
        fields,
        document_ids=chosen.document_ids,
        narrow=None if wanted is None else lambda documents: filtering.condition_among(documents, wanted),
    )
    written = export_writing.write(target, published, home)
    result = ExportResult(
        format=target.format,
        database=chosen.database,
        batch_id=chosen.batch_id,
        path=str(target.path) if target.path else None,
        rows=written.rows,
        documents=published.document_count,
        size_bytes=written.size_bytes if target.path else None,
        fields=list(fields),
        compression=target.compression,
        report=f"{target.path}{REPORT}" if report else None,
    )
    if result.report:
        export_writing.write_report(home, Path(result.report), result, published, chosen, written, filter)
    return result


def _target(output: str | None, format_: str | None, compression: str | None, *, report: bool, replace: bool) -> Target:
    path = outputs.place(output or "-")
    if path is not None and compression is None:
        compression = next((how for how, ending in ENDINGS.items() if path.name.endswith(ending)), None)
    if compression not in (None, *ENDINGS):
        raise UsageError(f"no compression {compression!r}", hint=f"there are: {', '.join(ENDINGS)}")
    format_ = format_ or _format_of(path, compression)
    exporter = exporter_of(format_)
    if path is None and (exporter.folder or report):
        what = f"{format_} is written as a folder" if exporter.folder else "a report lies beside a file"
        raise UsageError(f"{what}, which stdout cannot be", hint="name a place: -o PATH")
    if exporter.folder and compression in ("gz", "zst"):
        raise UsageError(f"{format_} is written as a folder, which {compression} cannot hold", hint="--compression zip")
    if replace and not exporter.folder:
        raise UsageError("--replace is for folders; a file is replaced in any case")
    return Target(path, format_, exporter, compression, report, replace)


def exporter_of(format_: str) -> Exporter:
    """Raises UsageError where there is none of that name."""
    if format_ not in registry.names("exporters"):
        error = registry.unknown("exporters", format_)
        raise UsageError(error.message.replace("plug-in", "format", 1), hint=error.hint)
    exporter: Exporter = registry.load("exporters", format_)
    return exporter


def _format_of(path: Path | None, compression: str | None) -> str:
    """By the ending of the file, before that of its compression; else JSON Lines."""
    if path is None:
        return _DEFAULT
    name = path.name.removesuffix(ENDINGS[compression]) if compression else path.name
    by_suffix = {registry.load("exporters", each).suffix: each for each in registry.names("exporters")}
    return by_suffix.get(Path(name).suffix or "none", _DEFAULT)


def _fields(target: Target, *, embeddings: bool, metadata: bool, text: bool) -> tuple[str, ...]:
    needs = target.exporter.needs
    if not text and "text" in needs:
        raise UsageError(f"{target.format} cannot be without text", hint="leave out --no-text")
    left_out = {
        name for name, wanted in (("embedding", embeddings), ("metadata", metadata), ("text", text)) if not wanted
    }
    chosen = tuple(field for field in FIELDS if field in needs or field not in left_out)
    return chosen + tuple(field for field in needs if field not in FIELDS)  # such as search_text, which is for machines


def _chosen(home: Path, batch: str | None, database: str | None) -> Chosen:
    if batch is None:
        assert database is not None
        return Chosen(database)
    with reading_state(home) as queries, queries.snapshot():
        row = queries.batch(batch)
        group = queries.newest_group(row["id"])
        ids = [each["id"] for each in document_queries.all_of_batch(queries, row["id"])]
    return Chosen(group["database"] if group else "default", ids, row["id"], row["name"])
