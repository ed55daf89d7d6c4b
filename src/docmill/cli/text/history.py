"""Runs, steps, run groups and their figures as text; and what a deletion did."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import RenderableType
from rich.text import Text

from docmill.cli.console import safe
from docmill.cli.reporting import duration
from docmill.cli.text.dispatch import View, render
from docmill.cli.text.pieces import count, moment, more, pairs, size, status_text, table, value_text
from docmill.domain.results import (
    BatchDeleted,
    DeletionCounts,
    Durations,
    RunGroupDeleted,
    RunGroupList,
    RunGroupRecord,
    RunGroupShown,
    RunGroupStats,
    RunLifecycle,
    RunList,
    RunRecord,
    RunShown,
    StepList,
    StepRecord,
    StepStats,
)

_NOUNS = {
    "documents": ("document",),
    "document_versions": ("document version",),
    "run_groups": ("run group",),
    "runs": ("run",),
    "steps": ("step",),
    "lifecycle_events": ("lifecycle event",),
    "deliveries": ("delivery", "deliveries"),
    "log_entries": ("log entry", "log entries"),
    "sources": ("source",),
    "batches": ("batch",),
}
_EVENT_STYLES = {"failed": "red", "end": "green", "start": "cyan"}


@render.register
def _(result: RunList, view: View) -> list[RenderableType]:
    if not result.total:
        return [Text("no runs")]
    made = table("run", "group", "document", "status", "chunks", "time", right=("run", "group", "chunks", "time"))
    parts: list[RenderableType] = [made]
    for run in result.runs:
        uri = Text(safe(run.uri or run.document_id))
        if run.status_message:
            uri.append(f"\n{safe(run.status_message)}", style="dim")
        if run.steps and not view.terminal:
            uri.append(f"\n{_step_words(run.steps)}", style="dim")
        elif run.steps:
            uri.append_text(Text("\n").join([Text(""), *(_step_line(step) for step in run.steps)]))
        if run.document:
            about = f"{run.document.type or 'unknown'}, {size(run.document.size_bytes)}, {safe(run.document.source)}"
            uri.append(f"\n{about}", style="dim")
        chunks = f"{run.chunk_count:,}" if run.status == "completed" else ""
        made.add_row(str(run.id), str(run.run_group_id), uri, _run_status(run), chunks, _time(run.duration))
    return [*parts, *more(result, len(result.runs), "run")]


@render.register
def _(result: RunShown, view: View) -> list[RenderableType]:
    run, document = result.run, result.run.document
    again = f"{run.attempt} attempts" if run.attempt > 1 else None
    crashes = run.status_meta.get("crashes")
    rows = [
        ("run", Text.assemble((str(run.id), "bold"), (f"  run group {run.run_group_id}, batch {run.batch_id}", "dim"))),
        ("document", run.uri or run.document_id),
        ("", f"version {run.version} of {document.version}" if document and document.version != run.version else None),
        ("about", f"{document.type or 'unknown'}, {size(document.size_bytes)}" if document else None),
        ("source", document.source if document else None),
        ("state", document.state if document and document.state != "active" else None),
        ("status", _run_status(run)),
        ("message", run.status_message),
        ("workers died", f"{crashes:,}" if crashes else None),
        ("tried", again),
        ("chunks", f"{run.chunk_count:,}" if run.status == "completed" else None),
        ("workflow", f"{run.workflow}, params {run.params}"),
        ("database", run.database),
        ("priority", run.priority if run.priority != "normal" else None),
        ("created", moment(run.created_at)),
        ("started", moment(run.started_at) or None),
        ("completed", moment(run.completed_at) or None),
        ("time", _time(run.duration) or None),
    ]
    parts: list[RenderableType] = [pairs(rows)]
    if run.steps:
        parts += ["", _step_table(run.steps, view, of_run=True)]
    if view.terminal:
        parts.append(Text.assemble(("its events: ", "dim"), f"docmill runs lifecycle {run.id}"))
    return parts


@render.register
def _(result: RunLifecycle, view: View) -> list[RenderableType]:  # noqa: ARG001 - a renderer's signature
    head = Text.assemble((safe(result.uri or ""), "bold"), (f"  run {result.run_id}", "dim"))
    made = table("at", "event", "step", "try", "", right=("try",))
    for each in result.events:
        style = _EVENT_STYLES.get(each.event.rpartition("_")[2], "")
        when = safe(each.at)[:23].replace("T", " ")
        message = Text(safe(each.status_message or ""), style="dim")
        made.add_row(when, Text(safe(each.event), style=style), safe(each.step or ""), str(each.attempt), message)
    return [head, made]


@render.register
def _(result: StepList, view: View) -> list[RenderableType]:
    if not result.total:
        return [Text("no steps")]
    return [_step_table(result.steps, view, of_run=False), *more(result, len(result.steps), "step")]


@render.register
def _(result: RunGroupList, view: View) -> list[RenderableType]:
    if not result.total:
        hint = "  docmill start BATCH makes one" if view.terminal else ""
        return [Text.assemble("no run groups", (hint, "dim"))]
    numbers = ("done", "failed", "chunks", "time")
    made = table("group", "batch", "status", *numbers, "workflow", right=("group", "batch", *numbers))
    for column in made.columns[:-1]:
        column.no_wrap = True
    for group in result.run_groups:
        failed = Text(f"{group.counts.failed:,}", style="red") if group.counts.failed else Text("")
        made.add_row(
            str(group.id),
            str(group.batch_id),
            status_text(group.status),
            f"{group.counts.completed + group.counts.failed:,}/{group.counts.total:,}",
            failed,
            f"{group.chunks.total:,}",
            _time(group.duration),
            safe(f"{group.workflow}/{group.params}"),
        )
    return [made, *more(result, len(result.run_groups), "run group")]


@render.register
def _(result: RunGroupShown, view: View) -> list[RenderableType]:
    group = result.run_group
    parts: list[RenderableType] = [pairs(_group_rows(group))]
    made = table("step", "type", "method", "values")
    for step in result.pipeline["steps"]:
        values = ", ".join(f"{safe(name)}={value_text(value)}" for name, value in (step.get("params") or {}).items())
        made.add_row(safe(step["name"]), safe(step["type"]), safe(step.get("method") or ""), Text(values, "dim"))
    parts += ["", made]
    if view.terminal:
        parts.append(Text.assemble(("its figures: ", "dim"), f"docmill run-groups stats {group.id}"))
    return parts


@render.register
def _(result: RunGroupStats, view: View) -> list[RenderableType]:  # noqa: ARG001 - a renderer's signature
    what = f"  run group {result.run_group_id}, batch {result.batch_id}"
    head = Text.assemble(status_text(result.status), (what, "dim"))
    rows = [
        ("runs", _by_status(result.runs)),
        ("steps", _by_status(result.steps)),
        ("retries", f"{result.retries:,}" if result.retries else None),
        ("reused", f"{count(result.reused, 'step')}" if result.reused else None),
        ("time", _time(result.duration) or None),
        ("a document", _spread(result.run_durations)),
    ]
    return [head, pairs(rows), "", step_stats_table(result.step_types)]


@render.register
def _(result: RunGroupDeleted, view: View) -> list[RenderableType]:  # noqa: ARG001 - a renderer's signature
    return [Text.assemble(safe(result.message), (f"  {_deleted(result.statistics)}", "dim"))]


@render.register
def _(result: BatchDeleted, view: View) -> list[RenderableType]:  # noqa: ARG001 - a renderer's signature
    parts: list[RenderableType] = [
        Text.assemble(safe(result.message), (f"  {_deleted(result.statistics)}", "dim")),
    ]
    if result.leaving:
        names = safe(", ".join(result.leaving))
        parts.append(Text(f"its passages leave {names} with the next window there", style="yellow"))
    return parts


def step_stats_table(stats: Sequence[StepStats]) -> RenderableType:
    """Each step: how often it was done, failed, reused and tried again, and how long it took."""
    numbers = ("done", "failed", "reused", "retries", "min", "median", "95 %", "max")
    made = table("step", *numbers, right=numbers)
    for each in stats:
        failed = each.by_status.get("failed", 0)
        times = each.durations
        made.add_row(
            safe(each.name),
            f"{each.by_status.get('completed', 0):,}/{each.total:,}",
            Text(f"{failed:,}", style="red") if failed else Text(""),
            f"{each.reused:,}" if each.reused else "",
            f"{each.retries:,}" if each.retries else "",
            *(brief(value) for value in ((times.min, times.p50, times.p95, times.max) if times else [None] * 4)),
        )
    return made


def _step_table(steps: Sequence[StepRecord], view: View, *, of_run: bool) -> RenderableType:
    first = ("",) if of_run else ("step", "run")
    made = table(*first, "name", "status", "try", "time", "message", right=(*first, "try", "time"))
    for step in steps:
        tries = f"{step.retry + 1}/{step.retries + 1}" if step.retry or view.verbose else ""
        ids = [str(step.number + 1)] if of_run else [str(step.id), str(step.run_id)]
        made.add_row(
            *ids,
            Text(safe(step.name), style="bold"),
            _step_status(step),
            tries,
            "" if step.reused else _time(step.duration),
            Text(_step_message(step, view), style="dim"),
        )
    return made


def _step_message(step: StepRecord, view: View) -> str:
    said = [safe(step.status_message)] if step.status_message else []
    said += [f"again at {moment(step.retry_at)}"] if step.retry_at else []
    if view.verbose:
        said += [f"worker {safe(step.worker_id)}"] if step.worker_id else []
        said += [f"{safe(name)}={value_text(value)}" for name, value in step.status_meta.items()]
    return ", ".join(said)


def _step_status(step: StepRecord) -> Text:
    text = status_text("reused" if step.reused and step.status == "completed" else step.status)
    text.style = {"reused": "dim", "error": "yellow", "skipped": "dim"}.get(text.plain, text.style)
    return text


def _step_line(step: StepRecord) -> Text:
    return Text.assemble(
        (f"{safe(step.name)} ", "dim"), _step_status(step), ("" if step.reused else f" {_time(step.duration)}", "dim")
    )


def _step_words(steps: Sequence[StepRecord]) -> str:
    return ", ".join(f"{safe(step.name)} {_step_status(step).plain}" for step in steps)


def _run_status(run: RunRecord) -> Text:
    text = status_text(run.status)
    return text.append(" degraded", style="yellow") if run.degraded else text


def _group_rows(group: RunGroupRecord) -> list[tuple[str, Any]]:
    counts, chunks = group.counts, group.chunks
    done = Text.assemble((f"{counts.completed:,}", "bold"), f" of {counts.total:,} completed")
    if counts.degraded:
        done.append(f" ({counts.degraded:,} degraded)", style="yellow")
    if counts.failed:
        done.append(f", {counts.failed:,} failed", style="red")
    if counts.cancelled:
        done.append(f", {counts.cancelled:,} cancelled", style="dim")
    return [
        ("run group", Text.assemble((str(group.id), "bold"), (f"  batch {group.batch_id}", "dim"))),
        ("status", status_text(group.status)),
        ("asked for", group.control),
        ("message", group.status_message if group.status_message != group.status else None),
        ("documents", done),
        ("chunks", f"{chunks.total:,}  {chunks.embedded:,} embedded, {chunks.reused:,} reused"),
        ("workflow", f"{group.workflow}, params {group.params}"),
        ("database", group.database),
        ("priority", group.priority),
        ("attempt", str(group.attempt) if group.attempt > 1 else None),
        ("scheduled for", moment(group.scheduled_for) or None),
        ("created", moment(group.created_at)),
        ("started", moment(group.started_at) or None),
        ("paused", moment(group.paused_at) or None),
        ("completed", moment(group.completed_at) or None),
        ("time", _time(group.duration) or None),
        ("engine time", _time(group.processing_seconds)),
    ]


def _by_status(numbers: Mapping[str, int]) -> Text:
    parts = [Text.assemble(f"{number:,} ", status_text(name)) for name, number in numbers.items() if number]
    return Text(", ").join(parts) if parts else Text("none")


def _spread(times: Durations | None) -> str | None:
    if times is None:
        return None
    return f"{brief(times.p50)} median, {brief(times.p95)} for 95 %, {brief(times.max)} at most"


def brief(seconds: float | None) -> str:
    """Milliseconds below a second: steps are short."""
    if seconds is None:
        return ""
    return f"{seconds * 1000:.0f} ms" if seconds < 1 else duration(seconds)


def _time(seconds: float | None) -> str:
    return "" if seconds is None else brief(seconds)


def _deleted(counts: DeletionCounts) -> str:
    numbers = counts.model_dump()
    found = {name: numbers[f"deleted_{name}"] for name in _NOUNS}
    return ", ".join(count(number, *_NOUNS[name]) for name, number in found.items() if number)
