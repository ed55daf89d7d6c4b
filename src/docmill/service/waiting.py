"""``wait``: return once nothing of a batch is under way any more, for scripts. Reads only; never becomes the engine."""

from __future__ import annotations

import time
from pathlib import Path

from docmill.domain.events import MessageEvent, Reporter
from docmill.domain.results import RunResult
from docmill.errors import WaitTimedOut
from docmill.service.following import POLL_SECONDS, Follower
from docmill.service.outcomes import run_result
from docmill.service.targets import Target, find_target
from docmill.settings import Settings, find_home
from docmill.stores.queries import Row, reading

_UNDER_WAY = ("created", "scheduled", "running")


def wait(
    settings: Settings,
    reporter: Reporter,
    batch: str | None = None,
    *,
    run_group: int | None = None,
    timeout: float | None = None,
) -> RunResult:
    """Wait until no run group of the batch runs or is about to, and tell how the work ended.

    What a cron expression will start again is not waited for. Raises WaitTimedOut after ``timeout`` seconds.
    """
    home = find_home(settings)
    began = time.perf_counter()
    target = _target(home, batch, run_group)
    argument = f"--run-group {run_group}" if run_group is not None else str(target.batch_id)
    what = f"run group {run_group}" if run_group is not None else f"batch {target.batch_id}"
    alone = f"{what} is running, but no engine is at work in this home: `docmill resume {argument}` goes on with it"
    follower = Follower(home, reporter, alone=alone)
    told = False
    while moving := under_way(target):
        if timeout is not None and time.perf_counter() - began >= timeout:
            raise _timed_out(what, target.status, timeout)
        running = [group["id"] for group in moving if group["status"] == "running"]
        if running:
            follower.look(running)
        elif not told:
            told = True
            at = next((f" for {group['scheduled_for']}" for group in moving if group["scheduled_for"]), "")
            reporter.emit(MessageEvent("info", f"{what} is {moving[0]['status']}{at}; waiting for it"))
        time.sleep(POLL_SECONDS if timeout is None else min(POLL_SECONDS, timeout))
        target = _target(home, str(target.batch_id), run_group)
    follower.finish()
    result = run_result(home, target.batch_id, _reported(target), began)
    if result.run_group_id is None:
        return result.model_copy(update={"message": f"nothing of {what} has been started"})
    return result


def _target(home: Path, batch: str | None, run_group: int | None) -> Target:
    with reading(home) as queries, queries.snapshot():
        return find_target(queries, batch, run_group)


def under_way(target: Target) -> list[Row]:
    """Groups that run or are about to; not what a cron expression will start again."""
    coming_again = ("scheduled",) if target.batch["cron"] is not None else ()
    return [group for group in target.groups if group["status"] in _UNDER_WAY and group["status"] not in coming_again]


def _reported(target: Target) -> int | None:
    """The group that says how it ended: the newest, unless an older one is paused, and waits to be gone on with."""
    begun = [group for group in target.groups if group["status"] not in _UNDER_WAY]
    paused = [group for group in begun if group["status"] == "paused"]
    return int((paused or begun)[-1]["id"]) if begun else None


def _timed_out(what: str, status: str, timeout: float) -> WaitTimedOut:
    return WaitTimedOut(
        f"{what} is still {status} after {timeout:g} s",
        hint="the work itself goes on: wait again, or `docmill status` shows how it stands",
        current_status=status,
    )
