"""How batches stand, looked at again and again while other processes work on them: what ``status --watch`` shows.

Reads only, takes no lock, and imports nothing heavy. A look costs milliseconds; where a home is so large that it costs
more, the looks come further apart, so that no more than a tenth of a core goes to them.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import NoReturn

from docmill.domain.events import ProgressEvent, Reporter, now, seconds_between
from docmill.domain.results import EngineHolder, Outcomes, StatusWatched
from docmill.service import batches, shapes, waiting
from docmill.service.holding import find_holder
from docmill.service.targets import find_target
from docmill.settings import Settings, find_home
from docmill.stores import feed, history, outcome_queries
from docmill.stores.queries import OF_BATCH, Queries, Row, reading

LOOK_SECONDS = 0.5
MOST_BATCHES = 5  # of a home, at once
_SPEED_SECONDS = 30.0  # what speed is measured over: long enough for windows of documents, short enough to follow
_LEAST_SECONDS = 5.0  # windows of documents end together: what is seen in less says nothing
_SHARE = 0.1


@dataclass(frozen=True, slots=True)
class BatchMoment:
    """How a batch stands now. ``progress``: of its newest run group; None where it has none that has begun.

    Speeds are of the last half a minute, None until there is something to tell them from. ``begins``: when it is
    scheduled for. ``outcomes``: of all its documents.
    """

    batch_id: int
    name: str
    status: str
    progress: ProgressEvent | None
    outcomes: Outcomes
    begins: str | None = None
    running_seconds: float | None = None
    documents_per_second: float | None = None
    chunks_per_second: float | None = None


@dataclass(frozen=True, slots=True)
class Moment:
    """``batches``: the one that is watched, or those of the home that run, wait in pause, or ended a moment ago."""

    engine: EngineHolder | None
    batches: list[BatchMoment]
    home: str | None = None


@dataclass(slots=True)
class Speed:
    """Of one run group, from what its counts were at earlier looks."""

    _looks: deque[tuple[float, int, int]] = field(default_factory=deque)

    def of(self, event: ProgressEvent, at: float) -> tuple[float | None, float | None]:
        """Documents and chunks a second. ``at``: seconds of a clock that never goes back."""
        self._looks.append((at, event.processed_files, event.chunks_total))
        while at - self._looks[0][0] > _SPEED_SECONDS:
            self._looks.popleft()
        began, documents, chunks = self._looks[0]
        seconds = at - began
        if seconds < _LEAST_SECONDS or event.processed_files <= documents:
            return None, None
        return (event.processed_files - documents) / seconds, max(event.chunks_total - chunks, 0) / seconds


def watch_batch(settings: Settings, batch: str, show: Callable[[Moment], None]) -> StatusWatched:
    """Show how a batch stands until nothing of it is under way, then tell how its work ended. Raises BatchNotFound."""
    home = find_home(settings)
    speeds: dict[int, Speed] = {}
    with reading(home) as queries:
        batch_id = int(queries.batch(batch)["id"])
    while True:
        began = time.perf_counter()
        with reading(home) as queries, queries.snapshot():
            target = find_target(queries, str(batch_id))
            under_way = waiting.under_way(target)
            moment = Moment(find_holder(home), [_moment(queries, target.batch, speeds)])
        if not under_way:
            return ended(settings, batch_id)
        show(moment)
        _rest(began)


def watch_home(settings: Settings, show: Callable[[Moment], None]) -> NoReturn:
    """Show all that is under way in the home, for good: until Ctrl-C."""
    home = find_home(settings)
    speeds: dict[int, Speed] = {}
    while True:
        began = time.perf_counter()
        with reading(home) as queries, queries.snapshot():
            _total, rows = history.unfinished_batches(queries, MOST_BATCHES, 0)
            rows = rows or queries.newest_batches(1)
            moments = [_moment(queries, row, speeds) for row in rows]
        show(Moment(find_holder(home), moments, home=str(home)))
        _rest(began)


def tell_batch(settings: Settings, reporter: Reporter, batch: str) -> StatusWatched:
    """The same for programs: a batch's events until nothing of it is under way."""
    result = waiting.wait(settings, reporter, batch)
    return ended(settings, result.batch_id)


def ended(settings: Settings, batch_id: int) -> StatusWatched:
    """The status of a batch whose work has ended, and why that is not clean."""
    status = batches.status(settings, str(batch_id))
    with reading(find_home(settings)) as queries:
        group = queries.group(status.run_group_id) if status.run_group_id is not None else None
    fields = {name: getattr(status, name) for name in type(status).model_fields}
    return StatusWatched(**fields, reason=shapes.reason(group, status.outcomes.failed_documents))


def _moment(queries: Queries, batch: Row, speeds: dict[int, Speed]) -> BatchMoment:
    group = queries.newest_group(batch["id"])
    counts = outcome_queries.count_outcomes(queries, OF_BATCH, [batch["id"]])
    plain = BatchMoment(batch["id"], batch["name"], batch["status"], None, shapes.outcomes(counts))
    if group is None or group["started_at"] is None:
        return replace(plain, begins=group["scheduled_for"] if group is not None else None)
    event = feed.progress(queries, group)
    if group["status"] != "running":
        return replace(plain, progress=event)
    documents, chunks = speeds.setdefault(group["id"], Speed()).of(event, time.monotonic())
    left = event.total_files - event.skipped_files - event.processed_files
    return replace(
        plain,
        progress=replace(event, remaining_seconds=left / documents if documents else None),
        running_seconds=seconds_between(group["started_at"], now()),
        documents_per_second=documents,
        chunks_per_second=chunks,
    )


def _rest(began: float) -> None:
    time.sleep(max(LOOK_SECONDS, (time.perf_counter() - began) / _SHARE))
