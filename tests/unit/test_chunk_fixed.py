"""The fixed chunker: windows of equally many tokens."""

from __future__ import annotations

from itertools import pairwise

from docmill.chunkers.fixed import PLUGIN
from docmill.domain.documents import Block, BlockKind, Chunk, ParsedDocument
from docmill.domain.params import ChunkParams
from docmill.embedders.hashing import HashingTokenizer

TOKENIZER = HashingTokenizer()  # one token a word, one a punctuation mark


def document(text: str, title: str | None = None) -> ParsedDocument:
    return ParsedDocument("text", text, (Block(BlockKind.PARAGRAPH, 0, len(text), page=4),), title)


def numbers(count: int) -> str:
    return " ".join(str(number) for number in range(count))


def chunked(parsed: ParsedDocument, **params: int) -> list[Chunk]:
    return PLUGIN.chunk(parsed, ChunkParams.model_validate(params), TOKENIZER)


def test_windows_are_full_and_follow_each_other() -> None:
    chunks = chunked(document(numbers(250)), size=100)
    assert [chunk.tokens for chunk in chunks] == [100, 100, 50]
    assert " ".join(chunk.text for chunk in chunks) == numbers(250)


def test_an_overlap_repeats_so_many_tokens() -> None:
    chunks = chunked(document(numbers(300)), size=100, overlap=20)
    assert [chunk.tokens for chunk in chunks] == [100, 100, 100, 60]
    for before, after in pairwise(chunks):
        assert before.text.split()[-20:] == after.text.split()[:20]


def test_a_window_does_not_end_inside_a_word() -> None:
    text = " ".join(["semi-final/round"] * 50)
    chunks = chunked(document(text), size=32)
    assert {chunk.text.split()[-1] for chunk in chunks} == {"semi-final/round"}
    assert [chunk.tokens for chunk in chunks[:-1]] == [30] * (len(chunks) - 1)


def test_a_word_larger_than_a_quarter_window_is_cut() -> None:
    chunks = chunked(document("a-" * 200), size=16)
    assert [chunk.tokens for chunk in chunks] == [16] * 25
    assert "".join(chunk.text for chunk in chunks) == "a-" * 200


def test_windows_carry_headings_pages_and_context() -> None:
    heading, text = "Oils", numbers(150)
    parsed = ParsedDocument(
        "text",
        f"{heading}\n\n{text}",
        (Block(BlockKind.HEADING, 0, 4, 2, 1), Block(BlockKind.PARAGRAPH, 6, 6 + len(text), page=2)),
        "Desk care",
    )
    first, second = chunked(parsed, size=100)
    assert (first.headings, first.context, first.page_start, first.page_end) == (("Oils",), "Desk care", 1, 2)
    assert (second.headings, second.context, second.page_start) == (("Oils",), "Desk care > Oils", 2)
