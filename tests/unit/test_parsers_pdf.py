"""PDFs: two engines, structure from layout, scans and passwords told apart."""

from __future__ import annotations

import io
import logging
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

import pytest
from pypdf import PdfReader, PdfWriter

from docmill import registry
from docmill.domain.contracts import LeftOut, SourceFile
from docmill.domain.deadline import Deadline, OutOfTime
from docmill.domain.documents import ParsedDocument
from docmill.domain.layout import CUT, Line, lay_out, rejoin_cut_words
from docmill.domain.params import ParseParams
from docmill.errors import CorruptedFile, DocumentTimeout, EmptyDocument, EncryptedFile
from docmill.paged import pdfium, pypdf
from docmill.parsers import pdf as module
from documents import (
    ITEMS,
    PARAGRAPH,
    SECTION,
    TITLE,
    image_page,
    make_pdf,
    pdf_heading,
    shape,
    text_page,
)
from odd_pdfs import cyclic_page_tree, damaged_stream, deep_page_tree, shared_stream

ENGINES = ["auto", "pdfium", "pypdf"]


def parse(path: Path, *, seconds: float | None = None, **params: Any) -> ParsedDocument:
    file = SourceFile(path, "pdf", path.stat().st_size, deadline=Deadline(seconds))
    return module.PLUGIN.parse(file, ParseParams(**params))


def warned(document: ParsedDocument) -> list[tuple[str, int | None]]:
    """Of what degrades it."""
    return [(warning.code, warning.page) for warning in document.warnings if warning.degrades]


def test_size_and_weight_make_headings(tmp_path: Path) -> None:
    document = parse(make_pdf(tmp_path / "a.pdf"))
    assert shape(document)[:3] == [("heading", 1, TITLE), ("paragraph", 0, PARAGRAPH), ("heading", 2, SECTION)]
    assert shape(document)[3:6] == [("list_item", 1, f"- {item}") for item in ITEMS]
    assert document.title == TITLE
    assert document.metadata == {"page_count": 1, "created_at": "2024-01-31T08:30:00Z"}
    assert {block.page for block in document.blocks} == {1}


@pytest.mark.parametrize("engine", ENGINES)
def test_each_engine_reads_text_and_pages(tmp_path: Path, engine: str) -> None:
    path = make_pdf(tmp_path / "a.pdf", [text_page("First page."), text_page("Second page.")])
    document = parse(path, pdf_engine=engine)
    assert document.text == "First page.\n\nSecond page."
    assert [block.page for block in document.blocks] == [1, 2]
    assert not document.warnings


def test_wrapped_lines_become_one_paragraph(tmp_path: Path) -> None:
    words = "The quick brown fox jumps over the lazy dog and runs on. " * 6
    path = make_pdf(tmp_path / "a.pdf", [text_page(f"{words.strip()}\n\nSecond paragraph.")])
    assert parse(path).text == f"{words.strip()}\n\nSecond paragraph."


def test_bookmarks_are_headings(tmp_path: Path) -> None:
    def draw(pdf: Any) -> None:
        pdf.start_section("Plain looking", level=0)
        pdf.cell(0, 6, "Plain looking", new_x="LMARGIN", new_y="NEXT")
        pdf.start_section("Below", level=1)
        pdf.cell(0, 6, "Below", new_x="LMARGIN", new_y="NEXT")
        pdf.cell(0, 6, "- Below", new_x="LMARGIN", new_y="NEXT")

    assert shape(parse(make_pdf(tmp_path / "a.pdf", [draw]))) == [
        ("heading", 1, "Plain looking"),
        ("heading", 2, "Below"),
        ("list_item", 1, "- Below"),
    ]


@pytest.mark.parametrize("engine", ENGINES)
def test_a_scan_is_an_empty_document(tmp_path: Path, engine: str) -> None:
    with pytest.raises(EmptyDocument) as raised:
        parse(make_pdf(tmp_path / "scan.pdf", [image_page, image_page]), pdf_engine=engine)
    assert "OCR" in (raised.value.hint or "")


def test_a_picture_page_among_text_degrades_but_a_blank_one_does_not(tmp_path: Path) -> None:
    path = make_pdf(tmp_path / "a.pdf", [text_page("Text."), image_page, lambda pdf: None, text_page("More.")])
    document = parse(path)
    assert [(warning.code, warning.page, warning.degrades) for warning in document.warnings] == [
        ("PAGES_WITHOUT_TEXT", 2, True)
    ]


