"""The builder that every parser writes through, and the translation of failures."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from docmill.domain.assembly import DocumentBuilder, clean, flowing, iso_moment, one_line, verbatim
from docmill.domain.failures import readable
from docmill.errors import CorruptedFile, DocumentError, EmptyDocument, OutOfMemory, SourceFileDenied, SourceFileMissing


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from(["heading", "paragraph", "passage", "list_item", "code", "table"]), st.text())),
    st.integers(1, 60),
)
def test_whatever_is_added_the_promises_hold(parts: list[tuple[str, str]], limit: int) -> None:
    builder = DocumentBuilder("text", max_characters=limit)
    for kind, text in parts:
        if kind in ("heading", "list_item"):
            getattr(builder, kind)(text, 3)
        elif kind == "table":
            builder.table(text.split("a"), has_header=True)
        else:
            getattr(builder, kind)(text)
    try:
        document = builder.build()
    except EmptyDocument:
        return
    assert len(document.text) <= limit
    document.text.encode()
    position = 0
    for block in document.blocks:
        assert not document.text[position : block.start].strip()
        assert document.text[block.start : block.end].strip()
        assert not block.header_end or document.text[block.header_end] == "\n"
        position = block.end
    assert position == len(document.text)


def test_a_table_is_taken_lazily() -> None:
    def rows():
        for number in range(1000):
            assert number < 20, "the builder asked for rows that it has no room for"
            yield "ten chars!"

    builder = DocumentBuilder("csv", max_characters=50)
    builder.table(rows(), has_header=False)
    assert builder.full


def test_the_title_is_the_first_heading_of_the_highest_level() -> None:
    builder = DocumentBuilder("text", max_characters=1000)
    assert builder.first_heading() is None
    for text, level in (("Contents", 2), ("The Book", 1), ("Chapter", 1)):
        builder.heading(text, level)
    assert builder.first_heading() == "The Book"
    assert builder.build(title=" \n").title is None
    assert len(builder.build(title="x" * 1000).title or "") == 300


@pytest.mark.parametrize(
    ("function", "written", "shown"),
    [
        (clean, "a\r\nb\u2028c\x85d", "a\nb\nc\nd"),
        (clean, "\ud800x\0y\ufeff", "\ufffdxy"),
        (one_line, " a\n\t b\u00a0c ", "a b c"),
        (flowing, " a  b \n\n c ", "a b\nc"),
        (verbatim, "\n  a  \n\n    b\n", "  a\n\n    b"),
    ],
)
def test_cleaning(function, written: str, shown: str) -> None:
    assert function(written) == shown


@pytest.mark.parametrize(
    ("written", "moment"),
    [
        ("2024-03-01T10:00:00+02:00", "2024-03-01T08:00:00Z"),
        ("2024-03-01", "2024-03-01T00:00:00Z"),
        ("soon", None),
        (None, None),
    ],
)
def test_moments(written: str | None, moment: str | None) -> None:
    assert iso_moment(written) == moment


@pytest.mark.parametrize(
    ("raised", "expected"),
    [
        (MemoryError(), OutOfMemory),
        (ValueError("xmlSAX2: Memory allocation failed"), OutOfMemory),
        (FileNotFoundError(2, "x"), SourceFileMissing),
        (PermissionError(13, "x"), SourceFileDenied),
        (AssertionError("odd\x1b[31m\n words"), CorruptedFile),
        (RecursionError(), CorruptedFile),
        (EmptyDocument("as it is"), EmptyDocument),
    ],
)
def test_failures_become_document_errors(raised: Exception, expected: type[DocumentError]) -> None:
    with pytest.raises(expected) as caught, readable("thing"):
        raise raised
    assert caught.value.message.isprintable()
