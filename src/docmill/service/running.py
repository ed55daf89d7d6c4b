"""``start``, ``pause``, ``resume``, ``cancel`` and ``retry``: what a person wants of a batch, from any shell.

Each writes its wish to SQLite first. Where an engine is at work it obeys within half a second; where none is, the wish
is carried out here and now, under the engine's lock.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from docmill.domain import uris
from docmill.domain.changes import FileStat, FoundFile, HashedFile, KnownDocument
from docmill.domain.events import Reporter, now
from docmill.domain.planning import Selection
from docmill.domain.results import CancelResult, CleanupResult, PauseResult, ProgressSaved, RunResult
from docmill.domain.status import Entity, Trigger, transition
from docmill.engine import pipelines
from docmill.errors import DocumentError, DocumentNotFound, InvalidState, UsageError
from docmill.service import shapes, sources
from docmill.service.controlling import control, supersede, writing
from docmill.service.engines import work_until_done
from docmill.service.pipelines import prepare
from docmill.service.recovery import recover_lost_database
from docmill.settings import Settings, find_home
from docmill.sources import folder as folders
from docmill.stores.queries import Queries, Row, reading
from docmill.stores.state import catalogue, groups
from docmill.stores.state.database import Transaction


def start(
    settings: Settings,
    reporter: Reporter,
    batch: str,
    *,
    workflow: str | None = None,
    params: str | None = None,
    overrides: list[str] | None = None,
    documents: list[str] | None = None,
) -> RunResult:
    """Run the batch's documents that are due through a pipeline, and wait for the end.

    ``documents``: URIs; only these. Raises InvalidState where the batch is paused, DocumentNotFound.
    """
    home = find_home(settings)
    began, started_at = time.perf_counter(), now()
    with reading(home) as queries:
        row = queries.batch(batch)
        selected = _document_ids(queries, row["id"], documents) if documents else None
    if row["status"] == "paused":
        raise _illegal(row, Trigger.START, "docmill resume")
    pipeline = prepare(home, reporter, workflow or row["workflow"], params or row["params"], overrides or [])
    group_id: int | None
    supersede(home, row["id"], pipeline)
    recover_lost_database(home, reporter, pipeline.database)
    with writing(home) as state, state.transaction() as tx:
        selection = Selection(batch_id=row["id"], document_ids=selected)
        group_id = groups.create_group(tx, pipeline.planned_group(row["id"]), selection)
        sql = "SELECT id FROM run_group WHERE batch_id = ? AND status = 'running' ORDER BY id"
        running = [each.id for each in tx.rows(sql, [row["id"]])]
    if running:
        work_until_done(home, settings, reporter, running)
    return _run_result(home, row["id"], group_id or (running[-1] if running else None), began, started_at=started_at)


def resume(settings: Settings, reporter: Reporter, batch: str) -> RunResult:
    """Go on with a paused batch; one that was interrupted is simply gone on with."""
    home = find_home(settings)
    began, resumed_at = time.perf_counter(), now()
    with reading(home) as queries:
        row = queries.batch(batch)
        found = _groups(queries, row["id"], "paused", "running")
    if not found:
        raise _illegal(row, Trigger.RESUME, "docmill start")
    with writing(home) as state, state.transaction() as tx:
        for group in found:
            if tx.value("SELECT status FROM run_group WHERE id = ?", [group["id"]]) == "paused":
                groups.resume_group(tx, group["id"])
            elif group["control"] == "pause":  # asked for, but not obeyed yet: take it back
                groups.request(tx, group["id"], None)
    group_ids = [group["id"] for group in found]
    work_until_done(home, settings, reporter, group_ids)
    return _run_result(home, row["id"], group_ids[-1], began, resumed_at=resumed_at)


def pause(settings: Settings, batch: str) -> PauseResult:
    """Finish what is in flight, hand out no more, and answer once that is so."""
    home = find_home(settings)
    with reading(home) as queries:
        row = queries.batch(batch)
        found = _groups(queries, row["id"], "running")
    if not found:
        raise _illegal(row, Trigger.PAUSE, "docmill status")
    for group in found:
        control(home, group["id"], "pause")
    with reading(home) as queries, queries.snapshot():
        after = queries.group(group["id"])
        assert after is not None
        progress = shapes.progress(queries, row, after)
    paused = after["status"] == "paused"
    return PauseResult(
        batch_id=row["id"],
        run_group_id=group["id"],
        status=after["status"],
        message=f"paused; go on with `docmill resume {row['id']}`" if paused else "it ended before it could be paused",
        paused_at=after["paused_at"],
        progress_saved=ProgressSaved(
            processed_files=progress.processed_files, current_stage=progress.current_stage if paused else None
        ),
    )


def cancel(
    settings: Settings, batch: str, *, reason: str | None = None, cleanup: bool = False, dry_run: bool = False
) -> CancelResult:
    """End a batch's unfinished work. Documents that are finished stay; ``cleanup`` removes what the others left.

    ``dry_run``: only say what that would mean now.
    """
    home = find_home(settings)
    with reading(home) as queries:
        row = queries.batch(batch)
        found = _groups(queries, row["id"], *transition(Entity.GROUP, Trigger.CANCEL).sources)
    if not found:
        raise _illegal(row, Trigger.CANCEL, "docmill status")
    if dry_run:
        return _would_cancel(home, row, found, reason)
    for group in found:
        if group["status"] == "running":
            control(home, group["id"], "cancel", reason)
        else:
            with writing(home) as state, state.transaction() as tx:
                groups.cancel_group(tx, group["id"], reason)
    if cleanup:
        _clean_up(home, [group["id"] for group in found])
    with reading(home) as queries, queries.snapshot():
        after = queries.group(group["id"])
        assert after is not None
        kept = queries.run_counts(group["id"]).get("completed", 0)
    return CancelResult(
        batch_id=row["id"],
        run_group_id=group["id"],
        status=after["status"],
        message="cancelled" if after["status"] == "cancelled" else "it ended before it could be cancelled",
        reason=reason,
        cancelled_at=after["completed_at"],
        cleanup=CleanupResult(partial_results_cleaned=cleanup, processed_files_retained=kept),
    )


def _would_cancel(home: Path, row: Row, found: list[Row], reason: str | None) -> CancelResult:
    with reading(home) as queries, queries.snapshot():
        counts = [queries.run_counts(group["id"]) for group in found]
    unfinished = sum(each.get("pending", 0) + each.get("running", 0) for each in counts)
    kept = sum(each.get("completed", 0) for each in counts)
    return CancelResult(
        batch_id=row["id"],
        run_group_id=found[-1]["id"],
        status=row["status"],
        message=f"would cancel {unfinished} unfinished documents; nothing was done",
        reason=reason,
        cancelled_at=None,
        cleanup=CleanupResult(partial_results_cleaned=False, processed_files_retained=kept),
    )


def retry(
    settings: Settings, reporter: Reporter, batch: str, *, files: list[str] | None = None, all_failed: bool = False
) -> RunResult:
    """Run failed documents again: the failed step and what depends on it. A file that was replaced runs from its start.

    Without ``files`` all failed documents are meant. Raises InvalidState where none has failed.
    """
    if files and all_failed:
        raise UsageError("--file and --all-failed exclude each other")
    home = find_home(settings)
    began, retried_at = time.perf_counter(), now()
    with reading(home) as queries:
        row = queries.batch(batch)
        failed = _failed(queries, row["id"], files)
    if not failed:
        raise InvalidState(
            "no failed document to retry", current_status=row["status"], valid_statuses=["completed", "failed"]
        )
    touched = [_rehash(each) for each in failed]
    with writing(home) as state, state.transaction() as tx:
        group_ids = _put_back(tx, row["id"], [pair for pair in zip(failed, touched, strict=True) if pair[1]])
    work_until_done(home, settings, reporter, group_ids)
    return _run_result(
        home, row["id"], max(group_ids, default=None), began, retried_at=retried_at, retried_files=len(failed)
    )


def _groups(queries: Queries, batch_id: int, *statuses: str) -> list[Row]:
    """A batch's groups in one of the statuses, oldest first."""
    marks = ", ".join("?" for _ in statuses)
    sql = f"SELECT * FROM run_group WHERE batch_id = ? AND status IN ({marks}) ORDER BY id"  # noqa: S608 - question marks only
    return queries.rows(sql, [batch_id, *statuses])


