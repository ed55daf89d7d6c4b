"""Notebooks: prose, code and what it printed, in both formats that are about."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from docmill import registry
from docmill.domain.contracts import SourceFile
from docmill.domain.documents import ParsedDocument
from docmill.domain.params import ParseParams
from docmill.errors import CorruptedFile, EmptyDocument, FileTooLarge
from documents import (
    PARAGRAPH,
    TITLE,
    make_ipynb,
    make_text,
    shape,
)


def parse(path: Path, **params: int) -> ParsedDocument:
    parser = registry.load("parsers", "ipynb")
    return parser.parse(SourceFile(path, "ipynb", path.stat().st_size), ParseParams(**params))


def code(*outputs: dict[str, Any]) -> dict[str, Any]:
    return {"cell_type": "code", "source": "x", "outputs": list(outputs)}


def test_prose_code_and_output(tmp_path: Path) -> None:
    document = parse(make_ipynb(tmp_path / "a.ipynb"))
    assert shape(document) == [
        ("heading", 1, TITLE),
        ("paragraph", 0, PARAGRAPH),
        ("code", 0, "print(oil)"),
        ("code", 0, "linseed\ntung"),
    ]
    assert document.title == TITLE


def test_outputs_as_a_reader_sees_them(tmp_path: Path) -> None:
    cell = code(
        {"output_type": "execute_result", "data": {"text/plain": ["42"], "text/html": "<b>42</b>"}},
        {"output_type": "display_data", "data": {"image/png": "iVBO" * 100, "text/plain": "<Figure size 640x480>"}},
        {"output_type": "error", "ename": "KeyError", "evalue": "'oil'", "traceback": ["long"]},
        {"output_type": "stream", "text": "\x1b[31mred\x1b[0m"},
    )
    assert [text for _, _, text in shape(parse(make_ipynb(tmp_path / "a.ipynb", [cell])))] == [
        "x", "42", "KeyError: 'oil'", "red",
    ]  # fmt: skip


def test_endless_output_is_cut_and_said(tmp_path: Path) -> None:
    document = parse(make_ipynb(tmp_path / "a.ipynb", [code({"output_type": "stream", "text": "y" * 200_000})]))
    assert document.text.count("y") == 100_000
    assert [(warning.code, warning.degrades) for warning in document.warnings] == [("TEXT_TRUNCATED", True)]


def test_format_3_is_read(tmp_path: Path) -> None:
    cells = [
        {"cell_type": "heading", "level": 2, "source": ["Oils"]},
        {"cell_type": "code", "input": "print(1)", "outputs": [{"output_type": "stream", "text": "1"}]},
    ]
    path = make_text(tmp_path / "a.ipynb", json.dumps({"nbformat": 3, "worksheets": [{"cells": cells}]}))
    assert shape(parse(path)) == [("heading", 2, "Oils"), ("code", 0, "print(1)"), ("code", 0, "1")]


@pytest.mark.parametrize("text", ["{", "[]", '{"a": 1}', "[" * 100_000])
def test_what_is_no_notebook_is_corrupted(tmp_path: Path, text: str) -> None:
    with pytest.raises(CorruptedFile):
        parse(make_text(tmp_path / "a.ipynb", text))


@pytest.mark.parametrize("cells", [1, None, [1, None, "x", [], {}], [{"cell_type": 1, "source": {"a": 1}}], []])
def test_cells_of_other_shapes_are_no_text(tmp_path: Path, cells: Any) -> None:
    with pytest.raises(EmptyDocument):
        parse(make_text(tmp_path / "a.ipynb", json.dumps({"cells": cells, "metadata": 3})))


def test_a_notebook_that_cannot_be_held_is_refused(tmp_path: Path) -> None:
    path = make_text(tmp_path / "a.ipynb", '{"cells": []}' + " " * (5 * 1024**2))
    with pytest.raises(FileTooLarge, match="max_characters"):
        parse(path, max_characters=10)
