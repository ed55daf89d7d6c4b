"""A workflow's graph as one SVG that needs nothing else: light or dark as its reader's screen is, and with words for
those who do not see it. Pure.
"""

from __future__ import annotations

import json
from html import escape
from itertools import groupby
from typing import TYPE_CHECKING

from docmill.domain.terminal import safe

if TYPE_CHECKING:
    from docmill.domain.results import GraphNode, WorkflowGraph

_WIDTH, _BOX, _LEFT = 520, 300, 40
_LINE, _GAP, _PAD = 18, 46, 12
_LONGEST = 44  # characters in a box
_STYLE = """
svg { font: 13px system-ui, sans-serif; } .page { fill: #ffffff; }
text { fill: #1f2328; } .dim { fill: #59636e; } .head { font-weight: 600; } .mark { fill: #0969da; }
.box { fill: #f6f8fa; stroke: #818b98; } .end { fill: #ddf4ff; stroke: #0969da; }
.lane { stroke: #d1d9e0; stroke-width: 3; } .arrow { stroke: #59636e; stroke-width: 1.5; } .tip { fill: #59636e; }
@media (prefers-color-scheme: dark) {
  .page { fill: #0d1117; } text { fill: #f0f6fc; } .dim { fill: #9198a1; } .mark { fill: #4493f8; }
  .box { fill: #151b23; stroke: #656c76; } .end { fill: #0c2d6b; stroke: #4493f8; }
  .lane { stroke: #3d444d; } .arrow { stroke: #9198a1; } .tip { fill: #9198a1; }
}
"""


def facts(node: GraphNode) -> list[str]:
    """What a box says of a step below its name, a line each."""
    policy = []
    if node.timeout_s is not None:
        policy.append(f"timeout {node.timeout_s:g} s")
    if node.retries is not None:
        policy.append(f"{node.retries} {'retry' if node.retries == 1 else 'retries'}")
    lines = [", ".join(policy)] if policy else []
    lines += [f"{name}: {_value(value)}" for name, value in node.parameters.items()]
    return lines


def title(node: GraphNode) -> str:
    """``parse  auto``; the type, too, where the step has another name."""
    kind = "" if node.name == node.type else f" ({node.type})"
    return f"{node.name}{kind}"


def drawn(graph: WorkflowGraph) -> str:
    """The whole file."""
    parts: list[str] = []
    y = 64
    y = _end(parts, y, graph.edges[0].start)
    tops: dict[str, tuple[int, int]] = {}
    for node, edge in zip(graph.nodes, graph.edges, strict=False):
        y = _arrow(parts, y, edge.carries)
        top, y = y, _step(parts, y, node)
        tops[node.name] = (top, y)
    y = _arrow(parts, y, graph.edges[-1].carries)
    y = _end(parts, y, graph.edges[-1].end)
    for process, nodes in groupby(graph.nodes, key=lambda node: node.process):
        names = [node.name for node in nodes]
        _lane(parts, tops[names[0]][0], tops[names[-1]][1], process)
    for line in told_lines(graph):
        y += _LINE
        parts.append(_text(_LEFT, y + 8, line, "dim"))
    return _file(graph, "\n".join(parts), y + 32)


def told_lines(graph: WorkflowGraph) -> list[str]:
    """Who is told of what."""
    handlers = graph.handlers.items()
    return [f"{event}: {count} {'handler' if count == 1 else 'handlers'}" for event, count in handlers]


def _file(graph: WorkflowGraph, body: str, height: int) -> str:
    steps = ", then ".join(f"{title(node)} by {node.method} in the {node.process}" for node in graph.nodes)
    name = safe(graph.name)
    params = f" with {safe(graph.params)}" if graph.params else ""
    heads = _text(_LEFT, 28, f"{graph.id}{params}", "head"), _text(_LEFT, 46, _cut(name, 70), "dim")
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{_WIDTH}" height="{height}" viewBox="0 0 {_WIDTH} {height}"'
        ' role="img" aria-labelledby="title description">\n'
        f'<title id="title">{escape(f"Workflow {safe(graph.id)}: {name}{params}")}</title>\n'
        f'<desc id="description">{escape(safe(f"{steps}."))}</desc>\n<style>{_STYLE}</style>\n'
        '<rect class="page" width="100%" height="100%"/>\n'
        f"{heads[0]}\n{heads[1]}\n{body}\n</svg>\n"
    )


def _end(parts: list[str], y: int, name: str) -> int:
    """Where documents come from, and where they go."""
    parts.append(f'<rect class="end" x="{_LEFT}" y="{y}" width="{_BOX}" height="32" rx="16"/>')
    parts.append(_text(_LEFT + _BOX // 2, y + 21, name, "head", middle=True))
    return y + 32


def _step(parts: list[str], y: int, node: GraphNode) -> int:
    lines = facts(node)
    height = 2 * _PAD + _LINE * (1 + len(lines)) - 4
    parts.append(f'<rect class="box" x="{_LEFT}" y="{y}" width="{_BOX}" height="{height}" rx="6"/>')
    parts.append(_text(_LEFT + _PAD, y + _PAD + 12, _cut(title(node), 24), "head"))
    parts.append(_text(_LEFT + _BOX - _PAD, y + _PAD + 12, _cut(node.method, 16), "mark", end=True))
    for number, line in enumerate(lines, start=1):
        parts.append(_text(_LEFT + _PAD, y + _PAD + 12 + number * _LINE, _cut(line, _LONGEST), "dim"))
    return y + height


def _arrow(parts: list[str], y: int, carries: str) -> int:
    x = _LEFT + _BOX // 2
    parts.append(f'<line class="arrow" x1="{x}" y1="{y}" x2="{x}" y2="{y + _GAP - 8}"/>')
    parts.append(f'<path class="tip" d="M{x - 5} {y + _GAP - 9} h10 l-5 8 z"/>')
    parts.append(_text(x + 10, y + _GAP // 2 + 2, carries, "dim"))
    return y + _GAP


def _lane(parts: list[str], top: int, bottom: int, process: str) -> None:
    """Beside the steps that one process runs."""
    x = _LEFT + _BOX + 20
    parts.append(f'<line class="lane" x1="{x}" y1="{top}" x2="{x}" y2="{bottom}"/>')
    parts.append(_text(x + 12, (top + bottom) // 2 + 4, process, "dim"))


def _text(x: int, y: int, text: str, style: str, *, middle: bool = False, end: bool = False) -> str:
    anchor = ' text-anchor="middle"' if middle else ' text-anchor="end"' if end else ""
    return f'<text class="{style}" x="{x}" y="{y}"{anchor}>{escape(safe(text))}</text>'


def _cut(text: str, longest: int) -> str:
    return text if len(text) <= longest else text[: longest - 1] + "…"


def _value(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
