"""``cleanup`` and ``documents cleanup-orphans``: old records of work, and documents that nothing stands behind."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from docmill.domain.events import now
from docmill.domain.places import is_address
from docmill.domain.results import JobsCleaned, Orphan, OrphansCleaned
from docmill.errors import NotAllowedError, NotFoundError, UsageError
from docmill.service import sources
from docmill.service.collecting import pack
from docmill.service.controlling import writing
from docmill.service.engines import unless_running
from docmill.service.pruning import carry_out
from docmill.service.references import LAST_GROUPS
from docmill.service.removing import remove_leaving
from docmill.service.strays import find_strays
from docmill.settings import Settings, find_home
from docmill.stores import database_folders
from docmill.stores.queries import Queries, Row, reading
from docmill.stores.state import catalogue, pruning, strays
from docmill.stores.state.database import Transaction

STATUSES = ("completed", "failed", "cancelled")
_AGE = re.compile(r"([0-9]+)\s*([smhdw])\Z")
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}

# What still hangs on a group: a batch's status and what `gc` keeps; a failed document that `retry` takes up again from
# its last run; what a handler has not been told yet; a start that a clock which was put back must not make twice.
_HELD = (
    f"g.id IN ({LAST_GROUPS}) OR COALESCE(g.scheduled_for, '') > ?1"  # noqa: S608 - a constant
    " OR EXISTS (SELECT 1 FROM delivery w WHERE w.run_group_id = g.id AND w.status = 'pending')"
    " OR EXISTS (SELECT 1 FROM run r JOIN document d ON d.id = r.document_id WHERE r.run_group_id = g.id"
    " AND d.state = 'active' AND d.outcome = 'failed'"
    " AND r.id = (SELECT MAX(o.id) FROM run o WHERE o.document_id = d.id))"
)
_ENDED = (
    f"SELECT g.id, ({_HELD}) AS held FROM run_group g WHERE g.completed_at < ?2"  # noqa: S608 - a constant
    " AND g.status IN (SELECT value FROM json_each(?3))"
)


def cleanup(
    settings: Settings, *, older_than: str, statuses: Sequence[str] = STATUSES, dry_run: bool = False
) -> JobsCleaned:
    """Delete run groups that ended before that, with their runs, steps, events and deliveries; records only.

    Each goes by itself, so that an engine that is at work need not wait for long. What something still hangs on stays:
    the last groups of each batch, for each database; those of failed documents; those that a handler is still to be
    told of. ``older_than``: as 7d, 12h, 2w. Raises UsageError for an age or a status that is none.
    """
    cutoff = _cutoff(older_than)
    unknown = sorted(set(statuses) - set(STATUSES))
    if unknown or not statuses:
        raise UsageError(f"no such status: {', '.join(unknown)}", hint=f"of {', '.join(STATUSES)}")
    home = find_home(settings)
    before, asked = _size(home), [now(), cutoff, json.dumps(list(statuses))]
    with reading(home) as queries:
        found = queries.rows(_ENDED, asked)
    records: Counter[str] = Counter()
    for row in found:
        if not row["held"]:
            records.update(_delete(home, row["id"], asked, dry_run=dry_run))
    groups = records["deleted_run_groups"]
    freed: int | None = None
    if not dry_run:
        if groups:  # an engine could not write for as long as that takes
            unless_running(home, lambda: pack(home / "state.db", always=True))
        freed = max(before - _size(home), 0)
    return JobsCleaned(
        dry_run=dry_run,
        message=f"{'would delete' if dry_run else 'deleted'} run groups that ended before {cutoff}: {groups}",
        older_than=cutoff,
        statuses=list(statuses),
        jobs_deleted=groups,
        jobs_kept=sum(row["held"] for row in found),
        records_deleted=records["total_deleted"],
        space_freed_bytes=freed,
    )


def _delete(home: Path, group_id: int, asked: Sequence[str], *, dry_run: bool) -> dict[str, int]:
    """Nothing, where something has come to hang on the group meanwhile."""

    def delete(tx: Transaction) -> dict[str, int]:
        if not tx.value(f"SELECT 1 FROM ({_ENDED}) WHERE id = ?4 AND NOT held", [*asked, group_id]):  # noqa: S608 - a constant
            return {}
        logs = tx.run("DELETE FROM log_entry WHERE run_group_id = ?", [group_id])
        return {**pruning.delete_group(tx, group_id), "log_entries": logs}

    return carry_out(home, delete, dry_run=dry_run).model_dump()


def cleanup_orphans(settings: Settings, *, source: str | None = None, dry_run: bool = False) -> OrphansCleaned:
    """Take documents out of the index that nothing stands behind.

    Those of a source or a batch that has gone, files that were named one by one and are not there any more, and rows
    in databases of documents that nothing else knows. With ``source``, all documents of that one, where its folder has
    gone for good.
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
        unknown = _unknown(home, queries) if source is None else {}
    leaving: list[str] = []
    if (orphans or unknown) and not dry_run:
        with writing(home) as state, state.transaction() as tx:
            catalogue.delete_documents(tx, [known[row["id"]] for row, _why in orphans], None)
            for database, found in unknown.items():
                strays.mark_strays(tx, database, [each.document_id for each in found])
            if source is None:
                strays.release_marks(tx)
        leaving = remove_leaving(home)
    documents = [Orphan(document_id=row["id"], uri=row["uri"], source=row["source"], why=why) for row, why in orphans]
    documents += [each for found in unknown.values() for each in found]
    would = "would take out of the index" if dry_run else "taken out of the index"
    return OrphansCleaned(
        dry_run=dry_run,
        message=f"{would}: {len(documents)}",
        documents=documents,
        leaving=leaving,
    )


