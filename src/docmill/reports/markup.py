"""Pieces of HTML: text that is shown and never obeyed, tables whose cells say which heads they belong to."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape

from docmill.domain.terminal import safe

_TYPED = re.compile(r"`([^`]{1,60})`|(--[a-z][a-z-]+(?: [a-z]+\.[a-z_]+=\w+|(?: [A-Z]+)\b)?)")


def told(text: object) -> str:
    """Text as HTML, on one line. Names of files may hold anything: marks that reorder text are taken out, too."""
    return escape(safe(text))


def told_name(name: object) -> str:
    """A name that may be long, as HTML: broken behind a slash or an underscore, rather than anywhere."""
    return told(name).replace("/", "/<wbr>").replace("_", "_<wbr>")


def told_words(text: str) -> str:
    """A sentence of docmill's own as HTML: what is to be typed is set apart, and never broken."""
    return _TYPED.sub(lambda found: f"<code>{found[1] or found[2]}</code>", told(text))


@dataclass(frozen=True, slots=True)
class Column:
    """``numeric``: on the right, digits under digits. ``short``: never broken. ``wide``: left out on narrow pages."""

    title: str
    numeric: bool = False
    short: bool = False
    wide: bool = False

    @property
    def kind(self) -> str:
        classes = {"n": self.numeric, "short": self.short, "wide": self.wide}
        names = [name for name, holds in classes.items() if holds]
        return f' class="{" ".join(names)}"' if names else ""


def table(caption: str, columns: Sequence[Column], rows: Iterable[Sequence[object]]) -> str:
    """The first cell of each row is its head. Cells are text, and are escaped here."""
    head = "".join(f'<th scope="col"{column.kind}>{told(column.title)}</th>' for column in columns)
    body = "".join(f"<tr>{_cells(columns, row)}</tr>" for row in rows)
    return f"<table><caption>{told(caption)}</caption><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def _cells(columns: Sequence[Column], row: Sequence[object]) -> str:
    first, *others = zip(columns, row, strict=True)
    cells = [f'<th scope="row"{first[0].kind}>{told_name(first[1])}</th>']
    cells += [f"<td{column.kind}>{told(value)}</td>" for column, value in others]
    return "".join(cells)


@dataclass(frozen=True, slots=True)
class Group:
    """Rows of a table under one head, which names what they share: ``hint`` may be empty."""

    title: str
    count: str
    hint: str
    rows: Sequence[tuple[str, str]]


def grouped_table(caption: str, columns: tuple[str, str], groups: Iterable[Group]) -> str:
    """Two columns, in groups: each a body of its own, whose head spans it."""
    first, second = columns
    parts = [
        f'<table class="groups"><caption>{told(caption)}</caption>',
        f'<thead><tr><th scope="col">{told(first)}</th><th scope="col">{told(second)}</th></tr></thead>',
    ]
    for group in groups:
        hint = f'<span class="hint">{told_words(group.hint)}</span>' if group.hint else ""
        parts.append(
            f'<tbody><tr class="code"><th scope="rowgroup" colspan="2"><strong>{told(group.title)}</strong>'
            f" {told(group.count)}{hint}</th></tr>"
        )
        parts += [f'<tr><th scope="row">{told_name(name)}</th><td>{told(said)}</td></tr>' for name, said in group.rows]
        parts.append("</tbody>")
    return "".join([*parts, "</table>"])


def section(id_: str, title: str, content: str) -> str:
    """A landmark with its heading. ``content`` is HTML."""
    heading = f'<h2 id="{id_}-title">{told(title)}</h2>'
    return f'<section id="{id_}" aria-labelledby="{id_}-title">{heading}{content}</section>'


def scrolling(name: str, content: str) -> str:
    """What may be wider than a narrow page scrolls by itself, by the keyboard too."""
    return f'<div class="scroll" role="group" aria-label="{told(name)}" tabindex="0">{content}</div>'
