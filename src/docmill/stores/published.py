"""A database as exporters are given it: the passages and documents of one published version, in bounded memory.

A sync that publishes meanwhile changes nothing of it. Never writes, never takes the engine's lock.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any

from docmill.domain.contracts import ExportedDocument, ModelInfo
from docmill.domain.documents import BlockKind, ParsedDocument
from docmill.domain.filters import Condition, quoted
from docmill.domain.rejoining import lies_in, rejoined
from docmill.stores import document_queries
from docmill.stores.artifacts import ArtifactStore
from docmill.stores.queries import reading as reading_state
from docmill.stores.reading import CHUNKS, DOCUMENTS, Database, Scope
from docmill.stores.schemas import chunk_schema

if TYPE_CHECKING:
    import pyarrow as pa

    Look = tuple[list[pa.RecordBatch], dict[str, dict[str, Any]]]  # passages, and rows of their documents, by id

_IDS_IN_A_CONDITION = 500  # more documents than these are picked out of all rows
_ROWS_AT_ONCE = 1024  # LanceDB reads some such batches ahead
_ROWS_A_LOOK = 8192  # whose documents are looked up together
_STORED = {"embedding": "vector"}  # where a field's name is not its column's
_TRIES, _PAUSE_SECONDS = 20, 0.05


class Published:
    """Fulfils :class:`docmill.domain.contracts.Export`.

    document_ids:   only these documents.
    narrow:         gives a condition on passages; it is called with the table of documents.
    document_count: of how many documents the last iterator gave passages, or themselves.

    Vectors and metadata are read where ``fields`` name them, and not otherwise.
    """

    document_count = 0
    _last = ""

    def __init__(
        self,
        home: Path,
        opened: Database,
        fields: Sequence[str],
        *,
        document_ids: Sequence[str] | None = None,
        narrow: Callable[[Any], Condition] | None = None,
    ) -> None:
        import pyarrow as pa

        self._home = home
        self._chunks, self._documents = _both(opened)
        self._scope = Scope(filter=narrow(self._documents) if narrow is not None else None)
        self._only = None if document_ids is None else pa.array(document_ids, pa.string())
        if document_ids is not None and len(document_ids) <= _IDS_IN_A_CONDITION:
            self._scope = replace(self._scope, document_ids=tuple(document_ids))
        self.database = opened.name
        self.model = _model(opened)
        self.fields = tuple(fields)
        self.schema = _schema(self.fields, self.model.dimension)

    @property
    def versions(self) -> dict[str, int]:
        """What is read, as LanceDB counts versions of the tables; none where nothing has been published."""
        tables = {CHUNKS: self._chunks, DOCUMENTS: self._documents}
        return {name: table.version for name, table in tables.items() if table is not None}

    def batches(self) -> Iterator[pa.RecordBatch]:
        """See the contract."""
        for batches, documents in self._looks(["document_id", "metadata"] if "metadata" in self.fields else None):
            for batch in batches:
                yield self._as_fields(batch, documents)

    def rows(self) -> Iterator[dict[str, Any]]:
        """See the contract."""
        for batch in self.batches():
            yield from dicts(batch)

    def documents(self) -> Iterator[ExportedDocument]:
        """See the contract."""
        held: list[dict[str, Any]] = []
        known: dict[str, dict[str, Any]] = {}
        for batches, documents in self._looks(list(_DOCUMENT_COLUMNS)):
            # The last document of a look may go on in the next one.
            rows = held + [row for batch in batches for row in dicts(self._as_fields(batch, documents))]
            known = {each: row for each, row in known.items() if held and each == held[0]["document_id"]} | documents
            last = rows[-1]["document_id"]
            held = [row for row in rows if row["document_id"] == last]
            yield from _grouped(rows[: len(rows) - len(held)], known)
        yield from _grouped(held, known)
        yield from self._without_passages()

    def text(self, document: ExportedDocument) -> str:
        """See the contract."""
        return self.parsed(document).text

    def markdown(self, document: ExportedDocument) -> str:
        """See the contract."""
        return _marked(self.parsed(document))

    def parsed(self, document: ExportedDocument) -> ParsedDocument:
        """See the contract. Where what parsing gave has gone, the passages hold all of it but white space."""
        return self._parsed(document) or ParsedDocument(
            document.type, *rejoined(document.passages), document.title, document.metadata
        )

    def _parsed(self, document: ExportedDocument) -> ParsedDocument | None:
        """What parsing gave, where it is kept and was not made anew since, in another way."""
        with reading_state(self._home) as queries:
            ref = document_queries.parsed_output(queries, document.document_id, document.content_hash)
        parsed = ArtifactStore(self._home).parsed(ref) if ref is not None else None
        return parsed if parsed is not None and all(lies_in(parsed.text, row) for row in document.passages) else None

    def _looks(self, columns: list[str] | None) -> Iterator[Look]:
        """The passages in portions, and what ``columns`` say of each portion's documents."""
        import pyarrow.compute as pc

        self.document_count, self._last = 0, ""
        held: list[pa.RecordBatch] = []
        for batch in self._scanned():
            chosen = batch if self._only is None else batch.filter(pc.is_in(batch.column("document_id"), self._only))
            if chosen.num_rows:
                held.append(chosen)
            if sum(each.num_rows for each in held) >= _ROWS_A_LOOK:
                yield held, self._documents_of(held, columns)
                held = []
        if held:
            yield held, self._documents_of(held, columns)

    def _count(self, ids: list[str]) -> None:
        """Rows of a document lie together, so that it can only go on from one portion to the next."""
        self.document_count += len(ids) - (ids[0] == self._last)
        self._last = ids[-1]

    def _scanned(self) -> Iterator[pa.RecordBatch]:
        if self._chunks is None or (self._only is not None and not len(self._only)):
            return
        columns = [_STORED.get(field, field) for field in self.fields if field != "metadata"]
        query = self._chunks.search().select(list(dict.fromkeys([*columns, "document_id"])))
        if condition := self._scope.condition():
            query = query.where(condition)
        yield from query.to_batches(batch_size=_ROWS_AT_ONCE)

    def _documents_of(self, batches: list[pa.RecordBatch], columns: list[str] | None) -> dict[str, dict[str, Any]]:
        import pyarrow as pa
        import pyarrow.compute as pc

        ids = pc.unique(pa.chunked_array([batch.column("document_id") for batch in batches])).to_pylist()
        self._count(ids)
        if columns is None or self._documents is None:
            return {}
        return self._document_rows(f"document_id IN ({', '.join(map(quoted, ids))})", columns)

    def _document_rows(self, condition: str, columns: list[str]) -> dict[str, dict[str, Any]]:
        query = self._documents.search().select(columns).where(condition)
        return {row["document_id"]: row for batch in query.to_batches() for row in batch.to_pylist()}

    def _without_passages(self) -> Iterator[ExportedDocument]:
        """Archives, say, all of whose text is in what lies in them. A filter lets passages through, so it lets none."""
        if self._documents is None or self._scope.filter is not None:
            return
        chosen = None if self._only is None else set(self._only.to_pylist())
        for document_id, row in self._document_rows("chunk_count = 0", list(_DOCUMENT_COLUMNS)).items():
            if chosen is None or document_id in chosen:
                self.document_count += 1
                yield _document(row, ())

    def _as_fields(self, batch: pa.RecordBatch, documents: dict[str, dict[str, Any]]) -> pa.RecordBatch:
        import pyarrow as pa

        columns = []
        for field in self.fields:
            if field == "metadata":
                ids = batch.column("document_id").to_pylist()
                columns.append(pa.array([documents.get(each, _UNKNOWN)["metadata"] for each in ids], pa.string()))
            else:
                columns.append(batch.column(_STORED.get(field, field)))
        return pa.RecordBatch.from_arrays(columns, schema=self.schema)


