"""From spans of a document's text to finished chunks: exact token counts, headings, pages and context. Pure.

Chunkers decide where passages begin and end; what every chunk must keep, whichever chunker it comes from, is kept here:
none is larger than the model reads, none is empty, and each begins and ends on visible text.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from docmill.domain.context import ContextLines, heading_paths
from docmill.domain.contracts import Tokenizer
from docmill.domain.documents import Block, BlockKind, Chunk, ParsedDocument
from docmill.domain.params import ChunkParams
from docmill.domain.sentences import trimmed
from docmill.domain.units import token_counts

# White space to Python, but dropped without a trace by BERT's normaliser, which joins the words around it.
_JOINING = re.compile("[\x0b\x0c\x1c-\x1f\x85]")
_LONGEST_CONTEXT = 4  # a context has at most 1/4 of the tokens that the model reads


@dataclass(frozen=True, slots=True)
class Room:
    """What the parameters and the model leave: ``size`` and ``overlap`` in tokens."""

    size: int
    overlap: int

    @classmethod
    def of(cls, params: ChunkParams, tokenizer: Tokenizer) -> Room:
        size = max(1, min(params.size, tokenizer.max_tokens - tokenizer.special_tokens))
        return cls(size, min(params.overlap, size // 2))


@dataclass(frozen=True, slots=True)
class Passage:
    """``lead`` and the text of a span.

    fresh:  where what the passage before does not have begins; ``start`` where nothing is repeated.
    tokens: a sum over the parts; ``is_cut``: begun or ended inside a word, so that the whole may count otherwise.
    """

    start: int
    end: int
    fresh: int
    tokens: int
    lead: str = ""
    is_cut: bool = False

    def text(self, text: str) -> str:
        return self.lead + text[self.start : self.end]


def chunks_from(
    passages: Sequence[Passage],
    document: ParsedDocument,
    blocks: Sequence[Block],
    params: ChunkParams,
    tokenizer: Tokenizer,
) -> list[Chunk]:
    """The chunks of ``passages``, in their order; one that turns out too large becomes several."""
    size = Room.of(params, tokenizer).size
    text = document.text
    reads = tokenizer.max_tokens - tokenizer.special_tokens
    paths = heading_paths(text, blocks)
    starts = [block.start for block in blocks]
    contexts = ContextLines(document.title, tokenizer, longest=reads // _LONGEST_CONTEXT)
    chunks = []
    for passage in _fitted(passages, text, tokenizer, size):
        first = max(bisect_right(starts, passage.start) - 1, 0)
        last = max(bisect_right(starts, passage.end - 1) - 1, first)
        over, own, headings = _headings(blocks, paths, first, last, passage.start)
        room = reads - passage.tokens if params.context else 0
        chunks.append(
            Chunk(
                text=passage.text(text),
                char_start=passage.start,
                char_end=passage.end,
                tokens=passage.tokens,
                lead_chars=len(passage.lead),
                context=contexts.line(over, own, room) if room > 0 else "",
                headings=headings,
                page_start=blocks[first].page,
                page_end=blocks[last].page,
            )
        )
    return chunks


def _headings(
    blocks: Sequence[Block], paths: Sequence[tuple[str, ...]], first: int, last: int, start: int
) -> tuple[tuple[str, ...], str, tuple[str, ...]]:
    """The headings over a passage without its own, the heading that it begins with, and all that its text is under."""
    if blocks[first].kind is not BlockKind.HEADING or blocks[first].start != start:
        return paths[first], "", paths[first]
    innermost = first
    while (
        innermost < last
        and blocks[innermost + 1].kind is BlockKind.HEADING
        and blocks[innermost + 1].level > blocks[innermost].level
    ):
        innermost += 1
    return paths[first][:-1], paths[first][-1], paths[innermost]


def _fitted(passages: Sequence[Passage], text: str, tokenizer: Tokenizer, size: int) -> Iterator[Passage]:
    """The passages with exact counts, each of at most ``size`` tokens.

    Tokens add up over parts that end with a word: always for some vocabularies, nearly so for others. The largest
    passage tells which: where its tokens do not add up all are counted again, else only those that were cut.
    """
    largest = max(range(len(passages)), key=lambda index: passages[index].tokens, default=0)
    doubtful = [index for index, passage in enumerate(passages) if passage.is_cut or index == largest]
    counted = _recounted(passages, doubtful, text, tokenizer)
    adds_up = all(counted[index] == passages[index].tokens for index in doubtful if not passages[index].is_cut)
    if not adds_up or _JOINING.search(text):
        counted = _recounted(passages, range(len(passages)), text, tokenizer)
    start_before = -1
    for index, passage in enumerate(passages):
        tokens = counted.get(index, passage.tokens)
        # Where the passage before came in parts, what is repeated may reach back behind the last of them.
        if tokens <= size and passage.start > start_before:
            parts: Iterable[Passage] = (passage if tokens == passage.tokens else replace(passage, tokens=tokens),)
        else:
            parts = _halved(passage, text, tokenizer, size)
        for part in parts:
            start_before = part.start
            yield part


def _recounted(passages: Sequence[Passage], indexes: Sequence[int], text: str, tokenizer: Tokenizer) -> dict[int, int]:
    return dict(zip(indexes, token_counts(tokenizer, (passages[index].text(text) for index in indexes)), strict=True))


def _halved(passage: Passage, text: str, tokenizer: Tokenizer, size: int) -> Iterator[Passage]:
    """``passage`` without what it repeats, in halves, and these again, until each fits.

    A single character is let pass, without its lead.
    """
    pending = [replace(passage, start=passage.fresh)]
    while pending:
        part = pending.pop()
        tokens = tokenizer.counts([part.text(text)])[0]
        if tokens <= size:
            yield replace(part, tokens=tokens)
        elif part.end - part.start > 1:
            middle = _middle(text, part.start, part.end)
            for start, end in (trimmed(text, middle, part.end), trimmed(text, part.start, middle)):
                if start < end:
                    pending.append(replace(part, start=start, end=end, fresh=start))
        elif part.lead:
            pending.append(replace(part, lead=""))
        else:
            yield replace(part, tokens=tokens)


def _middle(text: str, start: int, end: int) -> int:
    """The white space that is nearest to the middle, within the middle half; else the middle itself."""
    middle = (start + end) // 2
    reach = (end - start) // 4
    for distance in range(reach):
        for place in (middle - distance, middle + distance):
            if text[place].isspace():
                return place
    return middle
