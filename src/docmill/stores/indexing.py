"""The indexes over a database's passages: full text always, vectors once there are many. Read by reading.py.

An index is made and extended as a new version of its table, as rows are; whoever calls publishes it. What lies outside
of an index is searched all the same, one row after the other: an index that is behind costs time, and never an answer.

Vectors get IVF_SQ: partitions by k-means, and in them one byte a dimension. benchmarks/vectors.py says why: it is built
in seconds where IVF_PQ's codebooks take minutes, it loses almost nothing, and even all of it is read several times
faster than the vectors themselves. So a search reads all of it up to a million rows, and half of it beyond: of real
passages, a quarter holds only 92 to 96 of 100 that are nearest, half 99. With a filter it is always all, as the
partitions nearest to a question may hold nothing that the filter lets through.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from docmill import failpoints
from docmill.stores import compacting

_TEXT, _VECTOR = "search_text", "vector"
OUTSIDE_SHARE = 10  # an index is extended when more than one row in so many lies outside of it,
TEXT_OUTSIDE = 2_000  # and more than so many do: fewer are searched faster than indexed
TEXT_MOST_OUTSIDE = 20_000  # each search reads the words of all of these: 23 µs a passage
VECTORS_OUTSIDE = 10_000
MANY_FILES = 16  # to merge more than these, indexes are let go of first
REFINE = 2  # candidates for each hit that is wanted; the exact vectors put them in order
EVERYTHING = 1_000_000  # more partitions than there can be
_LEAST_PROBES = 128
_ROWS_A_PROBE = 16_384  # LanceDB makes partitions of 8,192 rows: half of them, in a million rows all of them
_MOST_PROBED = 1_000  # whoever wants more hits wants all there are


def is_text(index: Any) -> bool:
    return bool(index.index_type == "FTS")


def has_vector_index(chunks: Any) -> bool:
    return any(not is_text(index) for index in chunks.list_indices())


def probes(chunks: Any, limit: int, *, filtered: bool) -> int:
    """How many partitions a search by vector reads."""
    if filtered or limit > _MOST_PROBED:
        return EVERYTHING
    return max(_LEAST_PROBES, int(chunks.count_rows()) // _ROWS_A_PROBE)


def is_due(chunks: Any, *, vector_rows: int) -> bool:
    """Whether :func:`bring_up` would change the table."""
    return bool(_missing(chunks, vector_rows)) or any(_is_behind(chunks, index) for index in chunks.list_indices())


def bring_up(chunks: Any, *, vector_rows: int) -> bool:
    """Make the indexes that are due, and extend those that leave much out. True where the table has changed.

    vector_rows: with fewer rows, every search is exact and faster than an index would make it.
    """
    behind = any(_is_behind(chunks, index) for index in chunks.list_indices())
    if behind:
        with failpoints.around("index.build"):
            merge(chunks)
    return _make(chunks, vector_rows) or behind


def merge(table: Any) -> None:
    """Merge small files, drop deleted rows, and take the indexes up to the last row.

    LanceDB moves the rows of merged files in its indexes one by one. Of many files that takes several times as long as
    to merge without indexes and make them anew.
    """
    files = table.stats()["fragment_stats"]["num_fragments"]
    dropped = table.list_indices() if files > MANY_FILES else []
    for index in dropped:
        table.drop_index(index.name)
    compacting.merge(table)
    if table.count_rows():
        _create(table, [index.columns[0] for index in dropped])


def cover(chunks: Any, *, vector_rows: int, rebuild: bool) -> None:
    """Make both indexes cover every row; with ``rebuild``, from the rows as they are now."""
    if rebuild:
        for index in chunks.list_indices():
            chunks.drop_index(index.name)
    if any(chunks.index_stats(index.name).num_unindexed_rows for index in chunks.list_indices()):
        with failpoints.around("index.build"):
            merge(chunks)
    _make(chunks, vector_rows)


def _make(chunks: Any, vector_rows: int) -> bool:
    missing = _missing(chunks, vector_rows)
    _create(chunks, missing)
    return bool(missing)


def _missing(chunks: Any, vector_rows: int) -> list[str]:
    """Columns that are to have an index and have none. One that is made of an empty table never catches up."""
    rows = chunks.count_rows()
    there = {index.columns[0] for index in chunks.list_indices()}
    return [column for column, least in ((_TEXT, 1), (_VECTOR, vector_rows)) if rows >= least and column not in there]


def _create(chunks: Any, columns: Sequence[str]) -> None:
    """All at the same time: each keeps one core busy for most of its time."""
    from concurrent.futures import ThreadPoolExecutor

    from lancedb.index import FTS, IvfSq

    def create(column: str) -> None:
        config = FTS(with_position=False) if column == _TEXT else IvfSq(distance_type="cosine")
        chunks.create_index(column, config=config)

    with ThreadPoolExecutor(max(len(columns), 1), "index") as threads:
        for made in [threads.submit(create, column) for column in columns]:
            with failpoints.around("index.build"):
                made.result()


def _is_behind(chunks: Any, index: Any) -> bool:
    share = chunks.count_rows() // OUTSIDE_SHARE
    allowed = max(TEXT_OUTSIDE, min(share, TEXT_MOST_OUTSIDE)) if is_text(index) else max(VECTORS_OUTSIDE, share)
    return bool(chunks.index_stats(index.name).num_unindexed_rows > allowed)
