"""``pages``: the pages of documents as pictures and text, through real workers, into a zip that is whole or absent."""

from __future__ import annotations

import io
import json
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest

from conftest import Mill
from docmill.domain.results import PagesResult
from docmill.errors import NotFoundError, StorageError, UsageError
from docmill.service import paging
from documents import TITLE, make_image, make_pdf, scanned_page, text_page


def pages(mill: Mill, target: str, **options: Any) -> tuple[PagesResult, dict[str, bytes], dict[str, Any]]:
    """The result, what lies in the zip, and its manifest."""
    path = mill.root / "pages.zip"
    result = paging.write_pages(mill.settings, target, output=str(path), **options)
    with zipfile.ZipFile(path) as package:
        content = {name: package.read(name) for name in package.namelist()}
    return result, content, json.loads(content.pop("manifest.json"))


def size(png: bytes) -> tuple[int, int]:
    from PIL import Image

    image = Image.open(io.BytesIO(png))
    assert image.format == "PNG"
    return image.size


def test_the_pages_of_a_batch(mill: Mill) -> None:
    (mill.folder / "deep").mkdir()
    make_pdf(mill.folder / "deep" / "a.pdf", [text_page("First page."), lambda pdf: None, scanned_page(TITLE)])
    make_image(mill.folder / "b.png", [["A letter about linseed"]])
    mill.write("notes.md", "# No pages\n")
    batch = mill.sync(overrides=("parse.ocr=auto", "parse.extract_images=true")).batch_id
    result, content, manifest = pages(mill, str(batch))
    assert (result.batch_id, result.documents, result.pages, result.problems) == (batch, 2, 4, [])
    assert sorted(content) == [
        "b.png/ocr/page-0001.json",
        "b.png/page-0001.png",
        "b.png/page-0001.txt",
        "deep/a.pdf/images/page-0003-1.png",
        "deep/a.pdf/ocr/page-0003.json",
        "deep/a.pdf/page-0001.png",
        "deep/a.pdf/page-0001.txt",
        "deep/a.pdf/page-0002.png",
        "deep/a.pdf/page-0002.txt",
        "deep/a.pdf/page-0003.png",
        "deep/a.pdf/page-0003.txt",
    ]
    assert result.assets == 3
    assert content["deep/a.pdf/page-0001.txt"] == b"First page.\n"
    assert content["deep/a.pdf/page-0002.txt"] == b""
    assert TITLE in content["deep/a.pdf/page-0003.txt"].decode()
    width, height = size(content["deep/a.pdf/page-0001.png"])
    assert (width, height) == (pytest.approx(1654, abs=2), pytest.approx(2339, abs=2)), "A4 at 200 dpi"
    assert size(content["deep/a.pdf/images/page-0003-1.png"]) == (1654, 2339)
    [image, document] = manifest["documents"]
    assert (document["uri"], document["type"], document["folder"]) == ("deep/a.pdf", "pdf", "deep/a.pdf")
    assert [page["page"] for page in document["pages"]] == [1, 2, 3]
    assert document["pages"][0] == {
        "page": 1,
        "image": "page-0001.png",
        "width": width,
        "height": height,
        "text": "page-0001.txt",
    }
    assert image["assets"] == ["ocr/page-0001.json"]


def test_one_document_by_its_uri_or_id(mill: Mill) -> None:
    make_pdf(mill.folder / "a.pdf")
    mill.write("notes.md", "# No pages\n")
    mill.sync()
    id_ = mill.value("SELECT id FROM document WHERE uri = 'a.pdf'")
    for target in ("a.pdf", id_):
        result, content, _manifest = pages(mill, target)
        assert (result.batch_id, result.documents) == (None, 1)
        assert sorted(content) == ["a.pdf/page-0001.png", "a.pdf/page-0001.txt"]
    with pytest.raises(NotFoundError, match="no batch and no document"):
        pages(mill, "b.pdf")
    with pytest.raises(NotFoundError, match="has no pages"):
        pages(mill, "notes.md")


def test_what_cannot_be_rendered_is_a_problem_and_the_rest_goes_on(mill: Mill) -> None:
    make_pdf(mill.folder / "good.pdf")
    make_pdf(mill.folder / "changed.pdf")
    (mill.folder / "bad.pdf").write_bytes(b"%PDF-1.7 nothing")
    make_pdf(mill.folder / "locked.pdf", [text_page("Locked.")], password="walnut")
    batch = mill.sync().batch_id
    make_pdf(mill.folder / "changed.pdf", [text_page("Others.")])
    result, content, manifest = pages(mill, str(batch))
    assert {(each.uri, each.error_code) for each in result.problems} == {
        ("bad.pdf", "CORRUPTED_FILE"),
        ("changed.pdf", "FILE_CHANGED"),
        ("locked.pdf", "ENCRYPTED_FILE"),
    }
    assert [each["uri"] for each in manifest["documents"]] == ["good.pdf"]
    assert len(manifest["problems"]) == 3
    words = mill.root / "words"
    words.write_text("walnut\n")
    result, content, manifest = pages(mill, "locked.pdf", password_file=str(words))
    assert list(content) == ["locked.pdf/page-0001.png"], "it was not read, so there is no text of it"
    assert manifest["documents"][0]["pages"][0]["text"] is None
    mill.sync(password_file=str(words))
    assert pages(mill, "locked.pdf")[1]["locked.pdf/page-0001.txt"] == b"Locked.\n"


