"""Fetches one address into a file, under the rules of :mod:`docmill.web`, and tells which kind of file that is.

An answer that is not whole is an error, never a shorter document. What an earlier answer said of itself (``ETag``,
``Last-Modified``) is sent along, so that a server can answer that nothing has changed.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from email.message import Message
from email.utils import parsedate_to_datetime
from pathlib import PurePosixPath
from typing import IO, Final, NoReturn
from urllib.parse import unquote, urlsplit

from docmill import filetypes
from docmill.domain.events import now
from docmill.domain.identity import CONTENT_PREFIX
from docmill.errors import AddressRefused, DocumentError, FetchFailed, FileTooLarge, SourceFileDenied, SourceFileMissing
from docmill.web import Answer, Refused, Unreachable, Web, parse

_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")
_OK, _NOT_MODIFIED = 200, 304
_GONE, _DENIED = frozenset({404, 410}), frozenset({401, 402, 403, 407, 451})
_VALIDATORS: Final = {"etag": "If-None-Match", "last_modified": "If-Modified-Since"}
_SUFFIX_OF_MIME: Final = {
    **{kind.mime: f".{name}" for name, kind in filetypes.TYPES.items() if name not in ("markdown", "text", "code")},
    "application/xhtml+xml": ".html",
    "text/markdown": ".md",
    "text/x-markdown": ".md",
    "text/plain": ".txt",
    "application/jsonl": ".jsonl",
    "application/geo+json": ".json",
    "application/xml": ".xml",
    "text/xml": ".xml",
}
_BY_NAME_ALONE = frozenset({"markdown", "code"})  # types that content does not tell
_SAYING_LITTLE = frozenset({"", ".txt", ".xml"})
_PLAIN_SUFFIX = re.compile(r"\.[a-z0-9]{1,16}\Z")


@dataclass(frozen=True, slots=True)
class Fetched:
    """What an address gave. ``modified_s``: when the server says that it changed, seconds since the epoch.

    ``origin`` is what a document keeps of it: url, etag, last_modified, fetched_at; what is unknown is left out.
    """

    content_hash: str
    size_bytes: int
    suffix: str
    origin: dict[str, str] = field(default_factory=dict)
    modified_s: float | None = None


def is_address(text: str) -> bool:
    """Whether somebody means an address rather than a path, whatever its scheme."""
    return bool(_SCHEME.match(text))


def normalised(text: str) -> str:
    """The address as a URI: no fragment, the host in lower case, no port that goes without saying.

    Raises AddressRefused for what is no plain http(s) address.
    """
    try:
        url = parse(text)
    except Refused as error:
        raise AddressRefused(
            str(error), hint="an address is http://… or https://…, without user and password"
        ) from None
    return f"{url.origin}{url.target}"


def fetch(
    web: Web, uri: str, into: IO[bytes], *, known: Mapping[str, str] | None = None, timeout_s: float, most_bytes: int
) -> Fetched | None:
    """Write what the address gives to ``into``; None where it has not changed since ``known``, an earlier ``origin``.

    Raises AddressRefused, FetchFailed, FileTooLarge, SourceFileMissing (404, 410) and SourceFileDenied (401, 403 …); an
    OSError where ``into`` cannot be written.
    """
    digest, size = hashlib.sha256(), 0

    def write(part: bytes) -> None:
        nonlocal size
        into.write(part)
        digest.update(part)
        size += len(part)

    validators = {header: known[name] for name, header in _VALIDATORS.items() if known and known.get(name)}
    try:
        answer = web.request(
            "GET", uri, headers={**_ACCEPT, **validators}, timeout_s=timeout_s, most_bytes=most_bytes, sink=write
        )
    except Refused as error:
        raise AddressRefused(str(error)) from None
    except Unreachable as error:
        raise FetchFailed(str(error), hint=_AGAIN) from None
    if answer.status == _NOT_MODIFIED and validators:
        return None
    _require_document(answer, most_bytes)
    return Fetched(
        CONTENT_PREFIX + digest.hexdigest(), size, _suffix(uri, answer), _origin(uri, answer), _modified(answer)
    )


_ACCEPT: Final = {"Accept": "*/*", "User-Agent": "docmill"}
_AGAIN = "run the same command again later"


def _require_document(answer: Answer, most_bytes: int) -> None:
    if answer.status != _OK:
        _refuse(answer)
    packed = answer.headers.get("content-encoding", "identity").strip().lower()
    if packed not in ("identity", ""):
        raise FetchFailed(f"{answer.url.origin} sends it packed ({packed}), which was not asked for")
    if not answer.whole:
        raise FileTooLarge(
            f"it has more than {most_bytes:,} bytes, the most that is fetched",
            hint="raise it with DOCMILL_DOWNLOAD_MAX_BYTES=N",
        )


def _refuse(answer: Answer) -> NoReturn:
    said = f"{answer.url.origin} answers {answer.status}"
    if answer.status in _GONE:
        raise SourceFileMissing(f"{said}: it is not there", hint="a document that is known stays, until it is deleted")
    if answer.status in _DENIED:
        raise SourceFileDenied(f"{said}: it may not be read", hint="docmill asks without user, password and cookies")
    error: DocumentError = FetchFailed(said)
    if answer.status == 429 or answer.status >= 500:
        error.hint = _AGAIN
    raise error


def _origin(uri: str, answer: Answer) -> dict[str, str]:
    """The address that was asked, not the one that it led to: that may hold a key of somebody's."""
    said = {"etag": answer.headers.get("etag"), "last_modified": answer.headers.get("last-modified")}
    return {"url": uri, **{name: value for name, value in said.items() if value}, "fetched_at": now()}


def _modified(answer: Answer) -> float | None:
    try:
        return parsedate_to_datetime(answer.headers["last-modified"]).timestamp()
    except (KeyError, ValueError, OverflowError):
        return None


def _suffix(uri: str, answer: Answer) -> str:
    """What the file is to be called, as far as its type goes: by the address where that ends as a file's name does.

    Else by the type that the server states, by the name that it gives the file, by the address that it led to. The
    addresses of programs (``get.php``) and of pages about a file (``blob/main/README.md``) end as files do, too: where
    the suffix alone would decide, a type that says more than that it is text goes over it.
    """
    stated = _SUFFIX_OF_MIME.get(answer.headers.get("content-type", "").partition(";")[0].strip().lower(), "")
    own = _suffix_of(urlsplit(uri).path)
    promised = filetypes.type_by_name(f"x{own}") if own else None
    if promised and (promised not in _BY_NAME_ALONE or stated in _SAYING_LITTLE):
        return own
    named = (stated, _suffix_of(_given_name(answer)), _suffix_of(urlsplit(answer.url.target).path))
    return next((each for each in named if each and filetypes.type_by_name(f"x{each}")), own)


def _suffix_of(path: str) -> str:
    suffix = PurePosixPath(unquote(path)).suffix.lower()
    return suffix if _PLAIN_SUFFIX.match(suffix) else ""


def _given_name(answer: Answer) -> str:
    """The file's name by Content-Disposition, such as ``attachment; filename="report.pdf"``."""
    message = Message()
    message["Content-Disposition"] = answer.headers.get("content-disposition", "").replace("\n", " ")
    return message.get_filename() or ""
