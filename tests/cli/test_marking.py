"""The query's words in a passage."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from docmill.cli.text.marking import spans, window


def marked(text, query):
    return [text[start:end] for start, end in spans(text, query)]


@pytest.mark.parametrize(
    ("text", "query", "found"),
    [
        ("Batteries and a battery.", "battery", ["Batteries", "battery"]),
        ("Encrypting encrypted files, encryption", "encrypt", ["Encrypting", "encrypted"]),
        ("limits, limited, limit, limitless", "what limits the pack", ["limits", "limited", "limit"]),
        ("The cat sat.", "the cat", ["cat"]),
        ("to be or not", "to be", ["to", "be"]),
        ("Größe der Datei", "größe", ["Größe"]),
        ("a+b (c)", "(c) [x", ["c"]),
        ("nothing here", "", []),
        ("concatenate", "cat", []),
    ],
)
def test_spans(text, query, found):
    assert marked(text, query) == found


@given(st.text(max_size=300), st.text(max_size=30), st.integers(20, 200))
def test_any_window_lies_in_the_text(text, query, width):
    begin, end = window(text, spans(text, query), width)
    assert 0 <= begin <= end <= len(text)
    assert len(text) > width or (begin, end) == (0, len(text))


def test_the_window_shows_where_the_words_are():
    text = "filler " * 100 + "battery life and battery cost " + "filler " * 100
    begin, end = window(text, spans(text, "battery"), 120)
    assert "battery life and battery cost" in text[begin:end]
    assert text[begin - 1 : begin].isspace()
