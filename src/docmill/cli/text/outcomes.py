"""What did not end well, as text: documents that failed and documents that are degraded, grouped by their code.

A group is its count, its code, a few names, and once what to do about it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from rich.console import RenderableType
from rich.padding import Padding
from rich.text import Text

from docmill.cli.console import safe
from docmill.cli.text.pieces import count
from docmill.domain import outcomes
from docmill.domain.results import DegradedDocument, DocumentProblem, Outcomes, TextYield

EXAMPLES = 5  # names shown of each group
HINTS = 2  # told of each group, where its documents have several
INDENT = 7
_MOST_SPANS = 20
NAME_WIDTH = 40  # columns; longer names push what is said of them to the right


@dataclass(slots=True)
class Group:
    """Documents of one code. ``number`` counts all of them, ``members`` are those that are known: URI and words."""

    code: str
    number: int
    style: str
    meaning: str | None = None
    hints: Counter[str] = field(default_factory=Counter)
    members: list[tuple[str, str]] = field(default_factory=list)

    def lines(self, most: int | None, *, cut: bool) -> list[RenderableType]:
        """``most`` members, None: every one. ``cut``: what is said of one where the terminal ends."""
        head = Text.assemble((f"{self.number:>5,}  ", f"bold {self.style}"), (safe(self.code), self.style))
        lines: list[RenderableType] = [head.append(f"  {self.meaning}", style="default") if self.meaning else head]
        shown = self.members[:most]
        width = min(NAME_WIDTH, max((len(safe(uri)) for uri, _words in shown), default=0))
        lines += [_member(uri, words, width, cut=cut) for uri, words in shown]
        if self.number > len(shown):
            how = " (-v shows all)" if len(self.members) > len(shown) else ""
            lines.append(Text(f"{' ' * INDENT}… and {self.number - len(shown):,} more{how}", style="dim"))
        for hint, _number in self.hints.most_common(HINTS):
            line = Text.assemble(("hint: ", "cyan"), safe(hint))
            lines.append(Padding(line, (0, 0, 0, INDENT)))
        return lines


def problems(
    errors: Sequence[DocumentProblem],
    *,
    verbose: bool = False,
    most: int | None = EXAMPLES,
    counts: Mapping[str, int] | None = None,
) -> list[RenderableType]:
    """Errors by their code, most frequent first. ``counts``: of each code, where not every error is there.

    ``most``: names of each group; verbose: all of them, and nothing is cut.
    """
    groups: dict[str, Group] = {}
    for error in errors:
        group = groups.setdefault(error.error_code, Group(error.error_code, 0, "red"))
        group.number += 1
        group.members.append((error.uri, error.error_message))
        group.hints.update([error.hint] if error.hint else [])
    return _all(groups.values(), counts, most, verbose=verbose)


def degradations(
    documents: Sequence[DegradedDocument],
    counts: Mapping[str, int],
    *,
    verbose: bool = False,
    most: int | None = EXAMPLES,
) -> list[RenderableType]:
    """Degraded documents by their reasons, most frequent first; one that has several is in each group."""
    groups: dict[str, Group] = {}
    for code in dict.fromkeys([*counts, *(code for each in documents for code in each.reasons)]):
        hint = outcomes.reason_hint(code)
        found = [(each.uri, _of_pages(code, each.text_yield)) for each in documents if code in each.reasons]
        hints = Counter([hint] if hint else [])
        groups[code] = Group(code, len(found), "yellow", outcomes.reason_meaning(code), hints, found)
    return _all(groups.values(), counts, most, verbose=verbose)


def endings(
    errors: Sequence[DocumentProblem],
    degraded: Sequence[DegradedDocument],
    counts: Outcomes,
    *,
    verbose: bool,
    brief: bool = False,
    most: int | None = EXAMPLES,
) -> list[RenderableType]:
    """Both kinds under their headings, with ``most`` names in each group.

    ``brief``: of the degraded ones, how many, as they are no news.
    """
    lines: list[RenderableType] = []
    if errors:
        number = max(counts.failed_documents, len(errors))
        lines += [Text(""), Text(f"{count(number, 'document')} failed", style="bold red")]
        lines += problems(errors, verbose=verbose, most=most, counts=counts.failed)
    if counts.degraded_documents:
        head = Text(f"{count(counts.degraded_documents, 'document')} degraded", style="bold yellow")
        if brief and not verbose:
            return [*lines, Text(""), head.append(f"  {in_short(counts.degraded)}", style="not bold dim")]
        lines += [Text(""), head]
        lines += degradations(degraded, counts.degraded, verbose=verbose, most=most)
    return lines


def in_short(counts: Mapping[str, int]) -> str:
    """``12 PAGES_WITHOUT_TEXT, 1 TIMEOUT``."""
    return ", ".join(f"{number:,} {safe(code)}" for code, number in counts.items())


def page_words(found: TextYield) -> str:
    """``text on 9 of 12 pages, 1,340 characters a page``."""
    silent = len(found.without_text)
    on = f"text on {found.pages - silent:,} of {count(found.pages, 'page')}" if silent else count(found.pages, "page")
    return f"{on}, {count(round(found.characters_per_page), 'character')} a page"


def silent_pages(found: TextYield | None) -> str | None:
    """``pages 4-6, 9``."""
    if found is None or not found.without_text:
        return None
    spans: list[list[int]] = []
    for page in found.without_text:
        if spans and spans[-1][1] == page - 1:
            spans[-1][1] = page
        else:
            spans.append([page, page])
    written = [str(first) if first == last else f"{first}-{last}" for first, last in spans]
    rest = f" and {len(spans) - _MOST_SPANS:,} more spans" if len(spans) > _MOST_SPANS else ""
    return f"page{'' if len(found.without_text) == 1 else 's'} {', '.join(written[:_MOST_SPANS])}{rest}"


def _of_pages(code: str, found: TextYield | None) -> str:
    if code != "PAGES_WITHOUT_TEXT" or found is None:
        return ""
    return f"{len(found.without_text):,} of {count(found.pages, 'page')}"


def _all(
    groups: Iterable[Group], counts: Mapping[str, int] | None, most: int | None, *, verbose: bool
) -> list[RenderableType]:
    for group in groups:
        group.number = max(group.number, (counts or {}).get(group.code, 0))
    ordered = sorted(groups, key=lambda group: (-group.number, group.code))
    return [line for group in ordered for line in group.lines(None if verbose else most, cut=not verbose)]


def _member(uri: str, words: str, width: int, *, cut: bool) -> Text:
    line = Text.assemble(f"{' ' * INDENT}{safe(uri):<{width}}", (f"  {safe(words)}" if words else "", "dim"))
    line.no_wrap, line.overflow = cut, "ellipsis"
    return line
