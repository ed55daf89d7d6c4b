"""The structure chunker: where passages begin and end, what they carry, and that edits elsewhere leave them alone."""

from __future__ import annotations

import random
import sys
from importlib.util import module_from_spec, spec_from_file_location
from itertools import pairwise
from pathlib import Path
from statistics import fmean
from types import ModuleType

import pytest

from docmill.chunkers.structure import PLUGIN
from docmill.domain.assembly import DocumentBuilder
from docmill.domain.boundaries import Places, passage_ends
from docmill.domain.documents import Chunk, ParsedDocument
from docmill.domain.params import ChunkParams
from docmill.domain.sentences import line_spans, sentence_spans
from docmill.embedders.hashing import HashingTokenizer

TOKENIZER = HashingTokenizer()  # one token a word, one a punctuation mark: sums that can be done in the head
WORDS = "alder birch cedar elm fir hazel larch maple oak pine rowan spruce willow yew".split()  # noqa: SIM905 - reads better


def words(count: int, seed: int = 0) -> str:
    """A sentence of ``count`` tokens, its full stop included."""
    chosen = random.Random(seed).choices(WORDS, k=count - 1)
    return " ".join(chosen).capitalize() + "."


def builder() -> DocumentBuilder:
    return DocumentBuilder("markdown", max_characters=10_000_000)


def chunked(document: ParsedDocument, **params: int | bool) -> list[Chunk]:
    return PLUGIN.chunk(document, ChunkParams.model_validate(params), TOKENIZER)


# ---- sentences -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "sentences"),
    [
        ("One. Two! Three? Four", ["One.", "Two!", "Three?", "Four"]),
        ('He said "stop." Then he left.', ['He said "stop."', "Then he left."]),
        ("See e.g. Figure 2, i.e. Dr. Smith's. Next.", ["See e.g. Figure 2, i.e. Dr. Smith's.", "Next."]),
        ("By J. R. Tolkien. Read it.", ["By J. R. Tolkien.", "Read it."]),
        ("It is 3.14 or No. 5. Right.", ["It is 3.14 or No. 5.", "Right."]),
        ("1. First point. 2. Second point.", ["1. First point.", "2. Second point."]),
        (
            "a. One. Strategy 5.2.2. Audits. It was 3.14. Next.",
            ["a. One.", "Strategy 5.2.2. Audits.", "It was 3.14.", "Next."],
        ),
        ("He asked why? and went.", ["He asked why? and went."]),
        ("中文句子。没有空格！真的？是。", ["中文句子。", "没有空格！", "真的？", "是。"]),
        ("「はい。」と言った。", ["「はい。」", "と言った。"]),
        ("Is it?! Yes... No.", ["Is it?!", "Yes...", "No."]),
        ("First line\n\n  second line  \n", ["First line", "second line"]),
        (" \n ", []),
    ],
)
def test_sentences(text: str, sentences: list[str]) -> None:
    assert [text[start:end] for start, end in sentence_spans(text, 0, len(text))] == sentences


def test_sentences_of_a_part_look_at_nothing_outside_it() -> None:
    text = "Before. Inside it. After."
    assert sentence_spans(text, 8, 18) == [(8, 18)]
    assert sentence_spans(text, 8, 16) == [(8, 16)]


def test_lines_lose_their_surrounding_white_space() -> None:
    text = "  a b \n\n\t\n c"
    assert [text[start:end] for start, end in line_spans(text, 0, len(text))] == ["a b", "c"]


# ---- boundaries, as numbers ------------------------------------------------------------------------------------------


def places(keys: list[int], size: int = 10, forced: tuple[int, ...] = ()) -> Places:
    return Places([size * index for index in range(len(keys) + 1)], keys, [0] * len(keys), forced, poorest=1)


def sizes(ends: list[int], size: int = 10) -> list[int]:
    return [size * (high - low) for low, high in pairwise([0, *ends])]


def test_what_fits_is_not_cut() -> None:
    assert passage_ends(places([9, 5, 8, 5, 7]), 50) == [5]


def test_the_highest_key_within_reach_is_a_boundary() -> None:
    keys = [1, 2, 3, 2, 1, 9, 1, 2, 3, 2, 1]
    assert passage_ends(places(keys), 60) == [5, 11]


