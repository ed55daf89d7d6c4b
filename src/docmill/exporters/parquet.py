"""Parquet, for pandas, Polars, DuckDB and Spark: columns of the database's own types, compressed with Zstandard."""

from __future__ import annotations

from typing import IO, Literal

from docmill.domain.contracts import Export

_ROWS_A_GROUP = 16_384  # with vectors some 30 MB, which is what is held until it is written


class ParquetExporter:
    suffix = ".parquet"
    folder: Literal[False] = False
    needs: tuple[str, ...] = ()

    def write(self, export: Export, stream: IO[bytes]) -> int:
        import pyarrow as pa
        import pyarrow.parquet as pq

        count = 0
        # Vectors have no value twice, so that a dictionary of theirs would be made in vain.
        repeated = [field.name for field in export.schema if field.name not in ("embedding", "text", "chunk_id")]
        with pq.ParquetWriter(stream, export.schema, compression="zstd", use_dictionary=repeated) as writer:
            held: list[pa.RecordBatch] = []
            for batch in export.batches():
                held.append(batch)
                count += batch.num_rows
                if sum(each.num_rows for each in held) >= _ROWS_A_GROUP:
                    writer.write_table(pa.Table.from_batches(held))
                    held = []
            if held:
                writer.write_table(pa.Table.from_batches(held))
        return count


PLUGIN = ParquetExporter()
