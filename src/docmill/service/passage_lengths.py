"""How long a batch's passages are, and which languages its documents state: read from the database that they lie in."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from docmill.domain.results import ChunkLengths, LengthBin
from docmill.stores import reading
from docmill.stores.reading import CHUNKS, DOCUMENTS, Database

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

MOST_BINS = 24
_BIN_TOKENS = (1, 2, 5, 10, 20, 25, 50, 100, 200, 250, 500, 1000)


@dataclass(frozen=True, slots=True)
class Passages:
    """``short``: those under the length asked for, in documents that have more than one."""

    count: int = 0
    short: int = 0
    lengths: ChunkLengths | None = None
    languages: dict[str, int] = field(default_factory=dict)


def read_passages(database: Database, placed: Mapping[str, int], short_tokens: int) -> Passages:
    """Of the documents in ``placed``, which says how many passages each has; of its columns only two are read."""
    import numpy as np

    all_, long_documents = np.zeros(0, np.int64), np.zeros(0, np.int64)
    several = {document for document, count in placed.items() if count > 1}
    table = database.table(CHUNKS)
    if table is None:
        return Passages()
    for tokens, documents in _lengths(table):
        all_ = _added(all_, tokens[[each in placed for each in documents]])
        long_documents = _added(long_documents, tokens[[each in several for each in documents]])
    count = int(all_.sum())
    return Passages(
        count,
        int(long_documents[:short_tokens].sum()),
        _described(all_, count) if count else None,
        _languages(database, placed),
    )


def _lengths(table: Any) -> Iterator[tuple[NDArray[np.int64], list[str]]]:
    """Each batch of rows: how many tokens each has, and whose it is."""
    query = table.search().select(["document_id", "tokens"])
    for batch in query.to_batches(batch_size=16_384):
        yield batch.column("tokens").to_numpy().astype("int64"), batch.column("document_id").to_pylist()


def _added(counted: NDArray[np.int64], tokens: NDArray[np.int64]) -> NDArray[np.int64]:
    """``counted[n]`` is the number of passages of n tokens; so are these added."""
    import numpy as np

    more = np.bincount(tokens, minlength=len(counted))
    more[: len(counted)] += counted
    return more


def _described(counted: NDArray[np.int64], count: int) -> ChunkLengths:
    import numpy as np

    upto = counted.cumsum()
    most = int(np.flatnonzero(counted)[-1])
    width = next((each for each in _BIN_TOKENS if (most + 1) / each <= MOST_BINS), most + 1)

    def percentile(share: float) -> int:
        return int(np.searchsorted(upto, share * count))

    return ChunkLengths(
        count=count,
        mean=round(float((counted * np.arange(len(counted))).sum() / count), 1),
        p5=percentile(0.05),
        p50=percentile(0.5),
        p95=percentile(0.95),
        max=most,
        bins=[
            LengthBin(from_tokens=start, to_tokens=start + width, count=int(counted[start : start + width].sum()))
            for start in range(0, most + 1, width)
        ],
    )


def _languages(database: Database, placed: Mapping[str, int]) -> dict[str, int]:
    """By the language's own code: ``en`` for what is stated as en-US."""
    table = database.table(DOCUMENTS)
    found: Counter[str] = Counter()
    for document_id, stated in reading.metadata_values(table, "language") if table is not None else ():
        code = str(stated).strip().replace("_", "-").partition("-")[0].lower()[:20] if isinstance(stated, str) else ""
        if code and document_id in placed:
            found[code] += 1
    return dict(found.most_common())
