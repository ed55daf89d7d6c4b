"""Reads e-books (EPUB 2 and 3): the chapters in the order of the spine, each as the page of HTML that it is."""

from __future__ import annotations

import posixpath
import zipfile
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from docmill import safe_xml
from docmill.containers import open_package
from docmill.decoding import byte_limit, decode_into
from docmill.domain.assembly import DocumentBuilder, iso_moment, metadata_text, present
from docmill.domain.contracts import SourceFile
from docmill.domain.documents import ParsedDocument
from docmill.domain.elements import Element, attribute, child, children, within
from docmill.domain.failures import is_out_of_memory, readable, words_of
from docmill.errors import CorruptedFile, EncryptedFile
from docmill.parsers.html import MARKUP, add_page, declared_encoding

if TYPE_CHECKING:
    from docmill.domain.params import ParseParams

_PAGES = ("application/xhtml+xml", "text/html", "application/x-dtbook+xml")
_PAGE_SUFFIXES = (".xhtml", ".html", ".htm")
# What only scrambles fonts against copying: the text is open.
_FONT_SCRAMBLING = ("http://www.idpf.org/2008/embedding", "http://ns.adobe.com/pdf/enc#RC")


class EpubParser:
    version = "1"
    types = frozenset({"epub"})

    def parse(self, file: SourceFile, params: ParseParams) -> ParsedDocument:
        """Raises EncryptedFile for a book with a copy protection, FileTooLarge beyond ``params``, else CorruptedFile.

        A chapter that cannot be read costs that chapter and degrades the document.
        """
        with readable("e-book"), file.path.open("rb") as stream, open_package(stream, params) as package:
            return _Reader(package, file, params).read()


class _Reader:
    """One book being read."""

    def __init__(self, package: zipfile.ZipFile, file: SourceFile, params: ParseParams) -> None:
        self._package = package
        self._builder = DocumentBuilder(file.type, max_characters=params.max_characters, deadline=file.deadline)
        self._largest = byte_limit(params.max_characters, markup=MARKUP)
        self._failure: Exception | None = None

    def read(self) -> ParsedDocument:
        book_part = self._book_part()
        book = safe_xml.part_tree(self._package, book_part)
        chapters = self._chapters(book, posixpath.dirname(book_part))
        self._check_protection(set(chapters))
        for chapter in chapters:
            if self._builder.full:
                break
            self._guarded(chapter)
        if self._failure is not None and not self._builder.has_blocks:
            raise self._failure
        metadata = _metadata(child(book, "metadata"))
        title = metadata.pop("title", None) or self._builder.first_heading()
        return self._builder.build(title=title, metadata=metadata)

    def _book_part(self) -> str:
        """The package document: what the container names, else whichever there is."""
        container = safe_xml.part_tree(self._package, "META-INF/container.xml")
        named = next((attribute(item, "full-path") for item in within(container, "rootfile")), None)
        return named or next((name for name in self._package.namelist() if name.endswith(".opf")), "")

    def _chapters(self, book: Element | None, folder: str) -> list[str]:
        """The pages in reading order. Without a spine, all pages by name: that beats none."""
        parts = {
            attribute(item, "id"): posixpath.normpath(posixpath.join(folder, unquote(attribute(item, "href") or "")))
            for item in children(child(book, "manifest"), "item")
            if (attribute(item, "media-type") or "").lower() in _PAGES
        }
        spine = [attribute(item, "idref") for item in children(child(book, "spine"), "itemref")]
        chapters = list(dict.fromkeys(parts[each] for each in spine if each in parts))
        if chapters:
            return chapters
        found = sorted(name for name in self._package.namelist() if name.lower().endswith(_PAGE_SUFFIXES))
        if not found:
            raise CorruptedFile("the e-book names no chapters and holds no pages")
        self._builder.warn("DAMAGED_PART", "nothing tells the order of the chapters: taken by name", degrades=True)
        return found

    def _check_protection(self, chapters: set[str]) -> None:
        encryption = safe_xml.part_tree(self._package, "META-INF/encryption.xml")
        for item in within(encryption, "EncryptedData"):
            methods = {attribute(method, "Algorithm") for method in within(item, "EncryptionMethod")}
            parts = {unquote(attribute(reference, "URI") or "") for reference in within(item, "CipherReference")}
            if parts & chapters and not methods <= set(_FONT_SCRAMBLING):
                raise EncryptedFile("the e-book is copy-protected", hint="get a copy without protection (DRM)")

    def _guarded(self, chapter: str) -> None:
        try:
            if self._package.getinfo(chapter).file_size > self._largest:
                raise CorruptedFile(f"it has more than {self._largest:,} bytes")
            data = self._package.read(chapter)
            add_page(self._builder, decode_into(data, self._builder, declared=declared_encoding(data)))
        except Exception as error:
            if is_out_of_memory(error):
                raise
            self._failure = error
            self._builder.warn("DAMAGED_PART", f"{chapter} is unreadable: {words_of(error)}", degrades=True)


def _metadata(stated: Element | None) -> dict[str, Any]:
    def first(name: str) -> str | None:
        return next((text for item in children(stated, name) if (text := metadata_text(item.text))), None)

    authors = filter(None, (metadata_text(item.text) for item in children(stated, "creator")))
    return present(
        title=first("title"),
        author=metadata_text(", ".join(authors)),
        language=first("language"),
        created_at=iso_moment(first("date")),
        description=first("description"),
    )


PLUGIN = EpubParser()
