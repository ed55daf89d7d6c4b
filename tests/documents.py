"""Makes the sample files that the tests read. Each ``make_`` writes one small real file and returns its path."""

from __future__ import annotations

import datetime as dt
import io
import struct
import zipfile
from collections.abc import Callable, Iterable, Sequence
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
}


def make_folder(folder: Path) -> list[Path]:
    """One sample of every supported kind, in ``folder``."""
    folder.mkdir(parents=True, exist_ok=True)
    return [make(folder / name) for name, make in MAKERS.items()]
