"""``run-groups delete`` and ``batch delete``: the records of work go; what the work has made does not.

A dry run makes the deletion and takes it back, so that it tells exactly what would go.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from docmill.domain.results import BatchDeleted, DeletionCounts, RunGroupDeleted
from docmill.errors import RunGroupNotFound
from docmill.service import completion_reports
from docmill.settings import Settings, find_home
from docmill.stores.queries import reading

if TYPE_CHECKING:
    from docmill.stores.state.database import Transaction


def delete_run_group(settings: Settings, group_id: int, *, dry_run: bool = False) -> RunGroupDeleted:
    """Delete a run group and its dependent records. Raises RunGroupNotFound, InvalidState while it is active."""
    from docmill.stores.state import pruning

    home = find_home(settings)
    with reading(home) as queries:
        row = queries.group(group_id)
    if row is None:
        raise RunGroupNotFound(f"no run group {group_id}", hint="`docmill run-groups list` shows them")
    counts = carry_out(home, lambda tx: pruning.delete_group(tx, group_id), dry_run=dry_run)
    if not dry_run:
        completion_reports.forget(home, [group_id])
    would = "would delete" if dry_run else "deleted"
    return RunGroupDeleted(
        run_group_id=group_id,
        batch_id=row["batch_id"],
        dry_run=dry_run,
        message=f"{would} run group {group_id}: {counts.total_deleted} records",
        statistics=counts,
    )


def delete_batch(
    settings: Settings, batch: str, *, with_documents: bool = False, dry_run: bool = False
) -> BatchDeleted:
    """Delete a batch and its records; ``with_documents`` also its documents, and their rows in the databases.

    Raises BatchNotFound, InvalidState while it is unfinished, NotAllowedError where its documents are in the way.
    """
    from docmill.stores.state import pruning

    home = find_home(settings)
    with reading(home) as queries:
        row = queries.batch(batch)
        groups = [each["id"] for each in queries.rows("SELECT id FROM run_group WHERE batch_id = ?", [row["id"]])]
    batch_id = row["id"]
    act = carry_out(home, lambda tx: pruning.delete_batch(tx, batch_id, with_documents=with_documents), dry_run=dry_run)
    leaving: list[str] = []
    if not dry_run:
        completion_reports.forget(home, groups)
    if not dry_run and act.deleted_documents:
        from docmill.service.controlling import writing
        from docmill.service.removing import remove_leaving
        from docmill.stores import downloads

        with writing(home) as state:
            downloads.sweep(home, state)
        leaving = remove_leaving(home)
    would = "would delete" if dry_run else "deleted"
    return BatchDeleted(
        batch_id=row["id"],
        name=row["name"],
        dry_run=dry_run,
        message=f"{would} batch {row['id']}: {act.total_deleted} records",
        leaving=leaving,
        statistics=act,
    )


class _TakenBack(Exception):
    """Ends a dry run's transaction."""


def carry_out(home: Path, act: Callable[[Transaction], dict[str, int]], *, dry_run: bool) -> DeletionCounts:
    """Delete in one transaction, which a dry run takes back. ``act`` gives numbers of rows by what they were."""
    from docmill.service.controlling import writing

    deleted: dict[str, int] = {}
    with writing(home) as state, suppress(_TakenBack), state.transaction() as tx:
        deleted.update(act(tx))
        if dry_run:
            raise _TakenBack
    return DeletionCounts(
        total_deleted=sum(deleted.values()), **{f"deleted_{name}": number for name, number in deleted.items()}
    )
