"""What one shell wants of a run group that another shell's engine may be at: a pause, or its end."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

from docmill.domain.events import SilentReporter
from docmill.domain.results import EngineHolder
from docmill.engine.lock import GONE, STOPPED
from docmill.engine.pipelines import CompiledPipeline
from docmill.errors import EngineBusy
from docmill.service.contending import Contender
from docmill.service.engines import POLL_SECONDS, unless_running
from docmill.service.holding import describe, find_holder
from docmill.settings import Settings
from docmill.stores.queries import reading
from docmill.stores.state import State, groups

CONTROL_SECONDS = 60.0  # how long pause and cancel wait for an engine to obey before they say that it does not


@contextmanager
def writing(home: Path) -> Iterator[State]:
    """The state, opened for the length of a ``with``."""
    state = State(home)
    try:
        yield state
    finally:
        state.close()


def control(
    home: Path, settings: Settings, group_id: int, wish: Literal["pause", "cancel"], reason: str | None = None
) -> None:
    """Leave word for the engine and wait until it has obeyed; where there is no engine, do it here.

    Raises EngineBusy where that takes longer than ``settings.lock_timeout``, or CONTROL_SECONDS, and at once where the
    engine cannot obey, unless ``settings.take_over``. A group that has ended meanwhile stays as it is.
    """
    limit = settings.lock_timeout
    with writing(home) as state:
        with state.transaction() as tx:
            groups.request(tx, group_id, wish, reason=reason)
        deadline = time.monotonic() + (CONTROL_SECONDS if limit is None else limit)
        contender = Contender(home, settings.model_copy(update={"lock_timeout": None}), SilentReporter())

        def here() -> None:
            with state.transaction() as tx:
                groups.recover(tx)
                if tx.value("SELECT status FROM run_group WHERE id = ?", [group_id]) != "running":
                    return
                if wish == "pause":
                    groups.pause_group(tx, group_id)
                else:
                    groups.cancel_group(tx, group_id, reason)

        while True:
            with reading(home) as queries:
                row = queries.group(group_id)
            if row is None or row["status"] != "running" or unless_running(home, here):
                return
            if contender.has_taken_over(spare_healthy=True):
                continue
            found = find_holder(home)
            if found is not None and (found.state in (STOPPED, GONE) or time.monotonic() > deadline):
                raise _disobeyed(found, wish)
            time.sleep(POLL_SECONDS / 2)


def _disobeyed(found: EngineHolder, wish: str) -> EngineBusy:
    return EngineBusy(
        f"the engine has not obeyed: {describe(found)}; it is asked to {wish}, and will when it can",
        hint=found.hint or "`docmill status` shows how it stands",
        holder=found.model_dump(),
    )


def supersede(home: Path, settings: Settings, batch_id: int, pipeline: CompiledPipeline) -> None:
    """Cancel what is left of a batch's running groups that the pipeline makes stale: same database, other definitions.

    Also those that would ask another server for the same vectors: it may be why they have not ended.

    By way of the engine that may be at them: nobody else may touch a run that an engine has in its hands.
    """
    with reading(home) as queries:
        running = queries.rows(
            "SELECT id, pipeline_key, pipeline FROM run_group"
            " WHERE batch_id = ? AND database = ? AND status = 'running'",
            [batch_id, pipeline.database],
        )
    for row in running:
        if row["pipeline_key"] == pipeline.key and not pipeline.asks_otherwise(row["pipeline"]):
            continue
        control(home, settings, row["id"], "cancel", "superseded by a start with other definitions")
