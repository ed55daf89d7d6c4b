"""Reads what only the optional library kreuzberg reads: the binary formats of older Office programs, and FictionBook.

What it gives as Markdown is read as such. Nothing is cached, recognised from pictures, or fetched.
"""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING, Any

from docmill.containers import OLE_MAGIC, ZIP_MAGICS
from docmill.domain.assembly import DocumentBuilder, clean, iso_moment, metadata_text, present
from docmill.domain.contracts import SourceFile
from docmill.domain.documents import ParsedDocument
from docmill.domain.failures import readable
from docmill.errors import CorruptedFile, EncryptedFile, OutOfMemory
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
_XML_STARTS = (b"<", b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff", b" ", b"\n", b"\r")
_ENCRYPTED_WORDS = ("encrypted", "password")
_MARKUP = 2  # characters of Markdown to one of text


class KreuzbergParser:
    version = "1"
    types = frozenset(_MIME_OF)

    def parse(self, file: SourceFile, params: ParseParams) -> ParsedDocument:
        """Raises EncryptedFile for what has a password, OutOfMemory, and CorruptedFile for what cannot be read.

        A mail's attachments are read with it, as the library gives their text and not their bytes.
        """
        with readable(f"{file.type} file"):
            builder = DocumentBuilder(file.type, max_characters=params.max_characters, deadline=file.deadline)
            found = _extract(file, params.max_characters * _MARKUP)
            if file.type in _PLAIN:
                add_text(builder, clean(found["content"]).replace("\n", "\n\n"))
            else:
                add_markdown(builder, found["content"])
            stated = found["metadata"]
            _add_attachments(builder, found["attachments"], stated)
            for warning in found["warnings"]:
                builder.warn("DAMAGED_PART", warning, degrades=True)
            if found["cut"] and not builder.full:
                message = "the text is longer than max_characters; the rest is cut"
                builder.warn("TEXT_TRUNCATED", message, degrades=True)
            title = metadata_text(stated.get("title")) or metadata_text(stated.get("subject"))
            return builder.build(title=title or builder.first_heading(), metadata=_metadata(stated))


def _extract(file: SourceFile, most: int) -> dict[str, Any]:
    """What the library says of the file, from a process of its own: see kreuzberg_process."""
    output_format = "plain" if file.type in _PLAIN else "markdown"
    # -P: what lies in the folder that docmill was called from is not to be imported.
    command = [sys.executable, "-P", "-m", "docmill.kreuzberg_process", _MIME_OF[file.type], output_format, str(most)]
    with file.path.open("rb", buffering=0) as stream, file.deadline.interrupting():
        _check_start(stream.read(8), file.type)
        stream.seek(0)
        ended = subprocess.run(command, stdin=stream, capture_output=True, check=False)  # noqa: S603 - words of ours
    if ended.returncode != 0:
        if b"memory allocation" in ended.stderr or b"MemoryError" in ended.stderr:
            raise OutOfMemory(f"reading the {file.type} file needs more memory than is allowed")
        raise CorruptedFile(f"the library gave up with status {ended.returncode}")
    answer: dict[str, Any] = json.loads(ended.stdout)
    error = answer.get("error")
    if error is None:
        return answer
    if error.startswith("MemoryError"):
        raise OutOfMemory(f"reading the {file.type} file needs more memory than is allowed")
    if any(word in error.lower() for word in _ENCRYPTED_WORDS):
        raise EncryptedFile("the document is protected by a password")
    raise CorruptedFile(f"the {file.type} file cannot be read: {_printable(error)}")


def _check_start(head: bytes, kind: str) -> None:
    """Spare a process for what is no such file at all."""
    if not head.startswith({"xlsb": ZIP_MAGICS, "fb2": _XML_STARTS}.get(kind, OLE_MAGIC)):
        raise CorruptedFile(f"the file is no {kind} file")


def _printable(words: str) -> str:
    return "".join(character if character.isprintable() else "?" for character in " ".join(words.split()))[:200]


def _add_attachments(builder: DocumentBuilder, attachments: list[tuple[str, str]], stated: dict[str, Any]) -> None:
    read = []
    for name, content in attachments:
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
