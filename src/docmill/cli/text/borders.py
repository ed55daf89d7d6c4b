"""Passages of a text with a line above each that says which it is: where one ends and the next begins."""

from __future__ import annotations

from rich.cells import cell_len, set_cell_size
from rich.text import Text

from docmill.cli.console import safe, safe_lines
from docmill.cli.text.dispatch import View

STYLES = ("cyan", "magenta")  # in turn, so that neighbours differ
_WIDEST = 110


def border(number: int, told: list[str], view: View) -> Text:
    """``number`` from 1; ``told``: what else is to be said of the passage, the empty left out."""
    dash, cut = ("-", "...") if view.ascii_only else ("─", "…")
    said = f"  {dash}  ".join([f"{dash * 2} {number}", *(safe(each) for each in told if each)]) + " "
    if view.terminal:
        width = min(view.width, _WIDEST)
        if cell_len(said) > width:
            said = set_cell_size(said, width - len(cut)) + cut
        said += dash * (width - cell_len(said))
    return Text(said.rstrip(), style=f"bold {STYLES[number % len(STYLES)]}")


def plain(text: str, style: str = "") -> Text:
    """Text as it stands, line by line."""
    return Text(safe_lines(text).strip("\n"), style=style)


def tokens(count: int) -> str:
    return f"{count:,} token{'' if count == 1 else 's'}"


def pages(first: int | None, last: int | None) -> str:
    if first is None:
        return ""
    return f"p. {first}" if last in (None, first) else f"pp. {first}-{last}"


def trail(headings: list[str], view: View) -> str:
    return (" > " if view.ascii_only else " › ").join(headings)
