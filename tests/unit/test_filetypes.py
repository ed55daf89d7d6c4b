"""What a file is told to be: by content where content tells, by name among the kinds of text."""

from __future__ import annotations

import struct
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from docmill import filetypes, registry
from docmill.containers import ole_streams, open_package, open_zip, relations
from docmill.domain.params import ParseParams
from docmill.errors import CorruptedFile, EmptyDocument, EncryptedFile, FileTooLarge, UnsupportedType
from documents import MAKERS, make_docx, make_html, make_image, make_ole, make_pdf, make_tar, make_xlsx, make_zip

EXPECTED = {
    "sample.txt": "text",
    "sample.md": "markdown",
    "sample.html": "html",
    "sample.csv": "csv",
    "sample.tsv": "tsv",
    "sample.json": "json",
    "sample.jsonl": "jsonl",
    "sample.py": "code",
    "sample.docx": "docx",
    "sample.xlsx": "xlsx",
    "sample.pdf": "pdf",
    **{
        f"sample.{kind}": kind
        for kind in (
            "pptx", "odt", "ods", "odp", "rtf", "epub", "eml", "ipynb", "zip", "tar", "gz", "bz2", "xz",
            "doc", "xls", "ppt", "msg", "xlsb", "fb2",
        )
    },
}  # fmt: skip


@pytest.mark.parametrize(("name", "kind"), EXPECTED.items())
def test_each_sample_is_recognised(tmp_path: Path, name: str, kind: str) -> None:
    found = filetypes.detect(MAKERS[name](tmp_path / name))
    assert found.name == kind
    assert filetypes.type_by_name(name) == kind


@pytest.mark.parametrize("kind", filetypes.TYPES.values(), ids=lambda kind: kind.name)
def test_each_type_names_a_parser_that_reads_it(kind: filetypes.FileType) -> None:
    assert kind.name in registry.load("parsers", kind.parser).types


def test_each_parser_is_reached_by_some_type() -> None:
    assert {kind.parser for kind in filetypes.TYPES.values()} == set(registry.names("parsers"))


@pytest.mark.parametrize(
    ("make", "kind"), [(make_pdf, "pdf"), (make_docx, "docx"), (make_xlsx, "xlsx"), (make_html, "html")]
)
def test_content_wins_over_the_name(tmp_path: Path, make, kind: str) -> None:
    assert filetypes.detect(make(tmp_path / "misnamed.txt")).name == kind


def test_the_given_name_decides_among_texts(tmp_path: Path) -> None:
    path = tmp_path / "download"
    path.write_text("a,b\n1,2\n")
    assert filetypes.detect(path).name == "text"
    assert filetypes.detect(path, name="table.csv").name == "csv"


def test_html_in_markdown_and_code_stays_what_its_name_says(tmp_path: Path) -> None:
    for name, kind in (("page.md", "markdown"), ("page.vue", "code")):
        path = tmp_path / name
        path.write_text("<html><body>x</body></html>")
        assert filetypes.detect(path).name == kind


def test_a_text_that_speaks_of_pdf_is_text(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("A file begins with %PDF-1.7, as a rule.")
    assert filetypes.detect(path).name == "text"


def test_a_pdf_may_follow_junk_or_miss_its_header(tmp_path: Path) -> None:
    whole = make_pdf(tmp_path / "whole.pdf").read_bytes()
    junk = tmp_path / "junk.bin"
    junk.write_bytes(b"HTTP/1.1 200 OK\r\n\r\n" + whole)
    headless = tmp_path / "headless.pdf"
    headless.write_bytes(whole.partition(b"\n")[2])
    assert filetypes.detect(junk).name == "pdf"
    assert filetypes.detect(headless).name == "pdf"


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "cp1252"])
def test_text_in_any_encoding_is_text(tmp_path: Path, encoding: str) -> None:
    path = tmp_path / "notes.txt"
    path.write_bytes(("Öl für den Tisch, zweimal im Jahr. " * 3).encode(encoding))
    assert filetypes.detect(path).name == "text"


def test_no_bytes_are_an_empty_document(tmp_path: Path) -> None:
    path = tmp_path / "empty.pdf"
    path.touch()
    with pytest.raises(EmptyDocument, match="0 bytes"):
        filetypes.detect(path)


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("picture", b"GIF89a" + b"\0" * 30, "gif"),
        ("archive", b"7z\xbc\xaf\x27\x1c" + b"\0" * 30, "7z"),
        ("sound", b"RIFF\x24\x00\x00\x00WAVEfmt \x10\x00\x00\x00" + b"\0" * 40, "(?i)wav"),
    ],
)
def test_known_kinds_without_a_parser_are_named(tmp_path: Path, name: str, content: bytes, words: str) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(UnsupportedType, match=words):
        filetypes.detect(path)


