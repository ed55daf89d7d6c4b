"""HTML: what a reader of the page sees, in order."""

from __future__ import annotations

from pathlib import Path

import pytest

from docmill import registry
from docmill.domain.contracts import SourceFile
from docmill.domain.documents import ParsedDocument
from docmill.domain.params import ParseParams
from docmill.errors import CorruptedFile, EmptyDocument
from documents import (
    make_html,
    shape,
)


def parse(path: Path) -> ParsedDocument:
    parser = registry.load("parsers", "html")
    return parser.parse(SourceFile(path, "html", path.stat().st_size), ParseParams())


def read(tmp_path: Path, body: str, head: str = "") -> ParsedDocument:
    return parse(make_html(tmp_path / "page.html", body, head=head))


def test_inline_markup_and_white_space(tmp_path: Path) -> None:
    body = "<p>one\n  <b>t</b>wo&nbsp;three<br>four <a href=x>five</a><img alt='six' src=x></p>tail"
    assert shape(read(tmp_path, body)) == [
        ("paragraph", 0, "one two three\nfour fivesix"),
        ("paragraph", 0, "tail"),
    ]


def test_nested_lists_and_their_numbers(tmp_path: Path) -> None:
    body = "<ol start=3><li>three<ul><li><p>inner</p><p>more</p></ul><li>four</ol><p>after"
    assert shape(read(tmp_path, body)) == [
        ("list_item", 1, "3. three"),
        ("list_item", 2, "- inner"),
        ("list_item", 2, "more"),
        ("list_item", 1, "4. four"),
        ("paragraph", 0, "after"),
    ]


def test_what_no_reader_sees_is_left_out(tmp_path: Path) -> None:
    body = (
        "<nav>menu</nav><script>code()</script><style>p{}</style><noscript>enable</noscript><template>t</template>"
        "<svg><text>drawn</text></svg><ul hidden><li>secret</ul><p style='display: none'>gone</p>"
        "<p aria-hidden=true>icon</p><select><option>choice</select><p>seen</p>"
        "<article>body<footer>by Ada</footer></article><footer>imprint</footer>"
    )
    assert read(tmp_path, body).text == "seen\n\nbody\n\nby Ada"


def test_hidden_lists_do_not_disturb_the_list_around_them(tmp_path: Path) -> None:
    body = "<ul><li>a<ul hidden><li>x</ul><li hidden>y<li>b</ul>"
    assert shape(read(tmp_path, body)) == [("list_item", 1, "- a"), ("list_item", 1, "- b")]


def test_a_page_that_is_all_navigation_is_read_after_all(tmp_path: Path) -> None:
    assert read(tmp_path, "<nav><a>Home</a> <a>Docs</a></nav>").text == "Home Docs"


def test_tables_with_and_without_named_headers(tmp_path: Path) -> None:
    body = (
        "<table><caption>Oils</caption><tr><th>Name<th>Use<tr><td>Linseed <b>raw</b><td><p>wood</p><p>stone</p></table>"
        "<table><tr><td>one cell only</table>"
    )
    document = read(tmp_path, body)
    assert shape(document) == [
        ("paragraph", 0, "Oils"),
        ("table", 0, "Name | Use\nLinseed raw | wood stone"),
        ("table", 0, "one cell only"),
    ]
    first, second = document.blocks[1:]
    assert document.text[first.start : first.header_end] == "Name | Use"
    assert second.header_end == 0


def test_a_layout_table_is_no_table(tmp_path: Path) -> None:
    body = "<table><tr><td><h2>Left</h2><p>text<td><table><tr><td>a<td>b</table></table>"
    assert [kind for kind, _, _ in shape(read(tmp_path, body))] == ["heading", "paragraph", "table"]


def test_preformatted_text_is_code(tmp_path: Path) -> None:
    assert shape(read(tmp_path, "<pre>  a\n    <b>b</b><br>c\n</pre>")) == [("code", 0, "  a\n    b\nc")]


def test_a_heading_with_blocks_inside_stays_a_heading(tmp_path: Path) -> None:
    assert shape(read(tmp_path, "<h2><div>Big<br>news</div></h2><p>x</p>"))[0] == ("heading", 2, "Big news")


def test_title_and_metadata(tmp_path: Path) -> None:
    head = "<title> The\n Desk </title><meta name=author content='Ada'><meta property=og:description content='On oil'>"
    document = read(tmp_path, "<h1>Other</h1>", head)
    assert document.title == "The Desk"
    assert document.metadata == {"author": "Ada", "description": "On oil", "language": "en"}
    assert read(tmp_path, "<h1>Other</h1>").title == "Other"


@pytest.mark.parametrize("encoding", ["koi8-r", "windows-1251", "utf-8", "utf-16"])
def test_the_declared_encoding_is_believed(tmp_path: Path, encoding: str) -> None:
    path = tmp_path / "page.html"
    path.write_bytes(f"<html><head><meta charset='{encoding}'></head><body>Привет</body></html>".encode(encoding))
    document = parse(path)
    assert document.text == "Привет"
    assert not document.warnings


def test_nesting_beyond_reason_is_refused_quickly(tmp_path: Path) -> None:
    with pytest.raises(CorruptedFile, match="nested"):
        read(tmp_path, "<div>" * 100_000 + "x")


def test_deep_nesting_is_no_recursion(tmp_path: Path) -> None:
    assert read(tmp_path, "<div><ul><li>" * 1500 + "x").text.endswith("x")


def test_many_unclosed_paragraphs_are_not_nesting(tmp_path: Path) -> None:
    assert len(read(tmp_path, "<p>x<br>" * 30_000).blocks) == 30_000


def test_a_page_without_text_is_empty(tmp_path: Path) -> None:
    with pytest.raises(EmptyDocument):
        read(tmp_path, "<p> &nbsp; </p><script>var a = 1</script>")
