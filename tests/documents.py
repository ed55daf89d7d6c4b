"""Makes the sample files that the tests read. Each ``make_`` writes one small real file and returns its path."""

from __future__ import annotations

import bz2
import datetime as dt
import gzip
import io
import json
import lzma
import shutil
import struct
import tarfile
import zipfile
from collections.abc import Callable, Iterable, Sequence
from email.message import EmailMessage
from pathlib import Path
from typing import Any

# What every sample says, whatever its format: parity tests compare against it.
TITLE = "Care of the Walnut Desk"
PARAGRAPH = "The walnut desk is oiled twice a year, in spring and in autumn, with a soft cloth."
SECTION = "Cleaning"
ITEMS = ("Dust it first", "Use warm water", "Dry it at once")
HEADER = ("Season", "Oil", "Hours")
ROWS = (("Spring", "Linseed", "12"), ("Autumn", "Tung", "24"))


def make_text(
    path: Path, text: str = f"{TITLE}\n=======================\n\n{PARAGRAPH}\n", encoding: str = "utf-8"
) -> Path:
    path.write_bytes(text.encode(encoding))
    return path


def make_markdown(path: Path, text: str | None = None) -> Path:
    items = "\n".join(f"- {item}" for item in ITEMS)
    table = "\n".join(f"| {' | '.join(row)} |" for row in (HEADER, ("---",) * len(HEADER), *ROWS))
    written = text if text is not None else f"# {TITLE}\n\n{PARAGRAPH}\n\n## {SECTION}\n\n{items}\n\n{table}\n"
    return make_text(path, written)


def make_html(path: Path, body: str | None = None, *, head: str = f"<title>{TITLE}</title>") -> Path:
    items = "".join(f"<li>{item}</li>" for item in ITEMS)
    names = "".join(f"<th>{name}</th>" for name in HEADER)
    rows = "".join("<tr>" + "".join(f"<td>{cell}</td>" for cell in row) + "</tr>" for row in ROWS)
    standard = (
        f"<h1>{TITLE}</h1><p>{PARAGRAPH}</p><h2>{SECTION}</h2><ul>{items}</ul>"
        f"<table><thead><tr>{names}</tr></thead><tbody>{rows}</tbody></table>"
    )
    content = standard if body is None else body
    return make_text(path, f"<!doctype html><html lang='en'><head>{head}</head><body>{content}</body></html>")


def make_csv(path: Path, rows: Iterable[Sequence[str]] = (HEADER, *ROWS), *, delimiter: str = ",") -> Path:
    return make_text(path, "".join(delimiter.join(row) + "\n" for row in rows))


def make_json(path: Path, text: str = '{"title": "Walnut desk", "care": {"oil": "linseed", "times": [1, 2]}}') -> Path:
    return make_text(path, text)


def make_jsonl(
    path: Path, text: str = '{"season": "spring", "oil": "linseed"}\n{"season": "autumn", "oil": "tung"}\n'
) -> Path:
    return make_text(path, text)


def make_docx(path: Path, build: Callable[[Any], None] | None = None) -> Path:
    """A Word document; ``build`` gets the empty python-docx document to fill."""
    import docx

    document = docx.Document()
    if build is not None:
        build(document)
    else:
        document.core_properties.author = "Ada Joiner"
        document.add_heading(TITLE, 1)
        document.add_paragraph(PARAGRAPH)
        document.add_heading(SECTION, 2)
        for item in ITEMS:
            document.add_paragraph(item, style="List Bullet")
        table = document.add_table(rows=0, cols=len(HEADER))
        for row in (HEADER, *ROWS):
            for cell, text in zip(table.add_row().cells, row, strict=True):
                cell.text = text
    document.save(str(path))
    return path


def make_xlsx(path: Path, sheets: dict[str, Iterable[Sequence[Any]]] | None = None) -> Path:
    """A workbook; by default one sheet, whose last column holds numbers and dates."""
    from openpyxl import Workbook

    book = Workbook()
    book.remove(book.active)
    standard = {"Oils": [(*HEADER, "Bought"), *((*row[:2], int(row[2]), dt.date(2024, 3, 1)) for row in ROWS)]}
    for name, rows in (standard if sheets is None else sheets).items():
        sheet = book.create_sheet(name)
        for row in rows:
            sheet.append(list(row))
    book.save(path)
    return path


