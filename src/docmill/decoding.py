"""Turns the bytes of a text file into text: byte-order mark, declared encoding, UTF-8, then a guess.

Owns the choice of the encoding. It knows no format; what HTML declares is handed in.
"""

from __future__ import annotations

import codecs
from dataclasses import dataclass
from pathlib import Path

from docmill.domain.assembly import DocumentBuilder
from docmill.errors import CorruptedFile, DecodeError

# UTF-32 first: its little-endian mark begins with UTF-16's.
_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_SAMPLE_BYTES = 64 * 1024
_LONGEST_CHARACTER = 4  # bytes, in every encoding that is read
_LEAST_LIMIT = 1024**2


@dataclass(frozen=True, slots=True)
class Decoded:
    """``guessed``: the encoding was neither marked nor declared nor UTF-8. ``lossy``: some bytes had no character."""

    text: str
    encoding: str
    guessed: bool = False
    lossy: bool = False


def byte_order_mark(head: bytes) -> tuple[bytes, str] | None:
    """The mark that ``head`` begins with and the encoding it names."""
    return next(((mark, name) for mark, name in _MARKS if head.startswith(mark)), None)


def utf16_without_mark(head: bytes) -> str | None:
    """The UTF-16 flavour of a text without a mark, known by its NULs all standing on one side."""
    sample = head[: len(head) & ~1]
    if len(sample) < 8:
        return None
    even, odd = sample[0::2].count(0), sample[1::2].count(0)
    half = len(sample) // 2
    if odd > 0.4 * half and even < 0.02 * half:
        return "utf-16-le"
    if even > 0.4 * half and odd < 0.02 * half:
        return "utf-16-be"
    return None


def decode(data: bytes, *, declared: str | None = None) -> Decoded:
    """``data`` as text. Raises CorruptedFile for binary data, DecodeError where no encoding fits."""
    marked = byte_order_mark(data)
    if marked is not None:
        mark, encoding = marked
        return _decode_as(data[len(mark) :], encoding)
    wide = utf16_without_mark(data[:_SAMPLE_BYTES])
    if wide is not None:
        return _decode_as(data, wide)
    if b"\0" in data[:_SAMPLE_BYTES]:
        raise CorruptedFile("the file holds binary data, not text")
    for encoding in filter(None, ("utf-8", _known(declared))):
        try:
            return Decoded(data.decode(encoding), encoding)
        except UnicodeError:
            continue
    return _guess(data)


def read_text(path: Path, into: DocumentBuilder, *, max_characters: int) -> str:
    """The text of the file at ``path``; what is odd about it is warned of in ``into``.

    Reads no more bytes than ``max_characters`` characters can take, so that a huge file costs bounded memory.
    """
    return decode_into(read_bytes(path, into, max_characters=max_characters), into)


def byte_limit(max_characters: int, *, markup: int = 1) -> int:
    """How many bytes ``max_characters`` can take, where the markup may be ``markup`` times as long as the text."""
    return max(max_characters * _LONGEST_CHARACTER * markup, _LEAST_LIMIT)


def read_bytes(path: Path, into: DocumentBuilder, *, max_characters: int, markup: int = 1) -> bytes:
    """At most :func:`byte_limit` bytes of the file; a longer one is warned of as degraded."""
    limit = byte_limit(max_characters, markup=markup)
    with path.open("rb") as stream:
        data = stream.read(limit + 1)
    if len(data) > limit:
        into.warn("FILE_TRUNCATED", "the file is longer than max_characters allows; the rest is cut", degrades=True)
        data = data[:limit]
        # Do not leave half a UTF-8 character at the cut: the whole text would no longer count as UTF-8.
        while data and data[-1] & 0xC0 == 0x80:
            data = data[:-1]
        if data and data[-1] >= 0xC0:
            data = data[:-1]
    return data


def decode_into(data: bytes, into: DocumentBuilder, *, declared: str | None = None) -> str:
    """The text of ``data``; a guessed encoding and bytes without a character are warned of in ``into``."""
    decoded = decode(data, declared=declared)
    if decoded.lossy:
        into.warn("DECODE_FALLBACK", f"some bytes are not valid {decoded.encoding} and show as \ufffd", degrades=True)
    elif decoded.guessed:
        into.warn("DECODE_FALLBACK", f"not UTF-8; read as {decoded.encoding}")
    return decoded.text


def _decode_as(data: bytes, encoding: str) -> Decoded:
    try:
        return Decoded(data.decode(encoding), encoding)
    except UnicodeError:
        return Decoded(data.decode(encoding, errors="replace"), encoding, lossy=True)


def _known(encoding: str | None) -> str | None:
    """The codec for a declared name, by the web's rule that Latin-1 means Windows-1252; None where there is none."""
    if not encoding:
        return None
    try:
        name = codecs.lookup(encoding.strip().lower()).name
    except (LookupError, ValueError):
        return None
    if not codecs.lookup(name)._is_text_encoding:  # noqa: SLF001 - the only way to tell "rot13" and "zlib" from text
        return None
    if name.startswith(("utf-16", "utf-32")):
        return None  # such a file would have shown itself by its mark or its NULs
    return "cp1252" if name in ("iso8859-1", "ascii") else name


def _guess(data: bytes) -> Decoded:
    """A few stray bytes in UTF-8 stay UTF-8; otherwise charset-normalizer decides on a sample."""
    from charset_normalizer import from_bytes

    patched = data.decode("utf-8", errors="replace")
    broken = patched.count("\ufffd")
    multibyte = sum(1 for byte in data[:_SAMPLE_BYTES] if byte >= 0xC2)
    if broken * 20 < multibyte:
        return Decoded(patched, "utf-8", lossy=True)
    match = from_bytes(data[:_SAMPLE_BYTES]).best()
    if match is None:
        if broken * 20 < len(patched):
            return Decoded(patched, "utf-8", lossy=True)
        raise DecodeError("no text encoding fits the file")
    encoding = "cp1252" if match.encoding in ("latin_1", "ascii") else match.encoding
    try:
        return Decoded(data.decode(encoding), encoding, guessed=True)
    except UnicodeError:
        return Decoded(data.decode(encoding, errors="replace"), encoding, guessed=True, lossy=True)
