"""Turns the bytes of a text file into text: byte-order mark, declared encoding, UTF-8, then a guess.

Owns the choice of the encoding. It knows no format but the first line of XML; what others declare is handed in.
"""

from __future__ import annotations

import codecs
import re
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
_BLOCK_BYTES = 64 * 1024

_LAST_PLANE = 0x10
_MOST_SCRIPTS = 4
_NULS = re.compile(rb"\0+")
_CONTROL_BYTES = bytes(set(range(32)) - set(b"\t\n\v\f\r\b\x1b\x1a\x1c\x1d\x1e\x1f"))
_MOST_CONTROLS = 0.02
_ASCII = bytes(range(0x80))
_SEVEN_BITS = ("iso2022", "utf-7", "hz")
_XML_DECLARED = re.compile(rb"""\s*<\?xml[^<>]{0,200}?\bencoding\s*=\s*["']([\w.:-]{1,40})["']""")


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


def wide_without_mark(head: bytes) -> str | None:
    """The flavour of UTF-16 or UTF-32 of a text without a mark, known by where its NULs stand.

    Ideographs have none, and leave it to the guess; the blanks and line ends of Cyrillic or Greek are enough.
    """
    quarters = [head[offset : len(head) & ~3 : 4] for offset in range(4)]
    if len(quarters[0]) >= 2:
        if not any(quarters[3]) and max(quarters[2]) <= _LAST_PLANE and any(quarters[0]):
            return "utf-32-le"
        if not any(quarters[0]) and max(quarters[1]) <= _LAST_PLANE and any(quarters[3]):
            return "utf-32-be"
    sample = head[: len(head) & ~1]
    if len(sample) < 8:
        return None
    even, odd = sample[0::2].count(0), sample[1::2].count(0)
    half = len(sample) // 2
    if odd > 0.4 * half and even < 0.02 * half:
        return "utf-16-le"
    if even > 0.4 * half and odd < 0.02 * half:
        return "utf-16-be"
    if odd > 0.02 * half and even == 0 and _reads_as(sample, "utf-16-le"):
        return "utf-16-le"
    if even > 0.02 * half and odd == 0 and _reads_as(sample, "utf-16-be"):
        return "utf-16-be"
    return None


def _reads_as(sample: bytes, encoding: str) -> bool:
    """Whether ``sample`` is text in this encoding, as far as its letters stand close together in few scripts."""
    text = sample.decode(encoding, "replace")
    letters = [character for character in text if ord(character) > 0x7F]
    if not letters or any(not (character.isprintable() or character.isspace()) for character in text):
        return False
    blocks = {ord(character) >> 8 for character in letters}
    return len(blocks) <= max(_MOST_SCRIPTS, len(letters) // 50)


def is_binary(head: bytes) -> bool:
    """Whether these bytes are no text of one byte or more a character: too many of them say nothing.

    A few NULs do not make a log binary, nor does a run of them, which a disk leaves behind that lost power.
    """
    squeezed = _NULS.sub(b"\0", head)
    controls = len(squeezed) - len(squeezed.translate(None, _CONTROL_BYTES))
    return controls > max(_MOST_CONTROLS * len(squeezed), 1) or not squeezed.strip(b"\0")


def decode(data: bytes, *, declared: str | None = None) -> Decoded:
    """``data`` as text. Raises CorruptedFile for binary data, DecodeError where no encoding fits.

    What is valid UTF-8 is UTF-8, whatever is declared: other text is that by accident only in a few characters.
    Encodings of seven bits are the exception, as all they write is valid.
    """
    marked = byte_order_mark(data)
    if marked is not None:
        mark, encoding = marked
        return _decode_as(data[len(mark) :], encoding)
    wide = wide_without_mark(data[:_SAMPLE_BYTES])
    if wide is not None:
        return _decode_as(data, wide)
    if b"\0" in data[:_SAMPLE_BYTES] and is_binary(data[:_SAMPLE_BYTES]):
        raise CorruptedFile("the file holds binary data, not text")
    stated = _known(declared)
    order = (stated, "utf-8") if stated and stated.startswith(_SEVEN_BITS) else ("utf-8", stated)
    for encoding in filter(None, order):
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
        data = stream.read(_BLOCK_BYTES)  # room for the whole limit is megabytes, and nearly all files are small
        if len(data) == _BLOCK_BYTES:
            data += stream.read(limit + 1 - _BLOCK_BYTES)
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
    if declared is None:
        in_xml = _XML_DECLARED.match(data)
        declared = in_xml.group(1).decode("ascii") if in_xml else None
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
    """Broken bytes among UTF-8 leave it UTF-8; otherwise charset-normalizer decides on a sample."""
    from charset_normalizer import from_bytes

    paired = _with_paired_surrogates(data)
    if paired is not None:
        return Decoded(paired, "utf-8", lossy="\ufffd" in paired)
    patched = data.decode("utf-8", errors="replace")
    broken = patched.count("\ufffd")
    # Sequences of several bytes that are valid by accident are rarer, in every other encoding, than those that are not.
    ascii_only = len(data) - len(data.translate(None, _ASCII))
    whole = len(patched) - broken - ascii_only
    if whole >= 2 * broken:
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


def _with_paired_surrogates(data: bytes) -> str | None:
    """The text of UTF-8 that wrote surrogates, as Java and old databases do: pairs become their character."""
    try:
        text = data.decode("utf-8", "surrogatepass")
    except UnicodeError:
        return None
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