def _orphans(queries: Queries) -> list[tuple[Row, str]]:
    found: list[tuple[Row, str]] = []
    rows = queries.rows(
        "SELECT d.id, d.uri, d.source, s.name AS known, s.folder, b.id AS batch FROM document d"
        " LEFT JOIN source s ON s.name = d.source LEFT JOIN batch b ON b.id = d.batch_id"
        " WHERE d.state = 'active' AND d.parent_id IS NULL ORDER BY d.source, d.uri"
    )
    for row in rows:
        if row["known"] is None:
            found.append((row, f"there is no source {row['source']!r} any more"))
        elif row["batch"] is None:
            found.append((row, "its batch is gone"))
        elif row["folder"] is None and not is_address(row["uri"]):
            path = sources.folder_path(row["uri"])
            if path is not None and _is_gone(path):
                found.append((row, "its file is gone"))
    return found


def _is_gone(path: Path) -> bool:
    """Not there, while its folder is, with something in it: a disk that is not mounted takes a whole folder away."""
    try:
        return not path.exists() and any(path.parent.iterdir())
    except OSError:
        return False


def _unknown(home: Path, queries: Queries) -> dict[str, list[Orphan]]:
    """By database: documents that it has rows of, or that are marked there, and that are not known any more."""
    found: dict[str, list[Orphan]] = {}
    for row in queries.rows("SELECT name FROM database ORDER BY name"):
        name, leaving = row["name"], _on_their_way(queries, row["name"])
        if name in database_folders.databases(home):
            found[name] = [
                Orphan(document_id=key, uri=each.uri, source=each.source, why=f"nothing but database {name} knows it")
                for key, each in find_strays(home, queries, name).items()
                if key not in leaving
            ]
        seen = {each.document_id for each in found.get(name, ())}
        marked = queries.rows(
            "SELECT document_id FROM placement WHERE database = ? AND document_id NOT IN (SELECT id FROM document)"
            " AND state != 'leaving' ORDER BY document_id",
            [name],
        )
        found.setdefault(name, []).extend(
            Orphan(document_id=mark["document_id"], uri="", source="", why=f"nothing but a mark in {name} is left")
            for mark in marked
            if mark["document_id"] not in seen
        )
    return {name: each for name, each in found.items() if each}


def _on_their_way(queries: Queries, database: str) -> set[str]:
    """Documents that the next window takes out of a database in any case."""
    sql = "SELECT document_id FROM placement WHERE database = ? AND state = 'leaving'"
    return {row["document_id"] for row in queries.rows(sql, [database])}


def _of_source(queries: Queries, name: str) -> list[tuple[Row, str]]:
    row = queries.source(name)
    rows = queries.rows(
        "SELECT id, uri, source FROM document WHERE source = ? AND state = 'active' AND parent_id IS NULL", [name]
    )
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
