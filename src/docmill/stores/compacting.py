"""Keeps a LanceDB table small: few files, and no versions that nobody can be reading any more.

Each window leaves a file and up to two versions behind. LanceDB merges files by writing them anew, and its indexes with
them, so what that costs grows with the table. It is done the more seldom the larger a table is: its share of a window
stays the same.
"""

from __future__ import annotations

import os
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

KEEP_VERSIONS = timedelta(hours=1)  # whoever was sent to a version may read it for so long after the next one came
_SPARE = 4  # the last versions before that: the newest of them that readers were sent to, and what a killed window left
_MARGIN = timedelta(seconds=0.1)  # LanceDB reads the clock a moment later than we do
_NOTHING_GOES = timedelta(days=36_500)
_LEAST_LIMIT, _MOST_LIMIT = 64, 512  # reading many small files is slow
_ROWS_A_FILE = 2_000  # a merge writes so many rows for each file or version that made it due


def is_due(table: Any, folder: Path) -> bool:
    """Whether there are too many files, or too many versions that may go. ``folder`` is the table's."""
    limit = min(max(table.count_rows() // _ROWS_A_FILE, _LEAST_LIMIT), _MOST_LIMIT)
    fragments = table.stats()["fragment_stats"]["num_fragments"]
    return bool(fragments > limit or _old_manifests(folder) > limit)


def merge(table: Any) -> None:
    """Merge small files, drop deleted rows, and take the indexes up to the last row. No version goes."""
    table.optimize(cleanup_older_than=_NOTHING_GOES)


def clean(table: Any, *, now: datetime | None = None) -> int:
    """Remove the versions that no reader can hold any more. Returns how many went.

    A version is old by when it was made, but it may have been the newest until a moment ago, and whoever opened it then
    reads on. So the last ones before the hour stay. The table's newest version must be published: LanceDB removes none
    where one that would go has a tag. ``now``: the time that KEEP_VERSIONS counts back from.
    """
    versions = table.list_versions()
    made = sorted(each["timestamp"].astimezone(UTC) for each in versions)
    old = [at for at in made if at <= (now or datetime.now(UTC)) - KEEP_VERSIONS]
    if len(old) <= _SPARE:
        return 0
    table.optimize(cleanup_older_than=datetime.now(UTC) - old[-_SPARE] + _MARGIN)
    return max(len(versions) - len(table.list_versions()), 0)


def _old_manifests(folder: Path) -> int:
    """Versions older than KEEP_VERSIONS, by their files' times: LanceDB would read each of them."""
    cut = time.time() - KEEP_VERSIONS.total_seconds()
    with os.scandir(folder / "_versions") as entries:
        return sum(entry.stat().st_mtime < cut for entry in entries)
