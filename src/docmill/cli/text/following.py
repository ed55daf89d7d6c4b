"""What is active, and what the log of a batch says."""

from __future__ import annotations

from rich.console import RenderableType
from rich.text import Text

from docmill.cli.console import safe
from docmill.cli.text.dispatch import View, render
from docmill.cli.text.pieces import count, moment, more, status_text, table, value_text
from docmill.domain.results import ActiveBatches, BatchEvents, BatchLogs, Followed, LogRecord

_LEVEL_STYLES = {"debug": "dim", "info": "", "warning": "yellow", "error": "red"}


@render.register
def _(result: ActiveBatches, view: View) -> list[RenderableType]:
    engine = Text("no engine is at work", style="dim")
    if result.engine is not None:
        well = result.engine.state == "running"
        what = f"engine: process {result.engine.pid} ({safe(result.engine.command)})"
        state = "" if well else f"  {safe(result.engine.state)}"
        engine = Text.assemble((what, "cyan" if well else "red"), (state, "bold red"))
    if not result.total:
        return [Text("nothing is running or paused"), *([engine] if result.engine else [])]
    made = table("batch", "", "status", "documents", "now", "since", right=("batch", "documents"))
    for each in result.batches:
        progress = each.progress
        alone = each.status == "running" and not each.engine_at_work
        made.add_row(
            str(each.batch_id),
            Text(safe(each.name), style="bold"),
            Text.assemble(status_text(each.status), ("  no engine" if alone else "", "yellow")),
            f"{progress.processed_files:,}/{progress.total_files:,}",
            safe(progress.current_stage or "") if each.status == "running" else "",
            moment(each.paused_at or each.started_at),
        )
    parts: list[RenderableType] = [engine, made, *more(result, len(result.batches), "batch")]
    idle = [each for each in result.batches if not each.engine_at_work]
    if idle and view.terminal:
        parts.append(Text.assemble(("go on: ", "dim"), f"docmill resume {idle[0].batch_id}"))
    return parts


@render.register
def _(result: BatchLogs, view: View) -> list[RenderableType]:
    if not result.total:
        return [Text(f"nothing logged at level {safe(result.level)}", style="dim" if view.terminal else "")]
    shown = len(result.logs)
    left = result.total - result.offset - shown
    parts: list[RenderableType] = []
    if left > 0:
        parts.append(Text(f"… {left:,} older ones (--limit, --offset)", style="dim"))
    return [*parts, *(log_line(entry) for entry in result.logs)]


@render.register
def _(result: Followed, view: View) -> list[RenderableType]:
    if not view.terminal:
        return []
    return [Text.assemble((f"batch {result.batch_id} is ", "dim"), status_text(result.status))]


@render.register
def _(result: BatchEvents, view: View) -> list[RenderableType]:  # noqa: ARG001 - a renderer's signature
    return [Text(f"batch {result.batch_id} is {safe(result.status)}: {count(result.told, 'event')} told")]


def log_line(entry: LogRecord) -> Text:
    """``2026-01-31 12:00:00  warning  what it says  key=value …``, on one line."""
    line = Text.assemble((moment(entry.timestamp), "dim"), "  ")
    line.append(f"{safe(entry.level):<7}", style=_LEVEL_STYLES.get(entry.level, ""))
    line.append(f"  {safe(entry.message)}")
    about = {name: value for name, value in entry.context.items() if str(value) not in entry.message}
    if entry.run_group_id is not None:
        about = {"group": entry.run_group_id, **about}
    if about:
        line.append("  " + " ".join(f"{safe(name)}={value_text(value)}" for name, value in about.items()), "dim")
    return line
