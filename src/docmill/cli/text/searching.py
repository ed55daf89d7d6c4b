"""Hits as text: where each stands, how good it is, and the passage with the query's words marked."""

from __future__ import annotations

from rich.console import RenderableType
from rich.constrain import Constrain
from rich.padding import Padding
from rich.text import Text

from docmill.cli.console import safe, safe_lines
from docmill.cli.reporting import duration
from docmill.cli.text.dispatch import View, render
from docmill.cli.text.marking import spans, window
from docmill.cli.text.pieces import count
from docmill.domain.results import AlsoIn, ContextResult, Hit, Neighbour, QueriesResult, SearchResult

LINES = 4  # of a passage, on a terminal
ALSO = 3  # places of a passage that stands in several, on a terminal
WIDEST = 110  # columns that a line of text takes; longer ones are hard to read
MARK = "bold black on bright_yellow"


@render.register
def _(result: SearchResult, view: View) -> list[RenderableType]:
    if not result.hits:
        tip = "fewer or other words, or --mode vector" if result.mode != "vector" else "other words"
        return [Text.assemble("no hits", (f"  try {tip}" if view.terminal else "", "dim"))]
    parts: list[RenderableType] = []
    for hit in result.hits:
        parts += _hit(hit, result.query, view)
        parts.append("")
    found = f"{count(len(result.hits), 'hit')} in {duration(result.seconds)}"
    parts.append(Text(f"{found}, {safe(result.mode)}, {safe(result.database)}", style="dim"))
    return parts


@render.register
def _(result: ContextResult, view: View) -> list[RenderableType]:
    """The text as it is, line by line: a prompt is not folded."""
    if not result.text:
        return [Text("no hits")] if view.terminal else []
    return [Text(safe_lines(result.text).removesuffix("\n"), no_wrap=True, overflow="ignore")]


@render.register
def _(result: QueriesResult, view: View) -> list[RenderableType]:  # noqa: ARG001 - a renderer's signature
    head = f"{count(result.answered, 'question')} answered in {duration(result.seconds)}, {safe(result.database)}"
    lines: list[RenderableType] = [Text(head)]
    if result.failed:
        lines.append(Text(f"{count(result.failed, 'question')} could not be answered: their lines say why", "red"))
    if result.path is not None:
        lines.append(Text(safe(result.path), style="dim"))
    return lines


def _hit(hit: Hit, query: str, view: View) -> list[RenderableType]:
    width = min(view.width, WIDEST) if view.terminal else view.width
    head = Text.assemble((f"{hit.rank:>2}  ", "dim"), (safe(hit.uri), "bold cyan"), (_pages(hit), "cyan"))
    head.append(f"  {hit.score:.3f}", style="dim")
    parts: list[RenderableType] = [head]
    trail = _trail(hit)
    if trail:
        parts.append(Text(f"    {trail}", style="green"))
    parts += [_beside(each, width) for each in hit.before]
    whole = view.verbose or bool(hit.before or hit.after)
    parts.append(_indented(_passage(hit.text, query, (width - 4) * LINES, whole=whole), width))
    parts += [_beside(each, width) for each in hit.after]
    if hit.also_in:
        parts.append(_indented(_also(hit, whole=view.verbose or not view.terminal), width))
    return parts


def _also(hit: Hit, *, whole: bool) -> Text:
    """Where else it stands, each document once."""
    places = list(dict.fromkeys(safe(each.uri) + _pages(each) for each in hit.also_in))
    shown = places if whole else places[:ALSO]
    more = f" and {len(places) - len(shown)} more" if len(shown) < len(places) else ""
    return Text(f"also in {', '.join(shown)}{more}", style="dim cyan")


def _beside(neighbour: Neighbour, width: int) -> RenderableType:
    return _indented(Text(_joined(neighbour.text), style="dim"), width)


def _passage(text: str, query: str, room: int, *, whole: bool) -> Text:
    """The passage, or the part of it with most of the query's words, on one line that the terminal folds."""
    line = _joined(text)
    marked = spans(line, query)
    begin, end = (0, len(line)) if whole else window(line, marked, room)
    shown = Text("… " if begin else "", style="")
    offset = len(shown) - begin
    shown.append(line[begin:end].rstrip() + (" …" if end < len(line) else ""))
    for start, stop in marked:
        if begin <= start and stop <= end:
            shown.stylize(MARK, start + offset, stop + offset)
    return shown


def _joined(text: str) -> str:
    return " ".join(safe_lines(text).split())


def _indented(text: Text, width: int) -> RenderableType:
    return Constrain(Padding(text, (0, 0, 0, 4), expand=False), width)


def _pages(hit: Hit | AlsoIn) -> str:
    if hit.page_start is None:
        return ""
    several = hit.page_end is not None and hit.page_end != hit.page_start
    return f"  pp. {hit.page_start}–{hit.page_end}" if several else f"  p. {hit.page_start}"


def _trail(hit: Hit) -> str:
    """Title and headings, outermost first; a title that is also the first heading once."""
    steps = [safe(heading) for heading in hit.headings]
    if hit.title and (not steps or safe(hit.title).casefold() != steps[0].casefold()):
        steps.insert(0, safe(hit.title))
    return " › ".join(steps)
