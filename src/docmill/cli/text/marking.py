"""Finds a query's words in a passage, and the part of the passage that is most about them.

A word is also found in its other forms: endings are cut off as in Harman's S stemmer and its kin (D. Harman, "How
effective is suffixing?", JASIS 42, 1991), and up to three letters may follow. This only marks; it decides no hits.
"""

from __future__ import annotations

import re
from bisect import bisect_left

_WORD = re.compile(r"\w+(?:['’]\w+)?")
_ENDINGS = (
    "ations",
    "ation",
    "ingly",
    "ings",
    "ing",
    "edly",
    "ies",
    "ied",
    "ers",
    "er",
    "ed",
    "es",
    "ly",
    "s",
    "e",
    "y",
)
_SHORTEST_STEM = 3
_STOP_WORDS = frozenset(
    """
    a about am an and are as at be been but by can did do does for from had has have how if in into is it its may
    not of on or our than that the their then there these they this to was we were what when where which who why
    will with would you your
    """.split()  # noqa: SIM905 - seventy quoted words would be harder to read
)


def spans(text: str, query: str) -> list[tuple[int, int]]:
    """Half-open spans of ``text`` that are words of ``query``, in order."""
    stems = {_stem(word) for word in _words(query)}
    if not stems:
        return []
    alternatives = "|".join(re.escape(stem) for stem in sorted(stems, key=len, reverse=True))
    pattern = re.compile(rf"\b(?:{alternatives})\w*", re.IGNORECASE)
    return [found.span() for found in pattern.finditer(text) if _stem(found[0].lower()) in stems]


def window(text: str, marked: list[tuple[int, int]], width: int) -> tuple[int, int]:
    """The ``width`` characters of ``text`` with most marks in them, moved out to the borders of words."""
    if len(text) <= width:
        return 0, len(text)
    starts = [start for start, _end in marked]
    best, most = 0, 0
    for index, start in enumerate(starts):
        inside = bisect_left(starts, start + width * 3 // 4) - index
        if inside > most:
            best, most = start, inside
    begin = max(0, min(best - width // 8, len(text) - width))
    end = min(len(text), begin + width)
    while begin > 0 and not text[begin - 1].isspace() and best - begin < width // 4:
        begin -= 1
    while end < len(text) and not text[end].isspace() and end - begin < width + 40:
        end += 1
    return begin, end


def _words(query: str) -> list[str]:
    found = [word.lower() for word in _WORD.findall(query)]
    return [word for word in found if word not in _STOP_WORDS] or found


def _stem(word: str) -> str:
    for ending in _ENDINGS:
        if word.endswith(ending) and len(word) - len(ending) >= _SHORTEST_STEM:
            return word[: -len(ending)]
    return word
