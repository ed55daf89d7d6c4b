"""Brings work in: the running groups, what other shells want of them, and the runs that are next."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import Any

from docmill.domain.events import now
from docmill.domain.places import document_path
from docmill.domain.status import Entity, Trigger
from docmill.engine import pipelines
from docmill.engine.ledger import Ledger
from docmill.engine.work import GroupWork, Nesting, StepRow, Work
from docmill.errors import DefinitionError
from docmill.stores.queries import Queries
from docmill.stores.state import groups, members
from docmill.stores.state.database import Transaction
from docmill.stores.state.transitions import Move, apply

# In the order of the index, which is nearly always that of their ids: no claim sorts all that is left.
# A run is put off until a time. That its step began after now tells that the clock has been set back since: then the
# time may be hours ahead, and means nothing.
_CLAIM = (
    "SELECT r.id, r.document_id, r.content_hash, r.version, r.crashes, r.status, d.source, d.uri, d.suffix,"
    " d.size_bytes, d.meta, d.profile, d.first_seen_at, d.parent_id, s.folder,"
    " d.state = 'active' AND d.version = r.version AS wanted FROM run r JOIN document d ON d.id = r.document_id"
    " LEFT JOIN source s ON s.name = d.source WHERE r.run_group_id = ?1 AND r.status = ?2"
    " AND r.id NOT IN (SELECT value FROM json_each(?5))"
    " AND (r.not_before IS NULL OR r.not_before <= ?3 OR EXISTS (SELECT 1 FROM run_step e WHERE e.run_id = r.id"
    " AND e.status = 'error' AND e.started_at > ?3)) ORDER BY r.degraded, r.id LIMIT ?4"
)


def running_groups(
    queries: Queries, known: dict[int, GroupWork], unusable: Callable[[int, DefinitionError], None]
) -> dict[int, GroupWork]:
    """The groups that are to be worked on, highest priority and oldest first, with what is wanted of each.

    ``unusable`` is told of those whose pipeline cannot be made any more, as a plug-in has gone.
    """
    found: dict[int, GroupWork] = {}
    for row in queries.rows("SELECT * FROM run_group WHERE status = 'running' ORDER BY priority DESC, id"):
        try:
            group = known.get(row["id"]) or _group(queries, row)
        except DefinitionError as error:
            unusable(row["id"], error)
            continue
        group.halt, group.reason = row["control"], row["control_reason"]
        if group.overtime(row["processing_seconds"]) and group.halt != "cancel":
            group.halt, group.reason = "time", f"max_processing_time of {group.seconds_allowed:g} s is used up"
        found[group.id] = group
    return found


def _group(queries: Queries, row: Any) -> GroupWork:
    batch = queries.row("SELECT * FROM batch WHERE id = ?", [row["batch_id"]])
    assert batch is not None
    return GroupWork(
        row["id"],
        row["batch_id"],
        row["priority"],
        pipelines.load(row["pipeline"]),
        batch["retry_delay"],
        batch["backoff_multiplier"],
        batch["jitter"],
        frozenset(json.loads(row["no_cache"])),
        row["created_at"],
        batch["max_processing_time"],
        runs=Counter(queries.run_counts(row["id"])),
        stages={
            stage["name"]: Counter(done=stage["done"], failed=stage["failed"]) for stage in queries.stages(row["id"])
        },
        chunks_total=row["chunks_total"],
        chunks_embedded=row["chunks_embedded"],
        chunks_reused=max(row["chunks_total"] - row["chunks_embedded"], 0),
    )


def claim(ledger: Ledger, group: GroupWork, active: Collection[int], most: int) -> list[Work]:
    """Up to ``most`` runs that nobody is at, set running: first those that an earlier engine had begun.

    Runs of a content that is not the document's any more are cancelled on the way.
    """
    works: list[Work] = []
    moved: Counter[str] = Counter()

    def take(tx: Transaction) -> None:
        at = now()
        begun = tx.rows(_CLAIM, [group.id, "running", at, most, json.dumps(list(active))])
        fresh = tx.rows(_CLAIM, [group.id, "pending", at, most - len(begun), "[]"]) if len(begun) < most else []
        nestings = _Nestings(tx)
        for row in [*begun, *fresh]:
            if row.wanted:
                works.append(_work(ledger.state.path.parent, group, row, nestings.of(row.parent_id)))
            else:
                groups.cancel_run(tx, group.id, row.id, "outdated")
                moved.update({row.status: -1, "cancelled": 1})
        started = [row.id for row in fresh if row.wanted]
        fields = {"started_at": at}
        apply(tx, [Move(Entity.RUN, Trigger.START, each, group.id, at=at, fields=fields) for each in started])
        moved.update({"pending": -len(started), "running": len(started)})
        _read_steps(tx, works)

    ledger.flush(take)  # behind what waits to be written: a run that has just ended must not look like a begun one
    group.runs.update(moved)
    return works


class _Nestings:
    """Where documents lie in others, asked once for each of those."""

    def __init__(self, tx: Transaction) -> None:
        self._tx = tx
        self._known: dict[str, Nesting] = {}
        self._unpacked: dict[str, int] = {}

    def of(self, parent_id: str | None) -> Nesting:
        if parent_id is None:
            return Nesting()
        if parent_id not in self._known:
            outermost, depth = members.outermost(self._tx, parent_id)
            if outermost not in self._unpacked:
                self._unpacked[outermost] = members.size_below(self._tx, outermost)[1]
            self._known[parent_id] = Nesting(depth, outermost, self._unpacked[outermost])
        return self._known[parent_id]


def _work(home: Path, group: GroupWork, row: Any, nesting: Nesting) -> Work:
    work = Work(
        run_id=row.id,
        group=group,
        document_id=row.document_id,
        source=row.source,
        uri=row.uri,
        path=str(document_path(home, row.folder, row.uri, row.content_hash, row.suffix, row.parent_id)),
        suffix=row.suffix,
        content_hash=row.content_hash,
        version=row.version,
        size_bytes=row.size_bytes,
        meta=json.loads(row.meta),
        profile=row.profile,
        created_at=row.first_seen_at,
        crashes=row.crashes,
        steps={},
        nesting=nesting,
    )
    work.keys = work.pipeline.step_keys(work.content_hash, work.suffix, work.meta)
    return work


def _read_steps(tx: Transaction, works: Sequence[Work]) -> None:
    by_run = {work.run_id: work for work in works}
    marks = ", ".join("?" for _ in by_run)
    sql = (
        "SELECT run_id, id, name, type, status, retry, retries FROM run_step"  # noqa: S608 - question marks only
        f" WHERE run_id IN ({marks}) ORDER BY run_id, number"
    )
    for run_id, *step in tx.tuples(sql, list(by_run)):
        row = StepRow(*step)
        by_run[run_id].steps[row.name] = row
