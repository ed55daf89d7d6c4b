"""A passage, or a document's text, for a person to read."""

from __future__ import annotations

from rich.console import RenderableType
from rich.text import Text

from docmill.cli.console import safe
from docmill.cli.text import borders
from docmill.cli.text.dispatch import View, render
from docmill.cli.text.pieces import count, pairs, value_text
from docmill.domain.results import DocumentText, PassageShown, VectorShown

_FEW_VALUES = 6


@render.register
def _(result: PassageShown, view: View) -> list[RenderableType]:
    trail = borders.trail(result.headings, view)
    facts = pairs(
        [
            ("document", Text(safe(result.uri), style="bold cyan")),
            ("source", f"{result.source}, database {result.database}"),
            ("title", result.title),
            ("headings", trail or None),
            ("pages", borders.pages(result.page_start, result.page_end) or None),
            ("passage", f"{result.position + 1:,} of {result.chunk_count:,}, {borders.tokens(result.tokens)}"),
            ("characters", f"{result.char_start:,} to {result.char_end:,}"),
            ("id", result.chunk_id),
            ("embedded as", f"{result.context.replace(chr(10), ' / ')} / …" if result.context else None),
            ("vector", _vector(result.vector) if result.vector else None),
            *(
                ("metadata" if number == 0 else "", f"{key}: {value_text(value)}")
                for number, (key, value) in enumerate(result.metadata.items())
            ),
        ]
    )
    parts: list[RenderableType] = [facts, ""]
    for each in result.before:
        parts += [borders.plain(each.text, "dim"), ""]
    parts.append(borders.plain(result.text))
    for each in result.after:
        parts += ["", borders.plain(each.text, "dim")]
    return parts


def _vector(vector: VectorShown) -> str:
    first = ", ".join(f"{value:.4f}" for value in vector.values[:_FEW_VALUES])
    return f"{vector.dimension} numbers of length {vector.norm:.4f} by {vector.model}: {first} …"


@render.register
def _(result: DocumentText, view: View) -> list[RenderableType]:
    """The text alone is data, fit to be redirected; about it only a terminal is told."""
    parts: list[RenderableType] = []
    if view.terminal:
        told = [safe(result.source), safe(result.type or ""), f"{result.characters:,} characters"]
        told.append(count(result.chunk_count, "passage"))
        head = Text.assemble((safe(result.uri), "bold cyan"), (f"  {', '.join(filter(None, told))}", "dim"))
        parts += [head, ""]
    if result.chunks is None:
        return [*parts, borders.plain(result.text)]
    end = 0
    for each in result.chunks:
        if gap := result.text[end : each.char_start].strip():
            parts.append(borders.plain(gap, "dim"))
        pages = borders.pages(each.page_start, each.page_end)
        told = [borders.tokens(each.tokens), pages, each.chunk_id[:12], borders.trail(each.headings, view)]
        parts.append(borders.border(each.position + 1, told, view))
        parts.append(borders.plain(result.text[max(end, each.char_start) : each.char_end]))
        end = max(end, each.char_end)
    if rest := result.text[end:].strip():
        parts.append(borders.plain(rest, "dim"))
    return parts