def make_pptx(path: Path, build: Callable[[Any], None] | None = None) -> Path:
    """A presentation; ``build`` gets the empty python-pptx presentation to fill."""
    import pptx
    from pptx.util import Inches

    presentation = pptx.Presentation()
    if build is not None:
        build(presentation)
    else:
        presentation.core_properties.title = TITLE
        first = presentation.slides.add_slide(presentation.slide_layouts[0])
        first.shapes.title.text, first.placeholders[1].text = TITLE, PARAGRAPH
        second = presentation.slides.add_slide(presentation.slide_layouts[1])
        second.shapes.title.text, second.placeholders[1].text = SECTION, "\n".join(ITEMS)
        second.notes_slide.notes_text_frame.text = "Show the cloth."
        third = presentation.slides.add_slide(presentation.slide_layouts[6])
        table = third.shapes.add_table(3, 3, Inches(1), Inches(1), Inches(6), Inches(2)).table
        for number, row in enumerate((HEADER, *ROWS)):
            for cell, text in zip(table.rows[number].cells, row, strict=True):
                cell.text = text
    presentation.save(str(path))
    return path


_ODF_SPACES = " ".join(
    f'xmlns:{prefix}="urn:oasis:names:tc:opendocument:xmlns:{space}:1.0"'
    for prefix, space in {
        "office": "office", "text": "text", "table": "table", "draw": "drawing", "style": "style",
        "presentation": "presentation", "svg": "svg-compatible", "meta": "meta", "manifest": "manifest",
    }.items()
)  # fmt: skip


def make_opendocument(
    path: Path, kind: str, body: str, *, styles: str = "", members: dict[str, str] | None = None
) -> Path:
    """An OpenDocument ``kind`` (text, spreadsheet, presentation) whose body is the XML in ``body``."""
    content = (
        f"<office:document-content {_ODF_SPACES}><office:automatic-styles>{styles}</office:automatic-styles>"
        f"<office:body><office:{kind}>{body}</office:{kind}></office:body></office:document-content>"
    )
    meta = (
        f'<office:document-meta {_ODF_SPACES} xmlns:dc="http://purl.org/dc/elements/1.1/"><office:meta>'
        "<meta:initial-creator>Ada Joiner</meta:initial-creator>"
        "<meta:creation-date>2024-01-31T08:30:00</meta:creation-date>"
        "</office:meta></office:document-meta>"
    )
    mimetype = f"application/vnd.oasis.opendocument.{kind}"
    return make_zip(path, {"mimetype": mimetype, "content.xml": content, "meta.xml": meta, **(members or {})})


def odf_table(rows: Iterable[Sequence[str]], name: str = "Oils") -> str:
    def cell(text: str) -> str:
        return f"<table:table-cell><text:p>{text}</text:p></table:table-cell>"

    written = "".join(f"<table:table-row>{''.join(map(cell, row))}</table:table-row>" for row in rows)
    return f'<table:table table:name="{name}"><table:table-column/>{written}</table:table>'


def make_odt(path: Path) -> Path:
    items = "".join(f"<text:list-item><text:p>{item}</text:p></text:list-item>" for item in ITEMS)
    body = (
        f'<text:h text:outline-level="1">{TITLE}</text:h><text:p>{PARAGRAPH}</text:p>'
        f'<text:h text:outline-level="2">{SECTION}</text:h><text:list>{items}</text:list>{odf_table((HEADER, *ROWS))}'
    )
    return make_opendocument(path, "text", body)


def make_ods(path: Path) -> Path:
    return make_opendocument(path, "spreadsheet", odf_table((HEADER, *ROWS)))


def make_odp(path: Path) -> Path:
    def frame(content: str, kind: str) -> str:
        return f'<draw:frame presentation:class="{kind}"><draw:text-box>{content}</draw:text-box></draw:frame>'

    items = "".join(f"<text:list-item><text:p>{item}</text:p></text:list-item>" for item in ITEMS)
    pages = (
        frame(f"<text:p>{TITLE}</text:p>", "title") + frame(f"<text:p>{PARAGRAPH}</text:p>", "subtitle"),
        frame(f"<text:p>{SECTION}</text:p>", "title") + frame(f"<text:list>{items}</text:list>", "outline"),
    )
    return make_opendocument(path, "presentation", "".join(f"<draw:page>{page}</draw:page>" for page in pages))