def test_forced_boundaries_hold_whatever_the_keys_say() -> None:
    assert passage_ends(places([5, 5, 1, 5], forced=(2,)), 1000) == [2, 4]


@pytest.mark.parametrize(
    "keys",
    [
        pytest.param([7] * 20_000, id="equal"),
        pytest.param(list(range(1, 20_001)), id="rising"),
        pytest.param(list(range(20_000, 0, -1)), id="falling"),
        pytest.param([1 + index % 3 for index in range(20_000)], id="periodic"),
        pytest.param([0] * 20_000, id="poorest"),
    ],
)
def test_keys_without_maxima_make_decent_passages(keys: list[int]) -> None:
    found = sizes(passage_ends(places(keys), 220))
    assert sum(found) == 200_000
    assert max(found) <= 220
    assert min(found[:-1]) >= 70


def test_equal_keys_make_equal_passages() -> None:
    assert set(sizes(passage_ends(places([7] * 1000), 220))[:-10]) == {220}


def test_a_unit_larger_than_the_limit_stands_alone() -> None:
    found = Places([0, 10, 500, 510], [3, 3, 3], [0, 0, 0], (), poorest=1)
    assert passage_ends(found, 100) == [1, 2, 3]


# ---- packing ---------------------------------------------------------------------------------------------------------


def test_a_small_document_is_one_chunk() -> None:
    made = builder()
    for number in range(6):
        made.heading(f"Part {number}", 2)
        made.paragraph(words(20, number))
    [chunk] = chunked(made.build())
    assert chunk.text == "\n\n".join(f"Part {number}\n\n{words(20, number)}" for number in range(6))


def test_a_heading_of_level_1_always_begins_a_chunk() -> None:
    made = builder()
    for number in range(4):
        made.heading(f"Part {number}", 1)
        made.paragraph(words(8, number))
    assert [chunk.text.split("\n")[0] for chunk in chunked(made.build())] == [f"Part {number}" for number in range(4)]


def test_headings_win_over_paragraphs_and_these_over_sentences() -> None:
    made = builder()
    for section in range(6):
        made.heading(f"Section {section}", 2)
        for part in range(3):
            made.paragraph(" ".join(words(16, 100 * section + 10 * part + line) for line in range(3)))
    document = made.build()
    chunks = chunked(document, size=160)
    beginnings = [chunk.text.split()[0] for chunk in chunks]
    assert beginnings.count("Section") == 6
    paragraphs = {block.start for block in document.blocks}
    assert all(chunk.char_start in paragraphs for chunk in chunks)


def test_a_heading_does_not_end_a_chunk() -> None:
    for seed in range(40):
        made, rng = builder(), random.Random(seed)
        for number in range(30):
            if rng.random() < 0.4:
                made.heading(f"Heading {number}", rng.choice((2, 3)))
                made.heading(f"Below {number}", 4)
            made.paragraph(" ".join(words(rng.randint(5, 50), line) for line in range(rng.randint(1, 4))))
        for chunk in chunked(made.build(), size=100):
            assert not chunk.text.splitlines()[-1].startswith(("Heading", "Below"))


def test_an_introduction_stays_with_its_list() -> None:
    for seed in range(20):
        made, rng = builder(), random.Random(seed)
        for number in range(20):
            made.paragraph(words(rng.randint(10, 40), number))
            made.paragraph("What is needed:")
            for line in range(3):
                made.list_item(words(8, line), 1)
        assert not any(chunk.text.endswith("needed:") for chunk in chunked(made.build(), size=100))


def test_a_sentence_too_large_is_cut_at_commas_then_between_words() -> None:
    clauses = ", ".join(" ".join(random.Random(seed).choices(WORDS, k=9)) for seed in range(20))
    made = builder()
    made.paragraph(clauses)
    chunks = chunked(made.build(), size=64)
    assert all(chunk.text.endswith(",") for chunk in chunks[:-1])
    made = builder()
    made.paragraph(" ".join(random.Random(1).choices(WORDS, k=500)))
    assert set(" ".join(chunk.text for chunk in chunked(made.build(), size=64)).split()) <= set(WORDS)


# ---- tables ----------------------------------------------------------------------------------------------------------


