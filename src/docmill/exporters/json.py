"""JSON: one array of objects, written as the rows come."""

from __future__ import annotations

from typing import IO, Literal

from docmill.domain.contracts import Export
from docmill.domain.terminal import json_text


class JsonExporter:
    suffix = ".json"
    folder: Literal[False] = False
    needs: tuple[str, ...] = ()

    def write(self, export: Export, stream: IO[bytes]) -> int:
        stream.write(b"[")
        count = 0
        for count, row in enumerate(export.rows(), start=1):
            stream.write(b",\n" if count > 1 else b"\n")
            stream.write(json_text(row).encode())
        stream.write(b"\n]\n")
        return count


PLUGIN = JsonExporter()
