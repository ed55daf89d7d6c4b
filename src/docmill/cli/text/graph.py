"""A workflow's graph drawn with characters: Unicode's, or ASCII where the terminal has no others."""

from __future__ import annotations

from itertools import groupby
from typing import NamedTuple

from rich.cells import cell_len, set_cell_size
from rich.console import RenderableType
from rich.text import Text

from docmill.cli.console import safe
from docmill.cli.text.dispatch import View, render
from docmill.cli.text.pieces import size
from docmill.domain.graph_svg import facts, title, told_lines
from docmill.domain.results import GraphNode, WorkflowGraph


class _Signs(NamedTuple):
    """Corners clockwise from top left, lines, the arrow, and the sides of what a process runs."""

    corners: str
    across: str
    down: str
    tip: str
    lane: str


_UNICODE = _Signs("┌┐┘└", "─", "│", "▼", "╮│╯")
_ASCII = _Signs("++++", "-", "|", "v", "+|+")
_WIDEST = 44


@render.register
def _(result: WorkflowGraph, view: View) -> list[RenderableType]:
    if result.path is not None:
        return [
            Text.assemble(
                f"drew the workflow {safe(result.id)}: ", (safe(result.path), "bold"), f", {size(result.size_bytes)}"
            )
        ]
    signs = _ASCII if view.ascii_only else _UNICODE
    width = min(max(cell_len(line) for node in result.nodes for line in _lines(node)), _WIDEST) + 2
    params = f" with {safe(result.params)}" if result.params else ""
    parts: list[RenderableType] = [Text.assemble((safe(result.id), "bold"), f"{params}: {safe(result.name)}"), ""]
    edges = iter(result.edges)
    parts.append(Text(f"  {result.edges[0].start}".center(width + 4).rstrip(), style="bold cyan"))
    for process, nodes in groupby(result.nodes, key=lambda node: node.process):
        drawn: list[Text] = []
        for number, node in enumerate(nodes):
            arrow = _arrow(next(edges).carries, width, signs)
            if number:
                drawn += arrow
            else:
                parts += arrow
            drawn += _box(node, width, signs)
        parts += _beside(drawn, process, signs)
    parts += _arrow(next(edges).carries, width, signs)
    parts.append(Text(f"  {result.edges[-1].end}".center(width + 4).rstrip(), style="bold cyan"))
    told = told_lines(result)
    return [*parts, *([""] if told else []), *(Text(safe(line), style="dim") for line in told)]


def _lines(node: GraphNode) -> list[str]:
    return [f"{safe(title(node))}  {safe(node.method)}", *map(safe, facts(node))]


def _box(node: GraphNode, width: int, signs: _Signs) -> list[Text]:
    first, *others = _lines(node)
    name = safe(title(node))
    top = f"{signs.corners[0]}{signs.across * width}{signs.corners[1]}"
    bottom = f"{signs.corners[3]}{signs.across * width}{signs.corners[2]}"
    head = _fitted(first, width - 2)
    rows = [Text.assemble(f"{signs.down} ", (head[: len(name)], "bold"), (head[len(name) :], "cyan"), f" {signs.down}")]
    rows += [Text.assemble(f"{signs.down} ", (_fitted(line, width - 2), "dim"), f" {signs.down}") for line in others]
    return [Text(top), *rows, Text(bottom)]


def _fitted(text: str, width: int) -> str:
    return text + " " * (width - cell_len(text)) if cell_len(text) <= width else set_cell_size(text, width - 3) + "..."


def _arrow(carries: str, width: int, signs: _Signs) -> list[Text]:
    before = " " * (width // 2 + 1)
    return [Text.assemble(f"{before}{signs.down} ", (safe(carries), "dim")), Text(f"{before}{signs.tip}")]


def _beside(drawn: list[Text], process: str, signs: _Signs) -> list[Text]:
    """With a bracket to the right, and what runs these steps in its middle."""
    width = max(line.cell_len for line in drawn)
    middle = len(drawn) // 2
    for number, line in enumerate(drawn):
        edge = 0 if number == 0 else 2 if number == len(drawn) - 1 else 1
        said = f" {safe(process)}" if number == middle else ""
        line.append(f"{' ' * (width - line.cell_len)}  {signs.lane[edge]}{said}", style="dim")
    return drawn
