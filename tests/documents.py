"""Makes the sample files that the tests read. Each ``make_`` writes one small real file and returns its path."""

from __future__ import annotations

import datetime as dt
import io
import json
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from docmill.domain.documents import ParsedDocument
from legacy_documents import kept, make_doc, make_fb2, make_ppt
from legacy_documents import make_ole as make_ole
from open_documents import make_epub, make_odp, make_ods, make_odt
from open_documents import make_opendocument as make_opendocument
from open_documents import odf_table as odf_table
from packed_documents import MEMBERS, make_compressed, make_eml, make_tar, make_zip
from packed_documents import with_members as with_members
from sample_words import HEADER, ITEMS, PARAGRAPH, ROWS, SECTION, TITLE


def shape(document: ParsedDocument) -> list[tuple[str, int, str]]:
    """Kind, level and text of each block."""
    return [(block.kind.value, block.level, document.text[block.start : block.end]) for block in document.blocks]


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
    "sample.pptx": make_pptx,
    "sample.odt": make_odt,
    "sample.ods": make_ods,
    "sample.odp": make_odp,
    "sample.rtf": make_rtf,
    "sample.epub": make_epub,
    "sample.eml": make_eml,
    "sample.ipynb": make_ipynb,
    "sample.zip": lambda path: make_zip(path, dict(MEMBERS)),
    "sample.tar": make_tar,
    "sample.gz": make_compressed,
    "sample.bz2": make_compressed,
    "sample.xz": make_compressed,
    "sample.doc": make_doc,
    "sample.ppt": make_ppt,
    "sample.fb2": make_fb2,
    "sample.xls": kept("oils.xls"),  # written by xlwt 1.3
    "sample.msg": kept("mail.msg"),  # written by independentsoft.msg 1.6
    "sample.xlsb": kept("oils.xlsb"),  # written by pyxlsbwriter
}


def make_folder(folder: Path) -> list[Path]:
    """One sample of every supported kind, in ``folder``."""
    folder.mkdir(parents=True, exist_ok=True)
    return [make(folder / name) for name, make in MAKERS.items()]