def _failed(queries: Queries, batch_id: int, files: list[str] | None) -> list[Row]:
    """Failed documents of a batch with their last run; those that are named, if any are. Raises DocumentNotFound."""
    rows = queries.rows(
        "SELECT d.*, s.folder, r.id AS run_id, r.run_group_id, r.status AS run_status, r.version AS run_version"
        " FROM document d LEFT JOIN source s ON s.name = d.source"
        " JOIN run r ON r.id = (SELECT MAX(id) FROM run WHERE document_id = d.id)"
        " WHERE d.batch_id = ? AND d.state = 'active' AND d.outcome = 'failed' ORDER BY d.uri",
        [batch_id],
    )
    if files is None or not files:
        return rows
    missing = sorted(set(files) - {row["uri"] for row in rows})
    if missing:
        raise DocumentNotFound(
            f"no failed document {missing[0]!r} in this batch", hint="`docmill status BATCH` lists them"
        )
    return [row for row in rows if row["uri"] in files]


def _rehash(row: Row) -> HashedFile | None:
    """The file of a failed document as it is now; None where it cannot be read, which its next run will say."""
    path = (sources.folder_path(row["folder"]) or Path("/")) / uris.decode(row["uri"])
    try:
        return folders.hash_file(folders.found_file(path, row["uri"]))
    except DocumentError:
        stat = FileStat(row["device"], int(row["inode"]), row["size_bytes"], row["mtime_ns"], row["ctime_ns"])
        found = FoundFile(row["uri"], str(path), row["suffix"], stat)
        return HashedFile(found, row["content_hash"], row["hashed_at_ns"])


