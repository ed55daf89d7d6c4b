"""Scans and images from the file to the search, through real workers."""

from __future__ import annotations

from pathlib import Path

import pytest

from conftest import Mill
from docmill.domain.events import MessageEvent
from docmill.errors import DefinitionError, MissingError
from docmill.paged import ocr
from documents import TITLE, make_image, make_pdf, scanned_page, text_page

OCR = ("parse.ocr=auto",)


def test_a_scan_is_found_by_its_words(mill: Mill) -> None:
    make_pdf(mill.folder / "scan.pdf", [scanned_page(TITLE, "oiled with linseed")])
    off = mill.sync()
    assert [error.error_code for error in off.errors] == ["EMPTY_DOCUMENT"]
    assert "parse.ocr=auto" in (off.errors[0].hint or "")
    on = mill.sync(overrides=OCR)
    assert on.errors == []
    assert mill.found("linseed") == ["scan.pdf"]
    [row] = mill.rows()
    assert row["page_start"] == 1
    assert mill.value("SELECT text_yield FROM document").startswith('{"pages": 1, "characters": ')


def test_a_worker_keeps_what_ocr_has_read(mill: Mill) -> None:
    make_pdf(mill.folder / "scan.pdf", [scanned_page(TITLE)])
    mill.sync(overrides=OCR)
    assert mill.value("SELECT COUNT(*) FROM artifact") == 3, "parsed, its assets, chunked"


def test_images_are_taken_where_ocr_reads_them(mill: Mill) -> None:
    mill.write("notes.md", "# Notes\n")
    make_image(mill.folder / "letter.png", [["A letter about linseed"]])
    (mill.folder / "holidays").mkdir()
    make_image(mill.folder / "holidays" / "beach.jpg", [["A sign at the beach"]])
    result = mill.sync()
    assert (result.scan.files, result.errors) == (1, [])
    assert {each.rule for each in result.ignored} == {
        "no parser for .png unless parse.ocr is on",
        "no parser for .jpg unless parse.ocr is on",
    }
    result = mill.sync(overrides=OCR)
    assert (result.scan.new, result.errors) == (2, [])
    assert mill.found("linseed") == ["letter.png"]
    assert mill.found("beach") == ["holidays/beach.jpg"]
    result = mill.sync()  # without it again they leave
    assert result.scan.deleted == 2
    assert mill.found("linseed") == []


def test_a_rule_may_have_ocr_read_some_images_only(mill: Mill) -> None:
    from docmill.domain.sources import Wishes
    from docmill.service import registering

    for uri in ("scans/one.png", "holidays/beach.png"):
        (mill.folder / uri).parent.mkdir()
        make_image(mill.folder / uri, [["Written upon it"]])
    registering.add(
        mill.settings,
        "docs",
        mill.folder,
        Wishes(overrides=mill.overrides, rules=registering.rules(["scans/**:parse.ocr=auto"], [])),
    )
    result = mill.sync()
    assert (result.scan.files, result.errors) == (1, [])
    assert mill.found("written") == ["scans/one.png"]


def test_an_image_that_is_named_says_what_it_takes(mill: Mill, tmp_path: Path) -> None:
    from docmill.service import ingesting, running

    path = make_image(tmp_path / "letter.png", [["A letter about linseed"]])
    mill.write("a.md", "# A\n")
    mill.sync()
    ingesting.ingest(mill.settings, [str(path)], reporter=mill.reporter)
    batch = mill.value("SELECT batch_id FROM document WHERE uri LIKE '%letter.png'")
    result = running.start(mill.settings, mill.reporter, str(batch), overrides=list(mill.overrides))
    assert [error.error_code for error in result.errors] == ["EMPTY_DOCUMENT"]
    assert "parse.ocr=auto" in (result.errors[0].hint or "")
    result = running.start(mill.settings, mill.reporter, str(batch), overrides=[*mill.overrides, *OCR])
    assert result.errors == []


def test_ocr_that_is_not_installed_is_told_before_anything_is_done(mill: Mill, monkeypatch: pytest.MonkeyPatch) -> None:
    mill.write("a.md", "# A\n")
    monkeypatch.setattr(ocr, "find_spec", lambda name: None)
    with pytest.raises(MissingError):
        mill.sync(overrides=OCR)
    assert mill.value("SELECT COUNT(*) FROM document") == 0


# ---- passwords -------------------------------------------------------------------------------------------------------


def said(mill: Mill) -> list[str]:
    return [event.message for event in mill.reporter.events if isinstance(event, MessageEvent)]


def test_a_password_file_opens_locked_files_and_is_remembered(mill: Mill, tmp_path: Path) -> None:
    make_pdf(mill.folder / "locked.pdf", [text_page("Behind a lock.")], password="walnut")
    words = tmp_path / "words"
    words.write_text("oak\nwalnut\n")
    words.chmod(0o600)
    result = mill.sync(password_file=str(words))
    assert result.errors == []
    assert mill.found("lock") == ["locked.pdf"]
    make_pdf(mill.folder / "other.pdf", [text_page("Behind another.")], password="oak")
    from docmill.service import syncing

    assert syncing.sync(mill.settings, mill.reporter, []).errors == []
    assert mill.found("another") == ["other.pdf"]
    assert not any("open to others" in text for text in said(mill))
    kept = b"".join(path.read_bytes() for path in mill.home.rglob("*") if path.is_file())
    assert str(words).encode() in kept
    assert b"walnut" not in kept and b"oak\n" not in kept


def test_a_password_file_that_cannot_be_read_is_told_before_anything_is_done(mill: Mill, tmp_path: Path) -> None:
    mill.write("a.md", "# A\n")
    with pytest.raises(DefinitionError, match="cannot be read"):
        mill.sync(password_file=str(tmp_path / "gone"))
    assert mill.value("SELECT COUNT(*) FROM document") == 0
    words = tmp_path / "words"
    words.write_text("walnut\n")
    words.chmod(0o644)
    assert mill.sync(password_file=str(words)).errors == []
    assert any("open to others" in text for text in said(mill))