def make_epub(path: Path, chapters: Sequence[str] | None = None, *, members: dict[str, str] | None = None) -> Path:
    """An e-book of EPUB 3; each of ``chapters`` is the body of a page."""
    bodies = (
        chapters
        if chapters is not None
        else (
            f"<h1>{TITLE}</h1><p>{PARAGRAPH}</p>",
            f"<h2>{SECTION}</h2><ul>{''.join(f'<li>{item}</li>' for item in ITEMS)}</ul>",
        )
    )
    pages = {
        f"OEBPS/text/{number}.xhtml": '<?xml version="1.0" encoding="utf-8"?><html xmlns="http://www.w3.org/1999/xhtml">'
        f"<head><title/></head><body>{body}</body></html>"
        for number, body in enumerate(bodies)
    }
    items = "".join(
        f'<item id="c{number}" href="text/{number}.xhtml" media-type="application/xhtml+xml"/>'
        for number in range(len(bodies))
    )
    spine = "".join(f'<itemref idref="c{number}"/>' for number in range(len(bodies)))
    book = (
        '<package xmlns="http://www.idpf.org/2007/opf" xmlns:dc="http://purl.org/dc/elements/1.1/"><metadata>'
        f"<dc:title>{TITLE}</dc:title><dc:creator>Ada Joiner</dc:creator><dc:language>en</dc:language></metadata>"
        f"<manifest>{items}</manifest><spine>{spine}</spine></package>"
    )
    container = '<container><rootfiles><rootfile full-path="OEBPS/book.opf"/></rootfiles></container>'
    return make_zip(
        path,
        {
            "mimetype": "application/epub+zip",
            "META-INF/container.xml": container,
            "OEBPS/book.opf": book,
            **pages,
            **(members or {}),
        },
    )


def make_rtf(path: Path, body: str | None = None) -> Path:
    """Rich Text Format; ``body`` follows the tables of fonts and styles."""
    items = "".join(rf"\pard{{\listtext\'b7\tab}}{item}\par " for item in ITEMS)
    rows = "".join(
        r"\trowd\intbl " + "".join(f"{cell}" r"\cell " for cell in row) + r"\row " for row in (HEADER, *ROWS)
    )
    standard = rf"\pard\s1 {TITLE}\par\pard {PARAGRAPH}\par\pard\s2 {SECTION}\par {items}{rows}\pard\par"
    head = (
        r"{\rtf1\ansi\ansicpg1252\deff0{\fonttbl{\f0\fcharset0 Times;}{\f1\fcharset204 Times CYR;}"
        r"{\f2\fcharset128 Mincho;}}"
        r"{\stylesheet{\s0 Normal;}{\s1\outlinelevel0 heading 1;}{\s2 heading 2;}}"
        r"{\info{\author Ada Joiner}{\creatim\yr2024\mo1\dy31\hr8\min30}}"
    )
    path.write_bytes(f"{head}{standard if body is None else body}}}".encode("latin-1"))
    return path


def make_ipynb(path: Path, cells: Sequence[dict[str, Any]] | None = None) -> Path:
    standard = [
        {"cell_type": "markdown", "source": [f"# {TITLE}\n", "\n", PARAGRAPH]},
        {
            "cell_type": "code",
            "source": "print(oil)",
            "outputs": [{"output_type": "stream", "text": ["linseed\n", "tung\n"]}],
        },
    ]
    notebook = {"nbformat": 4, "metadata": {}, "cells": standard if cells is None else cells}
    return make_text(path, json.dumps(notebook))


def make_eml(path: Path, build: Callable[[EmailMessage], None] | None = None) -> Path:
    """A mail with a text and a table attached; ``build`` gets the message with its headers to fill."""
    message = EmailMessage()
    message["From"], message["To"] = "Ada Joiner <ada@example.org>", "Ben <ben@example.org>"
    message["Subject"], message["Date"] = TITLE, "Wed, 31 Jan 2024 09:30:00 +0100"
    if build is not None:
        build(message)
    else:
        message.set_content(f"{PARAGRAPH}\n\nBest wishes\nAda\n")
        table = "".join(",".join(row) + "\n" for row in (HEADER, *ROWS))
        message.add_attachment(table.encode(), maintype="text", subtype="csv", filename="oils.csv")
        message.set_boundary("=-=-=")  # the same bytes every time
    path.write_bytes(message.as_bytes())
    return path


