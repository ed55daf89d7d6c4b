"""JSON: one array of objects, written as the rows come."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from docmill.domain.terminal import json_text


class JsonExporter:
    suffix = ".json"

    def write(self, rows: Iterator[dict[str, Any]], path: Path, fields: Sequence[str]) -> int:
        count = 0
        with path.open("w", encoding="utf-8") as stream:
            stream.write("[")
            for count, row in enumerate(rows, start=1):
                stream.write(",\n" if count > 1 else "\n")
                stream.write(json_text({field: row[field] for field in fields}))
            stream.write("\n]\n")
        return count


PLUGIN = JsonExporter()