@pytest.mark.parametrize(
    ("members", "kind"),
    [
        ({"ppt/presentation.xml": "<p/>"}, "pptx"),
        ({"mimetype": "application/epub+zip"}, "epub"),
        ({"mimetype": "application/vnd.oasis.opendocument.text"}, "odt"),
        ({"mimetype": "application/vnd.oasis.opendocument.text-template"}, "odt"),
        ({"readme.txt": "hello"}, "zip"),
    ],
)
def test_zip_containers_are_told_apart(tmp_path: Path, members: dict[str, bytes | str], kind: str) -> None:
    assert filetypes.detect(make_zip(tmp_path / "container", members)).name == kind


@pytest.mark.parametrize("mode", ["w:gz", "w:bz2", "w:xz"])
def test_a_compressed_tar_is_a_tar_whatever_it_is_called(tmp_path: Path, mode: str) -> None:
    assert filetypes.detect(make_tar(tmp_path / "backup.gz", mode=mode)).name == "tar"


def test_a_text_that_begins_like_a_compressed_file_is_text(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("BZh is how files of bzip2 begin.")
    assert filetypes.detect(path).name == "text"


def test_rtf_is_known_by_its_content(tmp_path: Path) -> None:
    path = tmp_path / "letter.doc"
    path.write_bytes(b"{\\rtf1 hello}")
    assert filetypes.detect(path).name == "rtf"


def test_a_package_without_its_document_is_corrupted(tmp_path: Path) -> None:
    with pytest.raises(CorruptedFile, match="promises docx"):
        filetypes.detect(make_zip(tmp_path / "report.docx", {"theme/theme1.xml": "<t/>"}))


def test_a_truncated_package_is_corrupted(tmp_path: Path) -> None:
    path = make_docx(tmp_path / "report.docx")
    path.write_bytes(path.read_bytes()[:3000])
    with pytest.raises(CorruptedFile, match="zip"):
        filetypes.detect(path)


def test_a_package_with_a_damaged_member_is_corrupted(tmp_path: Path) -> None:
    path = make_docx(tmp_path / "report.docx")
    data = bytearray(path.read_bytes())
    start = data.index(b"[Content_Types].xml") - 30
    data[start : start + 4] = b"XXXX"
    path.write_bytes(bytes(data))
    with pytest.raises(CorruptedFile):
        filetypes.detect(path)


@pytest.mark.parametrize("stream", ["EncryptedPackage", "EncryptionInfo"])
def test_encrypted_office_files_are_known_by_their_streams(tmp_path: Path, stream: str) -> None:
    with pytest.raises(EncryptedFile, match="password"):
        filetypes.detect(make_ole(tmp_path / "secret.docx", ["\x06DataSpaces", "Version", "DataSpaceMap", stream]))


@pytest.mark.parametrize(
    ("stream", "kind"), [("WordDocument", "doc"), ("Workbook", "xls"), ("__properties_version1.0", "msg")]
)
def test_ole_files_are_told_apart(tmp_path: Path, stream: str, kind: str) -> None:
    assert filetypes.detect(make_ole(tmp_path / "old.bin", [stream])).name == kind


def test_an_ole_file_of_an_unknown_kind_is_unsupported(tmp_path: Path) -> None:
    with pytest.raises(UnsupportedType) as raised:
        filetypes.detect(make_ole(tmp_path / "old.doc", ["Anything"]))
    assert raised.value.context["detected"] == "ole"


def test_what_an_extra_reads_is_unsupported_without_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = make_ole(tmp_path / "old.doc", ["WordDocument"])
    monkeypatch.setattr(filetypes, "_is_installed", lambda kind: not kind.extra)
    assert filetypes.type_by_name("old.doc") is None
    assert filetypes.ignore_reason("old.doc") == 'no parser for .doc (pip install "docmill[formats]")'
    assert ".doc" not in filetypes.supported_suffixes()
    with pytest.raises(UnsupportedType) as raised:
        filetypes.detect(path)
    assert raised.value.hint == 'pip install "docmill[formats]"'
    assert raised.value.context["detected"] == "doc"


def test_the_ole_directory_is_followed_over_sectors_and_cycles(tmp_path: Path) -> None:
    streams = [f"stream {number}" for number in range(20)]
    path = make_ole(tmp_path / "many", streams)
    with path.open("rb") as stream:
        assert set(streams) <= ole_streams(stream)
    data = bytearray(path.read_bytes())
    data[512 + 4 : 512 + 8] = (1).to_bytes(4, "little")  # the first directory sector now follows itself
    path.write_bytes(bytes(data))
    with path.open("rb") as stream:
        assert "stream 0" in ole_streams(stream)


@pytest.mark.parametrize(
    ("content", "limits", "named"),
    [
        (b"0" * 100_000, {"max_expanded_bytes": 99_999}, "max_expanded_bytes"),
        (b"0" * (65 * 1024**2), {}, "max_expansion_ratio"),
    ],
)
def test_a_package_that_declares_too_much_is_refused(
    tmp_path: Path, content: bytes, limits: dict[str, int], named: str
) -> None:
    path = make_zip(tmp_path / "bomb.docx", {"word/document.xml": content})
    with path.open("rb") as stream, pytest.raises(FileTooLarge, match=named) as raised:
        open_package(stream, ParseParams(**limits))
    assert raised.value.context["expanded_bytes"] == len(content)
    assert raised.value.hint == f"raise parse.{named}"


def test_a_package_of_too_many_entries_is_refused(tmp_path: Path) -> None:
    path = make_zip(tmp_path / "many.docx", {f"{number}": "" for number in range(5)})
    with path.open("rb") as stream, pytest.raises(FileTooLarge, match="max_entries"):
        open_package(stream, ParseParams(max_entries=4))


def test_a_zip_whose_directory_would_fill_the_memory_is_refused(tmp_path: Path) -> None:
    path = make_zip(tmp_path / "huge.zip", {"a.txt": "x"})
    data = bytearray(path.read_bytes())
    struct.pack_into("<I", data, data.rindex(b"PK\x05\x06") + 12, 2**31)
    path.write_bytes(bytes(data))
    with path.open("rb") as stream, pytest.raises(FileTooLarge, match="directory"):
        open_zip(stream)


def test_an_encrypted_zip_is_told(tmp_path: Path) -> None:
    data = bytearray(make_zip(tmp_path / "locked.docx", {"word/document.xml": "x"}).read_bytes())
    data[data.index(b"PK\x01\x02") + 8] |= 1
    (tmp_path / "locked.docx").write_bytes(bytes(data))
    with pytest.raises(EncryptedFile):
        filetypes.detect(tmp_path / "locked.docx")


def test_relations_stay_inside_the_package(tmp_path: Path) -> None:
    rels = (
        '<Relationships><Relationship Id="a" Type="http://x/header" Target="../headers/h1.xml"/>'
        '<Relationship Id="b" Type="http://x/header" Target="http://evil/" TargetMode="External"/></Relationships>'
    )
    path = make_zip(tmp_path / "package", {"word/document.xml": "x", "word/_rels/document.xml.rels": rels})
    with zipfile.ZipFile(path) as package:
        assert [(item.kind, item.part) for item in relations(package, "word/document.xml")] == [
            ("header", "headers/h1.xml")
        ]


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("Report.PDF", "pdf"),
        ("README", "text"),
        ("Makefile", "code"),
        ("notes.rst", "text"),
        ("settings.yaml", "code"),
        ("data.ndjson", "jsonl"),
        ("slides.pptx", "pptx"),
        ("letter.doc", "doc"),
        ("photo.gif", None),
        ("program", None),
        (".env", None),
        ("archive.tar.gz", "gz"),
        ("archive.tgz", "tar"),
        ("archive.rar", None),
    ],
)
def test_names_decide_what_a_scan_reads(name: str, kind: str | None) -> None:
    assert filetypes.type_by_name(name) == kind
    assert (filetypes.ignore_reason(name) is None) == (kind is not None)


