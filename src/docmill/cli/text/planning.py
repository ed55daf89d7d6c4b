"""Plans, and reasons, as text."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import RenderableType
from rich.padding import Padding
from rich.text import Text

from docmill.cli.console import safe
from docmill.cli.reporting import duration
from docmill.cli.text.dispatch import View, render
from docmill.cli.text.outcomes import problems
from docmill.cli.text.pieces import count, moment, pairs, table
from docmill.domain.results import (
    ChunkDifference,
    PlannedDocument,
    PlanResult,
    Prediction,
    RunReason,
    SourcePlan,
    StepReason,
    WhyResult,
)

_SHOWN = 20
_STYLES = {"new": "green", "changed": "yellow", "renamed": "cyan", "due": "magenta", "deleted": "red"}


@render.register
def _(result: PlanResult, view: View) -> list[RenderableType]:
    parts: list[RenderableType] = []
    for index, each in enumerate(result.sources):
        if index:
            parts.append("")
        parts += _source(each, view)
    if len(result.sources) > 1:
        parts += ["", Text(f"all together about {duration(result.predicted_seconds)}")]
    if result.over_budget:
        parts += ["", Text(f"over the budget of {result.budget_minutes:g} min", style="red")]
    if result.manifest is not None:
        parts += ["", Text.assemble(("do exactly this: ", "dim"), f"docmill sync --manifest {safe(result.manifest)}")]
    return parts


def _source(each: SourcePlan, view: View) -> list[RenderableType]:
    head = Text.assemble((safe(each.source), "bold"), f"  {safe(each.folder)}")
    parts: list[RenderableType] = [head]
    if each.refused:
        parts.append(Text.assemble(("a sync would stop: ", "red"), safe(each.refused)))
    if not each.documents:
        parts.append(Text(f"nothing to do: {count(each.scan.unchanged, 'document')} up to date"))
        return parts + problems(each.errors, verbose=view.verbose)
    shown = each.documents if view.verbose else each.documents[:_SHOWN]
    parts += [_document(document) for document in shown]
    if len(shown) < len(each.documents):
        parts.append(Text(f"and {len(each.documents) - len(shown):,} more; -v shows all", style="dim"))
    steps = [
        f"{step.type} {step.run:,}" + (f" ({step.reused:,} there already)" if step.reused else "")
        for step in each.steps
        if step.run or step.reused
    ]
    about = "" if each.exact else "about "
    work = sum(1 for document in each.documents if document.change != "deleted")
    chunks = each.chunks
    rows = [("documents", f"{work:,} to process, {len(each.documents) - work:,} to take out")]
    if work:
        rows += [
            ("steps", ", ".join(steps)),
            (
                "chunks",
                f"{about}{chunks.total:,}: {chunks.embedded:,} to embed, {chunks.reused:,} reused",
            ),
            ("time", _time(each.prediction)),
        ]
    parts += ["", pairs(rows)]
    return parts + problems(each.errors, verbose=view.verbose)


def _document(each: PlannedDocument) -> Text:
    style = _STYLES.get(each.change, "")
    why = "" if each.change in ("new", "deleted") else f"  {safe(each.why)}"
    return Text.assemble((f"{each.change:<8} ", style), safe(each.uri), (why, "dim"))


def _time(prediction: Prediction) -> str:
    text = f"about {duration(prediction.seconds)}"
    if prediction.basis != "history":
        return f"{text}, a guess: this home has no history yet"
    text += f", by {count(prediction.groups, 'earlier run')}"
    if prediction.off is not None:
        last = "prediction was" if prediction.compared == 1 else f"{prediction.compared} predictions were"
        text += f"; the last {last} off by {prediction.off * 100:.0f} %"
    return text


@render.register
def _(result: WhyResult, view: View) -> list[RenderableType]:
    verdict = ("would be processed", "yellow") if result.would else ("would not be processed", "green")
    parts: list[RenderableType] = [
        Text.assemble(
            (safe(result.uri), "bold"), f"  {safe(result.source)}, version {result.version}, {result.status}"
        ),
        Text.assemble("the next sync: it ", verdict, f", as {safe(result.why)}"),
    ]
    for run in result.runs if view.verbose else result.runs[:5]:
        parts += ["", _run(run)]
        parts.append(Padding(_steps(run) if view.verbose else Text(_outputs(run), style="dim"), (0, 0, 0, 2)))
    for each in result.chunks if view.verbose else result.chunks[:3]:
        parts += ["", *_chunks(each, view)]
    if view.verbose:
        rows = [("model", safe(result.model))]
        rows += [
            (step, safe(", ".join(f"{key} {value}" for key, value in values.items())))
            for step, values in result.parameters.items()
        ]
        parts += ["", pairs(rows)]
    return parts


def _run(run: RunReason) -> Text:
    return Text.assemble(
        f"{moment(run.at)}  run {run.run_id}: ", (safe(run.reason), "bold"), (f"  {run.status}", "dim")
    )


def _outputs(run: RunReason) -> str:
    """Which steps computed something, and which found it there."""
    by_outcome: dict[str, list[str]] = {}
    for step in run.steps:
        by_outcome.setdefault(_outcome(step), []).append(step.step)
    return "; ".join(f"{outcome}: {', '.join(steps)}" for outcome, steps in by_outcome.items())


def _steps(run: RunReason) -> RenderableType:
    made = table("step", "by", "output", "key")
    for step in run.steps:
        version = f" {step.version}" if step.version else ""
        made.add_row(safe(step.step), safe(f"{step.method}{version}"), _outcome(step), (step.key or "")[:16])
    return made


def _outcome(step: StepReason) -> str:
    return "reused" if step.reused else "computed" if step.status == "completed" else step.status


def _chunks(each: ChunkDifference, view: View) -> list[RenderableType]:
    head = f"version {each.version} against {each.previous}: {count(each.kept, 'passage')} kept"
    parts: list[RenderableType] = [Text(f"{head}, {len(each.added)} new, {len(each.removed)} gone")]
    for sign, style, texts in (("-", "red", each.removed), ("+", "green", each.added)):
        shown: Sequence[str] = texts if view.verbose else texts[:5]
        parts += [Text(f"  {sign} {safe(text)} …", style=style) for text in shown]
    return parts
