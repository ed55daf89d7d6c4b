"""Reads HTML: headings, paragraphs, lists, tables and code in reading order, without scripts and navigation.

The tree is walked with an explicit stack, never by recursion: pages nest as deeply as whoever wrote them liked.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from docmill.decoding import decode_into, read_bytes
from docmill.domain.assembly import DocumentBuilder, metadata_text, one_line, present
from docmill.domain.contracts import SourceFile
from docmill.domain.documents import ParsedDocument
from docmill.domain.failures import readable
from docmill.domain.tables import piped
from docmill.errors import CorruptedFile

if TYPE_CHECKING:
    from selectolax.lexbor import LexborHTMLParser, LexborNode

    from docmill.domain.params import ParseParams

_SKIPPED_TAGS = (
    "head script style template noscript svg math iframe object embed canvas audio video map datalist select input "
    "button textarea progress meter dialog"
)
_SKIPPED = frozenset(_SKIPPED_TAGS.split())
_CHROME = frozenset({"nav", "footer"})  # left out unless they are all there is
_HEADINGS = {f"h{level}": level for level in range(1, 7)}
_BLOCK_TAGS = (
    "address article aside blockquote body caption center dd details div dl dt fieldset figcaption figure form h1 h2 "
    "h3 h4 h5 h6 header hgroup hr html legend li main menu ol p pre search section summary table tbody td tfoot th "
    "thead tr ul nav footer"
)
_BLOCKS = frozenset(_BLOCK_TAGS.split())
_LISTS = frozenset({"ul", "ol", "menu"})
_ARTICLES = frozenset({"article", "main", "blockquote"})

_SPACE = re.compile(r"\s+")
_DECLARED = re.compile(rb"""<meta[^>]{0,200}?charset\s*=\s*["']?\s*([\w.:-]{1,40})""", re.I)
_DECLARED_WITHIN = 4096
_XML_START = re.compile(r"\s*<\?xml\b")
_SELF_CLOSED = re.compile(r"<([a-zA-Z][\w:-]*)((?:\s[^<>]*)?)/>")
_VOID_TAGS = "area base br col embed hr img input link meta param source track wbr"
_VOID = frozenset(_VOID_TAGS.split())
MARKUP = 8  # bytes of tags, scripts and styles to a byte of text, in pages that are heavy with them

# Opening a tag looks through all open ones (the HTML standard's "in scope"), so depth costs its square: 300,000 nested
# <div> keep the parser busy for minutes. Tags that are closed by implication or never are not counted; script strings
# write their closing tags as <\/div>.
_MOST_DEPTH = 20_000
_DEPTH_TAG = re.compile(
    r"<(\\?/)?(?!(?:p|li|td|tr|th|dd|dt|br|hr|img|input|meta|link|option|col|wbr|area|base|embed|source|track|param)\b)"
    r"[a-zA-Z]"
)


class HtmlParser:
    version = "2"
    types = frozenset({"html"})

    def parse(self, file: SourceFile, params: ParseParams) -> ParsedDocument:
        """Text and structure of a page. Raises CorruptedFile for one nested beyond reason."""
        with readable("HTML page"):
            return _parse(file, params)


def _parse(file: SourceFile, params: ParseParams) -> ParsedDocument:
    builder = DocumentBuilder(file.type, max_characters=params.max_characters, deadline=file.deadline)
    data = read_bytes(file.path, builder, max_characters=params.max_characters, markup=MARKUP)
    title, metadata = add_page(builder, decode_into(data, builder, declared=declared_encoding(data)))
    return builder.build(title=title or builder.first_heading(), metadata=metadata)


def add_page(builder: DocumentBuilder, source: str) -> tuple[str | None, dict[str, Any]]:
    """Add the text of a page that came as HTML or XHTML; its title and metadata. CorruptedFile for one too deep."""
    from selectolax.lexbor import LexborHTMLParser

    if _XML_START.match(source):
        source = _SELF_CLOSED.sub(_spelled_out, source)
    _check_depth(source)
    tree = LexborHTMLParser(source)
    if tree.root is not None and not _Walk(builder, with_chrome=False).run(tree.root):
        _Walk(builder, with_chrome=True).run(tree.root)
    return _title(tree), _metadata(tree)


