"""Shows how run groups go that another process's engine is at, and says who that is whenever it changes.

Reads only, and imports nothing heavy.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

from docmill.domain.events import MessageEvent, Reporter
from docmill.domain.results import EngineHolder
from docmill.engine.lock import RUNNING
from docmill.service.holding import describe, find_holder
from docmill.stores.feed import Feed
from docmill.stores.queries import reading

POLL_SECONDS = 0.25
_HOLDER_SECONDS = 1.0
_PATIENCE = 2  # looks before it is said that nobody is at work: between two engines the lock is free for a moment


class Follower:
    """``alone``: what to say, once, where the groups run and no engine is at work; None: that is nobody's concern."""

    def __init__(self, home: Path, reporter: Reporter, *, alone: str | None = None) -> None:
        self._home = home
        self._reporter = reporter
        self._alone = alone
        self._told: tuple[int, str] | None = None
        self._looks_alone = 0
        self._looked = 0.0
        self._feeds: dict[int, Feed] = {}
        self._since = self._newest_events()

    def look(self, group_ids: Sequence[int]) -> None:
        """Tell what has happened in these groups. To be called every POLL_SECONDS."""
        self.look_at_holder()
        self._tell_news(group_ids)

    def look_at_holder(self) -> None:
        """Tell who is at work, once, and once more when that changes. Looks once a second at most."""
        if time.monotonic() - self._looked >= _HOLDER_SECONDS:
            self._looked = time.monotonic()
            self._tell(find_holder(self._home))

    def finish(self) -> None:
        """Tell what the groups that were looked at have told to their end. To be called once they run no more."""
        self._tell_news(())

    def skip(self) -> None:
        """From here on only: what came before was told by an engine of this process."""
        self._feeds.clear()
        self._since = self._newest_events()

    def _tell_news(self, group_ids: Sequence[int]) -> None:
        with reading(self._home) as queries:
            for group_id in sorted({*group_ids, *self._feeds}):
                feed = self._feeds.setdefault(group_id, Feed(queries, group_id, self._since.get(group_id, 0)))
                feed.queries = queries
                for event in feed.news():
                    self._reporter.emit(event)

    def _newest_events(self) -> dict[int, int]:
        """By unfinished group: ids of events are not comparable between groups, as those of a deleted one come back."""
        with reading(self._home) as queries:
            rows = queries.rows(
                "SELECT g.id, (SELECT MAX(e.id) FROM lifecycle_event e WHERE e.run_group_id = g.id)"
                " FROM run_group g WHERE g.status NOT IN ('completed', 'failed', 'cancelled')"
            )
            return {row[0]: row[1] or 0 for row in rows}

    def _tell(self, found: EngineHolder | None) -> None:
        if found is None:
            self._looks_alone += 1
            self._told = None
            if self._alone is not None and self._looks_alone == _PATIENCE:
                self._reporter.emit(MessageEvent("warning", self._alone))
            return
        if self._told != (found.pid, found.state):
            self._told = (found.pid, found.state)
            if found.state == RUNNING:
                self._reporter.emit(MessageEvent("info", f"{describe(found)}, is at work here; following it"))
            else:
                self._reporter.emit(MessageEvent("warning", f"waiting for {describe(found)}: {found.hint}"))