@pytest.mark.parametrize("engine", ENGINES)
def test_a_password_is_told_and_an_owner_password_does_no_harm(tmp_path: Path, engine: str) -> None:
    with pytest.raises(EncryptedFile, match="password"):
        parse(make_pdf(tmp_path / "locked.pdf", password="walnut"), pdf_engine=engine)
    assert PARAGRAPH[:20] in parse(make_pdf(tmp_path / "open.pdf", owner_password="walnut"), pdf_engine=engine).text


@pytest.mark.parametrize(
    "title", ["Microsoft Word - report.docx", "untitled", "report_v2.pdf", "NCT0615_Prot", "C:\\a\\b", "12"]
)
def test_a_title_that_is_none_gives_way_to_the_heading(tmp_path: Path, title: str) -> None:
    assert parse(make_pdf(tmp_path / "a.pdf", title=title)).title == TITLE


def test_a_stated_title_is_taken(tmp_path: Path) -> None:
    assert parse(make_pdf(tmp_path / "a.pdf", title="On Walnut")).title == "On Walnut"


def test_pages_and_characters_beyond_the_limits_degrade(tmp_path: Path) -> None:
    path = make_pdf(tmp_path / "a.pdf", [text_page(f"Page number {number}.") for number in range(1, 7)])
    document = parse(path, max_pages=2)
    assert "number 2" in document.text and "number 3" not in document.text
    assert [(warning.code, warning.degrades) for warning in document.warnings] == [("PAGES_LEFT_OUT", True)]
    document = parse(path, max_characters=30)
    assert len(document.text) <= 30
    assert document.degraded


