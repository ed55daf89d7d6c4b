"""Backups as text."""

from __future__ import annotations

from rich.console import RenderableType
from rich.text import Text

from docmill.cli.console import safe
from docmill.cli.reporting import duration
from docmill.cli.text.dispatch import View, render
from docmill.cli.text.pieces import count, moment, pairs
from docmill.domain.results import BackupDatabase, BackupResult, RestoreResult


@render.register
def _(result: BackupResult, view: View) -> list[RenderableType]:  # noqa: ARG001 - a renderer's signature
    rows = [
        ("home", safe(result.home)),
        ("file", safe(result.path)),
        *_holds(result.batches, result.documents, result.databases),
        ("contents", f"{result.content_human} in {count(result.files, 'file')}"),
        *((f"  {each.name}", f"{each.size_human} in {count(each.files, 'file')}") for each in result.parts),
    ]
    rows.append(("took", duration(result.seconds)))
    parts: list[RenderableType] = [Text(safe(result.message), style="bold"), pairs(rows)]
    parts += [Text(f"left out: {safe(each)}", style="dim") for each in result.left_out]
    return [*parts, *_findings(result.findings)]


@render.register
def _(result: RestoreResult, view: View) -> list[RenderableType]:  # noqa: ARG001 - a renderer's signature
    rows = [
        ("backup", f"of {moment(result.created_at)}, by {safe(result.created_by)}"),
        *_holds(result.batches, result.documents, result.databases),
        ("contents", f"{result.content_human} in {count(result.files, 'file')}"),
    ]
    if not result.with_cache:
        rows.append(("cache", "not in the backup; texts are embedded again when their parameters change"))
    if result.set_aside:
        rows.append(("set aside", safe(result.set_aside)))
    rows.append(("took", duration(result.seconds)))
    return [Text(safe(result.message), style="bold"), pairs(rows), *_findings(result.findings)]


def _holds(batches: int, documents: int, databases: list[BackupDatabase]) -> list[tuple[str, str]]:
    rows = [("holds", f"{count(documents, 'document')} in {count(batches, 'batch', 'batches')}")]
    rows += [
        (f"  {safe(each.name)}", f"{count(each.documents, 'document')}, {count(each.chunks, 'chunk')}")
        for each in databases
    ]
    return rows


def _findings(findings: list[str]) -> list[RenderableType]:
    return [Text(f"the home was not as it should be: {safe(each)}", style="yellow") for each in findings]
