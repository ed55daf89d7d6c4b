"""How a batch stands, how the home stands, and the home's beginning."""

from __future__ import annotations

from rich.console import RenderableType
from rich.text import Text

from docmill.cli.console import safe
from docmill.cli.reporting import duration
from docmill.cli.text.batches import batch_table
from docmill.cli.text.dispatch import View, render
from docmill.cli.text.outcomes import endings, in_short
from docmill.cli.text.pieces import moment, pairs, status_text, table
from docmill.domain.results import BatchStatus, EngineHolder, HomeStatus, InitResult, Stage

BAR_WIDTH = 24


@render.register
def _(result: InitResult, view: View) -> list[RenderableType]:
    parts: list[RenderableType] = [Text(safe(result.message))]
    if result.created and view.terminal:
        parts.append(Text.assemble(("next: ", "dim"), "docmill sync FOLDER"))
    return parts


@render.register
def _(result: HomeStatus, view: View) -> list[RenderableType]:
    counts = result.outcomes
    parts: list[RenderableType] = [
        pairs(
            [
                ("home", result.home),
                ("engine", engine_text(result.engine)),
                ("documents", f"{result.documents:,}"),
                ("failed", _by_code(result.failed_documents, counts.failed, "red")),
                ("degraded", _by_code(counts.degraded_documents, counts.degraded, "yellow")),
                ("chunks", f"{result.chunks:,}"),
                ("databases", ", ".join(result.databases) or "none yet"),
            ]
        )
    ]
    if result.engine is not None and result.engine.hint:
        parts.append(Text.assemble(("hint: ", "bold cyan"), safe(result.engine.hint)))
    if result.batches:
        parts += ["", batch_table(result.batches)]
    elif view.terminal:
        parts.append(Text.assemble(("next: ", "dim"), "docmill sync FOLDER"))
    return parts


@render.register
def _(result: BatchStatus, view: View) -> list[RenderableType]:
    batch, progress = result.batch, result.progress
    head = Text.assemble((safe(batch.name), "bold"), (f"  batch {batch.batch_id}  ", "dim"), status_text(result.status))
    done = f"{progress.processed_files:,} of {progress.total_files:,} ({progress.percentage:.0f} %)"
    documents = Text.assemble((done, "bold"))
    if progress.failed_files:
        documents.append(f", {progress.failed_files:,} failed", style="bold red")
    if progress.skipped_files:
        documents.append(f", {progress.skipped_files:,} ignored", style="dim")
    documents.append(f", {result.stats.total_chunks:,} chunks")
    per_file = result.stats.average_processing_time_per_file_ms
    spent = duration(result.stats.processing_time_ms / 1000)
    parts: list[RenderableType] = [
        head,
        pairs(
            [
                ("documents", f"{result.files.total:,}"),
                ("types", _counts(result.files.by_type)),
                ("last run" if result.status != "running" else "this run", documents if result.run_group_id else None),
                ("now", progress.message if result.status == "running" else None),
                ("time", f"{spent}, {per_file:.0f} ms a document" if per_file else spent),
                ("done by", moment(progress.estimated_completion) or None),
            ]
        ),
    ]
    if result.stages:
        parts += ["", _stages(result.stages)]
    parts += endings(result.errors, result.degraded, result.outcomes, verbose=view.verbose)
    if result.errors and view.terminal and result.status != "running":
        parts += ["", Text.assemble(("try them again: ", "dim"), f"docmill retry {batch.batch_id} --all-failed")]
    return parts


def _by_code(number: int, counts: dict[str, int], style: str) -> Text | None:
    return Text.assemble((f"{number:,}", style), (f"  {in_short(counts)}", "dim")) if number else None


def engine_text(engine: EngineHolder | None) -> Text:
    if engine is None:
        return Text("idle", style="dim")
    what = f"process {engine.pid} ({safe(engine.command)}) since {moment(engine.started_at)}"
    if engine.state == "running":
        return Text(what, style="cyan")
    silent = f" for {duration(engine.silent_seconds)}" if engine.state != "gone" and engine.silent_seconds else ""
    return Text.assemble((f"{safe(engine.state)}{silent}", "bold red"), (f"  {what}", "red"))


def _stages(stages: list[Stage]) -> RenderableType:
    made = table("stage", "", "", "files", "time", right=("files", "time"))
    for stage in stages:
        filled = round(min(max(stage.progress, 0.0), 1.0) * BAR_WIDTH)
        bar = Text("━" * filled, style="green" if stage.progress >= 1 else "cyan")
        bar.append("━" * (BAR_WIDTH - filled), style="bright_black")
        time = duration(stage.duration_seconds) if stage.duration_seconds is not None else ""
        made.add_row(safe(stage.name), bar, status_text(stage.status), f"{stage.files_processed:,}", time)
    return made


def _counts(by_name: dict[str, int]) -> str | None:
    ordered = sorted(by_name.items(), key=lambda item: (-item[1], item[0]))
    return ", ".join(f"{number:,} {safe(name)}" for name, number in ordered) or None
