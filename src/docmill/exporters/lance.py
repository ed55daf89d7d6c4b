"""A LanceDB database with one table, ``chunks``: the plain rows, without indexes, old versions and tags."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from docmill.domain.contracts import Export


class LanceExporter:
    suffix = ".lancedb"
    folder: Literal[True] = True
    needs: tuple[str, ...] = ()

    def write(self, export: Export, folder: Path) -> int:
        import lancedb

        table = lancedb.connect(folder).create_table("chunks", export.batches(), schema=export.schema)
        return int(table.count_rows())


PLUGIN = LanceExporter()
