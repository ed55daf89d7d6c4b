"""What the engine makes of parsers that do not keep their promises."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from docmill import registry
from docmill.domain.contracts import SourceFile
from docmill.domain.documents import Block, BlockKind, ParsedDocument, Warning  # noqa: A004 - the field's word
from docmill.domain.params import ParseParams
from docmill.errors import EmptyDocument, ProcessingError
from docmill.steps import contract
from docmill.steps.parse import parse

GOOD = ParsedDocument(
    "text", "one two\n\nthree", (Block(BlockKind.PARAGRAPH, 0, 7), Block(BlockKind.PARAGRAPH, 9, 14)), "Title"
)


def hold(document: Any, most: int = 1000) -> ParsedDocument:
    return contract.parsed(document, "them.Parser", max_characters=most)


def block(*values: Any) -> tuple[Block, ...]:
    return (Block(BlockKind.PARAGRAPH, *values),)


def endless() -> dict[str, Any]:
    found: dict[str, Any] = {}
    found["self"] = found
    return found


def test_what_keeps_its_promises_stays_as_it_is() -> None:
    assert hold(GOOD) == GOOD


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"text": b"bytes"}, "its text is no text"),
        ({"text": "one two\n\nth\0ee"}, "NUL"),
        ({"text": "one two\n\nth\ud800ee"}, "lone surrogates"),
        ({"title": 7}, "its title is no text"),
        ({"title": "\udfff"}, "its title is no text"),
        ({"blocks": block(0, 99)}, "outside the text"),
        ({"blocks": block(5, 5)}, "outside the text"),
        ({"blocks": block(-3, 5)}, "block 1 is none"),
        ({"blocks": (*GOOD.blocks, *block(9, 14))}, "block 3 lies outside the text or over another"),
        ({"blocks": GOOD.blocks[1:]}, "text between blocks, before block 1"),
        ({"blocks": GOOD.blocks[:1]}, "text after the last block"),
        ({"blocks": (Block("odd", 0, 14),)}, "block 1 is none"),
        ({"blocks": ("no block",)}, "block 1 is none"),
        ({"blocks": block(0, 14, 0, None, 99)}, "header of block 1"),
        ({"metadata": [1]}, "no mapping"),
        ({"metadata": {"when": object()}}, "not JSON"),
        ({"metadata": {"score": math.nan}}, "not JSON"),
        ({"metadata": endless()}, "not JSON"),
        ({"metadata": {"text": "\ud800"}}, "not JSON"),
        ({"metadata": {"text": "x" * 2_000_000}}, "at most"),
        ({"warnings": ("no warning",)}, "a warning is none"),
        ({"warnings": (Warning("CODE", "\ud800"),)}, "a warning is none"),
        ({"page_characters": (1, -1)}, "page_characters"),
    ],
)
def test_a_broken_promise_is_told_by_the_name_of_the_plug_in(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(ProcessingError, match=said) as raised:
        hold(replace(GOOD, **changes))
    assert "them.Parser" in raised.value.message
    raised.value.message.encode()


def test_what_is_no_document_at_all() -> None:
    with pytest.raises(ProcessingError, match="returned str and no ParsedDocument"):
        hold("text")


def test_too_many_blocks_are_counted_and_not_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(contract, "MOST_BLOCKS", 1)
    with pytest.raises(ProcessingError, match="2 blocks; at most 1"):
        hold(GOOD)


def test_text_beyond_the_limit_is_cut_and_the_document_degraded() -> None:
    cut = hold(GOOD, most=11)
    assert (cut.text, cut.blocks[-1].end, len(cut.blocks)) == ("one two\n\nth", 11, 2)
    assert [(each.code, each.degrades) for each in cut.warnings] == [("TEXT_TRUNCATED", True)]
    assert len(hold(GOOD, most=8).blocks) == 1
    table = replace(GOOD, blocks=(Block(BlockKind.TABLE, 0, 14, header_end=7),))
    assert hold(table, most=7).blocks == (Block(BlockKind.TABLE, 0, 7),)


def test_metadata_is_kept_as_json_keeps_it_and_warnings_are_bounded() -> None:
    kept = hold(replace(GOOD, metadata={"tags": ("a", "b"), 1: 2}, warnings=(Warning("CODE", "words"),) * 5000))
    assert kept.metadata == {"tags": ["a", "b"], "1": 2}
    assert len(kept.warnings) == contract.MOST_WARNINGS


def test_the_parse_step_holds_every_parser_to_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Careless:
        version = "1"
        types = frozenset({"text"})
        returned: Any = None

        def parse(self, file: SourceFile, params: ParseParams) -> Any:
            return self.returned

    careless = Careless()
    monkeypatch.setattr(registry, "load", lambda _kind, _name: careless)
    file = SourceFile(tmp_path, "text", 1)
    with pytest.raises(ProcessingError, match=r"Careless breaks its contract: it returned NoneType"):
        parse(file, "careless", ParseParams())
    careless.returned = replace(GOOD, text=" \n", blocks=())
    with pytest.raises(EmptyDocument):
        parse(file, "careless", ParseParams())
    careless.returned = GOOD
    assert parse(file, "careless", ParseParams()) == GOOD
