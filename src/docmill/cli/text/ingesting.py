"""What an ``ingest`` found, as text."""

from __future__ import annotations

from rich.console import RenderableType
from rich.text import Text

from docmill.cli.console import safe
from docmill.cli.text.dispatch import View, render
from docmill.cli.text.outcomes import problems
from docmill.cli.text.pieces import table
from docmill.domain.results import IngestResult

FILES_SHOWN = 20
_OUTCOME_STYLES = {"new": "green", "changed": "yellow", "updated": "yellow", "unchanged": "dim", "duplicate": "dim"}
_DUE = ("new", "changed", "updated", "duplicate")


@render.register
def _(result: IngestResult, view: View) -> list[RenderableType]:
    shown = result.files if view.verbose or not view.terminal else result.files[:FILES_SHOWN]
    parts: list[RenderableType] = []
    if shown:
        made = table("", "uri")
        for file in shown:
            made.add_row(Text(safe(file.outcome), style=_OUTCOME_STYLES.get(file.outcome, "")), safe(file.uri))
        parts.append(made)
    if len(result.files) > len(shown):
        parts.append(Text(f"… and {len(result.files) - len(shown):,} more (-v shows all)", style="dim"))
    counts = [f"{number:,} {name}" for name, number in result.counts.model_dump().items() if number]
    parts.append(Text.assemble((", ".join(counts) or "no files", "bold"), (_where(result), "dim")))
    if result.not_listed:
        parts.append(Text(f"{result.not_listed:,} more are counted, but not listed", style="dim"))
    if result.errors:
        parts += ["", *problems(result.errors, verbose=view.verbose)]
    due = any(getattr(result.counts, name) for name in _DUE)
    if view.terminal and due:
        for batch_id in dict.fromkeys(target.batch_id for target in result.targets):
            parts.append(Text.assemble(("process them: ", "dim"), f"docmill start {batch_id}"))
    return parts


def _where(result: IngestResult) -> str:
    places = [f"batch {target.batch_id}, source {safe(target.source)}" for target in result.targets]
    return f"  in {'; '.join(places)}" if places else ""
