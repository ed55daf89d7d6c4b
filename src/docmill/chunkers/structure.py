"""Passages that follow the document's structure, and that stay put when the text changes elsewhere.

Headings, paragraphs, list items, table rows, lines and sentences are packed into passages of at most ``size`` tokens;
where they part is decided by :mod:`docmill.domain.boundaries` from nearby content alone. A heading of level 1
always begins a passage, unless another stands right over it, and a later piece of a table begins with the table's
header row. The overlap repeats whole units of the passage before, within the same section.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from docmill.domain.boundaries import Places, passage_ends
from docmill.domain.contracts import Chunker, Tokenizer
from docmill.domain.documents import Block, BlockKind, Chunk, ParsedDocument
from docmill.domain.params import ChunkParams
from docmill.domain.passages import Passage, Room, chunks_from
from docmill.domain.sentences import word_spans
from docmill.domain.units import (
    CHARACTERS_PER_TOKEN,
    Strength,
    blocks_of,
    keys_of,
    measured,
    refined,
    token_counts,
    units_of,
    weakest_key,
)


@dataclass(frozen=True, slots=True)
class _Lead:
    """A table's header row as it is repeated. ``cost`` is in 1/40 tokens."""

    text: str = ""
    tokens: int = 0
    cost: int = 0


_NO_LEAD = _Lead()


class StructureChunker:
    version = "1"
    params = ChunkParams

    def chunk(self, document: ParsedDocument, params: ChunkParams, tokenizer: Tokenizer) -> list[Chunk]:
        """Passages in text order that together cover all visible text; empty where there is none."""
        blocks = blocks_of(document)
        if not blocks:
            return []
        packing = _Packing(document.text, blocks, Room.of(params, tokenizer), tokenizer)
        return chunks_from(list(packing.passages()), document, blocks, params, tokenizer)


class _Packing:
    """One document's units on their way into passages."""

    def __init__(self, text: str, blocks: Sequence[Block], room: Room, tokenizer: Tokenizer) -> None:
        self._text = text
        self._blocks = blocks
        self._room = room
        self._tokenizer = tokenizer
        self._overlap = room.overlap * CHARACTERS_PER_TOKEN
        largest = room.size * CHARACTERS_PER_TOKEN
        free = largest - self._overlap
        self._leads = _leads(text, blocks, tokenizer, longest=free // 2)
        rooms = [free - self._leads.get(owner, _NO_LEAD).cost for owner in range(len(blocks))]
        units = measured(units_of(text, blocks), text, tokenizer, longest=largest)
        self._units = refined(units, text, tokenizer, rooms)
        self._positions = self._units.positions()

    def passages(self) -> Iterator[Passage]:
        units = self._units
        places = Places(
            positions=self._positions,
            keys=keys_of(units, self._text),
            reserves=[self._reserve(index) for index in range(len(units))],
            forced=[
                index for index, strength in enumerate(units.strengths) if index and strength == Strength.TOP_HEADING
            ],
            poorest=weakest_key(Strength.WORD),
        )
        ends = passage_ends(places, self._room.size * CHARACTERS_PER_TOKEN)
        before = 0
        for low, high in pairwise([0, *ends]):
            yield self._passage(before, low, high)
            before = low

    def _passage(self, before: int, low: int, high: int) -> Passage:
        units = self._units
        first = self._overlap_begin(before, low)
        start, repeated = units.starts[first], sum(units.tokens[first:low])
        if first == low and self._overlap and low > before and self._joins(low, low):
            start, repeated = self._last_words(low)
        lead = self._lead_at(low, start)
        is_cut = Strength.CHARACTER in (units.strengths[first], *units.strengths[high : high + 1])
        tokens = lead.tokens + repeated + sum(units.tokens[low:high])
        return Passage(start, units.ends[high - 1], units.starts[low], tokens, lead.text, is_cut)

    def _lead_at(self, index: int, start: int) -> _Lead:
        """What a passage that begins at ``start``, in the table of unit ``index``, has in front."""
        owner = self._units.owners[index]
        return self._leads.get(owner, _NO_LEAD) if start >= self._blocks[owner].header_end else _NO_LEAD

    def _reserve(self, index: int) -> int:
        overlap = self._overlap if index and self._units.strengths[index] < Strength.LOWEST_HEADING else 0
        return overlap + self._lead_at(index, self._units.starts[index]).cost

    def _overlap_begin(self, before: int, low: int) -> int:
        """The first of the whole units that are repeated in front of unit ``low``; behind unit ``before``."""
        units, positions = self._units, self._positions
        room = self._overlap - (units.starts[low] - units.ends[low - 1] if low else 0)
        first = low
        while first - 1 > before and self._joins(first, low) and positions[low] - positions[first - 1] <= room:
            first -= 1
        return first

    def _joins(self, index: int, low: int) -> bool:
        """Whether the unit before ``index`` may be repeated: it is in the section, and on the same side of a table."""
        if self._units.strengths[index] >= Strength.LOWEST_HEADING:
            return False
        owner, owner_before = self._units.owners[low], self._units.owners[index - 1]
        tables = (self._blocks[owner].kind, self._blocks[owner_before].kind).count(BlockKind.TABLE)
        return owner == owner_before or not tables

    def _last_words(self, low: int) -> tuple[int, int]:
        """Where as many of the last words before unit ``low`` begin as the overlap has room for, and their tokens.

        Rows and lines of code are repeated whole or not at all.
        """
        units = self._units
        if self._blocks[units.owners[low - 1]].kind in (BlockKind.TABLE, BlockKind.CODE):
            return units.starts[low], 0
        start, tokens, cost = units.starts[low], 0, 0
        words = word_spans(self._text, units.starts[low - 1], units.ends[low - 1])
        counts = token_counts(self._tokenizer, (self._text[a:b] for a, b in words))
        for (first, _), count in zip(words[:0:-1], counts[:0:-1], strict=True):
            cost += max(count * CHARACTERS_PER_TOKEN, start - first)
            if cost > self._overlap:
                break
            start, tokens = first, tokens + count
        return start, tokens


def _leads(text: str, blocks: Sequence[Block], tokenizer: Tokenizer, *, longest: int) -> dict[int, _Lead]:
    """The header rows that are short enough to be repeated, by block."""
    headed = [owner for owner, block in enumerate(blocks) if block.start < block.header_end < block.end]
    lines = [text[blocks[owner].start : blocks[owner].header_end].rstrip() + "\n" for owner in headed]
    leads = {}
    for owner, line, tokens in zip(headed, lines, token_counts(tokenizer, lines), strict=True):
        cost = max(tokens * CHARACTERS_PER_TOKEN, len(line))
        if cost <= longest:
            leads[owner] = _Lead(line, tokens, cost)
    return leads


PLUGIN: Chunker = StructureChunker()
