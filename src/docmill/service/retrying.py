"""``retry``: failed documents once more, from the step that failed."""

from __future__ import annotations

import time
from pathlib import Path

from docmill.domain.changes import FileStat, FoundFile, HashedFile, KnownDocument
from docmill.domain.events import Reporter, now
from docmill.domain.places import document_path, is_address
from docmill.domain.planning import Selection
from docmill.domain.results import RunResult
from docmill.engine import pipelines
from docmill.errors import DocumentError, DocumentNotFound, InvalidState, UsageError
from docmill.service.controlling import writing
from docmill.service.engines import work_until_done
from docmill.service.outcomes import run_result
from docmill.service.targets import Target, find_target
from docmill.settings import Settings, find_home
from docmill.sources import folder as folders
from docmill.stores.queries import OF_BATCH, Queries, Row, reading
from docmill.stores.state import catalogue, groups
from docmill.stores.state.database import Transaction


def retry(
    settings: Settings,
    reporter: Reporter,
    batch: str | None = None,
    *,
    run_group: int | None = None,
    files: list[str] | None = None,
    all_failed: bool = False,
    reset_retry_count: bool = False,
) -> RunResult:
    """Run failed documents again: the failed step and what depends on it. A file that was replaced runs from its start.

    Without ``files`` all failed documents are meant. ``reset_retry_count``: with all automatic attempts ahead of them
    again; else they have one. Raises InvalidState where none has failed.
    """
    if files and all_failed:
        raise UsageError("--file and --all-failed exclude each other")
    home = find_home(settings)
    began, retried_at = time.perf_counter(), now()
    with reading(home) as queries:
        target = find_target(queries, batch, run_group)
        failed = _failed(queries, target, files)
    if not failed:
        raise InvalidState(
            "no failed document to retry", current_status=target.status, valid_statuses=["completed", "failed"]
        )
    pairs = [(row, _rehash(home, row)) for row in failed]
    with writing(home) as state, state.transaction() as tx:
        most = settings.max_running_batches
        group_ids = _put_back(tx, target.batch_id, pairs, reset=reset_retry_count, most_running=most)
    work_until_done(home, settings, reporter, group_ids)
    newest = max(group_ids, default=None)
    return run_result(home, target.batch_id, newest, began, retried_at=retried_at, retried_files=len(failed))


def _failed(queries: Queries, target: Target, files: list[str] | None) -> list[Row]:
    """Failed documents with their last run; those that are named, if any are. Raises DocumentNotFound."""
    sql = (
        "SELECT d.*, s.folder, r.id AS run_id, r.run_group_id, r.status AS run_status, r.version AS run_version"
        " FROM document d LEFT JOIN source s ON s.name = d.source"
        " JOIN run r ON r.id = (SELECT MAX(id) FROM run WHERE document_id = d.id)"
        " WHERE {} AND d.state = 'active' AND d.outcome = 'failed' AND (?2 IS NULL OR r.run_group_id = ?2)"
        " ORDER BY d.uri"
    )
    rows = queries.rows(sql.format(OF_BATCH), [target.batch_id, target.run_group_id])
    if not files:
        return rows
    missing = sorted(set(files) - {row["uri"] for row in rows})
    if missing:
        raise DocumentNotFound(
            f"no failed document {missing[0]!r} in this batch", hint="`docmill status BATCH` lists them"
        )
    return [row for row in rows if row["uri"] in files]


def _rehash(home: Path, row: Row) -> HashedFile:
    """The file of a failed document as it is now; as it was, where it cannot be read, which its next run will say."""
    path = document_path(home, row["folder"], row["uri"], row["content_hash"], row["suffix"], row["parent_id"])
    as_it_was = HashedFile(
        FoundFile(row["uri"], str(path), row["suffix"], _stat(row)), row["content_hash"], row["hashed_at_ns"]
    )
    if is_address(row["uri"]) or row["parent_id"]:  # what it gives now, or what lies there, is for others to find out
        return as_it_was
    try:
        return folders.hash_file(folders.found_file(path, row["uri"]))
    except DocumentError:
        return as_it_was


def _put_back(
    tx: Transaction, batch_id: int, pairs: list[tuple[Row, HashedFile]], *, reset: bool, most_running: int
) -> list[int]:
    """Failed runs of unchanged files go back into their groups; changed files get a new run, by the same pipeline."""
    same: dict[int, list[int]] = {}
    changed: dict[int, list[str]] = {}
    for row, hashed in pairs:
        if hashed.content_hash == row["content_hash"] and row["run_status"] == "failed":
            same.setdefault(row["run_group_id"], []).append(row["run_id"])
            continue
        if hashed.content_hash != row["content_hash"]:
            catalogue.replace_content(tx, [(_known(row), hashed)], batch_id)
        else:
            tx.run("UPDATE document SET failed_key = NULL WHERE id = ?", [row["id"]])
        changed.setdefault(row["run_group_id"], []).append(row["id"])
    for group_id, run_ids in same.items():
        groups.retry_runs(tx, group_id, run_ids, reset=reset, most_running=most_running)
    group_ids = list(same)
    for group_id, document_ids in changed.items():
        pipeline = pipelines.load(tx.value("SELECT pipeline FROM run_group WHERE id = ?", [group_id]))
        selection = Selection(document_ids=tuple(document_ids))
        made = groups.create_group(tx, pipeline.planned_group(batch_id), selection, most_running=most_running)
        group_ids += [made] if made is not None else []
    return sorted(group_ids)


def _known(row: Row) -> KnownDocument:
    return KnownDocument(
        row["id"], row["uri"], row["suffix"], row["content_hash"], row["version"], _stat(row), row["hashed_at_ns"]
    )


def _stat(row: Row) -> FileStat:
    return FileStat(row["device"], int(row["inode"]), row["size_bytes"], row["mtime_ns"], row["ctime_ns"])
