"""The closing reports of ``sync``, ``start``, ``resume`` and ``retry``, and the answers of ``pause`` and ``cancel``."""

from __future__ import annotations

from typing import Any

from rich.console import RenderableType
from rich.padding import Padding
from rich.text import Text

from docmill.cli.console import safe
from docmill.cli.reporting import duration
from docmill.cli.text.dispatch import View, render
from docmill.cli.text.outcomes import endings
from docmill.cli.text.pieces import STATUS_STYLES, count, pairs, table
from docmill.domain.results import (
    CancelResult,
    ChunkCounts,
    DetachedResult,
    DocumentCounts,
    PauseResult,
    RunResult,
    ScanCounts,
    SourceSync,
    SyncResult,
    WorkerResult,
)

_SCAN = ("new", "changed", "renamed", "deleted")


@render.register
def _(result: SyncResult, view: View) -> list[RenderableType]:
    sources = result.sources or [result]
    parts: list[RenderableType] = []
    for index, each in enumerate(sources):
        if index:
            parts.append("")
        parts += _source(each, view, named=len(sources) > 1 or bool(result.skipped))
    for skipped in result.skipped:
        parts += [
            "",
            Text.assemble((safe(skipped.source), "bold"), ("  passed over: ", "yellow"), skipped.error_message),
        ]
        parts += [Padding(Text(skipped.hint, style="dim"), (0, 0, 0, 2))] if skipped.hint else []
    busy = [each for each in sources if each.documents.completed]
    if busy and view.terminal:
        where = "" if busy[0].database == "default" else f" --database {safe(busy[0].database)}"
        parts += ["", Text.assemble(("search it: ", "dim"), f'docmill search "what you want to know"{where}')]
    return parts


@render.register
def _(result: RunResult, view: View) -> list[RenderableType]:
    if result.run_group_id is None and not result.workflows:
        parts: list[RenderableType] = [Text(f"{safe(result.message)} ({duration(result.seconds)})")]
        return parts + _endings(result, view)
    rows = [
        ("documents", _documents(result.documents)),
        ("chunks", _chunks(result.chunks)),
        ("time", duration(result.seconds)),
    ]
    parts = [_headline(result.status, f"batch {result.batch_id}, run group {result.run_group_id}"), pairs(rows)]
    parts += _endings(result, view)
    return parts + _go_on(result.status, f"docmill resume {result.batch_id}")


@render.register
def _(result: PauseResult, view: View) -> list[RenderableType]:  # noqa: ARG001 - a renderer's signature
    saved = result.progress_saved
    kept = f"{count(saved.processed_files, 'document')} done" if saved.processed_files else None
    stage = f"at {safe(saved.current_stage)}" if saved.current_stage else None
    known = ", ".join(part for part in (kept, stage) if part)
    return [
        Text.assemble(f"batch {result.batch_id}: {safe(result.message)}", (f"  {known}" if known else "", "dim")),
    ]


@render.register
def _(result: CancelResult, view: View) -> list[RenderableType]:  # noqa: ARG001 - a renderer's signature
    kept = count(result.cleanup.processed_files_retained, "finished document")
    cleaned = ", partial results removed" if result.cleanup.partial_results_cleaned else ""
    reason = f" ({safe(result.reason)})" if result.reason else ""
    return [Text(f"batch {result.batch_id}: {safe(result.message)}{reason}; {kept} kept{cleaned}")]


def _source(each: SourceSync, view: View, *, named: bool) -> list[RenderableType]:
    name = Text.assemble((safe(each.source), "bold"), (f"  {safe(each.folder)}", "dim"))
    if _nothing_done(each):
        how = "unchanged" if each.errors else "up to date"
        line = f"nothing to do: {count(each.scan.files, 'document')} {how} ({duration(each.seconds)})"
        parts: list[RenderableType] = [Text.assemble(f"{safe(each.source)}: " if named else "", line)]
        return parts + _endings(each, view)
    rows: list[tuple[str, Any]] = [
        ("files", _scan(each.scan)),
        ("documents", _documents(each.documents) if each.documents.completed or each.documents.failed else None),
        ("chunks", _chunks(each.chunks) if each.chunks.total else None),
        ("time", duration(each.seconds)),
    ]
    parts = [name, pairs(rows)]
    parts += _ignored(each, view)
    parts += _endings(each, view)
    return parts + _go_on(each.status, f"docmill resume {each.batch_id}")


@render.register
def _(result: DetachedResult, view: View) -> list[RenderableType]:  # noqa: ARG001 - a renderer's signature
    head = f"batch {result.batch_id}" + (f", run group {result.run_group_id}" if result.run_group_id else "")
    return [_headline(result.status, head), Text(safe(result.message))]


@render.register
def _(result: WorkerResult, view: View) -> list[RenderableType]:  # noqa: ARG001 - a renderer's signature
    rows = [("run groups", f"{result.run_groups:,}"), ("documents", _documents(result.documents))]
    return [Text(safe(result.message)), *([pairs(rows)] if result.run_groups else [])]


def _nothing_done(each: SourceSync) -> bool:
    touched = each.scan.new + each.scan.changed + each.scan.renamed + each.scan.deleted
    return each.run_group_id is None and not touched


def _headline(status: str, what: str) -> Text:
    return Text.assemble((status, f"bold {STATUS_STYLES.get(status, '')}".strip()), (f"  {what}", "dim"))


def _scan(scan: ScanCounts) -> Text:
    text = Text(f"{scan.files:,}", style="bold")
    found = [f"{getattr(scan, name):,} {name}" for name in _SCAN if getattr(scan, name)]
    rest = [f"{scan.unchanged:,} unchanged"] if scan.unchanged else []
    rest += [f"{scan.ignored:,} ignored"] if scan.ignored else []
    if found:
        text.append(f"  {', '.join(found)}", style="not bold")
    if rest:
        text.append(f"{', ' if found else '  '}{', '.join(rest)}", style="not bold dim")
    return text


def _documents(documents: DocumentCounts) -> Text:
    text = Text.assemble((f"{documents.completed:,}", "bold green" if documents.completed else "bold"), " completed")
    if documents.degraded:
        text.append(f" ({documents.degraded:,} degraded)", style="yellow")
    if documents.failed:
        text.append(f", {documents.failed:,} failed", style="bold red")
    return text


def _chunks(chunks: ChunkCounts) -> Text:
    text = Text(f"{chunks.total:,}", style="bold")
    return text.append(f"  {chunks.embedded:,} embedded, {chunks.reused:,} reused", style="not bold dim")


def _ignored(each: SourceSync, view: View) -> list[RenderableType]:
    if not (view.verbose and each.ignored):
        return []
    made = table("ignored", "by", "such as", right=("ignored",))
    for rule in each.ignored:
        made.add_row(f"{rule.count:,}", safe(rule.rule), safe(", ".join(rule.examples)))
    return [made]


def _endings(result: SourceSync | RunResult, view: View) -> list[RenderableType]:
    """What this run has degraded is told in full; what has been so for longer, in a line."""
    brief = not result.documents.degraded
    return list(endings(result.errors, result.degraded, result.outcomes, verbose=view.verbose, brief=brief))


def _go_on(status: str, how: str) -> list[RenderableType]:
    if status not in ("paused", "cancelled"):
        return []
    line = f"paused: go on with `{how}`" if status == "paused" else "cancelled: what was done is kept"
    return [Padding(Text(line, style="yellow"), (1, 0, 0, 0))]
