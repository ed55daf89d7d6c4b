"""Reads mails: who wrote to whom about what, the body, and the attachments as documents of their own.

The standard library takes the mail apart by its older policy, as the newer one interprets headers and fails on many
that are broken. Headers are decoded here.
"""

from __future__ import annotations

import email
import io
import mimetypes
from collections.abc import Iterator
from datetime import datetime
from email.errors import HeaderParseError
from email.header import decode_header
from email.message import Message
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any

from docmill.decoding import decode, decode_into
from docmill.domain.assembly import DocumentBuilder, clean, iso_utc, metadata_text, one_line, present
from docmill.domain.contracts import SourceFile
from docmill.domain.documents import ParsedDocument
from docmill.domain.failures import is_out_of_memory, readable, words_of
from docmill.domain.members import Members
from docmill.errors import DocumentError, EncryptedFile
from docmill.parsers.html import add_page, declared_encoding
from docmill.parsers.text import add_text

if TYPE_CHECKING:
    from docmill.domain.params import ParseParams

_SHOWN = ("From", "To", "Cc", "Date")
_BODIES = ("text/plain", "text/html")
_SEALED = frozenset({"application/pkcs7-mime", "application/x-pkcs7-mime"})
_SIGNATURES = frozenset({"application/pgp-signature", "application/pkcs7-signature", "application/x-pkcs7-signature"})
_LONGEST_HEADER = 10_000
_LONGEST_NAME = 120

Part = Message


class EmlParser:
    version = "1"
    types = frozenset({"eml"})

    def parse(self, file: SourceFile, params: ParseParams) -> ParsedDocument:
        """Raises EncryptedFile for an encrypted mail, CorruptedFile for what cannot be taken apart.

        Attachments that are not taken, and bodies that cannot be read, degrade the document.
        """
        with readable("mail"):
            with file.deadline.interrupting(), file.path.open("rb") as stream:
                message = email.message_from_binary_file(stream)
            return _Reader(file, params).read(message)


class _Reader:
    """One mail being read."""

    def __init__(self, file: SourceFile, params: ParseParams) -> None:
        self._builder = DocumentBuilder(file.type, max_characters=params.max_characters, deadline=file.deadline)
        self._members = Members(file.keeper)
        self._attached: list[str] = []
        self._most = params.max_entries

    def read(self, message: Part) -> ParsedDocument:
        subject = _header(message, "Subject")
        self._builder.heading(subject, 1)
        shown = ((name, _header(message, name)) for name in _SHOWN)
        self._builder.passage("\n".join(f"{name}: {value}" for name, value in shown if value))
        for part, as_body in _parts(message):
            if self._builder.full or len(self._attached) >= self._most:
                self._members.break_off("there is no more time or room (max_seconds, max_characters, max_entries)")
                break
            self._guarded(part, as_body=as_body)
        if self._attached:
            self._builder.paragraph(f"Attachments: {', '.join(self._attached)}")
        self._members.tell(self._builder)
        return self._builder.build(title=metadata_text(subject), metadata=_metadata(message))

    def _guarded(self, part: Part, *, as_body: bool) -> None:
        try:
            self._part(part, as_body=as_body)
        except EncryptedFile:
            raise
        except Exception as error:
            if is_out_of_memory(error) or (isinstance(error, OSError) and error.errno):
                raise
            self._builder.warn("DAMAGED_PART", f"a part of the mail is unreadable: {words_of(error)}", degrades=True)

    def _part(self, part: Part, *, as_body: bool) -> None:
        kind = part.get_content_type()
        if kind == "multipart/encrypted" or (kind in _SEALED and part.get_param("smime-type") != "signed-data"):
            raise EncryptedFile("the mail is encrypted", hint="save it decrypted")
        name = _decoded(part.get_filename() or "")
        if kind == "message/rfc822":
            inner = part.get_payload(0)
            assert isinstance(inner, Message), "the library has parsed it"
            subject = one_line(_header(inner, "Subject")).replace("/", "-")[:_LONGEST_NAME].strip()
            self._attach(name or f"{subject or 'message'}.eml", inner.as_bytes())
        elif part.get_content_maintype() == "message":
            self._builder.passage(clean(str(part)))  # a delivery report: small, and in words
        elif kind in _BODIES and not name and part.get_content_disposition() != "attachment":
            if as_body:
                self._body(part, kind)
        elif kind not in _SIGNATURES:
            number = len(self._attached) + 1
            self._attach(name or f"attachment-{number}{mimetypes.guess_extension(kind) or ''}", _bytes_of(part))

    def _body(self, part: Part, kind: str) -> None:
        data = _bytes_of(part)
        declared = part.get_content_charset() or (declared_encoding(data) if kind == "text/html" else None)
        text = decode_into(data, self._builder, declared=declared)
        if kind == "text/html":
            add_page(self._builder, text)
        else:
            add_text(self._builder, clean(text))

    def _attach(self, name: str, content: bytes) -> None:
        self._attached.append(name)
        with io.BytesIO(content) as stream:
            self._members.take(name, stream)


def _parts(message: Part) -> Iterator[tuple[Part, bool]]:
    """The parts that hold something, in order, and whether their text is wanted: of alternatives only one is."""
    stack = [(message, True)]
    while stack:
        part, wanted = stack.pop()
        children = part.get_payload() if part.get_content_maintype() == "multipart" else None
        if not isinstance(children, list) or part.get_content_type() == "multipart/encrypted":
            yield part, wanted
            continue
        chosen = _best(children) if part.get_content_type() == "multipart/alternative" else None
        stack.extend(
            (child, wanted and (chosen is None or child is chosen))
            for child in reversed(children)
            if isinstance(child, Message)
        )


def _best(alternatives: list[Any]) -> Any:
    """Plain text where it says something; else the last, which the sender likes best."""
    plain = (part for part in alternatives if isinstance(part, Message) and part.get_content_type() == "text/plain")
    return next((part for part in plain if _bytes_of(part).strip()), alternatives[-1] if alternatives else None)


def _bytes_of(part: Part) -> bytes:
    content = part.get_payload(decode=True)
    return content if isinstance(content, bytes) else b""


def _metadata(message: Part) -> dict[str, Any]:
    return present(
        author=metadata_text(_header(message, "From")),
        to=metadata_text(_header(message, "To")),
        cc=metadata_text(_header(message, "Cc")),
        subject=metadata_text(_header(message, "Subject")),
        created_at=_moment(_header(message, "Date")),
    )


def _moment(written: str) -> str | None:
    try:
        moment: datetime = parsedate_to_datetime(written)
        return iso_utc(moment)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None


def _header(message: Part, name: str) -> str:
    """The first header of this name, as a person reads it; "" where there is none."""
    wanted = name.lower()
    return _decoded(next((str(value) for key, value in message.raw_items() if key.lower() == wanted), ""))


def _decoded(written: str) -> str:
    """``written`` without the encodings of RFC 2047, and with bytes outside ASCII as the text that they are."""
    written = " ".join(written[:_LONGEST_HEADER].split())
    if not written.isascii():
        written = _text(written.encode("utf-8", "surrogateescape"), None)
    try:
        pieces = decode_header(written)
    except HeaderParseError:
        return written
    decoded = "".join(
        piece if isinstance(piece, str) else _text(piece, charset) if charset else piece.decode("raw-unicode-escape")
        for piece, charset in pieces
    )
    return decoded or written  # what is encoded wrongly shows better as it is than not at all


def _text(data: bytes, charset: str | None) -> str:
    try:
        return decode(data, declared=charset).text
    except DocumentError:
        return data.decode("utf-8", "replace")


PLUGIN = EmlParser()
