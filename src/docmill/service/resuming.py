"""``resume``: go on with what is paused, or what was interrupted."""

from __future__ import annotations

import time

from docmill.domain.events import Reporter, now
from docmill.domain.results import RunResult
from docmill.domain.status import Status, Trigger
from docmill.service.controlling import writing
from docmill.service.engines import work_until_done
from docmill.service.outcomes import run_result
from docmill.service.targets import find_target
from docmill.settings import Settings, find_home
from docmill.stores.queries import reading
from docmill.stores.state import groups


def resume(
    settings: Settings, reporter: Reporter, batch: str | None = None, *, run_group: int | None = None
) -> RunResult:
    """Go on with a paused batch or run group; one that was interrupted is simply gone on with. Raises InvalidState."""
    home = find_home(settings)
    began, resumed_at = time.perf_counter(), now()
    with reading(home) as queries:
        target = find_target(queries, batch, run_group)
    found = target.in_status([Status.PAUSED, Status.RUNNING])
    if not found:
        raise target.refuse(Trigger.RESUME, "docmill status" if run_group is not None else "docmill start")
    with writing(home) as state, state.transaction() as tx:
        for group in found:
            if tx.value("SELECT status FROM run_group WHERE id = ?", [group["id"]]) == "paused":
                groups.resume_group(tx, group["id"], most_running=settings.max_running_batches)
            elif group["control"] == "pause":  # asked for, but not obeyed yet: take it back
                groups.request(tx, group["id"], None)
    group_ids = [group["id"] for group in found]
    work_until_done(home, settings, reporter, group_ids)
    return run_result(home, target.batch_id, group_ids[-1], began, resumed_at=resumed_at)
