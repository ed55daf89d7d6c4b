"""``pause`` and ``cancel``, from any shell, by batch or by run group.

Each writes its wish to SQLite first. Where an engine is at work it obeys within half a second; where none is, the wish
is carried out here and now, under the engine's lock.
"""

from __future__ import annotations

from pathlib import Path

from docmill.domain.results import CancelResult, CleanupResult, PauseResult, ProgressSaved
from docmill.domain.status import Entity, Status, Trigger, transition
from docmill.engine.notices import wake
from docmill.service import shapes
from docmill.service.controlling import control, writing
from docmill.service.targets import Target, find_target
from docmill.settings import Settings, find_home
from docmill.stores.artifacts import ArtifactStore
from docmill.stores.queries import Row, reading
from docmill.stores.state import groups


def pause(settings: Settings, batch: str | None = None, *, run_group: int | None = None) -> PauseResult:
    """Finish what is in flight, hand out no more, and answer once that is so. Raises InvalidState."""
    home = find_home(settings)
    with reading(home) as queries:
        target = find_target(queries, batch, run_group)
    running = target.in_status([Status.RUNNING])
    if not running:
        raise target.refuse(Trigger.PAUSE, "docmill status")
    for group in running:
        control(home, settings, group["id"], "pause")
    with reading(home) as queries, queries.snapshot():
        after = queries.group(running[-1]["id"])
        assert after is not None
        progress = shapes.progress(queries, target.batch, after)
    paused = after["status"] == "paused"
    argument = f"--run-group {run_group}" if run_group is not None else target.batch_id
    return PauseResult(
        batch_id=target.batch_id,
        run_group_id=after["id"],
        status=after["status"],
        message=f"paused; go on with `docmill resume {argument}`" if paused else "it ended before it could be paused",
        paused_at=after["paused_at"],
        progress_saved=ProgressSaved(
            processed_files=progress.processed_files, current_stage=progress.current_stage if paused else None
        ),
    )


def cancel(
    settings: Settings,
    batch: str | None = None,
    *,
    run_group: int | None = None,
    reason: str | None = None,
    cleanup: bool = False,
    dry_run: bool = False,
) -> CancelResult:
    """End unfinished work. Documents that are finished stay; ``cleanup`` removes what the others left.

    ``dry_run``: only say what that would mean now. Raises InvalidState.
    """
    home = find_home(settings)
    with reading(home) as queries:
        target = find_target(queries, batch, run_group)
    found = target.in_status(transition(Entity.GROUP, Trigger.CANCEL).sources)
    if not found:
        raise target.refuse(Trigger.CANCEL, "docmill status")
    if dry_run:
        return _would_cancel(home, target, found, reason)
    # What waits for its time goes first, or it might begin where the running one has just ended.
    found.sort(key=lambda group: (group["status"] != "scheduled", group["id"]))
    for group in found:
        _end(home, settings, group, reason)
    if run_group is None:
        _end_schedule(home, settings, target.batch_id, reason)
    wake(home, settings)  # whoever is to be told of it is told, also where no engine was at work
    if cleanup:
        _clean_up(home, [group["id"] for group in found])
    with reading(home) as queries, queries.snapshot():
        after = queries.group(found[-1]["id"])
        assert after is not None
        kept = queries.run_counts(after["id"]).get("completed", 0)
    return CancelResult(
        batch_id=target.batch_id,
        run_group_id=after["id"],
        status=after["status"],
        message="cancelled" if after["status"] == "cancelled" else "it ended before it could be cancelled",
        reason=reason,
        cancelled_at=after["completed_at"],
        cleanup=CleanupResult(partial_results_cleaned=cleanup, processed_files_retained=kept),
    )


def _end(home: Path, settings: Settings, group: Row, reason: str | None) -> None:
    """Cancel one group; by way of the engine where it is running, also if only since it was looked at."""
    if group["status"] != "running":
        with writing(home) as state, state.transaction() as tx:
            if tx.value("SELECT status FROM run_group WHERE id = ?", [group["id"]]) == group["status"]:
                groups.cancel_group(tx, group["id"], reason)
                return
    control(home, settings, group["id"], "cancel", reason)


def _end_schedule(home: Path, settings: Settings, batch_id: int, reason: str | None) -> None:
    """A scheduled group that began while it was being cancelled has left a successor: that ends too."""
    with reading(home) as queries:
        left = find_target(queries, str(batch_id)).in_status([Status.SCHEDULED])
    for group in left:
        _end(home, settings, group, reason)


def _would_cancel(home: Path, target: Target, found: list[Row], reason: str | None) -> CancelResult:
    with reading(home) as queries, queries.snapshot():
        counts = [queries.run_counts(group["id"]) for group in found]
    unfinished = sum(each.get("pending", 0) + each.get("running", 0) for each in counts)
    kept = sum(each.get("completed", 0) for each in counts)
    return CancelResult(
        batch_id=target.batch_id,
        run_group_id=found[-1]["id"],
        status=target.status,
        message=f"would cancel {unfinished} unfinished documents; nothing was done",
        reason=reason,
        cancelled_at=None,
        cleanup=CleanupResult(partial_results_cleaned=False, processed_files_retained=kept),
    )


def _clean_up(home: Path, group_ids: list[int]) -> None:
    """Remove what cancelled runs left: records of steps that were begun, and artifacts that nobody else has."""
    with writing(home) as state, state.transaction() as tx:
        keys = groups.clean_up(tx, group_ids)
    artifacts = ArtifactStore(home)
    for key in keys:
        artifacts.path(key).unlink(missing_ok=True)
