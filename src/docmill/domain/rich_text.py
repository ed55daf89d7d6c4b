"""The tokens of RTF, and what its control words mean for text, after version 1.9.1 of its specification."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

CODE_PAGES: Final = {
    0: "cp1252", 77: "mac_roman", 128: "cp932", 129: "cp949", 130: "johab", 134: "gbk", 136: "big5", 161: "cp1253",
    162: "cp1254", 163: "cp1258", 177: "cp1255", 178: "cp1256", 186: "cp1257", 204: "cp1251", 222: "cp874",
    238: "cp1250", 254: "cp437", 255: "cp850",
}  # fmt: skip
"""The encoding of each ``\\fcharset``."""

CHARACTERS: Final = {
    "tab": "\t", "line": "\n", "softline": "\n", "lquote": "\u2018", "rquote": "\u2019", "ldblquote": "\u201c",
    "rdblquote": "\u201d", "bullet": "\u2022", "endash": "\u2013", "emdash": "\u2014", "enspace": "\u2002",
    "emspace": "\u2003", "qmspace": " ", "zwj": "\u200d", "zwnj": "\u200c", "~": "\u00a0", "_": "-", "-": "",
    "{": "{", "}": "}", "\\": "\\", "\n": "\n", "\r": "\n",
}  # fmt: skip
"""Control words and symbols that stand for text."""

# Groups of which nothing is read: tables of fonts and colours, pictures, field codes, objects, names of bookmarks.
_SKIPPED_WORDS = (
    "aftncn aftnsep aftnsepc annotation atnauthor atndate atnid atnref bkmkend bkmkstart blipuid buptim category "
    "colorschememapping colortbl comment company datafield datastore defchp defpap doccomm docvar factoidname filetbl "
    "fldinst fldtype fname fontemb fontfile formfield ftncn ftnsep ftnsepc generator gridtbl hlinkbase keywords "
    "latentstyles lchars levelnumbers leveltext lfolevel linkval listlevel listname listoverridetable listpicture "
    "liststylename listtable manager mmath mmathPr nextfile nonesttables nonshppict objalias objclass objdata objname "
    "objsect objtime operator panose passwordhash pgp pict pnseclvl printim private propname protusertbl revtbl "
    "revtim rsidtbl rxe sn sp staticval stylerestrictions subject sv tc template themedata ts txe ud userprops "
    "wgrffmtfilter windowcaption writereservation writereservhash xe xform xmlattrname xmlattrvalue xmlclose xmlname "
    "xmlnstbl xmlopen "
)
SKIPPED: Final = frozenset(_SKIPPED_WORDS.split())
# Groups that are marked to be skipped by who does not know them, and that hold text.
READ_ALTHOUGH_MARKED: Final = frozenset(
    {"shpinst", "shptxt", "listtext", "pntext", "footnote", "fldrslt", "txfieldtext"}
)
MARGINS: Final = frozenset({"header", "headerl", "headerr", "headerf", "footer", "footerl", "footerr", "footerf"})

_TOKEN = re.compile(
    r"\\(?P<word>[a-zA-Z]{1,32})(?P<number>-?\d{1,10})? ?"
    r"|\\'(?P<byte>[0-9a-fA-F]{2})"
    r"|\\(?P<symbol>[^a-zA-Z])"
    r"|(?P<brace>[{}])"
    r"|(?P<text>[^\\{}\r\n\0]+)"
    r"|[\r\n\0]+",
    re.S,
)


@dataclass(frozen=True, slots=True)
class Token:
    """``kind``: word, byte, symbol, brace or text. ``value``: the word without its number, or the characters."""

    kind: str
    value: str
    number: int | None = None


def tokens(source: str) -> Iterator[Token]:
    """The tokens of a file read as Latin-1. The bytes after ``\\bin`` are none, and are passed over."""
    position = 0
    while position < len(source):
        match = _TOKEN.match(source, position)
        if match is None:  # a backslash that ends the file
            return
        position = match.end()
        kind = match.lastgroup
        if kind == "number":
            kind = "word"
        if kind is None:
            continue
        number = match["number"]
        token = Token(kind, match[kind], int(number) if number else None)
        if token.value == "bin" and kind == "word":
            position += max(token.number or 0, 0)
        else:
            yield token