def _put_back(tx: Transaction, batch_id: int, pairs: list[tuple[Row, HashedFile | None]]) -> list[int]:
    """Failed runs of unchanged files go back into their groups; changed files get a new run, by the same pipeline."""
    same: dict[int, list[int]] = {}
    changed: dict[int, list[str]] = {}
    for row, hashed in pairs:
        if hashed is None:
            continue
        if hashed.content_hash == row["content_hash"] and row["run_status"] == "failed":
            same.setdefault(row["run_group_id"], []).append(row["run_id"])
            continue
        if hashed.content_hash != row["content_hash"]:
            catalogue.replace_content(tx, [(_known(row), hashed)], batch_id)
        else:
            tx.run("UPDATE document SET failed_key = NULL WHERE id = ?", [row["id"]])
        changed.setdefault(row["run_group_id"], []).append(row["id"])
    for group_id, run_ids in same.items():
        groups.retry_runs(tx, group_id, run_ids)
    group_ids = list(same)
    for group_id, document_ids in changed.items():
        pipeline = pipelines.load(tx.value("SELECT pipeline FROM run_group WHERE id = ?", [group_id]))
        selection = Selection(batch_id=batch_id, document_ids=tuple(document_ids))
        made = groups.create_group(tx, pipeline.planned_group(batch_id), selection)
        group_ids += [made] if made is not None else []
    return sorted(group_ids)


def _known(row: Row) -> KnownDocument:
    stat = FileStat(row["device"], int(row["inode"]), row["size_bytes"], row["mtime_ns"], row["ctime_ns"])
    return KnownDocument(
        row["id"], row["uri"], row["suffix"], row["content_hash"], row["version"], stat, row["hashed_at_ns"]
    )


def _document_ids(queries: Queries, batch_id: int, named: list[str]) -> tuple[str, ...]:
    """Ids of a batch's documents, by URI or by id. Raises DocumentNotFound."""
    ids = []
    for each in named:
        sql = "SELECT id FROM document WHERE batch_id = ? AND state = 'active' AND (uri = ? OR id = ?)"
        found = queries.value(sql, [batch_id, each, each])
        if found is None:
            raise DocumentNotFound(f"no document {each!r} in this batch", uri=each)
        ids.append(found)
    return tuple(ids)


def _clean_up(home: Path, group_ids: list[int]) -> None:
    """Drop what cancelled runs left: the step records of work that was begun. Artifacts may serve others and stay."""
    with writing(home) as state, state.transaction() as tx:
        tx.many(
            "DELETE FROM run_step WHERE run_group_id = ? AND run_id IN"
            " (SELECT id FROM run WHERE run_group_id = ? AND status = 'cancelled')",
            [(group_id, group_id) for group_id in group_ids],
        )


def _illegal(row: Row, trigger: Trigger, command: str) -> InvalidState:
    valid = sorted(transition(Entity.GROUP, trigger).sources)
    return InvalidState(
        f"cannot {trigger} batch {row['id']}: it is {row['status']}",
        hint=f"{command} {row['id']}",
        current_status=row["status"],
        valid_statuses=valid,
    )


def _run_result(home: Path, batch_id: int, group_id: int | None, began: float, **more: Any) -> RunResult:
    with reading(home) as queries, queries.snapshot():
        group = queries.group(group_id) if group_id is not None else None
        counts = queries.run_counts(group_id) if group_id is not None else {}
        counts.pop("degraded", None)
        errors = shapes.problems_of_batch(queries, batch_id)
        status = group["status"] if group else queries.batch(str(batch_id))["status"]
        workflows = sum(counts.values())
        return RunResult(
            batch_id=batch_id,
            run_group_id=group_id,
            status=status,
            message=f"{workflows} documents" if group else "nothing to do: every document is up to date",
            workflows=workflows,
            documents=shapes.document_counts(queries, group_id),
            chunks=shapes.chunk_counts(group),
            seconds=round(time.perf_counter() - began, 3),
            errors=errors,
            reason=f"{len(errors)} documents failed" if errors else None,
            **more,
        )
