"""What a batch came to, and the report and the archive of it, as text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rich.console import RenderableType
from rich.text import Text

from docmill.cli.console import safe
from docmill.cli.reporting import duration
from docmill.cli.text.dispatch import View, render
from docmill.cli.text.outcomes import endings
from docmill.cli.text.pieces import count, moment, pairs, size, status_text, table
from docmill.domain.results import (
    ArchiveResult,
    DocumentFigure,
    Recommendation,
    ReportResult,
    RunFigures,
    StageFigures,
    SummaryResult,
)

_SHOWN = 5


@render.register
def _(result: SummaryResult, view: View) -> list[RenderableType]:
    head = Text.assemble(
        (safe(result.name), "bold"), (f"  batch {result.batch_id}  ", "dim"), status_text(result.status)
    )
    parts: list[RenderableType] = [head, _totals(result)]
    if result.run is not None:
        parts += ["", *_run(result.run, result.stages)]
    shown = None if view.verbose else _SHOWN
    if result.largest:
        parts += ["", _documents("largest", result.largest[:shown], timed=False)]
    if result.slowest:
        parts += ["", _documents("slowest to read", result.slowest[:shown], timed=True)]
    parts += endings(result.errors, result.degraded, result.outcomes, verbose=view.verbose)
    if result.recommendations:
        parts += ["", Text("recommendations", style="bold")]
        for each in result.recommendations:
            parts += _recommendation(each)
    return parts


@render.register
def _(result: ReportResult, view: View) -> list[RenderableType]:  # noqa: ARG001 - the signature of all renderers
    of = f", run group {result.run_group_id}" if result.run_group_id is not None else ""
    where = f" to {safe(result.path)}, {size(result.size_bytes)}" if result.path else ""
    return [Text(f"wrote the report of batch {result.batch_id}{of}{where}")]


@render.register
def _(result: ArchiveResult, view: View) -> list[RenderableType]:
    where = f" to {safe(result.path)}, {size(result.size_bytes)}" if result.path else ""
    parts: list[RenderableType] = [Text(f"wrote {count(len(result.files), 'file')} of batch {result.batch_id}{where}")]
    if view.verbose:
        made = table("file", "rows", "size", "sha256", right=("rows", "size"))
        for each in result.files:
            made.add_row(
                safe(each.name), f"{each.rows:,}" if each.rows is not None else "", size(each.size_bytes), each.sha256
            )
        parts.append(made)
    return parts


def _totals(result: SummaryResult) -> RenderableType:
    total, insights, storage = result.summary, result.insights, result.storage
    per_file = total.average_processing_time_per_file
    documents = Text.assemble((f"{total.total_files:,}", "bold"), f": {total.successfully_processed:,} processed")
    if total.failed_files:
        documents.append(f", {total.failed_files:,} failed", style="bold red")
    if total.degraded_files:
        documents.append(f", {total.degraded_files:,} degraded", style="yellow")
    if total.pending_files:
        documents.append(f", {total.pending_files:,} still to do")
    lengths = insights.chunk_lengths
    copies = f"{count(insights.duplicate_files, 'document')}, {size(insights.duplicate_bytes)}"
    used = f"{size(storage.artifacts_bytes)} of outputs, {size(storage.database_bytes)} of the database"
    spent = duration(total.total_processing_time)
    return pairs(
        [
            ("documents", documents),
            ("types", _counts(insights.document_types)),
            ("languages", _counts(insights.languages_detected)),
            ("pages", f"{insights.pages:,}" if insights.pages else None),
            ("copies", copies if insights.duplicate_files else None),
            ("time", f"{spent}, {per_file:,.2f} s a document" if per_file else spent),
            (
                "passages",
                f"{total.total_chunks_created:,}; {total.total_embeddings_generated:,} embeddings made in all",
            ),
            (
                "tokens",
                f"{lengths.mean:,.0f} a passage, {lengths.p5:,} to {lengths.p95:,} in nine of ten" if lengths else None,
            ),
            ("storage", f"{size(total.total_storage_used)}: {used}; for {size(storage.source_bytes)} of files"),
        ]
    )


def _run(run: RunFigures, stages: Sequence[StageFigures]) -> list[RenderableType]:
    done = Text.assemble(f"{run.completed:,} completed", (f", {run.failed:,} failed" if run.failed else "", "red"))
    reused = f", {run.chunks_reused:,} reused" if run.chunks_reused else ""
    parts: list[RenderableType] = [
        Text.assemble((f"run group {run.run_group_id}", "bold"), "  ", status_text(run.status)),
        pairs(
            [
                ("started", moment(run.started_at) or None),
                ("time", duration(run.processing_time)),
                ("documents", done),
                ("passages", f"{run.chunks_total:,}: {run.chunks_embedded:,} embedded{reused}"),
                ("by", f"{run.workflow} + {run.params}, {run.model or 'an unknown model'}, into {run.database}"),
                ("why", run.message),
            ]
        ),
    ]
    if stages:
        made = table("stage", "files", "time", "work", right=("files", "time", "work"))
        for each in stages:
            took = duration(each.duration_seconds) if each.duration_seconds is not None else ""
            work = duration(each.work_seconds) if each.work_seconds is not None else ""
            made.add_row(safe(each.name), f"{each.files_processed:,}", took, work)
        parts += ["", made]
    return parts


def _documents(title: str, documents: Sequence[DocumentFigure], *, timed: bool) -> RenderableType:
    """What they are shown for stands last."""
    last = "time" if timed else "size"
    made = table(title, "type", "pages", "passages", last, right=("pages", "passages", last))
    for each in documents:
        pages = f"{each.pages:,}" if each.pages is not None else ""
        value = f"{each.seconds:,.2f} s" if timed and each.seconds is not None else size(each.size_bytes)
        made.add_row(Text(safe(each.uri), style="bold"), safe(each.type or ""), pages, f"{each.chunk_count:,}", value)
    return made


def _recommendation(each: Recommendation) -> list[Text]:
    return [Text.assemble(("• ", "cyan"), safe(each.message)), Text.assemble(("  ", ""), (safe(each.action), "dim"))]


def _counts(by_name: Mapping[str, int]) -> str | None:
    return ", ".join(f"{number:,} {safe(name)}" for name, number in by_name.items()) or None
