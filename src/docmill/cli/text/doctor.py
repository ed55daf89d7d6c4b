"""Checks as text: a line each, and below it what to do."""

from __future__ import annotations

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from docmill.cli.console import safe
from docmill.cli.text.dispatch import View, render
from docmill.cli.text.pieces import count
from docmill.domain.results import DoctorResult

_STYLES = {"ok": "green", "warning": "yellow", "problem": "bold red"}


@render.register
def _(result: DoctorResult, view: View) -> list[RenderableType]:
    made = Table.grid(padding=(0, 2, 0, 0))
    for _column in range(2):
        made.add_column(no_wrap=True)
    made.add_column(overflow="fold")
    for check in result.checks:
        made.add_row(Text(check.status, style=_STYLES[check.status]), check.name, safe(check.message))
        if check.hint and (check.status != "ok" or view.verbose):
            made.add_row("", "", Text(safe(check.hint), style="cyan" if check.status != "ok" else "dim"))
    ends = [count(result.problems, "problem")] if result.problems else []
    ends += [count(result.warnings, "warning")] if result.warnings else []
    summary = ", ".join(ends) or "all is well"
    return [made, Text(f"{summary} ({count(len(result.checks), 'check')})", style=_STYLES[result.status])]
