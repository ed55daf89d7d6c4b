"""What param sets differ in, and what one makes of a file."""

from __future__ import annotations

from rich.console import RenderableType
from rich.text import Text

from docmill.cli.console import safe
from docmill.cli.text import borders
from docmill.cli.text.dispatch import View, render
from docmill.cli.text.pieces import count, pairs, size, table, value_text
from docmill.domain.results import ParamsDiff, ParamsTested


@render.register
def _(result: ParamsDiff, view: View) -> list[RenderableType]:  # noqa: ARG001 - a renderer's signature
    head = Text.assemble(
        (safe(result.a), "bold red"), " against ", (safe(result.b), "bold green"), f", workflow {safe(result.workflow)}"
    )
    if not result.differences:
        return [head, Text("they give every step the same values")]
    values = table("step", "value", safe(result.a), safe(result.b), "")
    for each in result.differences:
        values.add_row(
            Text(safe(each.step), style="bold"),
            safe(each.name),
            Text(_value(each.a), style="red"),
            Text(_value(each.b), style="green"),
            Text("speed only" if each.tuning else "", style="dim"),
        )
    steps = table("step", "again", "")
    for step in result.steps:
        again = Text("yes", style="yellow") if step.again else Text("no", style="dim")
        steps.add_row(Text(safe(step.step), style="bold"), again, safe(step.why))
    parts: list[RenderableType] = [head, "", values, ""]
    parts.append(Text(f"what {result.a} has processed, under {result.b}:" if not result.alike else _alike(), "dim"))
    parts.append(steps)
    for note in result.notes:
        parts += ["", Text.assemble(("note: ", "bold yellow"), safe(note))]
    return parts


def _alike() -> str:
    return "both give the same results, so that no step runs again:"


def _value(value: object) -> str:
    return "none" if value is None else value_text(value)


@render.register
def _(result: ParamsTested, view: View) -> list[RenderableType]:
    """The passages first and the figures last, where they are still to be seen after a long file."""
    parts: list[RenderableType] = []
    for each in result.chunks:
        told = [
            borders.tokens(each.tokens),
            borders.pages(each.page_start, each.page_end),
            borders.trail(each.headings, view),
        ]
        parts.append(borders.border(each.position + 1, told, view))
        if view.verbose and each.context:
            parts.append(borders.plain(each.context, "dim italic"))
        parts.append(borders.plain(each.text))
    if result.chunks:
        parts.append("")
    parts.append(_facts(result, view))
    if rest := result.total - result.offset - len(result.chunks):
        at = result.offset + len(result.chunks)
        hint = f"; --limit N shows more, --offset {at} goes on" if rest > 0 else ""
        shown = f"{result.offset + 1:,} to {at:,}" if result.chunks else "none"
        parts.append(Text(f"{shown} of {count(result.total, 'passage')} shown{hint}", style="dim"))
    return parts


def _facts(result: ParamsTested, view: View) -> RenderableType:
    failure, tokens = result.failure, result.tokens
    text = f"{result.characters:,} characters" + (f" on {count(result.pages, 'page')}" if result.pages else "")
    seconds = ", ".join(f"{name} {value:.3f} s" for name, value in result.seconds.items())
    by = f"by {result.params}, workflow {result.workflow}"
    lengths = f"{tokens.mean:.1f} on average, {tokens.min:,} to {tokens.max:,}" if tokens else None
    kinds = f"{result.type or 'unknown'}, {size(result.size_bytes)}"
    shown = result.warnings if view.verbose or not view.terminal else result.warnings[:5]
    return pairs(
        [
            ("file", Text(safe(result.file), style="bold")),
            ("read", f"{by}; {kinds}"),
            (
                "error",
                Text(f"{failure.error_code} at {failure.stage}: {failure.error_message}", "red") if failure else None,
            ),
            ("hint", failure.hint if failure else None),
            ("title", result.title),
            ("text", text if result.characters else None),
            ("files in it", f"{result.members:,}, each a document of its own" if result.members else None),
            *(("warning", each) for each in shown),
            ("passages", f"{result.total:,} by {result.chunker}, {borders.tokens(tokens.total)}" if tokens else None),
            ("tokens", lengths),
            ("coverage", f"{result.coverage:.2%} of the text" if result.coverage is not None else None),
            ("time", seconds or None),
        ]
    )
