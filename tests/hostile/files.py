"""Files that are made to hurt whoever reads them, and what is to become of each. To add one is a line in ``FILES``.

Each maker writes one file. The outcome is ``completed``, ``degraded``, or the code of the failure; several where
versions of libraries differ, and never one that says nothing (``PROCESSING_ERROR`` is only for plug-ins gone wrong).
"""

from __future__ import annotations

import gzip
import io
import os
import random
import tarfile
import zipfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import documents
import odd_pdfs

MIB = 1024**2
SECRET = "swordfish"  # must not be found in the home, wherever a file tries to get it from
W = "http://schemas.openxmlformats.org/wordprocessingml/2006/main"
SHARED_STRINGS = (
    b'<Override PartName="/xl/sharedStrings.xml"'
    b' ContentType="application/vnd.openxmlformats-officedocument.spreadsheetml.sharedStrings+xml"/>'
)
S = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"


@dataclass(frozen=True)
class Place:
    """What makers may point at. ``target``: what nobody may ever write; ``port``: where nobody may call."""

    secret: Path
    target: Path
    children: Path
    port: int


Maker = Callable[[Path, Place], object]


def raw(content: bytes) -> Maker:
    return lambda path, _place: path.write_bytes(content)


def made(maker: Callable[[Path], object]) -> Maker:
    return lambda path, _place: maker(path)


def acts(words: str) -> Maker:
    """For the parser of tests/plugins/docmill_hostile.py; ``words`` may name what Place has."""
    return lambda path, place: path.write_text(
        words.format(target=place.target, children=place.children / path.stem, port=place.port)
    )


LIES = (
    "lie_about_steps",
    "lie_about_the_failure",
    "lie_about_artifacts",
    "lie_with_half_characters",
    "lie_with_large_numbers",
    "lie_with_odd_types",
    "lie_with_deep_metadata",
)


# ---- Office packages -------------------------------------------------------------------------------------------------