_MEMBERS: dict[str, bytes] = {
    "notes/desk.md": f"# {TITLE}\n\n{PARAGRAPH}\n".encode(),
    "oils.csv": b"Season,Oil\nSpring,Tung\n",
}


def make_tar(path: Path, members: dict[str, bytes] | None = None, *, mode: str = "w") -> Path:
    """``mode``: how tarfile is to write it, such as ``w:gz``."""
    with tarfile.open(path, mode) as archive:
        for name, content in (_MEMBERS if members is None else members).items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    return path


def make_compressed(path: Path, content: bytes = _MEMBERS["notes/desk.md"]) -> Path:
    """A single file, compressed as the suffix says."""
    compress = {".gz": lambda data: gzip.compress(data, mtime=0), ".bz2": bz2.compress, ".xz": lzma.compress}[
        path.suffix
    ]
    path.write_bytes(compress(content))
    return path


def make_pdf(
    path: Path,
    pages: Sequence[Callable[[Any], None]] | None = None,
    *,
    title: str | None = None,
    password: str | None = None,
    owner_password: str | None = None,
) -> Path:
    """A PDF; each of ``pages`` draws on the fpdf2 document, whose font is 11-point Helvetica.

    ``password`` is needed to open it; with ``owner_password`` alone it opens for everyone.
    """
    from fpdf import FPDF
    from fpdf.enums import AccessPermission

    pdf = FPDF()
    pdf.set_creation_date(dt.datetime(2024, 1, 31, 8, 30, tzinfo=dt.UTC))  # the same bytes every time
    if title is not None:
        pdf.set_title(title)
    if password is not None or owner_password is not None:
        pdf.set_encryption(
            owner_password=owner_password or password or "", user_password=password, permissions=AccessPermission.all()
        )
    for draw in pages if pages is not None else (_standard_page,):
        pdf.add_page()
        pdf.set_font("Helvetica", size=11)
        draw(pdf)
    pdf.output(str(path))
    return path


def text_page(text: str) -> Callable[[Any], None]:
    """A page for :func:`make_pdf` that holds ``text``, wrapped."""
    return lambda pdf: pdf.multi_cell(0, 6, text)


def image_page(pdf: Any) -> None:
    """A page for :func:`make_pdf` as a scanner makes it: a picture and no text."""
    from PIL import Image

    pdf.image(Image.new("L", (60, 40), color=128), x=20, y=20, w=120)


def pdf_heading(pdf: Any, text: str, size: float) -> None:
    pdf.set_font("Helvetica", style="B", size=size)
    pdf.cell(0, size * 0.6, text, new_x="LMARGIN", new_y="NEXT")
    pdf.set_font("Helvetica", size=11)
    pdf.ln(3)


def _standard_page(pdf: Any) -> None:
    pdf_heading(pdf, TITLE, 20)
    pdf.multi_cell(0, 6, PARAGRAPH, new_x="LMARGIN", new_y="NEXT")
    pdf.ln(4)
    pdf_heading(pdf, SECTION, 15)
    for item in ITEMS:
        pdf.cell(0, 6, f"- {item}", new_x="LMARGIN", new_y="NEXT")
    pdf.ln(4)
    for row in (HEADER, *ROWS):
        pdf.cell(0, 6, "    ".join(row), new_x="LMARGIN", new_y="NEXT")


