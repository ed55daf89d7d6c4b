"""Takes a parsed document apart into units, the smallest pieces that passages are packed from, and says how good a cut
the place in front of each is. Pure, and local: what is said of a place follows from the two blocks that meet there.

Units are sentences, list items' sentences, table rows, lines of code and headings. One that is too large for a passage
is taken apart into words, and a word that is too large into runs of characters.
"""

from __future__ import annotations

import zlib
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from enum import IntEnum
from itertools import pairwise

from docmill.domain.contracts import Tokenizer
from docmill.domain.documents import Block, BlockKind, ParsedDocument
from docmill.domain.sentences import Span, line_spans, sentence_spans, trimmed, word_spans

# A passage is bounded in characters too: this many for each token that it may have. A vocabulary counts a word that it
# cannot spell as one token, however long. Sizes are kept in these fine units, so that nothing is for free.
CHARACTERS_PER_TOKEN = 40
TOKENIZED_AT_ONCE = 262_144  # characters: bounds what the library holds in memory for one call
_LONGEST_RUN = 128  # characters of a word without tokens of their own; well below the least room
_HASHED_AFTER, _HASHED_BEFORE, _HASHED_WORDS = 64, 32, 32
_CLAUSE_MARKS = frozenset(",;:|)]}–—،、，；：")
_SENTENCE_MARKS = frozenset(".!?…؟।。！？｡\"'”’»)]」』）】")
_LOWEST_LEVEL = 6
_LEAD_IN_MARKS = (":", "：")


class Strength(IntEnum):
    """How good a cut a place is; one of more strength beats all of less, whatever their hashes say."""

    CHARACTER = 0  # inside a word
    GLUE = 1  # behind a heading, or behind a table's header row
    WORD = 2
    CLAUSE = 3
    LINE = 4  # lines of code or of a paragraph; a list behind the sentence that announces it
    SENTENCE = 5  # also table rows, and empty lines in code
    NESTED_ITEM = 6
    ITEM = 7
    BLOCK = 8
    LOWEST_HEADING = 9  # level 6; each level above is one stronger
    TOP_HEADING = 14  # always a boundary


@dataclass(slots=True)
class Units:
    """Parallel lists, one entry a unit, in text order.

    starts, ends: without surrounding white space.
    strengths:    of the place in front of the unit.
    owners:       the index of the unit's block.
    tokens:       counted by :func:`measured`.
    """

    starts: list[int] = field(default_factory=list)
    ends: list[int] = field(default_factory=list)
    strengths: list[int] = field(default_factory=list)
    owners: list[int] = field(default_factory=list)
    tokens: list[int] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.starts)

    def append(self, span: Span, strength: int, owner: int) -> None:
        self.starts.append(span[0])
        self.ends.append(span[1])
        self.strengths.append(strength)
        self.owners.append(owner)

    def cost(self, index: int) -> int:
        """The unit's own size, in 1/40 tokens."""
        return max(self.tokens[index] * CHARACTERS_PER_TOKEN, self.ends[index] - self.starts[index])

    def positions(self) -> list[int]:
        """Where each unit begins when all are laid end to end by size, the white space in front of each included."""
        position = 0
        positions = [0]
        end_before = self.starts[0] if self.starts else 0
        for tokens, end in zip(self.tokens, self.ends, strict=True):
            position += max(tokens * CHARACTERS_PER_TOKEN, end - end_before)
            positions.append(position)
            end_before = end
        return positions


def blocks_of(document: ParsedDocument) -> list[Block]:
    """The document's blocks that are not empty, and as paragraphs whatever text lies in none."""
    text = document.text
    blocks: list[Block] = []
    reached = 0
    for block in document.blocks:
        if not text[reached : block.start].isspace():
            blocks += _uncovered(text, reached, block.start)
        start, end = trimmed(text, max(block.start, reached), block.end)
        if start < end:
            is_exact = (start, end) == (block.start, block.end)
            blocks.append(block if is_exact else replace(block, start=start, end=end))
            reached = end
    return blocks + _uncovered(text, reached, len(text))


def units_of(text: str, blocks: Sequence[Block]) -> Units:
    """The units of ``blocks``, not yet measured."""
    units = Units()
    before: Block | None = None
    for owner, block in enumerate(blocks):
        strength = _between(text, before, block) if before else Strength.TOP_HEADING
        for span in _spans_in(text, block):
            if units.owners and units.owners[-1] == owner:
                strength = _inside(text, block, units.ends[-1], span[0])
            units.append(span, strength, owner)
        before = block
    return units


def measured(units: Units, text: str, tokenizer: Tokenizer, *, longest: int) -> Units:
    """The same units, with their tokens counted; 0 for one of more than ``longest`` characters, too large anyway."""
    units.tokens = _counts_up_to(longest, zip(units.starts, units.ends, strict=True), text, tokenizer)
    return units