def test_pypdf_reads_what_pdfium_cannot_open(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from pypdfium2 import PdfiumError

    def fail(*_: object) -> None:
        raise PdfiumError("broken")

    monkeypatch.setattr(pdfium, "_open", fail)
    document = parse(make_pdf(tmp_path / "a.pdf"))
    assert PARAGRAPH[:20] in document.text
    assert [(warning.code, warning.degrades) for warning in document.warnings] == [("SECOND_ENGINE", True)]
    (tmp_path / "b.pdf").write_bytes(b"%PDF-1.7 nothing")
    with pytest.raises(CorruptedFile, match="broken"):
        parse(tmp_path / "b.pdf")


def test_pypdf_is_asked_about_a_garbled_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = make_pdf(tmp_path / "a.pdf", [text_page("Plain. " * 9), text_page("Readable at last, all of it.")])
    whole = pdfium._lines

    def garble_second(text_page: Any) -> Any:
        lines = list(whole(text_page))
        return iter([Line("garbled " + "\ufffd\ue001" * 10, 0, 10, 0, 10)] if "Readable" in lines[0].text else lines)

    monkeypatch.setattr(pdfium, "_lines", garble_second)
    document = parse(path)
    assert shape(document)[-1] == ("paragraph", 0, "Readable at last, all of it.")
    assert [(warning.code, warning.page, warning.degrades) for warning in document.warnings] == [
        ("SECOND_ENGINE", 2, True)
    ]
    document = parse(path, pdf_engine="pdfium")
    assert "garbled" in document.text
    assert [(warning.code, warning.page) for warning in document.warnings] == [("GARBLED_TEXT", 2)]


def test_a_page_that_fails_in_both_engines_degrades(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from pypdfium2 import PdfiumError

    path = make_pdf(tmp_path / "a.pdf", [text_page("First."), text_page("Second.")])
    whole = pdfium._lines
    calls: list[int] = []

    def fail_second(text_page: object) -> Any:
        calls.append(1)
        if len(calls) == 2:
            raise PdfiumError("bad page")
        return whole(text_page)

    def fail(*_: object) -> None:
        raise ValueError

    monkeypatch.setattr(pdfium, "_lines", fail_second)
    monkeypatch.setattr(pypdf, "opened", fail)
    document = parse(path)
    assert document.text == "First."
    assert [(warning.code, warning.page) for warning in document.warnings] == [("PAGE_FAILED", 2)]


def test_the_text_of_each_page_is_counted(tmp_path: Path) -> None:
    path = make_pdf(tmp_path / "a.pdf", [text_page("Text."), image_page, lambda pdf: None, text_page("More text.")])
    assert parse(path).page_characters == (5, 0, 0, 10)


def test_a_page_that_draws_text_and_tells_none_is_read_by_pypdf(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = make_pdf(tmp_path / "a.pdf", [text_page("First page."), text_page("Second page."), image_page])
    whole = pdfium._lines

    def tell_none(text_page: Any) -> Any:
        lines = list(whole(text_page))
        return iter([] if any("Second" in line.text for line in lines) else lines)

    asked: list[int] = []
    read_page = pypdf.read_page

    def note(reader: Any, index: int, *rest: Any, **more: Any) -> Any:
        asked.append(index)
        return read_page(reader, index, *rest, **more)

    monkeypatch.setattr(pdfium, "_lines", tell_none)
    monkeypatch.setattr(pypdf, "read_page", note)
    document = parse(path)
    assert shape(document) == [("paragraph", 0, "First page."), ("paragraph", 0, "Second page.")]
    assert warned(document) == [("SECOND_ENGINE", 2), ("PAGES_WITHOUT_TEXT", 3)]
    assert asked == [1], "the page that shows a picture has no text for pypdf either"


def test_a_second_reading_that_takes_all_the_time_costs_nothing_that_was_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = make_pdf(tmp_path / "a.pdf", [text_page("First page."), text_page("Second page.")])
    whole = pdfium._lines

    def hang(*_: object, **__: object) -> Any:
        raise OutOfTime

    monkeypatch.setattr(pdfium, "_lines", lambda page: [line for line in whole(page) if "First" not in line.text])
    monkeypatch.setattr(pypdf, "read_page", hang)
    document = parse(path, seconds=60)
    assert document.text == "Second page."
    assert warned(document) == [("PAGES_WITHOUT_TEXT", 1), ("TIMEOUT", None)]


def test_a_protection_that_nobody_knows_is_one(tmp_path: Path) -> None:
    with io.BytesIO() as stream:
        writer = PdfWriter(PdfReader(make_pdf(tmp_path / "plain.pdf")))
        writer.encrypt("secret", algorithm="RC4-128")
        writer.write(stream)
        protected = stream.getvalue()
    assert b"/Filter /Standard" in protected
    path = tmp_path / "protected.pdf"
    path.write_bytes(protected.replace(b"/Filter /Standard", b"/Filter /Someones"))
    for engine in ("auto", "pdfium"):
        with pytest.raises(EncryptedFile, match="not known here"):
            parse(path, pdf_engine=engine)


@pytest.mark.parametrize("engine", ENGINES)
def test_pages_that_were_read_in_time_are_kept(tmp_path: Path, engine: str) -> None:
    path = shared_stream(tmp_path / "shared.pdf", times=2_000 if engine == "pypdf" else 20_000)
    for seconds in (3, 6, 12, 24, 48):  # a busy machine may need so long for the first page
        with suppress(DocumentTimeout, OutOfTime):
            document = parse(path, seconds=seconds, pdf_engine=engine)
            break
    read = len(document.page_characters)
    assert 1 <= read < 400
    assert document.text.startswith("Walnut oil")
    [warning] = document.warnings
    assert (warning.code, warning.degrades) == ("TIMEOUT", True)
    assert f"{read} of 400 pages" in warning.message


def test_no_page_in_time_is_a_timeout(tmp_path: Path) -> None:
    path = make_pdf(tmp_path / "a.pdf")
    with pytest.raises(DocumentTimeout):
        parse(path, seconds=0, pdf_engine="pdfium")
    with pytest.raises(OutOfTime):  # the parse step makes a DocumentTimeout of it
        parse(shared_stream(tmp_path / "shared.pdf"), seconds=0, pdf_engine="pypdf")


def test_page_trees_that_are_circles_or_towers_end(tmp_path: Path) -> None:
    assert "Round and round." in parse(cyclic_page_tree(tmp_path / "cycle.pdf")).text
    with pytest.raises(CorruptedFile):
        parse(cyclic_page_tree(tmp_path / "cycle.pdf"), pdf_engine="pypdf")
    for engine in ENGINES:
        with pytest.raises(CorruptedFile):
            parse(deep_page_tree(tmp_path / "tower.pdf"), pdf_engine=engine)


def test_a_stream_that_cannot_be_decoded_is_no_empty_page(tmp_path: Path) -> None:
    with pytest.raises(CorruptedFile):
        parse(damaged_stream(tmp_path / "a.pdf"))


@pytest.mark.parametrize("engine", ENGINES)
def test_passwords_are_tried_in_turn(tmp_path: Path, engine: str) -> None:
    path = make_pdf(tmp_path / "locked.pdf", password="nußbaum öl")
    words = tmp_path / "passwords"
    words.write_text("\ufeffwrong\n\nstill wrong\r\nnußbaum öl\r\n", "utf-8")
    assert PARAGRAPH[:20] in parse(path, pdf_engine=engine, password_file=str(words)).text
    words.write_text("nußbaum\nöl\n", "utf-8")
    with pytest.raises(EncryptedFile, match="none in the password file opens it") as raised:
        parse(path, pdf_engine=engine, password_file=str(words))
    assert "nußbaum" not in f"{raised.value.message} {raised.value.hint}"
    with pytest.raises(EncryptedFile) as raised:
        parse(path, pdf_engine=engine)
    assert "--password-file" in (raised.value.hint or "")
    with pytest.raises(EncryptedFile, match="cannot be read"):
        parse(path, pdf_engine=engine, password_file=str(tmp_path / "gone"))


def test_the_owners_password_opens_a_file_too(tmp_path: Path) -> None:
    path = make_pdf(tmp_path / "locked.pdf", password="reader", owner_password="owner")
    words = tmp_path / "passwords"
    words.write_text("owner\n", "utf-8")
    for engine in ENGINES:
        assert PARAGRAPH[:20] in parse(path, pdf_engine=engine, password_file=str(words)).text


def test_where_passwords_lie_changes_no_key() -> None:
    assert ParseParams(password_file="/etc/words").key_fields() == ParseParams().key_fields()
    with pytest.raises(ValueError, match="password_file"):
        ParseParams(password_file="words")


def test_pypdf_is_quiet_and_its_logger_left_as_it_was(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    level = logging.getLogger("pypdf").level
    path = make_pdf(tmp_path / "a.pdf")
    path.write_bytes(path.read_bytes().replace(b"startxref\n", b"startxref\n9"))
    parse(path, pdf_engine="pypdf")
    assert not caplog.records
    assert capfd.readouterr() == ("", "")
    assert logging.getLogger("pypdf").level == level


@pytest.mark.parametrize(
    ("written", "moment"),
    [
        ("D:20240131093000+01'00'", "2024-01-31T08:30:00Z"),
        ("D:20240131093000Z00'00'", "2024-01-31T09:30:00Z"),
        ("20240131", "2024-01-31T00:00:00Z"),
        ("D:20249931", None),
        ("yesterday", None),
        ("", None),
    ],
)
def test_pdf_dates(written: str, moment: str | None) -> None:
    assert module._moment(written) == moment


def laid_out(*pages: Sequence[Line]) -> list[tuple[str, str]]:
    return [(block.kind.value, block.text) for block in lay_out(pages, {})]


def column(
    *texts: str, top: float = 700.0, left: float = 50.0, size: float = 10.0, weight: float = 400.0
) -> list[Line]:
    """Lines one under the other, as wide as their texts are long."""
    return [Line(text, left, left + 5 * len(text), top - 12 * row, size, weight) for row, text in enumerate(texts)]


BODY = ("A line of ordinary text that is wide enough to count", "as wrapped, and goes on over the end of its own line")


def test_bold_lines_are_headings_where_bold_is_rare() -> None:
    bold = column("Bold words", weight=700)
    assert laid_out([*bold, *column(*BODY, top=670)])[0] == ("heading", "Bold words")
    assert {kind for kind, _ in laid_out([*column(*BODY, weight=700)])} == {"paragraph"}


def test_rows_keep_their_ends_and_sentences_flow() -> None:
    rows = column("Net sales 100", "Net costs 250")
    assert laid_out(rows) == [("paragraph", "Net sales 100\nNet costs 250")]
    assert laid_out(column(*BODY)) == [("paragraph", " ".join(BODY))]


def test_list_items_take_their_continuation_and_depth() -> None:
    lines = [
        *column("• first item that is long", left=50),
        *column("and goes on", top=688, left=60),
        *column("◦ nested", top=676, left=70),
        *column("2. numbered", top=664, left=50),
    ]
    levels = [(block.kind.value, block.level, block.text) for block in lay_out([lines], {})]
    assert levels == [
        ("list_item", 1, "- first item that is long and goes on"),
        ("list_item", 2, "- nested"),
        ("list_item", 1, "2. numbered"),
    ]


def test_running_headers_stay_once_and_page_numbers_go() -> None:
    pages = [
        [
            *column(f"Annual Report {2020 + number}", top=780),
            *column(f"Unique body {'abcdef'[number]} of the page"),
            *column(f"Page {number + 1} of 6", top=30),
        ]
        for number in range(6)
    ]
    texts = [text for _, text in laid_out(*pages)]
    assert texts[0] == "Annual Report 2020"
    assert len(texts) == 7
    assert not any(text.startswith("Page") for text in texts)


def test_a_sentence_goes_on_in_the_next_column() -> None:
    left, right = column("It ends in the middle of", top=100), column("the sentence.", top=700, left=300)
    assert laid_out([*left, *right]) == [("paragraph", "It ends in the middle of the sentence.")]


def test_cut_words_are_made_whole_by_the_rest_of_the_document() -> None:
    text = f"a well{CUT}known fact, compart{CUT}ment, COVID{CUT}19; well-known{CUT}"
    assert rejoin_cut_words(text) == "a well-known fact, compartment, COVID-19; well-known"


def test_hyphens_at_line_ends_are_joined_by_layout_too() -> None:
    ((_, text),) = laid_out(column("The compart-", "ment is dry"))
    assert rejoin_cut_words(text) == "The compartment is dry"


def test_headings_do_not_swallow_large_paragraphs(tmp_path: Path) -> None:
    def draw(pdf: Any) -> None:
        pdf_heading(pdf, "Real heading", 20)
        pdf.set_font("Helvetica", size=14)
        pdf.multi_cell(
            0, 7, "A lead in larger type that runs over many lines of the page. " * 8, new_x="LMARGIN", new_y="NEXT"
        )
        pdf.set_font("Helvetica", size=11)
        pdf.multi_cell(0, 6, "Body text follows here and is far longer than the lead. " * 30)

    kinds = [(kind, text[:12]) for kind, _, text in shape(parse(make_pdf(tmp_path / "a.pdf", [draw])))]
    assert kinds[:2] == [("heading", "Real heading"), ("paragraph", "A lead in la")]


def test_the_plugin_is_the_one_that_the_registry_finds() -> None:
    assert registry.load("parsers", "pdf") is module.PLUGIN


# ---- images in a PDF -------------------------------------------------------------------------------------------------


class Kept:
    """A Keeper that shows what it was given, up to ``most``."""

    def __init__(self, most: int = 1000) -> None:
        self.assets: dict[str, bytes] = {}
        self._most = most

    def member(self, name: str, content: IO[bytes]) -> bool:
        raise AssertionError(name)

    def asset(self, name: str, content: bytes) -> None:
        if len(self.assets) == self._most:
            raise LeftOut("enough is kept")
        self.assets[name] = content


def illustrated(path: Path) -> Path:
    from PIL import Image

    def draw(pdf: Any) -> None:
        pdf.cell(0, 6, "Two pictures and a dot.", new_x="LMARGIN", new_y="NEXT")
        for number, (size, mode) in enumerate((((60, 40), "L"), ((30, 90), "RGB"), ((4, 4), "L"))):
            pdf.image(Image.new(mode, size, color="gray"), x=20, y=60 + 40 * number, w=30)

    return make_pdf(path, [text_page("No picture."), draw])


def images_of(path: Path, keeper: Kept, **params: Any) -> ParsedDocument:
    return module.PLUGIN.parse(SourceFile(path, "pdf", 1, keeper=keeper), ParseParams(extract_images=True, **params))


@pytest.mark.parametrize("engine", ENGINES)
def test_images_are_kept_where_they_are_asked_for(tmp_path: Path, engine: str) -> None:
    from PIL import Image

    keeper = Kept()
    path = illustrated(tmp_path / "a.pdf")
    document = images_of(path, keeper, pdf_engine=engine)
    assert not document.warnings
    sizes = {name: Image.open(io.BytesIO(data)).size for name, data in keeper.assets.items()}
    assert sizes == {"images/page-0002-1.png": (60, 40), "images/page-0002-2.png": (30, 90)}
    keeper = Kept()
    module.PLUGIN.parse(SourceFile(path, "pdf", 1, keeper=keeper), ParseParams())
    assert keeper.assets == {}


def test_images_beyond_the_limits_are_told_and_degrade_nothing(tmp_path: Path) -> None:
    keeper = Kept(most=1)
    document = images_of(illustrated(tmp_path / "a.pdf"), keeper)
    assert [(warning.code, warning.degrades) for warning in document.warnings] == [("ASSETS_LEFT_OUT", False)]
    assert len(keeper.assets) == 1


def test_an_image_that_cannot_be_decoded_is_left_where_it_is(tmp_path: Path) -> None:
    from PIL import Image

    keeper = Kept()
    path = illustrated(tmp_path / "a.pdf")
    data = path.read_bytes()
    start = data.index(b"/Width 60")  # its own filter stands before it: the next one is of the other picture
    path.write_bytes(data[:start] + data[start:].replace(b"/FlateDecode", b"/NoSuchCode ", 1))
    document = images_of(path, keeper)
    assert document.text.startswith("No picture.")
    assert [Image.open(io.BytesIO(data)).size for data in keeper.assets.values()] == [(60, 40)]
