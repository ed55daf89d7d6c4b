"""What ``deliver`` answers."""

from __future__ import annotations

from docmill.domain.results.runs import EngineHolder
from docmill.domain.results.shared import Result


class DeliverResult(Result):
    """``delivered`` and ``failed`` (given up for good) are of this call, ``waiting`` is what the outbox still holds.

    next_at: when the first of those is tried again. holder: the process that delivers already; then this one did
    nothing. reason: set where the exit code is 3.
    """

    delivered: int
    failed: int
    waiting: int
    next_at: str | None
    seconds: float
    holder: EngineHolder | None
    message: str
    reason: str | None = None
