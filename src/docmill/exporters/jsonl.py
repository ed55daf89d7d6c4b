"""JSON Lines: one object a row."""

from __future__ import annotations

from typing import IO, Literal

from docmill.domain.contracts import Export
from docmill.domain.terminal import json_text


class JsonLinesExporter:
    suffix = ".jsonl"
    folder: Literal[False] = False
    needs: tuple[str, ...] = ()

    def write(self, export: Export, stream: IO[bytes]) -> int:
        count = 0
        for count, row in enumerate(export.rows(), start=1):  # noqa: B007 - the count of the last row is the answer
            stream.write(json_text(row).encode() + b"\n")
        return count


PLUGIN = JsonLinesExporter()
