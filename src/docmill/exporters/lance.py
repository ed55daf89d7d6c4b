"""A LanceDB database with one table, ``chunks``: the plain rows, without indexes and tags."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal

from docmill.domain.contracts import Export

if TYPE_CHECKING:
    import pyarrow as pa

_ROWS_A_FILE = 16_384  # with vectors some 30 MB, which is what is held until it is written


class LanceExporter:
    suffix = ".lancedb"
    folder: Literal[True] = True
    needs: tuple[str, ...] = ()

    def write(self, export: Export, folder: Path) -> int:
        import lancedb
        import pyarrow as pa

        table = lancedb.connect(folder).create_table("chunks", schema=export.schema)
        # LanceDB is given portions, not the iterator: it would wait for rows that only LanceDB itself can read.
        held: list[pa.RecordBatch] = []
        for batch in export.batches():
            held.append(batch)
            if sum(each.num_rows for each in held) >= _ROWS_A_FILE:
                table.add(pa.Table.from_batches(held))
                held = []
        if held:
            table.add(pa.Table.from_batches(held))
        return int(table.count_rows())


PLUGIN = LanceExporter()