def refined(units: Units, text: str, tokenizer: Tokenizer, rooms: Sequence[int]) -> Units:
    """The same units, those taken apart that are larger than their block's room (in 1/40 tokens).

    The room of a unit that is glued to what stands in front of it is smaller by that, up to half.
    """
    large: set[int] = set()
    glued = 0
    for index, owner in enumerate(units.owners):
        cost = units.cost(index)
        glued = glued if units.strengths[index] == Strength.GLUE else 0
        if cost > rooms[owner] - min(glued, rooms[owner] // 2):
            large.add(index)
        glued += cost
    if not large:
        return units
    fine = Units()
    for index, owner in enumerate(units.owners):
        span = (units.starts[index], units.ends[index])
        if index in large:
            _append_words(fine, text, span, units.strengths[index], owner, tokenizer, rooms[owner])
        else:
            fine.append(span, units.strengths[index], owner)
            fine.tokens.append(units.tokens[index])
    return fine


def keys_of(units: Units, text: str) -> list[int]:
    """What places are compared by: strength, then a hash of how the unit behind begins, then one of what is around.

    The first hash leaves out the end of a long unit: an edit there moves no boundary in front of it.
    """
    keys: list[int] = []
    end_before = 0
    for start, end, strength in zip(units.starts, units.ends, units.strengths, strict=True):
        if strength in (Strength.WORD, Strength.CLAUSE, Strength.CHARACTER):
            head_end = start + _HASHED_WORDS
        else:
            head_end = min(end, start + _HASHED_AFTER)
        head = zlib.crc32(text[start:head_end].encode("utf-8", "surrogatepass"))
        around = text[max(0, end_before - _HASHED_BEFORE) : end_before] + text[start:end]
        tail = zlib.crc32(around.encode("utf-8", "surrogatepass"))
        keys.append(strength << 56 | head << 24 | tail & 0xFFFFFF)
        end_before = end
    return keys


def weakest_key(strength: Strength) -> int:
    """The lowest key of a place with that strength."""
    return strength << 56


def token_counts(tokenizer: Tokenizer, texts: Iterable[str]) -> list[int]:
    """Tokens of each text, counted in calls of bounded size."""
    counts: list[int] = []
    pending: list[str] = []
    characters = 0
    for text in texts:
        pending.append(text)
        characters += len(text)
        if characters >= TOKENIZED_AT_ONCE:
            counts += tokenizer.counts(pending)
            pending, characters = [], 0
    return counts + tokenizer.counts(pending) if pending else counts


def _counts_up_to(longest: int, spans: Iterable[Span], text: str, tokenizer: Tokenizer) -> list[int]:
    return token_counts(tokenizer, (text[a:b] if b - a <= longest else "" for a, b in spans))


def _uncovered(text: str, start: int, end: int) -> list[Block]:
    first, last = trimmed(text, start, end)
    return [Block(BlockKind.PARAGRAPH, first, last)] if first < last else []


def _spans_in(text: str, block: Block) -> list[Span]:
    if block.kind in (BlockKind.TABLE, BlockKind.CODE):
        return line_spans(text, block.start, block.end)
    if block.kind is BlockKind.HEADING:
        return [(block.start, block.end)]
    return sentence_spans(text, block.start, block.end)


def _between(text: str, before: Block, block: Block) -> int:
    """The strength of the place between two blocks."""
    if block.kind is BlockKind.HEADING:
        if before.kind is BlockKind.HEADING and (block.level > before.level or before.level <= 1):
            return Strength.GLUE
        if block.level <= 1:
            return Strength.TOP_HEADING
        if before.kind is BlockKind.HEADING:
            return Strength.LINE
        return Strength.LOWEST_HEADING + _LOWEST_LEVEL - min(block.level, _LOWEST_LEVEL)
    if before.kind is BlockKind.HEADING:
        return Strength.GLUE
    is_item = block.kind is BlockKind.LIST_ITEM
    if text.endswith(_LEAD_IN_MARKS, before.start, before.end) and (
        block.kind is not BlockKind.PARAGRAPH and (block.kind, block.level) != (before.kind, before.level)
    ):
        return Strength.LINE
    if is_item and before.kind in (BlockKind.LIST_ITEM, BlockKind.PARAGRAPH):
        return Strength.ITEM if block.level <= 1 else Strength.NESTED_ITEM
    return Strength.BLOCK


def _inside(text: str, block: Block, end_before: int, start: int) -> int:
    """The strength of a place between two units of one block."""
    if block.kind is BlockKind.TABLE:
        return Strength.GLUE if end_before <= block.header_end else Strength.SENTENCE
    lines = text.count("\n", end_before, start)
    if block.kind is BlockKind.CODE:
        return Strength.SENTENCE if lines > 1 else Strength.LINE
    if lines > 1:
        return Strength.BLOCK
    is_broken_line = lines == 1 and (text[end_before - 1] not in _SENTENCE_MARKS or text[start].islower())
    return Strength.LINE if is_broken_line else Strength.SENTENCE


def _append_words(
    units: Units, text: str, span: Span, strength: int, owner: int, tokenizer: Tokenizer, room: int
) -> None:
    words = word_spans(text, *span)
    counts = _counts_up_to(room, words, text, tokenizer)
    for word, tokens in zip(words, counts, strict=True):
        if max(tokens * CHARACTERS_PER_TOKEN, word[1] - word[0]) > room:
            for run, run_tokens in _runs_in(text, word, tokenizer):
                units.append(run, strength, owner)
                units.tokens.append(run_tokens)
                # Some scripts have commas, but no space behind them.
                strength = Strength.CLAUSE if text[run[1] - 1] in _CLAUSE_MARKS else Strength.CHARACTER
        else:
            units.append(word, strength, owner)
            units.tokens.append(tokens)
        strength = Strength.CLAUSE if text[word[1] - 1] in _CLAUSE_MARKS else Strength.WORD


def _runs_in(text: str, word: Span, tokenizer: Tokenizer) -> Iterator[tuple[Span, int]]:
    """A word as runs of characters that begin where a token does, with about how many tokens each has."""
    for window in range(word[0], word[1], TOKENIZED_AT_ONCE):
        window_end = min(window + TOKENIZED_AT_ONCE, word[1])
        starts = [window + first for first, _ in tokenizer.spans(text[window:window_end])]
        for begin, end in pairwise(sorted({window, *starts, window_end})):
            tokens = bisect_left(starts, end) - bisect_left(starts, begin)
            for run in range(begin, end, _LONGEST_RUN):
                yield (run, min(run + _LONGEST_RUN, end)), tokens
                tokens = 0
