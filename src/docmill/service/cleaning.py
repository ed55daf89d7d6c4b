"""``cleanup`` and ``documents cleanup-orphans``: old records of work, and documents that nothing stands behind."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from docmill.domain.places import is_address
from docmill.domain.results import JobsCleaned, Orphan, OrphansCleaned
from docmill.errors import NotAllowedError, NotFoundError, UsageError
from docmill.service import sources
from docmill.service.collecting import pack
from docmill.service.controlling import writing
from docmill.service.pruning import carry_out
from docmill.settings import Settings, find_home
from docmill.stores.queries import Queries, Row, reading
from docmill.stores.state import catalogue, pruning
from docmill.stores.state.database import Transaction

STATUSES = ("completed", "failed", "cancelled")
_AGE = re.compile(r"(\d+)\s*([smhdw])\Z")
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


def cleanup(
    settings: Settings, *, older_than: str, statuses: Sequence[str] = STATUSES, dry_run: bool = False
) -> JobsCleaned:
    """Delete run groups that ended before that, with their runs, steps, events and deliveries; records only.

    The newest group of each batch stays, as its status follows from it. ``older_than``: as 7d, 12h, 2w.
    Raises UsageError for an age or a status that is none.
    """
    cutoff = _cutoff(older_than)
    unknown = sorted(set(statuses) - set(STATUSES))
    if unknown or not statuses:
        raise UsageError(f"no such status: {', '.join(unknown)}", hint=f"of {', '.join(STATUSES)}")
    home = find_home(settings)
    before = _size(home)
    groups: list[int] = []
    kept: list[int] = []

    def delete(tx: Transaction) -> dict[str, int]:
        marks = ", ".join("?" for _ in statuses)
        newest = "id IN (SELECT MAX(id) FROM run_group WHERE status != 'scheduled' GROUP BY batch_id)"
        rows = tx.rows(
            f"SELECT id, {newest} AS newest FROM run_group WHERE status IN ({marks}) AND completed_at < ?",  # noqa: S608 - our own marks
            [*statuses, cutoff],
        )
        groups[:] = [row.id for row in rows if not row.newest]
        kept[:] = [row.id for row in rows if row.newest]
        deleted = pruning.Deleted()
        for group_id in groups:
            deleted += pruning.delete_group(tx, group_id)
        return deleted

    counts = carry_out(home, delete, dry_run=dry_run)
    freed: int | None = None
    if not dry_run:
        if groups:
            pack(home / "state.db", always=True)
        freed = max(before - _size(home), 0)
    return JobsCleaned(
        dry_run=dry_run,
        message=f"{'would delete' if dry_run else 'deleted'} run groups that ended before {cutoff}: {len(groups)}",
        older_than=cutoff,
        statuses=list(statuses),
        jobs_deleted=len(groups),
        jobs_kept=len(kept),
        records_deleted=counts.total_deleted,
        space_freed_bytes=freed,
    )


def cleanup_orphans(settings: Settings, *, source: str | None = None, dry_run: bool = False) -> OrphansCleaned:
    """Take documents out of the index that nothing stands behind.

    Those of a source or a batch that has gone, and files that were named one by one and are not there any more. With
    ``source``, all documents of that one, where its folder has gone for good.
    Raises NotFoundError, NotAllowedError where the folder is there.
    """
    home = find_home(settings)
    with reading(home) as queries:
        orphans = _of_source(queries, source) if source is not None else _orphans(queries)
        known = {
            document.id: document
            for name in {row["source"] for row, _why in orphans}
            for document in queries.known_documents(name).values()
        }
    leaving: list[str] = []
    if orphans and not dry_run:
        from docmill.service.removing import remove_leaving

        with writing(home) as state, state.transaction() as tx:
            catalogue.delete_documents(tx, [known[row["id"]] for row, _why in orphans], None)
        leaving = remove_leaving(home)
    would = "would take out of the index" if dry_run else "taken out of the index"
    return OrphansCleaned(
        dry_run=dry_run,
        message=f"{would}: {len(orphans)}",
        documents=[
            Orphan(document_id=row["id"], uri=row["uri"], source=row["source"], why=why) for row, why in orphans
        ],
        leaving=leaving,
    )


def _orphans(queries: Queries) -> list[tuple[Row, str]]:
    found: list[tuple[Row, str]] = []
    rows = queries.rows(
        "SELECT d.id, d.uri, d.source, s.name AS known, s.folder, b.id AS batch FROM document d"
        " LEFT JOIN source s ON s.name = d.source LEFT JOIN batch b ON b.id = d.batch_id"
        " WHERE d.state = 'active' ORDER BY d.source, d.uri"
    )
    for row in rows:
        if row["known"] is None:
            found.append((row, f"there is no source {row['source']!r} any more"))
        elif row["batch"] is None:
            found.append((row, "its batch is gone"))
        elif row["folder"] is None and not is_address(row["uri"]):
            path = sources.folder_path(row["uri"])
            if path is not None and not path.exists():
                found.append((row, "its file is gone"))
    return found


def _of_source(queries: Queries, name: str) -> list[tuple[Row, str]]:
    row = queries.source(name)
    rows = queries.rows("SELECT id, uri, source FROM document WHERE source = ? AND state = 'active'", [name])
    if row is None and not rows:
        raise NotFoundError(f"no source {name!r}", hint="`docmill source list` shows them")
    folder = sources.folder_path(row["folder"]) if row is not None else None
    if folder is not None and Path(folder).is_dir():
        raise NotAllowedError(
            f"the folder {folder} of source {name!r} is there", hint="`docmill sync` takes out what is gone from it"
        )
    if row is not None and folder is None:
        raise NotAllowedError(
            f"source {name!r} follows no folder", hint="without --source, its files that are gone are taken out"
        )
    return [
        (each, f"the folder {folder} is gone" if folder else f"there is no source {name!r} any more") for each in rows
    ]


def _cutoff(age: str) -> str:
    match = _AGE.match(age.strip().lower())
    if match is None:
        raise UsageError(f"not an age: {age!r}", hint="as 7d, 12h, 30m or 2w")
    try:
        then = datetime.now(UTC) - timedelta(**{_UNITS[match[2]]: int(match[1])})
    except OverflowError:
        raise UsageError(f"nothing is as old as {age}") from None
    return then.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _size(home: Path) -> int:
    return sum(path.stat().st_size for path in home.glob("state.db*") if not path.name.endswith(".backup"))
