"""What can become of a document, in words: the codes it fails with, and the reasons why it is degraded.

The codes of failures live on the classes in ``errors``; the reasons are named here, in the one table that the reports
and the docs read. A plug-in's own codes are in neither, and show as they are.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from docmill import errors
from docmill.errors import DocumentError


@dataclass(frozen=True, slots=True)
class Reason:
    """Why a document is degraded: it was read, and some of its text may be missing or wrong."""

    meaning: str
    hint: str


REASONS: Final[dict[str, Reason]] = {
    "PAGE_FAILED": Reason(
        "pages that cannot be read were skipped", "open it in a viewer; where it shows them, print it to a new PDF"
    ),
    "PAGES_WITHOUT_TEXT": Reason(
        "pages without text, as scanned ones have none", "read them by OCR: --set parse.ocr=auto"
    ),
    "GARBLED_TEXT": Reason(
        "pages whose fonts do not say which letters they show", "read them by OCR: --set parse.ocr=auto"
    ),
    "PAGES_LEFT_OUT": Reason("only the first pages were read", "raise parse.max_pages with --set, or split the file"),
    "TEXT_TRUNCATED": Reason("the end of its text was cut off", "raise parse.max_characters with --set"),
    "FILE_TRUNCATED": Reason("the end of the file was not read", "raise parse.max_characters with --set"),
    "ROWS_LEFT_OUT": Reason(
        "rows or cells of tables were left out", "raise parse.max_rows or parse.max_cells with --set"
    ),
    "BAD_LINES": Reason("lines that are not JSON were left out", "mend the lines that its warning names"),
    "DAMAGED_PART": Reason("a part of it is damaged, and left out", "open it in its own program and save it anew"),
    "DECODE_FALLBACK": Reason("bytes that are no text show as \ufffd", "save it as UTF-8"),
    "TIMEOUT": Reason("reading it took too long, and the rest is missing", "raise parse.max_seconds with --set"),
    "SECOND_ENGINE": Reason("a part of it could be read only by another engine", "compare what was read with the file"),
    "MEMBERS_LEFT_OUT": Reason(
        "files inside it were left out", "see its warnings for which, and raise the limit that they name"
    ),
    "NOT_RECORDED": Reason(
        "an earlier docmill, which kept no reasons, found it degraded", "`docmill start BATCH --force` finds out anew"
    ),
}

# What a document fails with that took a worker down, or that had to be ended: by the clock, or for its memory.
QUARANTINED: Final = ("OUT_OF_MEMORY", "TIMEOUT", "WORKER_CRASHED")


def failures() -> dict[str, type[DocumentError]]:
    """Every code that a document can fail with, but for those of plug-ins."""
    found = {DocumentError.code: DocumentError}
    for each in vars(errors).values():
        if isinstance(each, type) and issubclass(each, DocumentError):
            found.setdefault(each.code, each)
    return found


def reason_meaning(code: str) -> str | None:
    """None for a plug-in's own code."""
    known = REASONS.get(code)
    return known.meaning if known else None


def reason_hint(code: str) -> str | None:
    known = REASONS.get(code)
    return known.hint if known else None