_DOCUMENT_COLUMNS = tuple(name for name in ExportedDocument.__dataclass_fields__ if name != "passages")
_UNKNOWN = {"metadata": "{}"}


def dicts(batch: pa.RecordBatch) -> list[dict[str, Any]]:
    """The rows of a batch of an export; vectors by way of NumPy, as Arrow takes ten times as long for them."""
    names = batch.schema.names
    columns = []
    for name in names:
        column = batch.column(name)
        if name == "embedding":
            columns.append(column.flatten().to_numpy().reshape(batch.num_rows, -1).tolist())
        elif name == "metadata":
            columns.append([json.loads(each) for each in column.to_pylist()])
        else:
            columns.append(column.to_pylist())
    return [dict(zip(names, row, strict=True)) for row in zip(*columns, strict=True)]


def _both(opened: Database) -> tuple[Any, Any]:
    """Passages and documents, of one and the same window.

    Their tags are moved one after the other. What is read in between is seen by the number of passages, and read again;
    where an engine has died in between, the passages count.
    """
    for _ in range(_TRIES):
        chunks, documents = opened.table(CHUNKS), opened.table(DOCUMENTS)
        if chunks is None or documents is None or _passages(documents) == chunks.count_rows():
            break
        time.sleep(_PAUSE_SECONDS)
    return chunks, documents


def _passages(documents: Any) -> int:
    import pyarrow.compute as pc

    batches = documents.search().select(["chunk_count"]).to_batches()
    return sum(pc.sum(batch.column("chunk_count")).as_py() or 0 for batch in batches)


def _model(opened: Database) -> ModelInfo:
    stored = opened.settings()
    return ModelInfo(
        stored["model"], stored["provider"], stored["fingerprint"], int(stored["vector_dim"]), max_tokens=0
    )


def _schema(fields: Sequence[str], dimension: int) -> pa.Schema:
    import pyarrow as pa

    stored = chunk_schema(dimension)
    metadata = pa.field("metadata", pa.string(), nullable=False)
    return pa.schema(
        [metadata if name == "metadata" else stored.field(_STORED.get(name, name)).with_name(name) for name in fields]
    )


def _grouped(rows: list[dict[str, Any]], documents: dict[str, dict[str, Any]]) -> Iterator[ExportedDocument]:
    for document_id, passages in groupby(rows, key=lambda row: row["document_id"]):
        if document_id in documents:
            yield _document(documents[document_id], tuple(passages))


def _document(row: dict[str, Any], passages: tuple[dict[str, Any], ...]) -> ExportedDocument:
    return ExportedDocument(**{**row, "metadata": json.loads(row["metadata"])}, passages=passages)


def _marked(parsed: ParsedDocument) -> str:
    """List items and the cells of tables have their marks in the text as it is."""
    parts, position = list[str](), 0
    for block in parsed.blocks:
        parts.append(parsed.text[position : block.start])
        text = parsed.text[block.start : block.end]
        if block.kind is BlockKind.HEADING:
            text = f"{'#' * min(max(block.level, 1), 6)} {' '.join(text.split())}"
        elif block.kind is BlockKind.TABLE and block.header_end:
            header = parsed.text[block.start : block.header_end]
            rule = " | ".join("---" for _ in header.split(" | "))
            text = f"{header}\n{rule}{text[len(header) :]}"
        parts.append(text)
        position = block.end
    return "".join([*parts, parsed.text[position:]])