def table(rows: int, header: str = "Name | Place | Year", *, around: str = "") -> ParsedDocument:
    made = builder()
    if around:
        made.paragraph(around)
    lines = [f"{name} {number} | Oslo | 19{number:02}" for number, name in enumerate(WORDS * 10)][:rows]
    made.table([header, *lines], has_header=True)
    if around:
        made.paragraph(around)
    return made.build()


def test_later_pieces_of_a_table_begin_with_its_header() -> None:
    document = table(60)
    first, *later = chunked(document, size=50)
    assert first.lead_chars == 0 and first.text.startswith("Name | Place | Year\nalder 0")
    assert len(later) > 4
    for chunk in later:
        assert chunk.lead_chars == len("Name | Place | Year\n")
        assert chunk.text == "Name | Place | Year\n" + document.text[chunk.char_start : chunk.char_end]
        assert document.text[chunk.char_start - 1] == "\n", "a piece begins with a row"
        assert chunk.tokens == TOKENIZER.counts([chunk.text])[0] <= 50


def test_a_chunk_that_begins_outside_the_table_has_no_lead() -> None:
    chunks = chunked(table(40, around=words(30)), size=60)
    assert chunks[0].lead_chars == 0
    starts_in_row = [chunk for chunk in chunks if chunk.lead_chars]
    assert starts_in_row and all(" | Oslo | " in chunk.text for chunk in starts_in_row)


def test_a_long_header_is_not_repeated() -> None:
    chunks = chunked(table(30, header=" | ".join(WORDS * 2)), size=64)
    assert len(chunks) > 3
    assert not any(chunk.lead_chars for chunk in chunks)


def test_the_same_row_ten_thousand_times_makes_equal_chunks() -> None:
    made = builder()
    made.table(["Name | Place", *["oak | Oslo"] * 10_000], has_header=True)
    chunks = chunked(made.build(), size=100)
    assert max(chunk.tokens for chunk in chunks) <= 100
    assert fmean(chunk.tokens for chunk in chunks) > 90
    assert len({chunk.text for chunk in chunks}) <= 5


# ---- overlap ---------------------------------------------------------------------------------------------------------


def test_an_overlap_repeats_whole_sentences_of_the_chunk_before() -> None:
    made = builder()
    made.paragraph(" ".join(words(10, seed) for seed in range(60)))
    document = made.build()
    chunks = chunked(document, size=100, overlap=25)
    assert len(chunks) > 5
    for before, after in pairwise(chunks):
        repeated = document.text[after.char_start : before.char_end]
        assert TOKENIZER.counts([repeated]) == [20]
        assert repeated[0].isupper() and after.tokens <= 100


def test_an_overlap_smaller_than_a_sentence_repeats_its_last_words() -> None:
    made = builder()
    made.paragraph(" ".join(words(40, seed) for seed in range(20)))
    document = made.build()
    for before, after in pairwise(chunked(document, size=100, overlap=12)):
        repeated = document.text[after.char_start : before.char_end]
        assert TOKENIZER.counts([repeated]) == [12]
        assert document.text[after.char_start - 1] == " "


def test_no_overlap_reaches_across_a_heading() -> None:
    made = builder()
    for number in range(5):
        made.heading(f"Part {number}", 1 + number % 2)
        made.paragraph(" ".join(words(10, 10 * number + line) for line in range(9)))
    starts = [chunk.char_start for chunk in chunked(made.build(), size=100, overlap=40)]
    assert {block.start for block in made.build().blocks if block.level} <= set(starts)


# ---- headings, pages, context ----------------------------------------------------------------------------------------


