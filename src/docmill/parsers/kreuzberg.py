"""Reads what only the optional library kreuzberg reads: the binary formats of older Office programs, and FictionBook.

What it gives as Markdown is read as such. Nothing is cached, recognised from pictures, or fetched.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from docmill.domain.assembly import DocumentBuilder, clean, iso_moment, metadata_text, present
from docmill.domain.contracts import SourceFile
from docmill.domain.documents import ParsedDocument
from docmill.domain.failures import readable, words_of
from docmill.errors import CorruptedFile, EncryptedFile
from docmill.parsers.markdown import add_markdown
from docmill.parsers.text import add_text

if TYPE_CHECKING:
    from docmill.domain.params import ParseParams

_MIME_OF = {
    "doc": "application/msword",
    "xls": "application/vnd.ms-excel",
    "ppt": "application/vnd.ms-powerpoint",
    "msg": "application/vnd.ms-outlook",
    "xlsb": "application/vnd.ms-excel.sheet.binary.macroEnabled.12",
    "fb2": "application/x-fictionbook+xml",
}
_PLAIN = frozenset({"doc"})  # its paragraphs run into each other in Markdown
_ENCRYPTED_WORDS = ("encrypted", "password")


class KreuzbergParser:
    version = "1"
    types = frozenset(_MIME_OF)

    def parse(self, file: SourceFile, params: ParseParams) -> ParsedDocument:
        """Raises EncryptedFile for what has a password, CorruptedFile for what cannot be read.

        A mail's attachments are read with it, as the library gives their text and not their bytes.
        """
        with readable(f"{file.type} file"):
            builder = DocumentBuilder(file.type, max_characters=params.max_characters, deadline=file.deadline)
            found = _extract(file)
            if file.type in _PLAIN:
                add_text(builder, clean(found.content).replace("\n", "\n\n"))
            else:
                add_markdown(builder, found.content)
            stated = dict(found.metadata)
            _add_attachments(builder, found, stated)
            for warning in found.processing_warnings:
                builder.warn("DAMAGED_PART", str(warning)[:200], degrades=True)
            title = metadata_text(stated.get("title")) or metadata_text(stated.get("subject"))
            return builder.build(title=title or builder.first_heading(), metadata=_metadata(stated))


def _extract(file: SourceFile) -> Any:
    import kreuzberg

    # One thread: the worker's memory and CPU time are limited, and there are as many workers as cores.
    config = kreuzberg.ExtractionConfig(  # type: ignore[call-arg] # its stubs do not know disable_ocr
        use_cache=False,
        output_format="plain" if file.type in _PLAIN else "markdown",
        enable_quality_processing=False,
        disable_ocr=True,
        concurrency=kreuzberg.ConcurrencyConfig(max_threads=1),
    )
    try:
        with file.path.open("rb"):  # a file that is gone or locked is told as such, and not in the library's words
            return kreuzberg.extract_file_sync(str(file.path), mime_type=_MIME_OF[file.type], config=config)
    except kreuzberg.KreuzbergError as error:
        if any(word in str(error).lower() for word in _ENCRYPTED_WORDS):
            raise EncryptedFile("the document is protected by a password") from error
        raise
    except BaseException as error:
        # A panic of its Rust core is no Exception; what ends this process or its time is something else.
        if type(error).__name__ != "PanicException":
            raise
        raise CorruptedFile(f"the library gave up: {words_of(error)}") from error


def _add_attachments(builder: DocumentBuilder, found: Any, stated: dict[str, Any]) -> None:
    read = []
    for child in found.children or ():
        name, content = str(child["path"]), child["result"].content
        if content.strip():
            read.append(name)
            builder.heading(name, 2)
            add_markdown(builder, content)
    missing = [str(name) for name in stated.get("attachments") or () if str(name) not in read]
    if missing:
        message = f"{len(missing):,} attachments are not read, the first is {missing[0]}"
        builder.warn("MEMBERS_LEFT_OUT", message, degrades=True)


def _metadata(stated: dict[str, Any]) -> dict[str, Any]:
    authors = [author for author in stated.get("authors") or () if isinstance(author, str)]
    created, modified = stated.get("created_at") or stated.get("date"), stated.get("modified_at")
    return present(
        author=metadata_text(", ".join(authors)),
        subject=metadata_text(stated.get("subject")),
        language=metadata_text(stated.get("language")),
        created_at=iso_moment(created if isinstance(created, str) else None),
        modified_at=iso_moment(modified if isinstance(modified, str) else None),
    )


PLUGIN = KreuzbergParser()
