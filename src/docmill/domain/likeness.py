"""Which passages say the same, so that a list of hits need not say it twice. Pure.

The same document lies in several formats, a paragraph in several documents. Two passages are alike where their words
are the same, or nearly: by the share of the runs of three words that they have in common (A. Broder, "On the
resemblance and containment of documents", 1997). Candidates are few, so the share is counted and not estimated.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable
from functools import lru_cache
from typing import NamedTuple, TypeVar

RUN = 3  # words
ALIKE = 0.85  # docs/search.md tells how it was chosen

_MARKER = re.compile(r"^[ \t]*(?:\d{1,3}[.)]|[-*+•·▪◦–—])[ \t]+", re.MULTILINE)  # of lists: formats number them or not
_WORD = re.compile(r"\w+")
_NUMBER = re.compile(r"\d+")

T = TypeVar("T")


class Print(NamedTuple):
    """What is compared of a passage. ``numbers``: two that differ in one say different things, however alike."""

    words: str
    runs: frozenset[int]
    numbers: tuple[str, ...]


@lru_cache(maxsize=1024)
def fingerprint(text: str) -> Print:
    plain = _MARKER.sub("", text if text.isascii() else unicodedata.normalize("NFKC", text)).casefold()
    words = _WORD.findall(plain)
    runs = zip(*(words[start:] for start in range(RUN)), strict=False) if len(words) >= RUN else [tuple(words)]
    return Print(" ".join(words), frozenset(map(hash, runs)), tuple(sorted(_NUMBER.findall(plain))))


def unpaged(text: str, first: int | None, last: int | None) -> str:
    """Without lines that hold the number of a page that the passage lies on, and nothing else."""
    if first is None or last is None:
        return text
    lines = text.split("\n")
    return "\n".join(line for line in lines if not (line.strip().isdecimal() and first <= int(line) <= last))


def grouped(items: Iterable[T], text: Callable[[T], str]) -> list[tuple[T, list[T]]]:
    """Each item that is like none before it, with those after it that are; the order stays.

    An item is compared with the first of each group and not with the others, so that no chain of small differences
    joins what is far apart.
    """
    groups: list[tuple[T, list[T]]] = []
    prints: list[Print] = []
    same: dict[str, int] = {}
    having: dict[int, list[int]] = {}  # groups, by the runs of their first
    for item in items:
        own = fingerprint(text(item))
        found = same.get(own.words)
        if found is None:
            found = _nearest(own, prints, having)
        if found is not None:
            groups[found][1].append(item)
            continue
        same[own.words] = len(groups)
        for run in own.runs:
            having.setdefault(run, []).append(len(groups))
        groups.append((item, []))
        prints.append(own)
    return groups


def _nearest(own: Print, prints: list[Print], having: dict[int, list[int]]) -> int | None:
    """Of the groups whose first is like a passage the one that has most in common with it."""
    shared: dict[int, int] = {}
    for run in own.runs:
        for group in having.get(run, ()):
            shared[group] = shared.get(group, 0) + 1
    alike = [group for group, count in shared.items() if _is_alike(own, prints[group], count)]
    return max(alike, key=lambda group: (shared[group], -group), default=None)


def _is_alike(one: Print, other: Print, shared: int) -> bool:
    union = len(one.runs) + len(other.runs) - shared
    return shared >= ALIKE * union and one.numbers == other.numbers
