"""How a start, a resume or a retry ended: read from state.db once the work is over or has stopped."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from docmill.domain.results import RunResult
from docmill.service import shapes
from docmill.stores.queries import OF_BATCH, reading


def run_result(home: Path, batch_id: int, group_id: int | None, began: float, **more: Any) -> RunResult:
    """``began``: the perf_counter of the command's begin. ``group_id`` None: there was nothing to do."""
    with reading(home) as queries, queries.snapshot():
        group = queries.group(group_id) if group_id is not None else None
        counts = queries.run_counts(group_id) if group_id is not None else {}
        counts.pop("degraded", None)
        endings = shapes.endings(queries, OF_BATCH, [batch_id])
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
            reason=shapes.reason(group, endings["outcomes"].failed_documents),
            **endings,
            **more,
        )
