"""Windows of equally many tokens, wherever in the text they end: what other tools do, for comparison and as a floor.

A window ends between words where there is a space within its last quarter. An edit moves every window behind it.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections.abc import Iterator

from docmill.domain.contracts import Chunker, Tokenizer
from docmill.domain.documents import Chunk, ParsedDocument
from docmill.domain.params import ChunkParams
from docmill.domain.passages import Passage, Room, chunks_from
from docmill.domain.sentences import trimmed
from docmill.domain.units import CHARACTERS_PER_TOKEN, TOKENIZED_AT_ONCE, blocks_of


class FixedChunker:
    version = "1"
    params = ChunkParams

    def chunk(self, document: ParsedDocument, params: ChunkParams, tokenizer: Tokenizer) -> list[Chunk]:
        """Passages in text order that together cover all visible text; empty where there is none."""
        blocks = blocks_of(document)
        if not blocks:
            return []
        windows = _Windows(document.text, Room.of(params, tokenizer), tokenizer)
        return chunks_from(list(windows.passages()), document, blocks, params, tokenizer)


class _Windows:
    """One text as places where a window may begin: its tokens, and within a long token or gap every 40 characters."""

    def __init__(self, text: str, room: Room, tokenizer: Tokenizer) -> None:
        self._text = text
        self._room = room
        self._starts, self._doubtful = _places(text, tokenizer)

    def passages(self) -> Iterator[Passage]:
        starts = self._starts
        before, begin, count = 0, 0, len(starts) - 1
        while begin < count:
            end = self._end(begin, self._room.size - (self._room.overlap if begin else 0))
            first = self._overlap_begin(before, begin)
            fresh, stop = trimmed(self._text, starts[begin], starts[end])
            if fresh < stop:
                start, _ = trimmed(self._text, starts[first], stop)
                yield Passage(start, stop, fresh, end - first, is_cut=self._is_cut(first, end))
            before, begin = begin, end

    def _end(self, begin: int, size: int) -> int:
        """The place at most ``size`` further on; the last one in front of a word, if that is in the last quarter."""
        end = min(begin + size, len(self._starts) - 1)
        for place in range(end, begin + size - max(size // 4, 1), -1):
            if self._begins_word(place):
                return place
        return end

    def _overlap_begin(self, before: int, begin: int) -> int:
        """The first word that the window at ``begin`` repeats of the one that began at ``before``."""
        first = min(max(before + 1, begin - self._room.overlap), begin)
        while first < begin and not self._begins_word(first):
            first += 1
        return first

    def _begins_word(self, place: int) -> bool:
        return place in (0, len(self._starts) - 1) or self._text[self._starts[place] - 1].isspace()

    def _is_cut(self, first: int, end: int) -> bool:
        is_exact = bisect_left(self._doubtful, first) == bisect_left(self._doubtful, end)
        return not (is_exact and self._begins_word(first) and self._begins_word(end))


def _places(text: str, tokenizer: Tokenizer) -> tuple[array[int], array[int]]:
    """Where windows may begin, the end of the text behind them, and the indexes of those that are not one token."""
    starts, doubtful = array("q"), array("q")

    def add(place: int, following: int, tokens: int) -> None:
        if tokens != 1:
            doubtful.append(len(starts))
        starts.append(place)
        for inserted in range(place + CHARACTERS_PER_TOKEN, following, CHARACTERS_PER_TOKEN):
            doubtful.append(len(starts))
            starts.append(inserted)

    place, tokens = trimmed(text, 0, len(text))[0], 0
    for start in _token_starts(text, tokenizer):
        if start > place:
            add(place, start, tokens)
            place, tokens = start, 0
        tokens += 1
    add(place, len(text), tokens)
    starts.append(len(text))
    return starts, doubtful


def _token_starts(text: str, tokenizer: Tokenizer) -> Iterator[int]:
    """Where each token begins, ascending; several may share a place."""
    begin = 0
    while begin < len(text):
        end = _window_end(text, begin)
        for start, _ in tokenizer.spans(text[begin:end]):
            yield begin + start
        begin = end


def _window_end(text: str, begin: int) -> int:
    """Behind the last space of the next so many characters, so that no token is cut in two: bounds the memory."""
    end = begin + TOKENIZED_AT_ONCE
    if end >= len(text):
        return len(text)
    return max(text.rfind(" ", begin, end), text.rfind("\n", begin, end)) + 1 or end


PLUGIN: Chunker = FixedChunker()
