"""Where prose may be cut: at sentence ends, at line ends, between words. Pure text rules, each looking at a few
characters on either side of the place only, so that a change elsewhere cannot move them.

Sentence ends are told by punctuation, by what follows, and by a short list of abbreviations. A missed or a false end
does little harm: it only offers the chunkers one place less, or one more, to choose from.
"""

from __future__ import annotations

import re

Span = tuple[int, int]

# Closing marks are bounded, and no part of the pattern repeats freely: a line of a million dots stays linear.
_BREAK = re.compile(r"""[.!?…؟।]["'”’»)\]]{0,3}(?=\s)|[。！？｡]["”’」』）】]{0,3}(?![。！？｡"”’」』）】])|\n""")
_VISIBLE = re.compile(r"\S")
_WORD = re.compile(r"\S+")
_LAST_WORD = re.compile(r"[^\s(\[\"'“‘«]+\Z")
_NUMBERING = re.compile(r"(?:\d{1,3}|[A-Za-z])(?:\.\d{1,3})*")
_LONGEST_ABBREVIATION = 12
_ABBREVIATED = (
    "al approx art bzw ca cf ch co corp dept dr ed eds eg e.g eq est etc ex fig figs gen hon ie i.e inc jr lt ltd max"
    " messrs min mr mrs ms mt no nos nr op p pp prof rep rev sec sen sr st tab vol vs z.b"
)
_ABBREVIATIONS = frozenset(_ABBREVIATED.split())


def sentence_spans(text: str, start: int, end: int) -> list[Span]:
    """The sentences of ``text[start:end]`` without surrounding white space. A line end also ends a sentence."""
    spans: list[Span] = []
    first = _next_visible(text, start, end)
    for found in _BREAK.finditer(text, first, end):
        mark = text[found.start()]
        stop = found.start() if mark == "\n" else found.end()
        if stop <= first:
            continue
        following = _next_visible(text, stop, end)
        if following == end:
            break
        if mark in ".!?…" and not _ends_sentence(text, first, found.start(), following):
            continue
        spans.append((first, _last_visible(text, first, stop)))
        first = following
    if first < end:
        spans.append((first, _last_visible(text, first, end)))
    return spans


def line_spans(text: str, start: int, end: int) -> list[Span]:
    """The lines of ``text[start:end]`` that are not empty, without surrounding white space."""
    spans: list[Span] = []
    while start < end:
        stop = text.find("\n", start, end)
        stop = end if stop < 0 else stop
        first = _next_visible(text, start, stop)
        if first < stop:
            spans.append((first, _last_visible(text, first, stop)))
        start = stop + 1
    return spans


def word_spans(text: str, start: int, end: int) -> list[Span]:
    """The runs of ``text[start:end]`` without white space."""
    return [found.span() for found in _WORD.finditer(text, start, end)]


def trimmed(text: str, start: int, end: int) -> Span:
    """The span without surrounding white space; empty, at ``end``, where there is nothing else."""
    first = _next_visible(text, start, end)
    return first, _last_visible(text, first, end)


def _ends_sentence(text: str, first: int, mark: int, following: int) -> bool:
    if text[following].islower():
        return False
    if text[mark] != ".":
        return True
    found = _LAST_WORD.search(text, max(first, mark - _LONGEST_ABBREVIATION), mark)
    if found is None:
        return True
    word = found.group()
    is_initial = len(word) == 1 and word.isupper()
    is_numbering = bool(_NUMBERING.fullmatch(word)) and (found.start() == first or word.count(".") > 1)
    return not (is_initial or is_numbering or word.lower() in _ABBREVIATIONS)


def _next_visible(text: str, start: int, end: int) -> int:
    found = _VISIBLE.search(text, start, end)
    return found.start() if found else end


def _last_visible(text: str, start: int, end: int) -> int:
    while end > start and text[end - 1].isspace():
        end -= 1
    return end
