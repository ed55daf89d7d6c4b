"""Text that a terminal shows and does not obey. Pure.

Names of files, texts of documents and the words of libraries come from anywhere. Whatever is written for a person goes
through :func:`safe` or :func:`safe_lines`, which take away what a terminal would obey or could not show; JSON goes
through :func:`json_text`, which escapes it, so that nothing is lost.
"""

from __future__ import annotations

import json
import re
from typing import Any

# CSI; OSC, DCS, SOS, PM and APC up to their end; other two-character escapes: ECMA-48, 5.3 and 5.4.
_ESCAPES = re.compile(
    r"(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]"
    r"|(?:\x1b[\]PX^_]|[\x9d\x90\x98\x9e\x9f])[^\x07\x1b\x9c]*(?:\x07|\x1b\\|\x9c)?"
    r"|\x1b[ -/]*[0-~]?"
)
# Marks that reorder text (UAX #9); characters that take no room, fillers and tags, by which two names look the same.
_REORDERING = "\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"
_INVISIBLE = (
    "\u00ad\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b\u2060-\u2065\u206a-\u206f\u3164\ufeff\uffa0\ufff0-\ufffb"
    "\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff"
)
# What is left of C0, C1 and DEL. Joiners are kept between letters and emoji that know them, and nowhere else.
_UNSAFE = re.compile(
    f"[\x00-\x08\x0e-\x1f\x7f-\x84\x86-\x9f{_REORDERING}{_INVISIBLE}]|(?:^|(?<=[\x00-\u058f\u2000-\u206f]))[\u200c\u200d]+"
)
_BREAKS = re.compile("[\t\n\x0b\x0c\r\x85\u2028\u2029]+")
_SURROGATES = re.compile("[\ud800-\udfff]")
_ESCAPED_IN_JSON = re.compile(f"[\x7f-\x9f\u2028\u2029\u200c\u200d\ud800-\udfff{_REORDERING}{_INVISIBLE}]")


def safe(text: object) -> str:
    """One line that a terminal shows as it is."""
    return _BREAKS.sub(" ", _cleaned(str(text)))


def safe_lines(text: object) -> str:
    """As :func:`safe`, but line breaks stay."""
    lines = re.split("\r\n|[\n\r\x0b\x0c\x85\u2028\u2029]", str(text))
    return "\n".join(_cleaned(line).replace("\t", "    ") for line in lines)


def json_text(value: Any, *, indent: int | None = None) -> str:
    """JSON that is valid UTF-8 and that a terminal shows as it is; read again, it gives the same value.

    What JSON does not know, such as a path, is written as its text.
    """
    text = json.dumps(value, ensure_ascii=False, indent=indent, default=str)
    return text if text.isascii() and "\x7f" not in text else _ESCAPED_IN_JSON.sub(_escaped, text)


def _escaped(found: re.Match[str]) -> str:
    return json.dumps(found[0])[1:-1] if found[0] != "\x7f" else "\\u007f"


def _cleaned(text: str) -> str:
    """Taking something away can put a joiner where it joins nothing, so that is done until nothing is left to take."""
    text = _ESCAPES.sub("", text)
    while (shorter := _UNSAFE.sub("", text)) != text:
        text = shorter
    return _SURROGATES.sub("\ufffd", text)
