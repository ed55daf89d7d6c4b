"""JSON Lines: one object a row."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any


class JsonLinesExporter:
    suffix = ".jsonl"

    def write(self, rows: Iterator[dict[str, Any]], path: Path, fields: Sequence[str]) -> int:
        count = 0
        with path.open("w", encoding="utf-8") as stream:
            for count, row in enumerate(rows, start=1):  # noqa: B007 - the count of the last row is the answer
                stream.write(json.dumps({field: row[field] for field in fields}, ensure_ascii=False) + "\n")
        return count


PLUGIN = JsonLinesExporter()
