"""``start``: run a batch's documents through a pipeline."""

from __future__ import annotations

import time
from dataclasses import replace

from docmill.domain.events import Reporter, now
from docmill.domain.planning import Selection
from docmill.domain.results import RunResult
from docmill.domain.status import Trigger
from docmill.errors import DocumentNotFound, UsageError
from docmill.service.controlling import supersede, writing
from docmill.service.engines import work_until_done
from docmill.service.outcomes import run_result
from docmill.service.pipelines import prepare
from docmill.service.recovery import recover_lost_database
from docmill.service.targets import find_target
from docmill.settings import Settings, find_home
from docmill.stores.queries import Queries, reading
from docmill.stores.state import groups

CACHED_STEPS = ("parse", "chunk", "embed")


def start(
    settings: Settings,
    reporter: Reporter,
    batch: str,
    *,
    workflow: str | None = None,
    params: str | None = None,
    overrides: list[str] | None = None,
    documents: list[str] | None = None,
    force: bool = False,
    no_cache: list[str] | None = None,
) -> RunResult:
    """Run the batch's documents that are due through a pipeline, and wait for the end.

    ``documents``: URIs; only these. ``no_cache``: step types that do not use what was computed before. ``force``: also
    documents that are up to date, and no step uses what was computed before. Raises InvalidState where the batch is
    paused, DocumentNotFound.
    """
    home = find_home(settings)
    began, started_at = time.perf_counter(), now()
    with reading(home) as queries:
        target = find_target(queries, batch)
        row = target.batch
        selected = _document_ids(queries, row["id"], documents) if documents else None
    if row["status"] == "paused":
        raise target.refuse(Trigger.START, "docmill resume")
    pipeline = prepare(home, reporter, workflow or row["workflow"], params or row["params"], overrides or [])
    group_id: int | None
    supersede(home, row["id"], pipeline)
    recover_lost_database(home, reporter, pipeline.database)
    with writing(home) as state, state.transaction() as tx:
        selection = Selection(batch_id=row["id"], document_ids=selected, force=force)
        planned = replace(pipeline.planned_group(row["id"]), no_cache=_not_cached(no_cache or [], force=force))
        group_id = groups.create_group(tx, planned, selection)
        sql = "SELECT id FROM run_group WHERE batch_id = ? AND status = 'running' ORDER BY id"
        running = [each.id for each in tx.rows(sql, [row["id"]])]
    if running:
        work_until_done(home, settings, reporter, running)
    return run_result(home, row["id"], group_id or (running[-1] if running else None), began, started_at=started_at)


def _not_cached(named: list[str], *, force: bool) -> tuple[str, ...]:
    """Step types that compute anew: the named ones, and what is made of their output. Raises UsageError.

    Texts are embedded anew only where ``embed`` itself is meant: a vector follows from its text alone.
    """
    unknown = sorted(set(named) - set(CACHED_STEPS))
    if unknown:
        raise UsageError(f"step type {unknown[0]!r} keeps no results", hint=f"one of {', '.join(CACHED_STEPS)}")
    anew = set(CACHED_STEPS if force else named)
    if "parse" in anew:
        anew.add("chunk")
    return tuple(step for step in CACHED_STEPS if step in anew)


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