def manual() -> ParsedDocument:
    made = builder()
    made.heading("Desk care", 1, page=1)
    made.heading("Oils", 2, page=1)
    made.paragraph(" ".join(words(20, seed) for seed in range(3)), page=1)
    made.heading("Linseed", 3, page=2)
    for seed in range(6):
        made.paragraph(words(30, seed), page=2 + seed // 3)
    return made.build(title="Desk care")


def test_heading_paths_pages_and_context() -> None:
    chunks = chunked(manual(), size=80)
    first, second, *rest = chunks
    assert first.headings == ("Desk care", "Oils")
    assert first.context == "", "it begins with all that is over it"
    assert (first.page_start, first.page_end) == (1, 1)
    assert second.text.startswith("Linseed\n")
    assert second.headings == ("Desk care", "Oils", "Linseed")
    assert second.context == "Desk care > Oils"
    assert all(chunk.context == "Desk care > Oils > Linseed" for chunk in rest)
    assert rest[-1].page_end == 3
    assert second.embedded_text == f"{second.context}\n{second.text}"


def test_context_can_be_left_out() -> None:
    assert not any(chunk.context for chunk in chunked(manual(), size=80, context=False))


def test_a_title_that_is_no_heading_is_said_in_front() -> None:
    made = builder()
    made.paragraph(" ".join(words(20, seed) for seed in range(9)))
    chunks = chunked(made.build(title="Trees of the north"), size=80)
    assert {chunk.context for chunk in chunks} == {"Trees of the north"}


def test_context_loses_its_middle_then_its_end_where_room_is_short() -> None:
    def contexts(room: int) -> set[str]:
        made = builder()
        for level, name in enumerate(("One two three", "Four five six", "Seven eight nine"), start=1):
            made.heading(name, level)
        made.paragraph(" ".join(words(10, seed) for seed in range(100)))
        tokenizer = HashingTokenizer()
        tokenizer.max_tokens = 102 + room
        chunks = PLUGIN.chunk(made.build(title="Title"), ChunkParams(size=100), tokenizer)
        return {chunk.context for chunk in chunks[1:] if chunk.tokens == 100}

    assert contexts(30) == {"Title > One two three > Four five six > Seven eight nine"}
    assert contexts(10) == {"Title > One two three > Seven eight nine"}
    assert contexts(5) == {"Title > Seven eight nine"}
    assert contexts(3) == {"Title > Seven"}
    assert contexts(0) == {""}


# ---- staying put -----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def stability() -> ModuleType:
    """The benchmark's own texts, edits and limits; here on a shorter text, as edits act within their neighbourhood."""
    path = Path(__file__).parents[2] / "benchmarks" / "chunk_stability.py"
    spec = spec_from_file_location("chunk_stability", path)
    assert spec is not None and spec.loader is not None
    module = module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up there
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("name", ["unbroken", "paragraphs", "headings", "table"])
def test_an_edit_makes_few_new_chunks(stability: ModuleType, name: str) -> None:
    parts = stability.TEXTS[name](random.Random(7), 700)
    found = stability.measure(PLUGIN, parts, ChunkParams(), TOKENIZER, edits=40, seed=7)
    assert found.chunks > 50
    assert found.is_within_limits, found
    assert found.mean_tokens >= 135


def test_the_measure_of_stability_can_fail(stability: ModuleType) -> None:
    from docmill.chunkers.fixed import PLUGIN as FIXED

    parts = stability.unbroken(random.Random(7), 700)
    assert not stability.measure(FIXED, parts, ChunkParams(), TOKENIZER, edits=10, seed=7).is_within_limits


def test_an_edit_far_away_moves_nothing() -> None:
    sentences = [words(12, seed) for seed in range(400)]

    def ends(changed: list[str]) -> list[str]:
        made = builder()
        made.paragraph(" ".join(changed))
        return [chunk.text for chunk in chunked(made.build(), size=100)]

    before, after = ends(sentences), ends(["Something else altogether, and longer.", *sentences[1:]])
    assert before[8:] == after[-len(before[8:]) :]


def test_a_changed_row_in_the_middle_of_equal_rows_changes_little() -> None:
    def texts(rows: list[str]) -> set[str]:
        made = builder()
        made.table(["Name | Place", *rows], has_header=True)
        return {chunk.text for chunk in chunked(made.build(), size=100)}

    rows = ["oak | Oslo"] * 3000
    assert len(texts([*rows[:1234], "elm | Rome", *rows[1234:]]) - texts(rows)) <= 5


def test_text_without_spaces_is_cut_behind_its_commas() -> None:
    rng = random.Random(3)
    clauses = ["".join(chr(rng.randint(0x4E00, 0x5000)) for _ in range(rng.randint(40, 90))) for _ in range(60)]
    made = builder()
    made.paragraph("，".join(clauses) + "。")
    chunks = chunked(made.build(), size=16)
    assert len(chunks) > 10
    assert all(chunk.text.endswith("，") for chunk in chunks[:-1])
