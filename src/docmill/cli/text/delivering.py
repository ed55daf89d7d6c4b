"""What ``deliver`` has sent, as text."""

from __future__ import annotations

from rich.console import RenderableType
from rich.text import Text

from docmill.cli.console import safe
from docmill.cli.reporting import duration
from docmill.cli.text.dispatch import View, render
from docmill.cli.text.pieces import moment
from docmill.domain.results import DeliverResult


@render.register
def _(result: DeliverResult, view: View) -> list[RenderableType]:
    if result.holder is not None:
        who = f"process {result.holder.pid} ({safe(result.holder.command)})" if result.holder.pid else "another process"
        return [Text.assemble(f"{who} is delivering already", (f"  {result.waiting:,} waiting", "dim"))]
    if not (result.delivered or result.failed or result.waiting):
        return [Text("nothing waits in the outbox")]
    line = Text.assemble((f"{result.delivered:,}", "bold green" if result.delivered else "bold"), " delivered")
    if result.failed:
        line.append(f", {result.failed:,} given up", style="bold red")
    if result.waiting:
        line.append(f", {result.waiting:,} waiting", style="yellow")
    line.append(f"  {duration(result.seconds)}", style="dim")
    parts: list[RenderableType] = [line]
    if result.next_at is not None:
        parts.append(Text(f"the next try is due at {moment(result.next_at)}", style="dim"))
    if result.failed and view.terminal:
        parts.append(Text.assemble(("why: ", "dim"), "docmill logs BATCH --level warning"))
    return parts
