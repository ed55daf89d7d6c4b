"""What ``docmill pages`` has written, as text."""

from __future__ import annotations

from rich.console import RenderableType
from rich.text import Text

from docmill.cli.console import safe
from docmill.cli.text.dispatch import View, render
from docmill.cli.text.pieces import count, size
from docmill.domain.results import PageProblem, PagesResult

_SHOWN = 20


@render.register
def _(result: PagesResult, view: View) -> list[RenderableType]:
    what = f"{count(result.pages, 'page')} of {count(result.documents, 'document')}"
    assets = f", {result.assets:,} kept beside them" if result.assets else ""
    where = f" to {safe(result.path)}, {size(result.size_bytes)}" if result.path else ""
    shown = result.problems if view.verbose else result.problems[:_SHOWN]
    parts: list[RenderableType] = [Text(f"wrote {what}{assets}{where}"), *map(_problem, shown)]
    if len(result.problems) > len(shown):
        parts.append(Text(f"… and {len(result.problems) - len(shown):,} more (-v shows all)", style="dim"))
    hints = dict.fromkeys(each.hint for each in result.problems if each.hint)
    return [*parts, *(Text.assemble(("hint: ", "cyan"), safe(hint)) for hint in hints)]


def _problem(problem: PageProblem) -> Text:
    page = f", page {problem.page:,}" if problem.page is not None else ""
    return Text.assemble(
        (safe(problem.error_code), "red"), f"  {safe(problem.uri)}{page}", (f"  {safe(problem.error_message)}", "dim")
    )
