"""``--fail-on-degraded``: a result whose documents lost some of their text is not clean."""

from typing import TypeVar

from docmill.domain.results import RunResult, SyncResult

T = TypeVar("T", RunResult, SyncResult)


def judged(result: T, *, fail_on_degraded: bool) -> T:
    """The result, with a ``reason`` where degraded documents count as failures; an earlier reason stays in front."""
    runs = result.sources if isinstance(result, SyncResult) and result.sources else [result]
    degraded = sum(run.documents.degraded for run in runs)
    if not (fail_on_degraded and degraded):
        return result
    reason = f"{degraded} documents degraded"
    return result.model_copy(update={"reason": f"{result.reason}, {reason}" if result.reason else reason})