def test_a_page_that_takes_its_worker_down_costs_that_page(mill: Mill, monkeypatch: pytest.MonkeyPatch) -> None:
    make_pdf(mill.folder / "a.pdf", [text_page("One."), text_page("Two."), text_page("Three.")])
    mill.sync()
    whole = paging._Book._ask

    def die(book: Any, kinds: Any, function: Any, *arguments: Any) -> Any:
        if arguments[1:] == (1,):
            function, arguments = _die, ()
        return whole(book, kinds, function, *arguments)

    monkeypatch.setattr(paging._Book, "_ask", die)
    result, content, _manifest = pages(mill, "a.pdf")
    assert [(each.page, each.error_code) for each in result.problems] == [(2, "WORKER_CRASHED")]
    assert sorted(name for name in content if name.endswith(".png")) == ["a.pdf/page-0001.png", "a.pdf/page-0003.png"]
    monkeypatch.setattr(paging, "_MOST_LOST", 1)
    result, content, _manifest = pages(mill, "a.pdf")
    assert [name for name in content if name.endswith(".png")] == ["a.pdf/page-0001.png"], "and it was the last try"


def test_an_answer_of_no_such_kind_is_a_problem(mill: Mill, monkeypatch: pytest.MonkeyPatch) -> None:
    make_pdf(mill.folder / "a.pdf")
    mill.sync()
    monkeypatch.setattr(paging.paged, "render", _lie)
    result, content, _manifest = pages(mill, "a.pdf")
    assert [(each.page, each.error_code) for each in result.problems] == [(1, "PROCESSING_ERROR")]
    assert content == {}


def _lie(*_arguments: object) -> tuple[str, int]:
    return "../../etc/passwd", 3


def _die() -> None:
    import os

    os.kill(os.getpid(), 9)


def test_names_in_the_zip_lead_nowhere_else(mill: Mill) -> None:
    from docmill.service import ingesting, running

    make_pdf(mill.folder / "a.pdf")
    mill.sync()
    outside = make_pdf(mill.root / "out side.pdf")
    ingesting.ingest(mill.settings, [str(outside)], reporter=mill.reporter)
    batch = mill.value("SELECT batch_id FROM document WHERE uri LIKE '%side.pdf'")
    running.start(mill.settings, mill.reporter, str(batch), overrides=list(mill.overrides))
    _result, content, manifest = pages(mill, str(batch))
    assert manifest["documents"][0]["uri"] == str(outside)
    assert sorted(content) == [f"{str(outside)[1:]}/page-0001.{kind}" for kind in ("png", "txt")]


def test_the_zip_is_whole_or_absent_and_never_in_the_home(mill: Mill, monkeypatch: pytest.MonkeyPatch) -> None:
    make_pdf(mill.folder / "a.pdf")
    mill.sync()
    with pytest.raises(StorageError, match="cannot be written"):
        paging.write_pages(mill.settings, "a.pdf", output=str(mill.root / "gone" / "pages.zip"))
    with pytest.raises(UsageError, match="home"):
        paging.write_pages(mill.settings, "a.pdf", output=str(mill.home / "pages.zip"))

    def fail(book: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(paging._Book, "finish", fail)
    with pytest.raises(StorageError, match="No space"):
        paging.write_pages(mill.settings, "a.pdf", output=str(mill.root / "pages.zip"))
    assert sorted(path.name for path in mill.root.iterdir() if "pages" in path.name) == []


def test_on_stdout_the_zip_is_all_there_is(mill: Mill) -> None:
    make_pdf(mill.folder / "a.pdf")
    (mill.folder / "bad.pdf").write_bytes(b"%PDF-1.7 nothing")
    batch = mill.sync().batch_id
    for target, code in (("a.pdf", 0), (str(batch), 3), ("gone.pdf", 4)):
        ran = subprocess.run(
            [sys.executable, "-m", "docmill", "pages", target, "-o", "-", "--home", str(mill.home)],
            capture_output=True,
            check=False,
        )
        assert ran.returncode == code, ran.stderr
        if code != 4:
            with zipfile.ZipFile(io.BytesIO(ran.stdout)) as package:
                assert package.testzip() is None
                assert "manifest.json" in package.namelist()
        assert (b"bad.pdf" in ran.stderr) == (code == 3)


def test_json_describes_the_zip_and_needs_a_file(mill: Mill, tmp_path: Path) -> None:
    make_pdf(mill.folder / "a.pdf")
    mill.sync()
    base = [sys.executable, "-m", "docmill", "pages", "a.pdf", "--json", "--home", str(mill.home), "-o"]
    ran = subprocess.run([*base, "-"], capture_output=True, check=False)
    assert (ran.returncode, json.loads(ran.stdout)["error"]["code"]) == (2, "USAGE")
    ran = subprocess.run([*base, str(tmp_path / "p.zip")], capture_output=True, check=True)
    said = json.loads(ran.stdout)
    assert (said["documents"], said["pages"], said["path"]) == (1, 1, str(tmp_path / "p.zip"))
    assert said["size_bytes"] == (tmp_path / "p.zip").stat().st_size