def make_zip(path: Path, members: dict[str, bytes | str]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as package:
        for name, content in members.items():
            package.writestr(name, content)
    return path


def with_members(path: Path, members: dict[str, bytes | str]) -> Path:
    """Rewrite the zip at ``path`` with ``members`` in place of, or beside, its own."""
    with zipfile.ZipFile(path) as package:
        kept = {name: package.read(name) for name in package.namelist()}
    return make_zip(path, {**kept, **members})


def make_ole(path: Path, streams: Sequence[str]) -> Path:
    """An OLE container whose directory names ``streams``: header, one FAT sector, directory sectors."""
    names = ("Root Entry", *streams)
    entries = b"".join(_ole_entry(name) for name in names)
    directory = entries.ljust(-(-len(entries) // 512) * 512, b"\0")
    sectors = len(directory) // 512
    chain = [*range(2, sectors + 1), 0xFFFFFFFE]  # the directory begins in sector 1; sector 0 holds the FAT
    fat = struct.pack(f"<{1 + sectors}I", 0xFFFFFFFD, *chain).ljust(512, b"\xff")
    header = bytearray(512)
    header[:8] = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
    struct.pack_into("<HHHHH", header, 24, 0x3E, 3, 0xFFFE, 9, 6)
    struct.pack_into("<II", header, 44, 1, 1)
    struct.pack_into("<109I", header, 76, 0, *([0xFFFFFFFF] * 108))
    path.write_bytes(bytes(header) + fat + directory)
    return path


def _ole_entry(name: str) -> bytes:
    encoded = name.encode("utf-16-le") + b"\0\0"
    return encoded.ljust(64, b"\0") + struct.pack("<H", len(encoded)) + b"\x02\x01" + b"\0" * 60


def make_image(path: Path, pages: Sequence[Sequence[str]] = ((TITLE, *ITEMS),)) -> Path:
    """A PNG, JPEG or TIFF, by the path's suffix, that shows lines of text; only a TIFF has several ``pages``."""
    images = [draw_text(lines) for lines in pages]
    more: dict[str, Any] = {"save_all": True, "append_images": images[1:]} if len(images) > 1 else {}
    images[0].save(path, dpi=(200, 200), **more)
    return path


def draw_text(lines: Sequence[str], size: int = 40) -> Any:
    """A Pillow image of an A4 page at 200 dpi, as a scanner makes it."""
    from PIL import Image, ImageDraw, ImageFont

    image = Image.new("L", (1654, 2339), color=255)
    for row, line in enumerate(lines):
        ImageDraw.Draw(image).text((150, 200 + 2 * size * row), line, fill=0, font=ImageFont.load_default(size))
    return image


def scanned_page(*lines: str) -> Callable[[Any], None]:
    """A page for :func:`make_pdf` that shows text as a picture."""
    return lambda pdf: pdf.image(draw_text(lines), x=0, y=0, w=210)


def png_bytes() -> bytes:
    from PIL import Image

    stream = io.BytesIO()
    Image.new("RGB", (2, 2)).save(stream, format="PNG")
    return stream.getvalue()


def make_compound(path: Path, streams: dict[str, bytes]) -> Path:
    """An OLE container that holds ``streams``, each in sectors of its own: with NULs, at least 4,096 bytes."""
    padded = {name: data.ljust(max(4096, -(-len(data) // 512) * 512), b"\0") for name, data in streams.items()}
    ordered = sorted(padded, key=lambda name: (len(name), name.upper()))
    sectors = -(-(len(ordered) + 1) // 4)
    fat = [0xFFFFFFFD, *range(2, sectors + 1), 0xFFFFFFFE]
    directory = _compound_entry("Root Entry", 5, child=1)
    for number, name in enumerate(ordered, start=1):
        first, count = len(fat), len(padded[name]) // 512
        fat += [*range(first + 1, first + count), 0xFFFFFFFE]
        right = number + 1 if number < len(ordered) else 0xFFFFFFFF
        directory += _compound_entry(name, 2, right=right, first=first, size=len(padded[name]))
    directory += _compound_entry("", 0) * (sectors * 4 - len(ordered) - 1)
    header = bytearray(512)
    header[:8] = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
    struct.pack_into("<HHHHH", header, 24, 0x3E, 3, 0xFFFE, 9, 6)
    struct.pack_into("<9I", header, 40, 0, 1, 1, 0, 4096, 0xFFFFFFFE, 0, 0xFFFFFFFE, 0)
    struct.pack_into("<109I", header, 76, 0, *([0xFFFFFFFF] * 108))
    table = struct.pack("<128I", *fat, *([0xFFFFFFFF] * (128 - len(fat))))
    path.write_bytes(bytes(header) + table + directory + b"".join(padded[name] for name in ordered))
    return path


def _compound_entry(
    name: str, kind: int, *, right: int = 0xFFFFFFFF, child: int = 0xFFFFFFFF, first: int = 0xFFFFFFFE, size: int = 0
) -> bytes:
    encoded = name.encode("utf-16-le") + b"\0\0" if name else b""
    links = struct.pack("<HBBIII", len(encoded), kind, 1, 0xFFFFFFFF, right, child)
    return encoded.ljust(64, b"\0") + links + b"\0" * 36 + struct.pack("<IQ", first, size)


def make_doc(path: Path, text: str = f"{TITLE}\n{PARAGRAPH}\n") -> Path:
    """A document of Word 97: a header that leads to one piece of text ([MS-DOC] 2.5.1, 2.8.35)."""
    data = text.replace("\n", "\r").encode("cp1252")
    header = bytearray(0x800)
    struct.pack_into("<6H", header, 0, 0xA5EC, 0xC1, 0, 0x409, 0, 0x0200)
    struct.pack_into("<II", header, 24, 0x800, 0x800 + len(data))
    struct.pack_into("<H", header, 32, 14)
    struct.pack_into("<HI", header, 62, 22, 0x800 + len(data))
    struct.pack_into("<I", header, 76, len(data))
    struct.pack_into("<H", header, 152, 0x5D)
    pieces = b"\x02" + struct.pack("<III", 16, 0, len(data)) + struct.pack("<HIH", 0, 0x800 * 2 | 1 << 30, 0)
    struct.pack_into("<II", header, 154 + 33 * 8, 0, len(pieces))
    return make_compound(path, {"WordDocument": bytes(header) + data, "1Table": pieces})


def make_ppt(path: Path) -> Path:
    """A presentation of PowerPoint 97: one list of the slides' texts ([MS-PPT] 2.4.14.3)."""

    def record(kind: int, body: bytes, version: int = 0) -> bytes:
        return struct.pack("<HHI", version, kind, len(body)) + body

    texts = b"".join(
        record(3999, struct.pack("<I", kind)) + record(4000, text.encode("utf-16-le"))
        for kind, text in ((0, TITLE), (1, PARAGRAPH))
    )
    slides = record(4080, record(1011, struct.pack("<5I", 1, 0, 0, 256, 0)) + texts, 15)
    return make_compound(path, {"PowerPoint Document": record(1000, slides, 15)})


def make_fb2(path: Path) -> Path:
    about = (
        f"<book-title>{TITLE}</book-title><author><first-name>Ada</first-name><last-name>Joiner</last-name></author>"
    )
    return make_text(
        path,
        '<?xml version="1.0" encoding="utf-8"?><FictionBook xmlns="http://www.gribuser.ru/xml/fictionbook/2.0">'
        f"<description><title-info>{about}<lang>en</lang></title-info></description>"
        f"<body><section><title><p>{SECTION}</p></title><p>{PARAGRAPH}</p></section></body></FictionBook>",
    )


def _kept(name: str) -> Callable[[Path], Path]:
    """A file of a kind that no library here writes, from tests/fixtures."""
    return lambda path: Path(shutil.copyfile(Path(__file__).parent / "fixtures" / name, path))


MAKERS: dict[str, Callable[[Path], Path]] = {
    "sample.txt": make_text,
    "sample.md": make_markdown,
    "sample.html": make_html,
    "sample.csv": make_csv,
    "sample.tsv": lambda path: make_csv(path, delimiter="\t"),
    "sample.json": make_json,
    "sample.jsonl": make_jsonl,
    "sample.py": lambda path: make_text(path, "import os\n\n\ndef oil() -> str:\n    return os.sep\n"),
    "sample.docx": make_docx,
    "sample.xlsx": make_xlsx,
    "sample.pdf": make_pdf,
    "sample.png": make_image,
    "sample.jpg": make_image,
    "sample.tiff": make_image,
    "sample.pptx": make_pptx,
    "sample.odt": make_odt,
    "sample.ods": make_ods,
    "sample.odp": make_odp,
    "sample.rtf": make_rtf,
    "sample.epub": make_epub,
    "sample.eml": make_eml,
    "sample.ipynb": make_ipynb,
    "sample.zip": lambda path: make_zip(path, dict(_MEMBERS)),
    "sample.tar": make_tar,
    "sample.gz": make_compressed,
    "sample.bz2": make_compressed,
    "sample.xz": make_compressed,
    "sample.doc": make_doc,
    "sample.ppt": make_ppt,
    "sample.fb2": make_fb2,
    "sample.xls": _kept("oils.xls"),  # written by xlwt 1.3
    "sample.msg": _kept("mail.msg"),  # written by independentsoft.msg 1.6
    "sample.xlsb": _kept("oils.xlsb"),  # written by pyxlsbwriter
}


def make_folder(folder: Path) -> list[Path]:
    """One sample of every supported kind, in ``folder``."""
    folder.mkdir(parents=True, exist_ok=True)
    return [make(folder / name) for name, make in MAKERS.items()]
