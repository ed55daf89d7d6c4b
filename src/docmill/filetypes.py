"""Which type of document a file is: by its content where content tells, by its name among the kinds of text.

Owns the one table of types, suffixes and parsers. It opens files but parses none; a folder scan asks it by name only.
Imports quickly: nothing heavy at module level.
"""

from __future__ import annotations

import posixpath
import re
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import IO, Final, NoReturn

from docmill.errors import CorruptedFile, EmptyDocument, EncryptedFile, UnsupportedType


@dataclass(frozen=True, slots=True)
class FileType:
    """``name``: the document type, such as ``markdown``. ``parser``: the plug-in that reads it.

    ``extra``: what has to be installed beside docmill for that, as in ``pip install "docmill[formats]"``.
    """

    name: str
    parser: str
    mime: str
    extra: str = ""


# What an extra brings, by its import name.
_MODULE_OF_EXTRA: Final = {"formats": "kreuzberg"}


TYPES: Final[dict[str, FileType]] = {
    kind.name: kind
    for kind in (
        FileType("pdf", "pdf", "application/pdf"),
        FileType("docx", "docx", "application/vnd.openxmlformats-officedocument.wordprocessingml.document"),
        FileType("xlsx", "xlsx", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"),
        FileType("pptx", "pptx", "application/vnd.openxmlformats-officedocument.presentationml.presentation"),
        FileType("odt", "opendocument", "application/vnd.oasis.opendocument.text"),
        FileType("ods", "opendocument", "application/vnd.oasis.opendocument.spreadsheet"),
        FileType("odp", "opendocument", "application/vnd.oasis.opendocument.presentation"),
        FileType("rtf", "rtf", "application/rtf"),
        FileType("epub", "epub", "application/epub+zip"),
        FileType("eml", "eml", "message/rfc822"),
        FileType("html", "html", "text/html"),
        FileType("markdown", "markdown", "text/markdown"),
        FileType("text", "text", "text/plain"),
        FileType("code", "text", "text/x-source"),
        FileType("csv", "delimited", "text/csv"),
        FileType("tsv", "delimited", "text/tab-separated-values"),
        FileType("json", "structured", "application/json"),
        FileType("jsonl", "structured", "application/x-ndjson"),
        FileType("png", "image", "image/png"),
        FileType("jpg", "image", "image/jpeg"),
        FileType("tiff", "image", "image/tiff"),
        FileType("ipynb", "ipynb", "application/x-ipynb+json"),
        FileType("zip", "archive", "application/zip"),
        FileType("tar", "archive", "application/x-tar"),
        FileType("gz", "archive", "application/gzip"),
        FileType("bz2", "archive", "application/x-bzip2"),
        FileType("xz", "archive", "application/x-xz"),
        FileType("doc", "kreuzberg", "application/msword", "formats"),
        FileType("xls", "kreuzberg", "application/vnd.ms-excel", "formats"),
        FileType("ppt", "kreuzberg", "application/vnd.ms-powerpoint", "formats"),
        FileType("msg", "kreuzberg", "application/vnd.ms-outlook", "formats"),
        FileType("xlsb", "kreuzberg", "application/vnd.ms-excel.sheet.binary.macroenabled.12", "formats"),
        FileType("fb2", "kreuzberg", "application/x-fictionbook+xml", "formats"),
    )
}

_SUFFIXES_OF: Final[dict[str, str]] = {
    "pdf": "pdf",
    "docx": "docx docm dotx dotm",
    "xlsx": "xlsx xlsm xltx xltm",
    "pptx": "pptx pptm ppsx ppsm potx potm",
    "odt": "odt ott",
    "ods": "ods ots",
    "odp": "odp otp",
    "rtf": "rtf",
    "epub": "epub",
    "eml": "eml",
    "html": "html htm xhtml",
    "markdown": "md markdown mdown mkd mdx",
    "text": "txt text rst log adoc asciidoc org tex srt vtt",
    "csv": "csv",
    "tsv": "tsv tab",
    "json": "json geojson",
    "jsonl": "jsonl ndjson",
    "png": "png",
    "jpg": "jpg jpeg",
    "tiff": "tif tiff",
    "ipynb": "ipynb",
    "zip": "zip",
    "tar": "tar tgz tbz tbz2 txz",
    "gz": "gz",
    "bz2": "bz2",
    "xz": "xz",
    "doc": "doc dot",
    "xls": "xls xlt",
    "ppt": "ppt pps pot",
    "msg": "msg",
    "xlsb": "xlsb",
    "fb2": "fb2",
    "code": (
        "py pyi js mjs cjs ts tsx jsx java kt kts scala groovy c h cc cpp cxx hh hpp cs fs go rs rb php pl pm lua r "
        "jl swift m mm dart ex exs erl hrl hs ml mli clj cljs lisp el vim sh bash zsh fish ps1 bat cmd sql graphql "
        "proto thrift css scss sass less vue svelte yaml yml toml ini cfg conf properties xml xsd xsl xslt "
        "gradle cmake mk tf hcl nix dockerfile asm s v sv vhd f f90 diff patch"
    ),
}
_TYPE_OF_SUFFIX: Final = {f".{suffix}": kind for kind, suffixes in _SUFFIXES_OF.items() for suffix in suffixes.split()}
_BARE_NAMES_OF: Final[dict[str, str]] = {
    "text": (
        "readme license licence copying notice authors contributors changelog changes news history install todo "
        "maintainers codeowners version"
    ),
    "code": "makefile dockerfile containerfile rakefile gemfile procfile vagrantfile jenkinsfile",
}
_TYPE_OF_BARE_NAME: Final = {name: kind for kind, names in _BARE_NAMES_OF.items() for name in names.split()}
_IMAGES: Final = frozenset(kind.name for kind in TYPES.values() if kind.parser == "image")
_ZIP_TYPES: Final = frozenset({"docx", "xlsx", "pptx", "odt", "ods", "odp", "epub", "xlsb"})
_BINARY_TYPES: Final = _ZIP_TYPES | {"pdf", "zip", "tar", "gz", "bz2", "xz", "doc", "xls", "ppt", "msg"}
_PARSERS: Final = frozenset(kind.parser for kind in TYPES.values())

# Kinds without an entry in TYPES are recognised and not read, unless a plug-in parser has their name.
_OFFICE_MAIN_PARTS: Final[tuple[tuple[bytes, str], ...]] = (
    (b"wordprocessingml.", "docx"),
    (b"ms-word.document.macroenabled.main", "docx"),
    (b"ms-word.template.macroenabledtemplate.main", "docx"),
    (b"ms-excel.sheet.binary.macroenabled.main", "xlsb"),
    (b"spreadsheetml.sheet.main", "xlsx"),
    (b"spreadsheetml.template.main", "xlsx"),
    (b"ms-excel.sheet.macroenabled.main", "xlsx"),
    (b"ms-excel.template.macroenabled.main", "xlsx"),
    (b"presentationml.", "pptx"),
    (b"ms-powerpoint.", "pptx"),
)
_ZIP_MIMETYPES: Final = {
    b"application/vnd.oasis.opendocument.text": "odt",
    b"application/vnd.oasis.opendocument.text-template": "odt",
    b"application/vnd.oasis.opendocument.spreadsheet": "ods",
    b"application/vnd.oasis.opendocument.spreadsheet-template": "ods",
    b"application/vnd.oasis.opendocument.presentation": "odp",
    b"application/vnd.oasis.opendocument.presentation-template": "odp",
    b"application/epub+zip": "epub",
}
_OLE_KINDS: Final = {
    "WordDocument": "doc",
    "Workbook": "xls",
    "Book": "xls",
    "PowerPoint Document": "ppt",
    "__properties_version1.0": "msg",
}
_MAGICS: Final[tuple[tuple[bytes, str], ...]] = (
    (b"{\\rtf", "rtf"),
    (b"\x89PNG\r\n\x1a\n", "png"),
    (b"\xff\xd8\xff", "jpg"),
    (b"II*\0", "tiff"),
    (b"MM\0*", "tiff"),
    (b"II+\0", "tiff"),
    (b"MM\0+", "tiff"),
    (b"GIF8", "gif"),
    (b"7z\xbc\xaf\x27\x1c", "7z"),
    (b"%!PS", "ps"),
)

_HEAD_BYTES = 8192
_PDF_HEADER_WITHIN = 1024  # where PDF readers look for the header, leading junk allowed
_HTML_START = re.compile(rb"\s*(?:<\?xml[^>]*>\s*|<!--.*?-->\s*)*<(?:!doctype\s+html|html|head|body)\b", re.I | re.S)


def supported_suffixes() -> frozenset[str]:
    """Lower-case suffixes, with the dot, of the files that are worth reading."""
    return frozenset(suffix for suffix, kind in _TYPE_OF_SUFFIX.items() if _is_installed(TYPES[kind]))


def suffixes_of(kind: str) -> tuple[str, ...]:
    """The suffixes of a type, without the dot."""
    return tuple(_SUFFIXES_OF.get(kind, "").split())


def type_by_name(name: str) -> str | None:
    """The type that a file's name promises; None where no parser would read it. Opens nothing.

    Names without a suffix count only where they are well known (README, LICENSE, Makefile …): others are programs and
    data more often than documents.
    """
    suffix = _suffix(name)
    if suffix:
        known = _TYPE_OF_SUFFIX.get(suffix)
        return known if known and _is_installed(TYPES[known]) else _plugged_in(suffix[1:])
    return _TYPE_OF_BARE_NAME.get(posixpath.basename(name.lower()))


def _suffix(name: str) -> str:
    """As pathlib has it, in lower case; asked several times for each document, and a path takes longer to make."""
    base = posixpath.basename(name).lower()
    dot = base.rfind(".")
    return base[dot:] if 0 < dot < len(base) - 1 else ""


def is_image(name: str) -> bool:
    """Whether a file's name promises an image, of which only OCR makes a document."""
    return type_by_name(name) in _IMAGES


def ignore_reason(name: str, *, images: bool = False) -> str | None:
    """Why a folder scan passes this file over, in words; None where it is to be read. ``images``: these too."""
    suffix = _suffix(name)
    if is_image(name) and not images:
        return f"no parser for {suffix} unless parse.ocr is on"
    if type_by_name(name) is not None:
        return None
    if not suffix:
        return "no suffix that tells its type"
    known = _TYPE_OF_SUFFIX.get(suffix)
    return f"no parser for {suffix}" + (f" ({_installing(TYPES[known])})" if known else "")


def detect(path: Path, *, name: str | None = None) -> FileType:
    """The type of the file at ``path``; ``name`` is what it is called where that differs from ``path``.

    Raises EmptyDocument (no bytes), EncryptedFile, UnsupportedType (says what the file is), CorruptedFile, and the
    OSError of a file that cannot be opened.
    """
    name = name if name is not None else path.name
    with path.open("rb") as stream:
        head = stream.read(_HEAD_BYTES)
        if not head:
            raise EmptyDocument("the file is empty (0 bytes)")
        kind = _binary_kind(head, stream, type_by_name(name))
    if kind is None:
        kind = _text_kind(head, name) if _is_text(head) else _unknown_binary(path, name)
    if kind == "zip" and type_by_name(name) in _ZIP_TYPES:
        raise CorruptedFile(f"the name promises {type_by_name(name)}, but the package holds no such document")
    return _readable(kind)


def _binary_kind(head: bytes, stream: IO[bytes], promised: str | None) -> str | None:
    from docmill import containers
    from docmill.domain.failures import readable

    if _is_pdf(head) or (promised == "pdf" and b" obj" in head):
        return "pdf"  # the second: one that has lost its header, which some engines still read
    with readable("container"):
        if head.startswith(containers.ZIP_MAGICS):
            return _zip_kind(stream)
        if head.startswith(containers.OLE_MAGIC):
            return _ole_kind(stream)
    compression = containers.compression_of(head)
    if containers.is_tar(containers.first_block(stream, compression) if compression else head):
        return "tar"
    return compression or next((kind for magic, kind in _MAGICS if head.startswith(magic)), None)


def _is_pdf(head: bytes) -> bool:
    """A PDF may begin with junk; a text that merely speaks of ``%PDF-`` is none."""
    position = head.find(b"%PDF-", 0, _PDF_HEADER_WITHIN)
    return position >= 0 and (not head[:position].strip(b"\xef\xbb\xbf\0\t\r\n ") or b" obj" in head[position:])


def _zip_kind(stream: IO[bytes]) -> str:
    from docmill.containers import content_types, open_zip, read_part

    with open_zip(stream) as package:
        files = [entry for entry in package.infolist() if not entry.is_dir()]
        if files and all(entry.flag_bits & 1 for entry in files):
            raise EncryptedFile("all files in the zip container are encrypted")
        declared = content_types(package)
        if declared is not None:
            for mark, kind in _OFFICE_MAIN_PARTS:
                if mark in declared:
                    return kind
        names = package.namelist()
        for folder, kind in (("word/", "docx"), ("xl/", "xlsx"), ("ppt/", "pptx")):
            if any(entry.startswith(folder) for entry in names):
                return kind
        return _ZIP_MIMETYPES.get((read_part(package, "mimetype") or b"").strip(), "zip")


def _ole_kind(stream: IO[bytes]) -> str:
    from docmill.containers import ole_streams

    names = ole_streams(stream)
    if names & {"EncryptedPackage", "EncryptionInfo"}:
        raise EncryptedFile("the Office document is protected by a password")
    return next((kind for name, kind in _OLE_KINDS.items() if name in names), "ole")


def _is_text(head: bytes) -> bool:
    from docmill.decoding import byte_order_mark, is_binary, wide_without_mark

    return bool(byte_order_mark(head) or wide_without_mark(head)) or not is_binary(head)


def _text_kind(head: bytes, name: str) -> str:
    promised = type_by_name(name)
    if promised in ("markdown", "code"):
        return promised
    if _HTML_START.match(head.removeprefix(b"\xef\xbb\xbf")):
        return "html"
    if promised in _BINARY_TYPES | _IMAGES:
        raise CorruptedFile(f"the name promises {promised}, but the file holds plain text")
    return promised or "text"


def _unknown_binary(path: Path, name: str) -> NoReturn:
    """Raises what puremagic makes of a file that none of the checks above knows."""
    import puremagic

    promised = type_by_name(name)
    if promised is not None:
        raise CorruptedFile(f"the name promises {promised}, but the content is something else")
    try:
        best = puremagic.magic_file(path)[0]
    except Exception:  # noqa: BLE001 - it looks into containers by itself; whatever it fails with, it does not know
        raise UnsupportedType("binary data of an unknown kind") from None
    described = best.name or best.mime_type or "binary data"
    raise UnsupportedType(f"{described} ({best.extension or 'no suffix'}) has no parser", mime=best.mime_type)


def _readable(kind: str) -> FileType:
    known = TYPES.get(kind)
    if known is not None and _is_installed(known):
        return known
    if _plugged_in(kind):
        return FileType(kind, kind, "application/octet-stream")
    if known is not None:
        raise UnsupportedType(f"no parser for .{kind} is installed", hint=_installing(known), detected=kind)
    described = "an OLE container" if kind == "ole" else f".{kind}"
    raise UnsupportedType(f"no parser for {described}", detected=kind)


@cache
def _is_installed(kind: FileType) -> bool:
    return not kind.extra or find_spec(_MODULE_OF_EXTRA[kind.extra]) is not None


def _installing(kind: FileType) -> str:
    return f'pip install "docmill[{kind.extra}]"'


def _plugged_in(kind: str) -> str | None:
    """``kind`` where a third party's parser has that name: a plug-in ``xps`` reads ``.xps``."""
    from docmill.registry import names

    return kind if kind not in _PARSERS and kind in names("parsers") else None
