"""``logs`` and ``events``: what a batch has told so far, and what it goes on to tell, from any shell.

Reads SQLite, again and again; so it needs no engine of its own, and goes on whatever becomes of the one at work.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

from docmill.domain.events import Event, as_record
from docmill.domain.results import BatchEvents, BatchLogs, Followed, LogRecord
from docmill.domain.status import ACTIVE_GROUPS, Status
from docmill.service import recording
from docmill.settings import Settings, find_home
from docmill.stores import history
from docmill.stores.feed import Feed
from docmill.stores.queries import Queries, reading

POLL_SECONDS = 0.25
_PAGE = 1000


def logs(settings: Settings, batch: str, *, level: str = "info", limit: int = 100, offset: int = 0) -> BatchLogs:
    """The newest entries of at least a level, oldest of them first. Raises BatchNotFound."""
    with reading(find_home(settings)) as queries, queries.snapshot():
        row = queries.batch(batch)
        found = history.log_entries(queries, row["id"], level, limit=limit, offset=offset)
        total = history.count_log_entries(queries, row["id"], level)
    return BatchLogs(
        batch_id=row["id"],
        level=level,
        logs=[recording.log_entry(each) for each in found],
        total=total,
        limit=limit,
        offset=offset,
    )


def follow_logs(
    settings: Settings, batch: str, tell: Callable[[LogRecord], None], *, level: str = "info", limit: int = 100
) -> Followed:
    """Tell the newest entries, then each new one, until the batch has ended. Raises BatchNotFound."""
    home = find_home(settings)
    told, cursor = 0, None
    with reading(home) as queries:
        batch_id = queries.batch(batch)["id"]
        for status in _standing(queries, batch_id):  # noqa: B007 - it is used behind the loop
            most = limit if cursor is None else _PAGE
            while page := history.log_entries(queries, batch_id, level, limit=most, after=cursor):
                for row in page:
                    tell(recording.log_entry(row))
                told, cursor, most = told + len(page), page[-1]["id"], _PAGE
            cursor = cursor or 0
    return Followed(batch_id=batch_id, status=status, told=told)


def events(settings: Settings, batch: str) -> BatchEvents:
    """What the batch's newest run group has told so far, as one document. Raises BatchNotFound."""
    told: list[dict[str, Any]] = []
    result = tell_events(settings, batch, lambda event: told.append(as_record(event)))
    return result.model_copy(update={"events": told})


def tell_events(settings: Settings, batch: str, tell: Callable[[Event], None], *, follow: bool = False) -> BatchEvents:
    """Tell what the batch's newest run group has told so far; with ``follow``, go on until the batch has ended.

    An unfinished group that is older is followed too, and each that comes later. Raises BatchNotFound.
    """
    told = 0
    with reading(find_home(settings)) as queries:
        batch_id = queries.batch(batch)["id"]
        feeds = _Feeds(queries, batch_id)
        for status in _standing(queries, batch_id):  # noqa: B007 - it is used behind the loop
            for event in feeds.news(follow=follow):
                tell(event)
                told += 1
            if not follow:
                break
    return BatchEvents(batch_id=batch_id, run_group_id=feeds.newest, status=status, told=told)


class _Feeds:
    """The run groups of a batch that are told of."""

    def __init__(self, queries: Queries, batch_id: int) -> None:
        self._queries = queries
        self._batch_id = batch_id
        self._feeds: dict[int, Feed] = {}

    @property
    def newest(self) -> int | None:
        return max(self._feeds, default=None)

    def news(self, *, follow: bool) -> Iterator[Event]:
        self._look(follow=follow)
        for feed in self._feeds.values():
            yield from feed.news()

    def _look(self, *, follow: bool) -> None:
        rows = self._queries.rows("SELECT id, status FROM run_group WHERE batch_id = ? ORDER BY id", [self._batch_id])
        unfinished = [row["id"] for row in rows if follow and row["status"] in ACTIVE_GROUPS]
        later = [row["id"] for row in rows if self.newest is not None and row["id"] > self.newest]
        begun = [row for row in rows if row["status"] != Status.SCHEDULED] or rows
        newest = [row["id"] for row in begun[-1:] if not self._feeds]
        for group_id in sorted({*unfinished, *later, *newest} - set(self._feeds)):
            self._feeds[group_id] = Feed(self._queries, group_id)


def _standing(queries: Queries, batch_id: int) -> Iterator[str]:
    """The batch's status, each time that anything has changed: for the last time once it has ended.

    It is read before what is told about it, so that nothing which led to the end is missed.
    """
    seen = None
    while True:
        version = queries.value("PRAGMA data_version")
        status = queries.value("SELECT status FROM batch WHERE id = ?", [batch_id]) or "deleted"
        if version != seen or status not in ACTIVE_GROUPS:
            yield status
            seen = version
        if status not in ACTIVE_GROUPS:
            return
        time.sleep(POLL_SECONDS)
