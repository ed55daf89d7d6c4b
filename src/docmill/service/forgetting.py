"""``documents delete`` and ``documents restore``: what stays out of the index though its file is there."""

from __future__ import annotations

from pathlib import Path

from docmill.domain.places import is_address
from docmill.domain.results import DocumentDeleted, DocumentRestored
from docmill.service.controlling import writing
from docmill.service.pruning import carry_out
from docmill.service.removing import remove_leaving
from docmill.settings import Settings, find_home
from docmill.stores import document_queries
from docmill.stores.artifacts import ArtifactStore
from docmill.stores.downloads import Copy, DownloadStore, unreferenced
from docmill.stores.queries import Row, reading
from docmill.stores.state import pruning
from docmill.stores.state.database import Transaction


def delete_document(
    settings: Settings, named: str, *, source: str | None = None, dry_run: bool = False
) -> DocumentDeleted:
    """Take a document, by URI or id, out of the index; a ``sync`` leaves its file alone until it is restored.

    The copy of what was fetched goes with it, unless another document has the same.

    Its rows are gone from the databases when this returns, unless an engine is at work there. A dry run makes the
    deletion and takes it back. Raises DocumentNotFound, UsageError where several sources have the URI.
    """
    home = find_home(settings)
    with reading(home) as queries:
        row = document_queries.document(queries, named, source)
    keys: list[str] = []
    copies: list[Copy] = []

    def remove(tx: Transaction) -> dict[str, int]:
        deleted, keys[:] = pruning.remove_document(tx, row["id"])
        if is_address(row["uri"]) or row["parent_id"]:
            copies[:] = unreferenced(tx, [(row["content_hash"], row["suffix"])])
        return deleted

    statistics = carry_out(home, remove, dry_run=dry_run)
    leaving = [] if dry_run else remove_leaving(home)
    paths = [path for path in map(ArtifactStore(home).path, keys) if path.is_file()]
    freed = sum(path.stat().st_size for path in paths)
    for path in () if dry_run else paths:
        path.unlink(missing_ok=True)
    freed += _remove_copies(home, copies, dry_run=dry_run)
    return DocumentDeleted(
        document_id=row["id"],
        uri=row["uri"],
        source=row["source"],
        dry_run=dry_run,
        message=f"{'would delete' if dry_run else 'deleted'} {row['uri']} from the index",
        leaving=leaving,
        artifacts_deleted=len(paths),
        bytes_freed=freed,
        statistics=statistics,
    )


def _remove_copies(home: Path, copies: list[Copy], *, dry_run: bool) -> int:
    """Returns the bytes that are free then."""
    store = DownloadStore(home)
    if dry_run or not copies:
        return sum(store.path(copy).stat().st_size for copy in copies if store.has(copy))
    with writing(home) as state, state.transaction() as tx:
        return store.discard(tx, copies)


def restore_document(settings: Settings, named: str, *, source: str | None = None) -> DocumentRestored:
    """Let a deleted document come back with the next ``sync`` or ``ingest``. Raises DocumentNotFound, UsageError."""
    home = find_home(settings)
    with reading(home) as queries:
        row = document_queries.document(queries, named, source, ("removed",))
    with writing(home) as state, state.transaction() as tx:
        pruning.restore_document(tx, row["id"])
    return DocumentRestored(
        document_id=row["id"],
        uri=row["uri"],
        source=row["source"],
        message=f"{row['uri']} comes back {_when(row)}",
    )


def _when(row: Row) -> str:
    followed = row["folder"] is not None and not is_address(row["uri"])
    return f"with the next sync of source {row['source']}" if followed else "when it is ingested again"