def test_images_are_for_ocr_alone(tmp_path: Path) -> None:
    for name, kind in (("scan.PNG", "png"), ("scan.jpeg", "jpg"), ("scan.tif", "tiff")):
        assert filetypes.type_by_name(name) == kind
        assert filetypes.is_image(name)
        assert "unless parse.ocr is on" in (filetypes.ignore_reason(name) or "")
        assert filetypes.ignore_reason(name, images=True) is None
        path = make_image(tmp_path / name)
        assert filetypes.detect(path).name == kind
        assert filetypes.detect(path, name="scan").parser == "image"
        path.write_text("no picture, but words\n")
        with pytest.raises(CorruptedFile, match=f"promises {kind}"):
            filetypes.detect(path)


def test_the_reason_for_passing_a_file_over_can_be_read() -> None:
    assert filetypes.ignore_reason("Picture.WEBP") == "no parser for .webp"
    assert filetypes.ignore_reason("program") == "no suffix that tells its type"
    assert ".pdf" in filetypes.supported_suffixes()
    assert ".webp" not in filetypes.supported_suffixes()


def test_a_plugged_in_parser_makes_its_kind_readable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "names", lambda kind: ("delimited", "7z"))
    assert filetypes.type_by_name("backup.7z") == "7z"
    assert filetypes.type_by_name("rows.delimited") is None, "a built-in parser's name is no suffix"
    (tmp_path / "backup.7z").write_bytes(b"7z\xbc\xaf\x27\x1c" + b"\0" * 30)
    found = filetypes.detect(tmp_path / "backup.7z")
    assert (found.name, found.parser) == ("7z", "7z")


def test_importing_it_and_asking_for_names_loads_nothing_heavy() -> None:
    heavy = ("pydantic", "puremagic", "zipfile", "lxml", "charset_normalizer")
    code = (
        "import sys; from docmill import filetypes; filetypes.type_by_name('a.pdf'); "
        f"print([name for name in {heavy} if name in sys.modules])"
    )
    output = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert output.strip() == "[]"
