"""Presentations: slides as pages, titles and lists by level, tables, notes, what is grouped, drawn or damaged."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from docmill import registry
from docmill.domain.contracts import SourceFile
from docmill.domain.documents import ParsedDocument
from docmill.domain.params import ParseParams
from docmill.errors import CorruptedFile, EmptyDocument
from documents import HEADER, ITEMS, PARAGRAPH, SECTION, TITLE, make_pptx, make_zip, with_members

TITLE_AND_BODY, BLANK = 1, 6


def parse(path: Path, **params: int) -> ParsedDocument:
    parser = registry.load("parsers", "pptx")
    return parser.parse(SourceFile(path, "pptx", path.stat().st_size), ParseParams(**params))


def shape(document: ParsedDocument) -> list[tuple[str, int, int | None, str]]:
    return [
        (block.kind.value, block.level, block.page, document.text[block.start : block.end]) for block in document.blocks
    ]


def slide(presentation: Any, title: str, body: str = "") -> Any:
    added = presentation.slides.add_slide(presentation.slide_layouts[TITLE_AND_BODY])
    added.shapes.title.text, added.placeholders[1].text = title, body
    return added


def test_slides_are_pages_in_the_order_of_the_show(tmp_path: Path) -> None:
    document = parse(make_pptx(tmp_path / "a.pptx"))
    assert shape(document) == [
        ("heading", 1, 1, TITLE),
        ("paragraph", 0, 1, PARAGRAPH),
        ("heading", 2, 2, SECTION),
        *(("list_item", 1, 2, f"- {item}") for item in ITEMS),
        ("paragraph", 0, 2, "Show the cloth."),
        ("table", 0, 3, "Season | Oil | Hours\nSpring | Linseed | 12\nAutumn | Tung | 24"),
    ]
    table = document.blocks[-1]
    assert document.text[table.start : table.header_end] == " | ".join(HEADER)
    assert (document.title, document.metadata["page_count"]) == (TITLE, 3)
    assert len(document.page_characters) == 3
    assert document.page_characters[0] == len(TITLE) + len(PARAGRAPH)


def test_the_order_is_that_of_the_presentation_and_not_of_the_files(tmp_path: Path) -> None:
    def build(presentation: Any) -> None:
        for title in ("One", "Two", "Three"):
            slide(presentation, title)
        ids = presentation.slides._sldIdLst
        ids.insert(0, ids[2])
        presentation.slides[1]._element.set("show", "0")  # hidden

    document = parse(make_pptx(tmp_path / "a.pptx", build))
    assert [text for _, _, _, text in shape(document)] == ["Three", "One", "Two"]
    assert document.title == "Three"


def test_levels_breaks_groups_and_bold_lines(tmp_path: Path) -> None:
    from pptx.util import Inches

    def build(presentation: Any) -> None:
        frame = slide(presentation, "Oils").placeholders[1].text_frame
        frame.text = "Linseed\vslow"
        deeper = frame.add_paragraph()
        deeper.text, deeper.level = "boiled", 1
        blank = presentation.slides.add_slide(presentation.slide_layouts[BLANK])
        group = blank.shapes.add_group_shape().shapes.add_group_shape()
        box = group.shapes.add_textbox(0, 0, Inches(1), Inches(1)).text_frame
        box.text = "Warning"
        box.paragraphs[0].runs[0].font.bold = True
        box.add_paragraph().text = "Rags burn."

    assert shape(parse(make_pptx(tmp_path / "a.pptx", build)))[1:] == [
        ("list_item", 1, 1, "- Linseed\nslow"),
        ("list_item", 2, 1, "- boiled"),
        ("heading", 3, 2, "Warning"),
        ("paragraph", 0, 2, "Rags burn."),
    ]


def test_a_chart_tells_its_words(tmp_path: Path) -> None:
    from pptx.chart.data import CategoryChartData
    from pptx.enum.chart import XL_CHART_TYPE
    from pptx.util import Inches

    def build(presentation: Any) -> None:
        data = CategoryChartData()
        data.categories = ["Spring", "Autumn"]
        data.add_series("Linseed", (1, 2))
        data.add_series("Tung", (3, 4))
        size = (Inches(1),) * 4
        chart = slide(presentation, "Use").shapes.add_chart(XL_CHART_TYPE.COLUMN_CLUSTERED, *size, data).chart
        chart.has_title = True
        chart.chart_title.text_frame.text = "Litres a year"

    assert shape(parse(make_pptx(tmp_path / "a.pptx", build)))[-1] == (
        "paragraph", 0, 1, "Litres a year\nLinseed; Tung\nSpring; Autumn",
    )  # fmt: skip


def test_a_damaged_slide_costs_that_slide(tmp_path: Path) -> None:
    path = with_members(make_pptx(tmp_path / "a.pptx"), {"ppt/slides/slide2.xml": "<p:sld><broken"})
    document = parse(path)
    assert PARAGRAPH in document.text
    assert SECTION not in document.text
    assert [(warning.code, warning.page, warning.degrades) for warning in document.warnings] == [
        ("DAMAGED_PART", 2, True)
    ]
    assert document.page_characters[1] == 0


def test_where_no_slide_can_be_read_the_presentation_is_corrupted(tmp_path: Path) -> None:
    path = make_pptx(tmp_path / "a.pptx")
    for number in (1, 2, 3):
        with_members(path, {f"ppt/slides/slide{number}.xml": "<"})
    with pytest.raises(CorruptedFile):
        parse(path)
    with pytest.raises(CorruptedFile, match="presentation part"):
        parse(make_zip(tmp_path / "b.pptx", {"ppt/other.xml": "<p/>"}))


def test_no_slides_are_no_text(tmp_path: Path) -> None:
    with pytest.raises(EmptyDocument):
        parse(make_pptx(tmp_path / "a.pptx", lambda _: None))


def test_slides_and_rows_beyond_the_limits_degrade(tmp_path: Path) -> None:
    document = parse(make_pptx(tmp_path / "a.pptx"), max_pages=2)
    assert [warning.code for warning in document.warnings] == ["PAGES_LEFT_OUT"]
    assert document.metadata["page_count"] == 3
    document = parse(tmp_path / "a.pptx", max_rows=2)
    assert [warning.code for warning in document.warnings] == ["ROWS_LEFT_OUT"]
    assert document.text.endswith("Spring | Linseed | 12")