def _spelled_out(match: re.Match[str]) -> str:
    """``<title/>`` ends itself in XML; an HTML parser would take all that follows for the title."""
    name, attributes = match.groups()
    return match.group() if name.lower() in _VOID else f"<{name}{attributes}></{name}>"


def declared_encoding(data: bytes) -> str | None:
    """The encoding that a page states of itself."""
    found = _DECLARED.search(data, 0, _DECLARED_WITHIN)
    return found.group(1).decode("ascii", "replace") if found else None


def _check_depth(source: str) -> None:
    """Raises CorruptedFile where more elements stand open at once than a parser can bear."""
    if source.count("<") <= _MOST_DEPTH:
        return
    depth = 0
    for match in _DEPTH_TAG.finditer(source):
        depth = max(depth - 1, 0) if match.group(1) else depth + 1
        if depth > _MOST_DEPTH:
            raise CorruptedFile(f"elements are nested more than {_MOST_DEPTH:,} deep")


def _title(tree: LexborHTMLParser) -> str | None:
    node = tree.css_first("head > title") or tree.css_first("h1")
    return (one_line(node.text(deep=True)) or None) if node is not None else None


def _metadata(tree: LexborHTMLParser) -> dict[str, Any]:
    named: dict[str, str] = {}
    for node in tree.css("meta[content]"):
        attributes = node.attributes
        key = (attributes.get("name") or attributes.get("property") or "").lower()
        named.setdefault(key, attributes.get("content") or "")
    language = tree.root.attributes.get("lang") if tree.root is not None else None
    return present(
        author=metadata_text(named.get("author") or named.get("article:author")),
        description=metadata_text(named.get("description") or named.get("og:description")),
        language=metadata_text(language),
    )


@dataclass
class _Table:
    """A data table being read. A table that holds another one is layout: its cells are plain blocks."""

    rows: list[str] = field(default_factory=list)
    cells: list[str] = field(default_factory=list)
    has_header: bool = False
    row_is_header: bool = True
    caption: str = ""


