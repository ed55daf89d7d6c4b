"""``--fail-on-degraded``: a result whose documents lost some of their text is not clean.

As failed documents do, degraded ones count for as long as they are so, and not only in the run that found it. A service
that ends, which has no one batch or folder, counts those that it has met itself.
"""

from typing import TypeVar

from docmill.domain.results import RunResult, SyncResult, WatchResult, WorkerResult

T = TypeVar("T", RunResult, SyncResult, WorkerResult, WatchResult)


def judged(result: T, *, fail_on_degraded: bool) -> T:
    """The result, with a ``reason`` where degraded documents count as failures; an earlier reason stays in front."""
    degraded = _degraded(result)
    if not (fail_on_degraded and degraded):
        return result
    reason = f"{degraded} document{'' if degraded == 1 else 's'} degraded"
    return result.model_copy(update={"reason": f"{result.reason}, {reason}" if result.reason else reason})


def _degraded(result: RunResult | SyncResult | WorkerResult | WatchResult) -> int:
    if isinstance(result, SyncResult):
        return sum(each.outcomes.degraded_documents for each in result.sources or [result])
    if isinstance(result, RunResult):
        return result.outcomes.degraded_documents
    return result.documents.degraded
