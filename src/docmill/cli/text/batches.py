"""Batches as text: made, listed and shown."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from rich.console import RenderableType
from rich.text import Text

from docmill.cli.console import safe
from docmill.cli.reporting import duration
from docmill.cli.text.dispatch import View, render
from docmill.cli.text.pieces import count, moment, more, pairs, status_text, table
from docmill.domain.results import BatchCreated, BatchList, BatchShown, BatchSummary


def batch_table(batches: list[BatchSummary]) -> RenderableType:
    """Documents and failed ones as they are now, and how far the newest run has come."""
    numbers = ("documents", "failed", "last run")
    made = table("id", "batch", "type", "status", *numbers, right=("id", *numbers))
    for each in batches:
        progress = each.progress
        failed = Text(f"{each.failed_documents:,}", style="red") if each.failed_documents else Text("")
        made.add_row(
            str(each.batch_id),
            Text(safe(each.name), style="bold"),
            each.type,
            status_text(each.status),
            f"{each.documents:,}",
            failed,
            f"{progress.processed_files:,} of {progress.total_files:,}" if progress.total_files else "",
        )
    return made


@render.register
def _(result: BatchCreated, view: View) -> list[RenderableType]:
    parts: list[RenderableType] = [Text.assemble(safe(result.message), "  ", (safe(result.name), "bold"))]
    if result.created and view.terminal:
        parts.append(Text.assemble(("fill it: ", "dim"), f"docmill ingest PATH… --batch {result.batch_id}"))
    return parts


@render.register
def _(result: BatchList, view: View) -> list[RenderableType]:
    if not result.total:
        hint = "docmill sync FOLDER, or docmill batch create --name NAME"
        return [Text.assemble("no batches", (f"  {hint}" if view.terminal else "", "dim"))]
    return [batch_table(result.batches), *more(result, len(result.batches), "batch")]


@render.register
def _(result: BatchShown, view: View) -> list[RenderableType]:  # noqa: ARG001 - a renderer's signature
    batch, retry = result.batch, result.retry_policy
    policy = f"{count(retry.max_retries, 'retry', 'retries')}, the first after {retry.retry_delay:g} s"
    policy += f", then ×{retry.backoff_multiplier:g}" if retry.max_retries > 1 else ""
    return [
        pairs(
            [
                ("batch", Text.assemble((safe(batch.name), "bold"), (f"  id {batch.batch_id}", "dim"))),
                ("description", batch.description or None),
                ("type", batch.type),
                ("status", status_text(batch.status)),
                ("priority", batch.priority),
                ("source", batch.source),
                ("documents", f"{batch.documents:,}"),
                ("last run", f"{batch.progress.processed_files:,} of {batch.progress.total_files:,} done"),
                ("schedule", result.cron),
                ("next start", moment(result.scheduled_start) or None),
                ("time limit", duration(result.max_processing_time) if result.max_processing_time else None),
                ("retry policy", policy),
                *_configuration(result.configuration),
                ("run groups", ", ".join(map(str, result.run_groups)) or None),
                ("created", moment(batch.created_at)),
                ("started", moment(batch.started_at) or None),
                ("completed", moment(batch.completed_at) or None),
            ]
        )
    ]


def _configuration(configuration: Mapping[str, Any]) -> list[tuple[str, Any]]:
    """Whatever is set, one row each; nested values as JSON."""
    rows = []
    for name, given in configuration.items():
        value = {key: each for key, each in given.items() if each} if isinstance(given, dict) else given
        if value in (None, "", [], {}):
            continue
        text = value if isinstance(value, str | int | float) else json.dumps(value, ensure_ascii=False)
        rows.append((safe(name).replace("_", " "), str(text)))
    return rows