def zeros(size: int) -> Iterable[bytes]:
    block = bytes(MIB)
    return (block for _ in range(size // MIB))


def docx_of(body: str | Iterable[bytes], *, doctype: str = "") -> Maker:
    """A Word document whose main part holds ``body``, as text inside <w:body>, or as bytes that are all of it."""

    def make(path: Path, place: Place) -> None:
        documents.make_docx(path)
        if isinstance(body, str):
            text = body.replace("{secret}", place.secret.as_uri())
            declared = doctype.replace("{secret}", place.secret.as_uri())
            whole = f'{declared}<w:document xmlns:w="{W}"><w:body>{text}</w:body></w:document>'
            part: Iterable[bytes] = [b'<?xml version="1.0"?>', whole.encode()]
        else:
            part = body
        replace_part(path, "word/document.xml", part)

    return make


def replace_part(path: Path, name: str, content: Iterable[bytes]) -> None:
    with zipfile.ZipFile(path) as package:
        kept = {each: package.read(each) for each in package.namelist() if each != name}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as package:
        for each, data in kept.items():
            package.writestr(each, data)
        with package.open(name, "w", force_zip64=True) as stream:
            for block in content:
                stream.write(block)


def paragraph(text: str) -> str:
    return f"<w:p><w:r><w:t>{text}</w:t></w:r></w:p>"


def grid_span(path: Path, place: Place) -> None:
    cell = f'<w:tc><w:tcPr><w:gridSpan w:val="2000000000"/></w:tcPr>{paragraph("wide")}</w:tc>'
    docx_of(f"<w:tbl><w:tr>{cell}</w:tr></w:tbl>")(path, place)


def three_million_paragraphs(path: Path, _place: Place) -> None:
    documents.make_docx(path)
    block = paragraph("a").encode() * 10_000
    head = f'<?xml version="1.0"?><w:document xmlns:w="{W}"><w:body>'.encode()
    replace_part(path, "word/document.xml", [head, *[block] * 300, b"</w:body></w:document>"])


def flagged_as_encrypted(path: Path, _place: Place) -> None:
    documents.make_docx(path)
    data = bytearray(path.read_bytes())
    for mark, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        at = data.find(mark)
        while at >= 0:
            data[at + offset] |= 1
            at = data.find(mark, at + 4)
    path.write_bytes(data)


def nested_zips(path: Path, _place: Place) -> None:
    inner = b"walnut" * 1000
    for _ in range(20):
        stream = io.BytesIO()
        with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as package:
            package.writestr("inner.docx", inner)
        inner = stream.getvalue()
    path.write_bytes(inner)


def many_entries(path: Path, _place: Place) -> None:
    documents.make_docx(path)
    with zipfile.ZipFile(path, "a") as package:
        for number in range(30_000):
            package.writestr(f"word/media/{number}", b"")


def sheet(rows: Iterable[str], *, dimension: str = "A1:B2", doctype: str = "") -> Iterable[bytes]:
    yield f'<?xml version="1.0"?>{doctype}<worksheet xmlns="{S}"><dimension ref="{dimension}"/><sheetData>'.encode()
    for row in rows:
        yield row.encode()
    yield b"</sheetData></worksheet>"


def xlsx_of(rows: Iterable[str], *, dimension: str = "A1:B2", strings: str | None = None, doctype: str = "") -> Maker:
    def make(path: Path, place: Place) -> None:
        documents.make_xlsx(path)
        declared = doctype.replace("{secret}", place.secret.as_uri())
        replace_part(path, "xl/worksheets/sheet1.xml", sheet(rows, dimension=dimension, doctype=declared))
        if strings is not None:
            content = f'<?xml version="1.0"?>{declared}<sst xmlns="{S}"><si><t>{strings}</t></si></sst>'
            replace_part(path, "xl/sharedStrings.xml", [content.encode()])
            with zipfile.ZipFile(path) as package:
                types = package.read("[Content_Types].xml")
            replace_part(path, "[Content_Types].xml", [types.replace(b"</Types>", SHARED_STRINGS + b"</Types>")])

    return make


def shared_strings(path: Path, place: Place) -> None:
    """One text of a hundred thousand letters, shown by two hundred thousand cells: twenty gigabytes."""
    rows = ['<row><c t="s"><v>0</v></c></row>' * 1000] * 200
    xlsx_of(rows, strings="w" * 100_000)(path, place)


def declared_rows(path: Path, place: Place) -> None:
    cell = '<c r="A1048576" t="inlineStr"><is><t>the last one</t></is></c>'
    xlsx_of([f'<row r="1048576">{cell}</row>'], dimension="A1:XFD1048576")(path, place)


def package_of(part: str, content: Iterable[bytes], maker: Callable[[Path], object]) -> Maker:
    def make(path: Path, _place: Place) -> None:
        maker(path)
        replace_part(path, part, content)

    return make


def archive_of(members: dict[str, bytes]) -> Maker:
    return lambda path, _place: documents.make_zip(path, dict(members))


def tar_of_links(path: Path, place: Place) -> None:
    """Links out of it, a device, and a file that goes through a link."""
    with tarfile.open(path, "w") as archive:
        for name, kind, target in (
            ("secret.md", tarfile.SYMTYPE, str(place.secret)),
            ("hard.md", tarfile.LNKTYPE, str(place.secret)),
            ("up", tarfile.SYMTYPE, str(place.target.parent)),
            ("device.md", tarfile.CHRTYPE, ""),
        ):
            entry = tarfile.TarInfo(name)
            entry.type, entry.linkname = kind, target
            archive.addfile(entry)
        entry = tarfile.TarInfo("up/target")
        entry.size = 4
        archive.addfile(entry, io.BytesIO(b"gone"))


def gzip_bomb(path: Path, _place: Place) -> None:
    with gzip.open(path, "wb", compresslevel=9) as stream:
        for block in zeros(200 * MIB):
            stream.write(block)


ENTITIES = (
    '<!DOCTYPE x [<!ENTITY a0 "ha">' + "".join(f'<!ENTITY a{n} "{f"&a{n - 1};" * 10}">' for n in range(1, 10)) + "]>"
)
EXTERNAL = '<!DOCTYPE x [<!ENTITY s SYSTEM "{secret}">]>'

# ---- text and markup -------------------------------------------------------------------------------------------------


def nested_html(path: Path, _place: Place) -> None:
    path.write_bytes(b"<!doctype html><html><body>" + b"<div>" * 1_000_000 + b"the bottom")


def nested_json(path: Path, _place: Place) -> None:
    path.write_bytes(b"[" * 1_000_000 + b"1" + b"]" * 1_000_000)


def billion_cells(path: Path, _place: Place) -> None:
    with path.open("wb") as stream:
        stream.write(b"a,b,c\n")
        for _ in range(40):
            stream.write(b"," * MIB + b"\n")


def one_line(path: Path, _place: Place) -> None:
    path.write_bytes(b"walnut" * (3 * MIB))


def noise(size: int, seed: int = 7) -> bytes:
    return random.Random(seed).randbytes(size)


def truncated(maker: Callable[[Path], object], share: float = 0.6) -> Maker:
    def make(path: Path, _place: Place) -> None:
        maker(path)
        data = path.read_bytes()
        path.write_bytes(data[: int(len(data) * share)])

    return make


def flate_bomb(path: Path) -> object:
    """Two filters, one in the other: four kilobytes that are gigabytes."""
    import zlib

    inner = zlib.compressobj(9)
    packed = b"".join(inner.compress(block) for block in zeros(1024 * MIB)) + inner.flush()
    outer = zlib.compress(packed, 9)
    content = b"<< /Length %d /Filter [/FlateDecode /FlateDecode] >>\nstream\n%s\nendstream" % (len(outer), outer)
    tree = b"<< /Type /Pages /Count 1 /Kids [5 0 R] >>"
    catalog = b"<< /Type /Catalog /Pages 2 0 R >>"
    return odd_pdfs.write_pdf(path, [catalog, tree, odd_pdfs.FONT, content, odd_pdfs.page(2, 4, 3)])


def locked_pdf(path: Path) -> object:
    return documents.make_pdf(path, password="walnut")


def locked_office(path: Path) -> object:
    return documents.make_ole(path, ["EncryptionInfo", "EncryptedPackage"])


# ---- what is no regular file -----------------------------------------------------------------------------------------


def loop_of_links(path: Path, _place: Place) -> None:
    path.symlink_to(path.name)


def named_pipe(path: Path, _place: Place) -> None:
    os.mkfifo(path)


def folder_that_holds_itself(path: Path, _place: Place) -> None:
    path.mkdir()
    (path / "again").symlink_to(path)


READ = {"completed", "degraded"}
BROKEN = {"CORRUPTED_FILE"}
TOO_MUCH = {"degraded", "FILE_TOO_LARGE", "OUT_OF_MEMORY", "TIMEOUT"}
NO_DOCUMENT = {"passed over"}  # of the folder's scan

FILES: dict[str, tuple[Maker, set[str]]] = {
    # packages
    "bomb.docx": (docx_of(zeros(200 * MIB)), {"FILE_TOO_LARGE"}),
    "grid-span.docx": (grid_span, READ),
    "paragraphs.docx": (three_million_paragraphs, TOO_MUCH),
    "deep.docx": (docx_of("<w:sdt>" * 100_000), BROKEN),
    "entities.docx": (docx_of(paragraph("&a9;"), doctype=ENTITIES), BROKEN | READ | {"EMPTY_DOCUMENT"}),
    "external.docx": (docx_of(paragraph("mine: &s;"), doctype=EXTERNAL), BROKEN | READ | {"EMPTY_DOCUMENT"}),
    "truncated.docx": (truncated(documents.make_docx), BROKEN | {"degraded"}),
    "locked.docx": (made(locked_office), {"ENCRYPTED_FILE"}),
    "flagged.docx": (flagged_as_encrypted, {"ENCRYPTED_FILE"}),
    "nested.docx": (nested_zips, BROKEN),
    "entries.docx": (many_entries, {"FILE_TOO_LARGE"}),
    "strings.xlsx": (shared_strings, TOO_MUCH),
    "rows.xlsx": (declared_rows, READ),
    "entities.xlsx": (xlsx_of(["<row><c><v>&a9;</v></c></row>"], doctype=ENTITIES), BROKEN | READ | {"EMPTY_DOCUMENT"}),
    "external.xlsx": (
        xlsx_of(['<row><c t="s"><v>0</v></c></row>'], strings="mine: &s;", doctype=EXTERNAL),
        BROKEN | READ | {"EMPTY_DOCUMENT"},
    ),
    "truncated.xlsx": (truncated(documents.make_xlsx), BROKEN | {"degraded"}),
    "locked.xlsx": (made(locked_office), {"ENCRYPTED_FILE"}),
    "bomb.pptx": (package_of("ppt/presentation.xml", zeros(200 * MIB), documents.make_pptx), {"FILE_TOO_LARGE"}),
    "truncated.epub": (truncated(documents.make_epub), BROKEN | {"degraded"}),
    "deep.rtf": (raw(b"{\\rtf1 " + b"{" * 1_000_000 + b"walnut"), READ | BROKEN),
    # archives: their members are documents of their own
    "bomb.zip": (archive_of({"zeros.txt": bytes(200 * MIB)}), {"degraded", "FILE_TOO_LARGE", "EMPTY_DOCUMENT"}),
    "nested.zip": (nested_zips, READ | {"EMPTY_DOCUMENT"}),
    "paths.zip": (archive_of({"../../../target.md": b"# Up", "/etc/target.md": b"# Root", "C:\\t.md": b"# C"}), READ),
    "truncated.zip": (truncated(documents.MAKERS["sample.zip"]), BROKEN),
    "links.tar": (tar_of_links, READ | BROKEN | {"EMPTY_DOCUMENT"}),
    "bomb.txt.gz": (gzip_bomb, {"degraded", "FILE_TOO_LARGE", "EMPTY_DOCUMENT"}),
    "mail.eml": (
        raw(b"Content-Type: multipart/mixed; boundary=a\n\n" + b"--a\n" * 100_000),
        BROKEN | {"EMPTY_DOCUMENT"},
    ),
    # PDFs
    "bomb.pdf": (made(flate_bomb), TOO_MUCH | BROKEN | {"WORKER_CRASHED", "EMPTY_DOCUMENT"}),
    "shared.pdf": (made(odd_pdfs.shared_stream), TOO_MUCH),
    "cyclic.pdf": (made(odd_pdfs.cyclic_page_tree), READ | BROKEN),
    "deep.pdf": (made(odd_pdfs.deep_page_tree), READ | BROKEN | {"EMPTY_DOCUMENT", "WORKER_CRASHED"}),
    "damaged.pdf": (made(odd_pdfs.damaged_stream), {"EMPTY_DOCUMENT", "degraded"} | BROKEN),
    "truncated.pdf": (truncated(documents.make_pdf), BROKEN | {"degraded", "EMPTY_DOCUMENT"}),
    "locked.pdf": (made(locked_pdf), {"ENCRYPTED_FILE"}),
    # text and markup
    "empty.md": (raw(b""), {"EMPTY_DOCUMENT"}),
    "blank.txt": (raw(b" \n\t\r\n" * 1000), {"EMPTY_DOCUMENT"}),
    "nested.html": (nested_html, READ | BROKEN | {"EMPTY_DOCUMENT", "TIMEOUT", "WORKER_CRASHED"}),
    "external.html": (raw(b'<html><body><iframe src="file:///etc/passwd"></iframe><p>walnut</p></body></html>'), READ),
    "nested.json": (nested_json, READ | BROKEN | {"FILE_TOO_LARGE"}),
    "surrogates.json": (raw(b'{"text": "walnut \\ud800 oil"}'), READ),
    "cells.csv": (billion_cells, TOO_MUCH | {"EMPTY_DOCUMENT"}),
    "line.txt": (one_line, {"degraded"}),
    "invalid.txt": (raw(b"walnut \xff\xfe\xc3\x28 oil\n" * 100), READ | {"DECODE_ERROR"}),
    "surrogates.txt": (raw("walnut \ud800\udfff oil\n".encode("utf-8", "surrogatepass") * 10), READ | {"DECODE_ERROR"}),
    "nul.txt": (raw(b"walnut\0oil\n" * 100), BROKEN | READ),
    "noise.txt": (raw(noise(100_000)), BROKEN | {"DECODE_ERROR"}),
    # names that promise something else
    "noise.pdf": (raw(noise(100_000)), BROKEN),
    "noise.docx": (raw(noise(100_000)), BROKEN),
    "text.pdf": (raw(b"plain text"), BROKEN),
    "pdf.docx": (made(documents.make_pdf), {"completed"}),
    "picture.xlsx": (raw(documents.png_bytes()), BROKEN | {"UNSUPPORTED_TYPE", "EMPTY_DOCUMENT"}),
    # no files
    "loop.md": (loop_of_links, NO_DOCUMENT),
    "pipe.md": (named_pipe, NO_DOCUMENT),
    "folder.md": (folder_that_holds_itself, NO_DOCUMENT),
    # libraries that have been taken over
    "hang.hostile": (acts("hang"), {"TIMEOUT"}),
    "deaf.hostile": (acts("hang_deaf"), {"TIMEOUT"}),
    "burn.hostile": (acts("burn"), {"TIMEOUT"}),
    "allocate.hostile": (acts("allocate"), {"OUT_OF_MEMORY"}),
    "blame.hostile": (acts("allocate_and_blame_the_file"), {"OUT_OF_MEMORY"}),
    "segfault.hostile": (acts("segfault"), {"WORKER_CRASHED"}),
    "abort.hostile": (acts("abort_for_memory"), {"OUT_OF_MEMORY"}),
    "exit.hostile": (acts("leave_at_once"), {"WORKER_CRASHED"}),
    "leave.hostile": (acts("leave"), {"PROCESSING_ERROR"}),
    "interrupt.hostile": (acts("interrupt"), {"PROCESSING_ERROR"}),
    "unprintable.hostile": (acts("raise_unprintable"), {"PROCESSING_ERROR"}),
    "endless.hostile": (acts("raise_endless"), {"PROCESSING_ERROR"}),
    "group.hostile": (acts("raise_group"), {"PROCESSING_ERROR"}),
    "recurse.hostile": (acts("recurse"), {"PROCESSING_ERROR"}),
    "flood.hostile": (acts("flood"), {"completed"}),
    "ten.hostile": (acts("return_ten_gigabytes"), {"OUT_OF_MEMORY"}),
    "much.hostile": (acts("return_too_much"), {"degraded"}),
    "none.hostile": (acts("return_none"), {"PROCESSING_ERROR"}),
    "nul.hostile": (acts("return_nul"), {"PROCESSING_ERROR"}),
    "surrogates.hostile": (acts("return_surrogates"), {"PROCESSING_ERROR"}),
    "outside.hostile": (acts("return_blocks_outside"), {"PROCESSING_ERROR"}),
    "blocks.hostile": (acts("return_many_blocks"), {"PROCESSING_ERROR"}),
    "metadata.hostile": (acts("return_odd_metadata"), {"PROCESSING_ERROR"}),
    "infinite.hostile": (acts("return_infinite_metadata"), {"PROCESSING_ERROR"}),
    "child.hostile": (acts("leave_a_child {children}"), {"completed"}),
    "orphan.hostile": (acts("leave_a_child_and_crash {children}"), {"WORKER_CRASHED"}),
    "network.hostile": (acts("call_home {port}"), {"completed"}),
    "secrets.hostile": (acts("read_secrets"), {"completed"}),
    "engine.hostile": (acts("end_the_engine"), {"completed"}),
    "descriptors.hostile": (acts("list_descriptors"), {"completed"}),
    "write.hostile": (acts("write_much {children}.written"), {"FILE_TOO_LARGE"}),
    "forged.hostile": (acts("forge_an_answer {target}"), {"PROCESSING_ERROR"}),
    "outcome.hostile": (acts("forge_an_outcome"), {"PROCESSING_ERROR"}),
    **{f"{name}.hostile": (acts(name), {"PROCESSING_ERROR"}) for name in LIES},
    "terabyte.hostile": (acts("announce_a_terabyte"), {"FILE_TOO_LARGE"}),
    "halfway.hostile": (acts("stop_halfway"), {"TIMEOUT"}),
}
