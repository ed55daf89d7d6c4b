"""CSV with a header row, for spreadsheets: a cell that one would run as a formula is disarmed with an apostrophe.

Control characters, which spreadsheets cannot hold and terminals obey, become U+FFFD. A terminal is shown safe text
only; in files and pipes text keeps the marks that right-to-left scripts need. JSON is for text that has to be exact.
"""

from __future__ import annotations

import csv
import io
import json
import re
import unicodedata
from collections.abc import Callable
from typing import IO, Any, Literal

from docmill.domain.contracts import Export
from docmill.domain.terminal import safe_lines

# OWASP, CSV injection: a cell that begins with one of these, of full width too, is a formula; so may be one that begins
# with a tab or a line break, which some programs pass over, as they do with spaces and with what takes no room.
_FORMULA_STARTS = frozenset("=+-@")
_BREAKS = ("\t", "\r", "\n")
_PASSED_OVER = re.compile("[\\s\x00-\x20\x7f-\xa0\xad\u200b-\u200f\u2028-\u202f\u2060-\u206f\ufeff]*")
_CONTROLS = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff]")


class CsvExporter:
    suffix = ".csv"
    folder: Literal[False] = False
    needs: tuple[str, ...] = ()

    def write(self, export: Export, stream: IO[bytes]) -> int:
        shown = safe_lines if stream.isatty() else _without_controls
        text = io.TextIOWrapper(stream, encoding="utf-8", newline="")
        try:
            writer = csv.writer(text)
            writer.writerow([_cell(field, shown) for field in export.fields])
            count = 0
            for count, row in enumerate(export.rows(), start=1):  # noqa: B007 - the count of the last row is the answer
                writer.writerow([_cell(value, shown) for value in row.values()])
        finally:
            text.detach()  # it would close the stream else, which is not ours
        return count


def _cell(value: Any, shown: Callable[[str], str]) -> Any:
    """Numbers stay numbers, also negative ones: only text is taken for a formula."""
    if isinstance(value, (list, dict)):
        value = json.dumps(value, ensure_ascii=False)
    if not isinstance(value, str):
        return value
    text = shown(value)
    return f"'{text}" if _is_formula(value) or _is_formula(text) else text


def _is_formula(text: str) -> bool:
    if text.startswith(_BREAKS):
        return True
    passed = _PASSED_OVER.match(text)
    first = text[passed.end() if passed else 0 :][:1]
    return bool(first) and unicodedata.normalize("NFKC", first) in _FORMULA_STARTS


def _without_controls(text: str) -> str:
    return _CONTROLS.sub("\ufffd", text)


PLUGIN = CsvExporter()
