"""The pieces that texts are made of: tables, counts, times, and errors by their kind."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from rich.table import Table
from rich.text import Text

from docmill.cli.console import safe
from docmill.domain.sizes import human_size

if TYPE_CHECKING:
    from rich.console import JustifyMethod

    from docmill.domain.results import Page

STATUS_STYLES = {
    "completed": "green",
    "running": "cyan",
    "paused": "yellow",
    "failed": "red",
    "cancelled": "dim",
    "scheduled": "blue",
}


def table(*columns: str, right: Sequence[str] = (), title: str | None = None) -> Table:
    """A table without lines; columns named in ``right`` hold numbers."""
    made = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim", title=title, title_justify="left")
    for name in columns:
        justify: JustifyMethod = "right" if name in right else "left"
        made.add_column(name, justify=justify, overflow="fold")
    return made


def pairs(rows: Iterable[tuple[str, Any]]) -> Table:
    """Names on the left, values on the right; rows whose value is None are left out."""
    made = Table.grid(padding=(0, 2, 0, 0))
    made.add_column(style="dim")
    made.add_column(overflow="fold")
    for name, value in rows:
        if value is not None:
            made.add_row(name, value if isinstance(value, Text) else safe(value))
    return made


def status_text(status: str) -> Text:
    return Text(safe(status), style=STATUS_STYLES.get(status, ""))


def count(number: int, noun: str, plural: str | None = None) -> str:
    """``1 document``, ``1,200 documents``, ``2 batches``."""
    several = plural or noun + ("es" if noun.endswith("ch") else "s")
    return f"{number:,} {noun if number == 1 else several}"


def size(number: int | None) -> str:
    """Nothing for None."""
    if number is None:
        return ""
    return human_size(number)


def value_text(value: object) -> str:
    """Of a JSON value: text as it is, all else as JSON."""
    return safe(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False))


def moment(text: str | None) -> str:
    """``2026-11-21 05:14:37`` of an ISO time, UTC."""
    return "" if text is None else safe(text)[:19].replace("T", " ")


def more(page: Page, shown: int, noun: str) -> list[Text]:
    """What a list leaves out, and how to see it."""
    if shown == page.total and not page.offset:
        return []
    first, last = page.offset + 1, page.offset + shown
    where = f"{first} to {last} of {count(page.total, noun)}" if shown else f"none of {count(page.total, noun)} here"
    hint = f"; go on with --offset {last}" if last < page.total and shown else ""
    return [Text(f"{where}{hint}", style="dim")]
