"""What was removed, as text."""

from __future__ import annotations

from rich.console import RenderableType
from rich.text import Text

from docmill.cli.console import safe
from docmill.cli.text.dispatch import View, render
from docmill.cli.text.pieces import count, pairs, size
from docmill.domain.results import GcResult, JobsCleaned, OrphansCleaned

_SHOWN = 20


@render.register
def _(result: GcResult, view: View) -> list[RenderableType]:  # noqa: ARG001 - a renderer's signature
    rows = [
        (name, f"{each.count:,}" + (f", {size(each.bytes)}" if each.bytes else ""))
        for name, each in (
            ("artifacts", result.artifacts),
            ("vectors in the cache", result.embeddings),
            ("downloaded copies", result.downloads),
            ("unfinished files", result.unfinished_files),
            ("marks of documents", result.placements),
            ("rows in databases", result.database_rows),
        )
        if each.count
    ]
    would = "would be removed" if result.dry_run else "removed"
    head = f"{would}: {size(result.bytes_freed)}" if rows else "nothing to remove"
    parts: list[RenderableType] = [Text(head, style="bold" if rows else "")]
    if rows:
        parts.append(pairs(rows))
    parts += [Text(f"kept, as it may be needed: {safe(each)}", style="yellow") for each in result.kept_for]
    parts += [
        Text(f"not docmill's, left alone: lancedb/{safe(each)}", style="dim") for each in result.unknown_databases
    ]
    return parts


@render.register
def _(result: JobsCleaned, view: View) -> list[RenderableType]:  # noqa: ARG001 - a renderer's signature
    freed = f", {size(result.space_freed_bytes)} freed" if result.space_freed_bytes is not None else ""
    kept = f"; {count(result.jobs_kept, 'run group')} kept, still in use" if result.jobs_kept else ""
    return [Text(f"{safe(result.message)} ({count(result.records_deleted, 'record')}{freed}{kept})")]


@render.register
def _(result: OrphansCleaned, view: View) -> list[RenderableType]:
    if not result.documents:
        return [Text("no orphans")]
    shown = result.documents if view.verbose else result.documents[:_SHOWN]
    parts: list[RenderableType] = [Text(safe(result.message))]
    parts += [
        Text.assemble("  ", safe(each.uri or each.document_id), (f"  {safe(each.source)}: {safe(each.why)}", "dim"))
        for each in shown
    ]
    if len(shown) < len(result.documents):
        parts.append(Text(f"  and {len(result.documents) - len(shown):,} more; -v shows all", style="dim"))
    if result.leaving:
        parts.append(Text(f"rows leave {', '.join(result.leaving)} with the engine's next window", style="dim"))
    return parts
