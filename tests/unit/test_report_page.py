"""The report as a page: what people with other eyes than ours need of it, and what hostile names must not do to it."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Iterator
from itertools import pairwise

import pytest
from lxml import html

from docmill.domain.results import LengthBin, SummaryResult, ThroughputBin
from docmill.reports import charts, look
from docmill.reports.charts import Bar, Part, Words, round_ticks
from docmill.reports.markup import told, told_words
from docmill.reports.page import page
from summaries import EMPTY, HOSTILE, LONG, SUMMARY

PAGES = {"all": SUMMARY, "empty": EMPTY}


@pytest.fixture(params=PAGES)
def summary(request: pytest.FixtureRequest) -> SummaryResult:
    return PAGES[request.param]


@pytest.fixture
def document(summary: SummaryResult) -> html.HtmlElement:
    return html.document_fromstring(page(summary))


# ---- what it must have for those who hear it, or walk it by keyboard -------------------------------------------------


def test_it_names_its_language_and_itself_and_may_be_zoomed(document: html.HtmlElement, summary: SummaryResult) -> None:
    assert document.get("lang") == "en"
    assert summary.name in document.findtext(".//title")
    [viewport] = document.xpath("//meta[@name='viewport']/@content")
    assert "maximum-scale" not in viewport
    assert "user-scalable" not in viewport


def test_all_of_it_lies_in_landmarks_and_headings_go_one_by_one(document: html.HtmlElement) -> None:
    body = document.find("body")
    assert [each.tag for each in body] == ["header", "nav", "main", "footer"]
    assert body.find("nav").get("aria-label")
    levels = [int(each.tag[1]) for each in document.iter("h1", "h2", "h3", "h4", "h5", "h6")]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after - before <= 1 for before, after in pairwise(levels))


def test_ids_are_unique_and_whatever_points_to_one_finds_it(document: html.HtmlElement) -> None:
    ids = document.xpath("//@id")
    assert len(ids) == len(set(ids))
    pointed = [name for each in document.xpath("//@aria-labelledby") for name in each.split()]
    pointed += [each.removeprefix("#") for each in document.xpath("//a/@href")]
    assert pointed
    assert set(pointed) <= set(ids)
    for section in document.iter("section"):
        assert section.get("aria-labelledby")


def test_every_table_has_a_caption_and_every_cell_a_head(document: html.HtmlElement) -> None:
    for table in document.iter("table"):
        assert table.findtext("caption")
        columns = table.findall("thead/tr/th")
        assert all(each.get("scope") == "col" and each.text for each in columns)
        rows = table.findall("tbody/tr")
        assert rows
        for row in rows:
            assert row[0].tag == "th"
            assert row[0].get("scope") in ("row", "rowgroup")
            assert sum(int(cell.get("colspan", 1)) for cell in row) == len(columns)


def test_every_chart_is_an_image_with_a_name_a_description_and_a_table(document: html.HtmlElement) -> None:
    for figure in document.iter("figure"):
        [image] = figure.xpath("svg")
        assert image.get("role") == "img"
        names = [document.get_element_by_id(each) for each in image.get("aria-labelledby").split()]
        assert [each.tag for each in names] == ["title", "desc"]
        assert all(each.text for each in names)
        assert len(figure.xpath("details/summary")) == len(figure.xpath("details/table")) == 1
    for image in document.iter("svg"):
        assert image.get("role") == "img" or image.get("aria-hidden") == "true"


def test_what_scrolls_can_be_reached_by_keyboard(document: html.HtmlElement) -> None:
    for each in document.xpath("//*[@class='scroll']"):
        assert (each.get("tabindex"), each.get("role")) == ("0", "group")
        assert each.get("aria-label")


def _luminance(colour: str) -> float:
    """Relative luminance, WCAG 2.2."""
    parts = [int(colour[start : start + 2], 16) / 255 for start in (1, 3, 5)]
    red, green, blue = (each / 12.92 if each <= 0.04045 else ((each + 0.055) / 1.055) ** 2.4 for each in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def _contrast(one: str, other: str) -> float:
    light, dark = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def test_contrast_is_computed_as_the_standard_says() -> None:
    assert _contrast("#ffffff", "#000000") == pytest.approx(21)
    assert _contrast("#767676", "#ffffff") == pytest.approx(4.54, abs=0.01)


@pytest.mark.parametrize("palette", [look.LIGHT, look.DARK], ids=["light", "dark"])
@pytest.mark.parametrize("ground", look.GROUNDS)
def test_text_and_marks_stand_out_from_every_ground(palette: dict[str, str], ground: str) -> None:
    for names, least in ((look.TEXTS, 4.5), (look.MARKS, 3.0)):
        for name in names:
            assert _contrast(palette[name], palette[ground]) >= least, name


def test_colours_are_those_of_the_palettes_alone() -> None:
    assert set(look.LIGHT) == set(look.DARK)
    without = look.style()
    for palette in (look.LIGHT, look.DARK):
        for colour in palette.values():
            without = without.replace(colour, "")
    assert not re.findall(r"#[0-9a-f]{3,8}\b|rgb|hsl", without)
    used = set(re.findall(r"var\(--([a-z]+)\)", look.style()))
    assert used <= set(look.LIGHT)
    assert {*look.TEXTS, *look.MARKS, *look.GROUNDS} <= used


# ---- what it must not do ---------------------------------------------------------------------------------------------


def test_nothing_is_loaded_and_nothing_runs(document: html.HtmlElement) -> None:
    [policy] = document.xpath("//meta[@http-equiv='Content-Security-Policy']/@content")
    [style] = document.xpath("//style/text()")
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    assert policy == f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    assert not {each.tag for each in document.iter()} & {"script", "link", "img", "iframe", "object", "form", "base"}
    names = {name for each in document.iter() for name in each.attrib}
    assert not [name for name in names if name.startswith("on") or name in ("src", "style", "srcset")]
    assert all(each.startswith("#") for each in document.xpath("//@href"))
    assert "url(" not in style
    assert "@import" not in style


def test_a_hostile_name_is_shown_and_never_obeyed() -> None:
    text = page(SUMMARY)
    assert "<script" not in text
    assert "\u202e" not in text
    assert "\x1b" not in text
    heads = html.document_fromstring(text).xpath("//th[@scope='row']")
    assert any(each.text_content() == "</td><script>alert(1)</script>'\"&amp; [red].pdf" for each in heads)
    assert told(HOSTILE).replace("/", "/<wbr>") in text


def test_a_long_name_may_be_broken() -> None:
    assert "reports/<wbr>a_<wbr>very_<wbr>long" in page(SUMMARY)
    assert LONG not in page(SUMMARY)
    assert html.fromstring(f"<p>{told(LONG)}</p>").text == LONG


def test_what_is_to_be_typed_is_set_apart() -> None:
    assert told_words("a: --set parse.ocr=auto, or `docmill plan` <b>") == (
        "a: <code>--set parse.ocr=auto</code>, or <code>docmill plan</code> &lt;b&gt;"
    )


# ---- what it says ----------------------------------------------------------------------------------------------------


def test_failures_stand_under_their_codes_with_all_that_can_be_done() -> None:
    document = html.document_fromstring(page(SUMMARY))
    heads = [each.text_content() for each in document.xpath("//section[@id='failures']//th[@scope='rowgroup']")]
    assert [each.split()[0] for each in heads] == ["CORRUPTED_FILE", "THEIR_OWN"]
    assert "3 documents." in heads[0]
    assert "What to do: open it in a viewer; or replace it." in heads[0]
    assert len(document.xpath("//section[@id='failures']//tbody/tr")) == 2 + 4


def test_a_batch_without_anything_has_neither_charts_nor_tables() -> None:
    document = html.document_fromstring(page(EMPTY))
    assert not [*document.iter("figure"), *document.iter("table")]
    assert "has not been started" in document.text_content()


def test_a_share_that_is_not_all_is_never_called_all() -> None:
    totals = SUMMARY.summary.model_copy(
        update={"total_files": 100_000, "successfully_processed": 99_999, "failed_files": 1}
    )
    text = page(SUMMARY.model_copy(update={"summary": totals}))
    assert "over 99.9 %" in text
    assert "under 0.1 %" in text
    assert "all of them" not in text


# ---- charts ----------------------------------------------------------------------------------------------------------

WORDS = Words("c", "Name", "Says <so>")


def _rects(svg: str) -> Iterator[tuple[float, float, float, float]]:
    """x and width in percent, y and height in pixels."""
    for each in html.fromstring(svg).iter("rect"):
        if each.get("class") != "track":
            x, width = (float(each.get(name, "0").rstrip("%")) for name in ("x", "width"))
            yield x, width, float(each.get("y")), float(each.get("height"))


@pytest.mark.parametrize("values", [[1.0], [0.1, 0.0, 0.3], list(range(1, 61)), [0.0, 5e6, 1.0]])
def test_columns_stay_inside_and_keep_their_proportions(values: list[float]) -> None:
    svg = charts.columns(WORDS, values, "second", [(0, "0"), (1, "end")], ["it"] * len(values))
    height = float(html.fromstring(svg).get("height"))
    rects = list(_rects(svg))
    assert len(rects) == sum(value > 0 for value in values)
    for x, width, y, tall in rects:
        assert x >= charts.LEFT
        assert x + width <= 100.001
        assert y >= 0
        assert y + tall <= height
    tallest = max(tall for *_, tall in rects)
    shown = [value for value in values if value > 0]
    for value, (*_, tall) in zip(shown, rects, strict=True):
        assert tall == pytest.approx(max(tallest * value / max(values), 1.0), abs=0.2)


def test_parts_of_a_bar_follow_each_other() -> None:
    svg = charts.bars(WORDS, [Bar("pdf", "3", [Part("completed", 0.5, "2"), Part("failed", 0.25, "1")])])
    assert [(x, width) for x, width, *_ in _rects(svg)] == [(0.0, 50.0), (50.0, 25.0)]
    assert "Says &lt;so&gt;" in svg


@pytest.mark.parametrize("highest", [0.0, 0.03, 1.0, 7.0, 34.4, 305.4, 6882.0, 1.2e7])
def test_ticks_are_few_and_round_and_reach_the_highest(highest: float) -> None:
    ticks = round_ticks(highest)
    assert ticks[0] == 0
    assert ticks[-1] >= highest
    assert 2 <= len(ticks) <= 6
    assert len(set(map(charts.number, ticks))) == len(ticks)


def test_a_run_of_an_instant_and_one_of_months_can_be_drawn() -> None:
    for seconds, count in ((0.1, 1), (86_400.0 * 3, 60)):
        bins = [ThroughputBin(offset_seconds=n * seconds, documents_read=1, chunks_embedded=2) for n in range(count)]
        through = SUMMARY.throughput.model_copy(update={"bin_seconds": seconds, "bins": bins})  # type: ignore[union-attr]
        assert "Documents read per second" in page(SUMMARY.model_copy(update={"throughput": through}))
    one = SUMMARY.insights.chunk_lengths.model_copy(  # type: ignore[union-attr]
        update={"bins": [LengthBin(from_tokens=0, to_tokens=1, count=1)]}
    )
    assert page(SUMMARY.model_copy(update={"insights": SUMMARY.insights.model_copy(update={"chunk_lengths": one})}))
