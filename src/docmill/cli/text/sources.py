"""Sources as text."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import RenderableType
from rich.text import Text

from docmill.cli.console import safe
from docmill.cli.text.dispatch import View, render
from docmill.cli.text.pieces import count, moment, more, pairs, table
from docmill.domain.results import SourceChanged, SourceList, SourceRecord, SourceRemoved, SourceStatus

_SHOWN = 20


@render.register
def _(result: SourceList, view: View) -> list[RenderableType]:  # noqa: ARG001 - a renderer's signature
    if not result.total:
        return [Text("no sources"), Text("docmill source add NAME FOLDER, or docmill sync FOLDER", style="dim")]
    made = table("source", "folder", "documents", "failed", "workflow", "params", right=("documents", "failed"))
    for each in result.sources:
        made.add_row(
            Text(safe(each.name), style="bold"),
            Text.assemble(safe(each.folder or ""), ("" if each.there else "  not there", "red")),
            f"{each.documents:,}",
            Text(f"{each.failed:,}", style="red" if each.failed else ""),
            safe(each.workflow),
            safe(each.params),
        )
    return [made, *more(result, len(result.sources), "source")]


@render.register
def _(result: SourceRecord, view: View) -> list[RenderableType]:  # noqa: ARG001 - a renderer's signature
    where = Text.assemble(safe(result.folder or "none"), ("" if result.there else "  not there", "red"))
    rows: list[tuple[str, object]] = [
        ("source", Text(safe(result.name), style="bold")),
        ("folder", where),
        ("batch", str(result.batch_id)),
        ("documents", f"{result.documents:,}" + (f", {result.failed:,} failed" if result.failed else "")),
        ("definitions", safe(f"{result.workflow} with {result.params}")),
    ]
    rows += [(name, safe(", ".join(values))) for name, values in _told(result) if values]
    for rule in result.rules:
        said = [*rule.set, *(f"{key}: {value}" for key, value in rule.meta.items())]
        rows.append((f"for {safe(rule.glob)}", safe(", ".join(said))))
    rows.append(("known since", moment(result.created_at)))
    return [pairs(rows)]


def _told(result: SourceRecord) -> Sequence[tuple[str, list[str]]]:
    return (("set", result.set), ("include", result.include), ("exclude", result.exclude))


@render.register
def _(result: SourceChanged, view: View) -> list[RenderableType]:
    return [Text(safe(result.message)), *render(result.source, view)]


@render.register
def _(result: SourceRemoved, view: View) -> list[RenderableType]:  # noqa: ARG001 - a renderer's signature
    later = f"; rows leave {', '.join(result.leaving)} with the engine's next window" if result.leaving else ""
    return [Text(safe(result.message + later))]


@render.register
def _(result: SourceStatus, view: View) -> list[RenderableType]:
    parts: list[RenderableType] = [
        Text.assemble((safe(result.source), "bold"), f"  held against its {result.compared_with}")
    ]
    for name, style in (
        ("new", "green"),
        ("changed", "yellow"),
        ("renamed", "cyan"),
        ("deleted", "red"),
        ("unreadable", "red"),
    ):
        found: list[str] = getattr(result, name)
        shown = found if view.verbose else found[:_SHOWN]
        parts += [Text.assemble((f"{name:<12}", style), safe(uri)) for uri in shown]
        if len(shown) < len(found):
            parts.append(Text(f"{'':<12}and {len(found) - len(shown):,} more", style="dim"))
    parts.append(Text(f"{count(len(result.matched), 'document')} as known"))
    return parts
