"""What the optional library reads: the old Office formats, mails of Outlook, FictionBook."""

from __future__ import annotations

import signal
import subprocess
from pathlib import Path

import pytest

from docmill import registry
from docmill.domain.contracts import SourceFile
from docmill.domain.deadline import Deadline, OutOfTime
from docmill.domain.documents import ParsedDocument
from docmill.domain.params import ParseParams
from docmill.errors import CorruptedFile, OutOfMemory
from documents import (
    MAKERS,
    PARAGRAPH,
    SECTION,
    TITLE,
    shape,
)

pytest.importorskip("kreuzberg")


def parse(folder: Path, kind: str) -> ParsedDocument:
    path = MAKERS[f"sample.{kind}"](folder / f"sample.{kind}")
    return registry.load("parsers", "kreuzberg").parse(SourceFile(path, kind, path.stat().st_size), ParseParams())


@pytest.mark.parametrize("kind", ["xls", "xlsb"])
def test_workbooks_are_tables_under_the_names_of_their_sheets(tmp_path: Path, kind: str) -> None:
    name, table = shape(parse(tmp_path, kind))
    assert name == ("heading", 2, "Oils")
    assert table[0] == "table"
    assert table[2].startswith("Season | Oil | Hours\nSpring | Linseed | 12")


def test_the_paragraphs_of_word_97_stay_apart(tmp_path: Path) -> None:
    assert [text for _, _, text in shape(parse(tmp_path, "doc"))] == [TITLE, PARAGRAPH]


def test_slides_of_powerpoint_97(tmp_path: Path) -> None:
    assert shape(parse(tmp_path, "ppt")) == [("heading", 2, TITLE), ("paragraph", 0, PARAGRAPH)]


def test_a_mail_of_outlook_with_the_text_of_its_attachment(tmp_path: Path) -> None:
    document = parse(tmp_path, "msg")
    assert document.title == TITLE
    assert document.metadata["author"] == "Ada Joiner"
    assert PARAGRAPH in document.text
    assert ("heading", 2, "oils.csv") in shape(document)
    assert "Spring,Linseed" in document.text
    assert not document.warnings


def test_a_book_of_fictionbook(tmp_path: Path) -> None:
    document = parse(tmp_path, "fb2")
    assert shape(document) == [("heading", 2, SECTION), ("paragraph", 0, PARAGRAPH)]
    assert (document.title, document.metadata) == (TITLE, {"author": "Ada Joiner", "language": "en"})


def test_a_panic_of_the_library_is_this_files_failure(tmp_path: Path) -> None:
    """Cut short of its end, this one makes the library panic, which Python does not see as an Exception."""
    path = MAKERS["sample.xls"](tmp_path / "a.xls")
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * 0.99)])
    with pytest.raises(CorruptedFile, match="PanicException"):
        registry.load("parsers", "kreuzberg").parse(SourceFile(path, "xls", path.stat().st_size), ParseParams())


@pytest.mark.parametrize(
    ("words", "error"),
    [("memory allocation of 386547056832 bytes failed", OutOfMemory), ("stack overflow", CorruptedFile)],
)
def test_where_its_process_dies_this_one_lives(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: str, error: type[Exception]
) -> None:
    """An abort, as the library's core has in store for lengths that it believes."""
    killed = subprocess.CompletedProcess([], -signal.SIGABRT, b"", words.encode())
    monkeypatch.setattr(subprocess, "run", lambda *_arguments, **_options: killed)
    with pytest.raises(error):
        parse(tmp_path, "xls")


def test_time_that_is_up_ends_its_process(tmp_path: Path) -> None:
    path = MAKERS["sample.doc"](tmp_path / "a.doc")
    file = SourceFile(path, "doc", path.stat().st_size, deadline=Deadline(1e-6))
    with pytest.raises(OutOfTime):
        registry.load("parsers", "kreuzberg").parse(file, ParseParams())


def test_modules_of_the_folder_at_hand_are_not_imported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "kreuzberg.py").write_text("raise SystemExit('taken over')")
    monkeypatch.chdir(tmp_path)
    assert PARAGRAPH in parse(tmp_path, "doc").text
