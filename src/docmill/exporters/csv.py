"""CSV with a header row. Cells that a spreadsheet would run as a formula are disarmed with a leading apostrophe."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")  # OWASP, CSV injection


class CsvExporter:
    suffix = ".csv"

    def write(self, rows: Iterator[dict[str, Any]], path: Path, fields: Sequence[str]) -> int:
        count = 0
        with path.open("w", encoding="utf-8", newline="") as stream:
            writer = csv.writer(stream)
            writer.writerow(fields)
            for count, row in enumerate(rows, start=1):  # noqa: B007 - the count of the last row is the answer
                writer.writerow([_cell(row[field]) for field in fields])
        return count


def _cell(value: Any) -> Any:
    if isinstance(value, (list, dict)):
        return json.dumps(value, ensure_ascii=False)
    if isinstance(value, str) and value.startswith(_FORMULA_STARTS):
        return f"'{value}"
    return value


PLUGIN = CsvExporter()
