"""JSON Lines: one object a row."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from docmill.domain.terminal import json_text


class JsonLinesExporter:
    suffix = ".jsonl"

    def write(self, rows: Iterator[dict[str, Any]], path: Path, fields: Sequence[str]) -> int:
        count = 0
        with path.open("w", encoding="utf-8") as stream:
            for count, row in enumerate(rows, start=1):  # noqa: B007 - the count of the last row is the answer
                stream.write(json_text({field: row[field] for field in fields}) + "\n")
        return count


PLUGIN = JsonLinesExporter()
