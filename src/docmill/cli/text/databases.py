"""LanceDB databases and exports as text."""

from __future__ import annotations

from rich.console import RenderableType
from rich.text import Text

from docmill.cli.console import safe
from docmill.cli.reporting import duration
from docmill.cli.text.dispatch import View, render
from docmill.cli.text.pieces import count, moment, more, pairs, size, table
from docmill.domain.results import (
    DatabaseDropped,
    DatabaseInfo,
    DatabaseList,
    ExportResult,
    IndexInfo,
    IndexResult,
    StoredDocumentList,
    TableInfo,
    VacuumResult,
)


@render.register
def _(result: DatabaseList, view: View) -> list[RenderableType]:  # noqa: ARG001 - a renderer's signature
    if not result.total:
        return [Text(f"no databases yet in {safe(result.lancedb_dir)}")]
    made = table(
        "database", "documents", "chunks", "size", "bytes", "model", right=("documents", "chunks", "size", "bytes")
    )
    for each in result.databases:
        made.add_row(
            Text(safe(each.name), style="bold"),
            f"{each.documents:,}",
            f"{each.chunks:,}",
            each.size_human,
            f"{each.size_bytes:,}",
            safe(each.model) if each.model else Text("not docmill's", style="dim"),
        )
    return [made, *more(result, len(result.databases), "database")]


@render.register
def _(result: DatabaseInfo, view: View) -> list[RenderableType]:  # noqa: ARG001 - a renderer's signature
    model, versions = result.embeddings, result.versions
    return [
        pairs(
            [
                ("database", Text(safe(result.name), style="bold")),
                ("path", result.path),
                ("size", f"{_both(result.size_bytes)} in {count(result.files, 'file')}"),
                ("documents", _stored(result.documents)),
                ("chunks", _stored(result.chunks)),
                ("model", f"{safe(model.model)}, {model.vector_dim} dimensions ({safe(model.provider)})"),
                ("fingerprint", model.fingerprint),
                ("vector index", _index(result.vector_index)),
                ("full text index", _index(result.full_text_index)),
                ("tables", ", ".join(result.tables)),
                ("written by", f"docmill {versions.stored_version}"),
                ("read by", f"docmill {versions.docmill}, lancedb {versions.lancedb}"),
            ]
        )
    ]


@render.register
def _(result: StoredDocumentList, view: View) -> list[RenderableType]:  # noqa: ARG001 - a renderer's signature
    if not result.total:
        such = "no such documents" if result.filter else "no documents"
        return [Text(f"{such} in {safe(result.database)}")]
    made = table("uri", "source", "type", "chunks", "version", "updated", right=("chunks", "version"))
    for each in result.documents:
        made.add_row(
            Text(safe(each.uri), style="bold"),
            safe(each.source),
            safe(each.type),
            f"{each.chunk_count:,}",
            str(each.version),
            moment(each.updated_at),
        )
    return [made, *more(result, len(result.documents), "document")]


@render.register
def _(result: IndexResult, view: View) -> list[RenderableType]:  # noqa: ARG001 - a renderer's signature
    vectors = _index(result.vector_index)
    if not result.vector_index.exists:
        vectors += f" (made from {count(result.vector_index_rows, 'passage')} up)"
    return [
        pairs(
            [
                ("database", Text(safe(result.database), style="bold")),
                ("passages", f"{result.rows:,}"),
                ("vector index", vectors),
                ("full text index", _index(result.full_text_index)),
                ("took", duration(result.seconds)),
            ]
        )
    ]


@render.register
def _(result: VacuumResult, view: View) -> list[RenderableType]:  # noqa: ARG001 - a renderer's signature
    freed = f"{_both(result.space_freed_bytes)} freed" if result.space_freed_bytes else "nothing to free"
    now = f"now {size(result.size_after_bytes)}, {count(result.versions_removed, 'old version')} removed"
    return [Text(f"{safe(result.database)}: {freed}, {now} ({duration(result.seconds)})")]


@render.register
def _(result: DatabaseDropped, view: View) -> list[RenderableType]:  # noqa: ARG001 - a renderer's signature
    held = f"{count(result.documents, 'document')}, {count(result.chunks, 'chunk')}, {_both(result.space_freed_bytes)}"
    again = [f"docmill sync fills it again: {safe(', '.join(result.sources))}"] if result.sources else []
    again += [f"docmill start fills it again: {safe(', '.join(result.batches))}"] if result.batches else []
    return [Text(f"{safe(result.message)}: {held}"), *(Text(each, style="dim") for each in again)]


@render.register
def _(result: ExportResult, view: View) -> list[RenderableType]:  # noqa: ARG001 - a renderer's signature
    what = f"{count(result.rows, 'chunk')} of {count(result.documents, 'document')} in {safe(result.database)}"
    where = f" to {safe(result.path)}" if result.path else ""
    how_large = f", {size(result.size_bytes)}" if result.size_bytes is not None else ""
    report = [Text(f"report: {safe(result.report)}")] if result.report else []
    return [Text(f"exported {what}{where}{how_large}"), *report]


def _stored(info: TableInfo) -> str:
    files = f"{count(info.files, 'file')}, {count(info.versions, 'version')}"
    return f"{info.count:,}  in {_both(info.size_bytes)}, {files}"


def _index(info: IndexInfo) -> str:
    if not info.exists:
        return "none; searched in full, which is exact"
    share = f"{int(info.coverage * 1000) / 10:g}% covered"  # cut, not rounded: all of it is 100% and nothing else
    rows = f"{info.indexed_rows:,} rows, {info.unindexed_rows:,} not yet in it"
    return f"{info.type}, {share}: {rows} ({size(info.size_bytes)})"


def _both(number: int) -> str:
    """``1.5 MiB (1,572,864 bytes)``."""
    return f"{size(number)} ({number:,} bytes)" if number >= 1024 else size(number)
