"""All checks of a home, one after the other. Reads only, and takes no lock."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from docmill.service.verify import copies, folders, outputs, records, vectors
from docmill.service.verify.diagnosis import Diagnosis
from docmill.service.verify.expected import Expected
from docmill.stores.queries import reading


@dataclass(frozen=True, slots=True)
class Scope:
    """``quick``: ids, counts and sizes, no contents. ``checksum``: files of the folders are read, too.

    ``vector_rows``: from so many passages on a database has a vector index.
    """

    quick: bool
    checksum: bool
    vector_rows: int


def check(home: Path, scope: Scope, *, in_use: bool) -> Diagnosis:
    """``in_use``: an engine is at work, or may be; what it has in its hands is passed over."""
    found = Diagnosis()
    if not (home / records.STATE).is_file():
        found.add("STATE_LOST", records.STATE)
        return found
    if not records.check_file(home, found, quick=scope.quick):
        return found
    cache_readable = vectors.check_cache(home, found, quick=scope.quick)
    with reading(home) as queries:
        expected = Expected(queries)
        records.check_references(queries, found)
        records.check_marks(queries, found, in_use=in_use)
        outputs.check_artifacts(home, queries, expected, found, quick=scope.quick, in_use=in_use)
        copies.check_copies(home, queries, found, quick=scope.quick, in_use=in_use)
        from docmill.service.verify import rows  # with it comes pyarrow

        how = rows.How(quick=scope.quick, vector_rows=scope.vector_rows, cache_readable=cache_readable, in_use=in_use)
        rows.check_databases(home, expected, lambda: Expected(queries), found, how)
        folders.check_folders(home, queries, found, checksum=scope.checksum, in_use=in_use)
    return found