class _Walk:
    """One pass over a tree, in document order."""

    def __init__(self, builder: DocumentBuilder, *, with_chrome: bool) -> None:
        self._builder = builder
        self._with_chrome = with_chrome
        self._inline: list[str] = []
        self._lists: list[list[Any]] = []  # [ordered, number of the item, marker not yet written]
        self._items = 0
        self._articles = 0
        self._preformatted = 0
        self._heading = 0
        self._table: _Table | None = None
        self._layout_tables: set[int] = set()

    def run(self, root: LexborNode) -> bool:
        """Whether there was any text."""
        before = self._builder.length
        self._layout_tables = {_table_around(inner) for inner in root.css("table table")}
        node = root
        while not self._builder.full:
            if self._enter(node):
                child = node.child
                if child is not None:
                    node = child
                    continue
                self._leave(node)
            # mem_id is the identity of a node: each access makes a new Python object.
            while node.mem_id != root.mem_id and node.next is None:
                parent = node.parent
                assert parent is not None, "below the root every node has a parent"
                node = parent
                self._leave(node)
            following = node.next
            if node.mem_id == root.mem_id or following is None:
                break
            node = following
        self._flush()
        return self._builder.length > before

    def _enter(self, node: LexborNode) -> bool:
        """Take ``node`` in; whether its children are wanted."""
        if node.is_text_node:
            self._inline.append(node.text_content or "")
            return False
        tag = node.tag or ""
        if not node.is_element_node or self._is_skipped(node, tag):
            return False
        if tag == "br":
            self._inline.append("\n" if self._preformatted else "\0")
        elif tag == "img":
            self._inline.append(node.attributes.get("alt") or "")
        elif tag in _BLOCKS:
            self._open(node, tag)
        return True

    def _is_skipped(self, node: LexborNode, tag: str) -> bool:
        if tag in _SKIPPED:
            return True
        if self._with_chrome:
            return False
        if tag in _CHROME and not (tag == "footer" and self._articles):
            return True
        attributes = node.attributes
        if not attributes:
            return False
        style = attributes.get("style")
        return (
            "hidden" in attributes
            or attributes.get("aria-hidden") == "true"
            or (style is not None and "display:none" in style.replace(" ", "").lower())
        )

    def _open(self, node: LexborNode, tag: str) -> None:
        if self._table is not None:
            self._open_in_table(tag)
            return
        self._flush()
        if tag == "table":
            if node.mem_id not in self._layout_tables and node.css_first("tr") is not None:
                self._table = _Table()
        elif tag in _HEADINGS:
            self._heading = _HEADINGS[tag]
        elif tag == "pre":
            self._preformatted += 1
        elif tag in _LISTS:
            self._lists.append([tag == "ol", _start_of(node), False])
        elif tag == "li" and self._lists:
            self._items += 1
            self._lists[-1][1] += 1
            self._lists[-1][2] = True
        elif tag in _ARTICLES:
            self._articles += 1

    def _open_in_table(self, tag: str) -> None:
        assert self._table is not None
        if tag == "tr":
            self._end_row()
        elif tag in ("td", "th"):
            self._inline.clear()
            self._table.row_is_header &= tag == "th"
        else:
            self._inline.append(" ")

    def _leave(self, node: LexborNode) -> None:
        tag = node.tag or ""
        if tag not in _BLOCKS or not node.is_element_node:
            return
        if self._table is not None:
            self._leave_in_table(tag)
            return
        self._flush()
        if tag in _HEADINGS:
            self._heading = 0
        elif tag == "pre":
            self._preformatted = max(self._preformatted - 1, 0)
        elif tag in _LISTS and self._lists:
            self._lists.pop()
        elif tag == "li":
            self._items = max(self._items - 1, 0)
        elif tag in _ARTICLES:
            self._articles = max(self._articles - 1, 0)

    def _leave_in_table(self, tag: str) -> None:
        assert self._table is not None
        if tag in ("td", "th"):
            self._table.cells.append(self._take())
        elif tag == "caption":
            self._table.caption = self._take()
        elif tag == "tr":
            self._end_row()
        elif tag == "table":
            self._end_row()
            table, self._table = self._table, None
            self._inline.clear()
            self._builder.paragraph(table.caption)
            self._builder.table(table.rows, has_header=table.has_header)
        else:
            self._inline.append(" ")

    def _end_row(self) -> None:
        table = self._table
        assert table is not None
        row = piped(table.cells)
        if row:
            if not table.rows:
                # Without <th> the first row is taken for the names: that is how most tables are written.
                table.has_header = table.row_is_header or len(table.cells) > 1
            table.rows.append(row)
        table.cells, table.row_is_header = [], True

    def _take(self) -> str:
        text = _SPACE.sub(" ", "".join(self._inline)).replace("\0", "\n")
        self._inline.clear()
        return text

    def _flush(self) -> None:
        if not self._inline:
            return
        if self._preformatted:
            text = "".join(self._inline).replace("\0", "\n")
            self._inline.clear()
            self._builder.code(text)
            return
        text = self._take()
        if not text.strip(" \n"):
            return
        if self._heading:
            self._builder.heading(text, self._heading)
        elif self._lists and self._items:
            self._builder.list_item(self._marker() + text.strip(), len(self._lists))
        else:
            self._builder.paragraph(text)

    def _marker(self) -> str:
        ordered, number, pending = self._lists[-1]
        self._lists[-1][2] = False
        return "" if not pending else f"{number}. " if ordered else "- "


def _table_around(node: LexborNode) -> int:
    """The identity of the nearest table that ``node`` lies in."""
    around = node.parent
    while around is not None and around.tag != "table":
        around = around.parent
    return around.mem_id if around is not None else 0


def _start_of(node: LexborNode) -> int:
    """One less than the number of an ordered list's first item."""
    start = node.attributes.get("start") or "1"
    return int(start) - 1 if start.isdecimal() and len(start) < 9 else 0


PLUGIN = HtmlParser()
