"""How long work took and how much it got through, as text."""

from __future__ import annotations

from rich.console import RenderableType
from rich.text import Text

from docmill.cli.console import safe
from docmill.cli.text.dispatch import View, render
from docmill.cli.text.history import brief, step_stats_table
from docmill.cli.text.pieces import pairs, size, status_text, table
from docmill.domain.results import Durations, GroupStats, StatsDurations, StatsSteps, StatsThroughput

_SPREAD = ("count", "min", "median", "95 %", "max")


@render.register
def _(result: StatsDurations, view: View) -> list[RenderableType]:  # noqa: ARG001 - a renderer's signature
    parts = _head(result)
    if result.runs is None:
        return [*parts, Text("no document has ended yet", style="dim")]
    made = table("type", *_SPREAD, right=_SPREAD)
    if len(result.by_type) > 1:
        made.add_row(Text("all", style="bold"), *_spread(result.runs))
    for each in result.by_type:
        made.add_row(safe(each.type), *_spread(each.durations))
    parts += ["", made]
    if result.slowest:
        slow = table("slowest", "run", "time", "most of it in", right=("run", "time"))
        for run in result.slowest:
            step = run.longest_step_duration
            where = f"{safe(run.longest_step)} {brief(step)}" if run.longest_step and step is not None else ""
            name = Text(safe(run.uri or run.document_id), style="red" if run.status == "failed" else "")
            slow.add_row(name, str(run.run_id), brief(run.duration), Text(where, style="dim"))
        parts += ["", slow]
    return parts


@render.register
def _(result: StatsSteps, view: View) -> list[RenderableType]:  # noqa: ARG001 - a renderer's signature
    return [*_head(result), "", step_stats_table(result.step_stats)]


@render.register
def _(result: StatsThroughput, view: View) -> list[RenderableType]:  # noqa: ARG001 - a renderer's signature
    rates = (
        [
            ("documents", f"{result.documents:,}", _rate(result.documents_per_second, "a second")),
            ("pages", f"{result.pages:,}" if result.pages else None, _rate(result.pages_per_minute, "a minute")),
            ("chunks", f"{result.chunks:,}", _rate(result.chunks_per_second, "a second")),
            ("embedded", f"{result.chunks_embedded:,}", ""),
            ("bytes", size(result.size_bytes), f"{size(round(result.bytes_per_second))} a second"),
        ]
        if result.bytes_per_second
        else [("documents", f"{result.documents:,}", "")]
    )
    total = pairs([(name, Text.assemble(amount, (f"  {rate}", "dim"))) for name, amount, rate in rates if amount])
    numbers = ("documents", "pages", "chunks", "time", "documents/s", "pages/min", "chunks/s")
    made = table("step", *numbers, right=numbers)
    for each in result.step_throughput:
        made.add_row(
            safe(each.name),
            f"{each.documents:,}",
            f"{each.pages:,}" if each.pages else "",
            f"{each.chunks:,}" if each.chunks else "",
            brief(each.seconds) if each.documents else "",
            _rate(each.documents_per_second),
            _rate(each.pages_per_minute),
            _rate(each.chunks_per_second),
        )
    parts = [*_head(result), total]
    return [*parts, "", made] if result.step_throughput else parts


def _head(result: GroupStats) -> list[RenderableType]:
    what = f"  run group {result.run_group_id}, batch {result.batch_id} ({safe(result.batch)})"
    head = Text.assemble(status_text(result.status), (f"{what}, {safe(result.workflow)}/{safe(result.params)}", "dim"))
    return [head, pairs([("engine time", brief(result.processing_seconds))])]


def _spread(times: Durations) -> list[str]:
    return [f"{times.count:,}", brief(times.min), brief(times.p50), brief(times.p95), brief(times.max)]


def _rate(rate: float | None, words: str = "") -> str:
    if rate is None:
        return ""
    number = f"{rate:.2f}" if rate < 1 else f"{rate:.1f}" if rate < 100 else f"{rate:,.0f}"
    return f"{number} {words}".rstrip()
