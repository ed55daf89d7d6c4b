"""When a cron expression is due next, on this machine's clock on the wall.

Where the clocks go forward, a time that is skipped is made up right after; where they go back, a time of day that comes
twice counts once, and only expressions that run in every hour run in both.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime

from docmill.errors import UsageError

NICKNAMES = ("@hourly", "@daily", "@midnight", "@weekly", "@monthly", "@yearly", "@annually")


def check(expression: str) -> str:
    """The expression, tidied. Raises UsageError for what is none of five fields, and for one that is never due."""
    from croniter import croniter

    tidy = " ".join(expression.split())
    try:
        if tidy.startswith("@"):
            tidy = tidy.lower()
            if tidy not in NICKNAMES:
                raise ValueError(f"one of {', '.join(NICKNAMES)}")
        elif len(tidy.split()) != 5:
            raise ValueError("five fields: minute, hour, day of month, month, day of week")
        if re.search(r"\b[hr]\b", tidy, re.IGNORECASE):
            raise ValueError("H and R have no fixed time")
        croniter(tidy)
        next_time(tidy, datetime.now(UTC))
    except (ValueError, KeyError) as error:
        raise UsageError(
            f"not a cron expression: {expression!r} ({error})", hint="as '30 2 * * *' for half past two each night"
        ) from None
    return tidy


def next_time(expression: str, after: datetime) -> str:
    """The first time later than ``after`` (aware), as UTC ISO-8601 with milliseconds and ``Z``."""
    return next(times(expression, after))


def times(expression: str, after: datetime) -> Iterator[str]:
    """All times later than ``after``, in order; see :func:`next_time`."""
    from croniter import croniter
    from dateutil import tz

    zone = tz.tzlocal()
    found = croniter(expression, after.astimezone(zone))
    both = _runs_every_hour(expression)

    def walk() -> Iterator[str]:
        last = after
        while True:
            due: datetime = found.get_next(datetime).astimezone(UTC)
            again = due.astimezone(zone).fold  # the wall has shown this time before, and was put back since
            if due > last and (both or not again):
                last = due
                yield f"{due:%Y-%m-%dT%H:%M:%S}.000Z"

    return walk()


def _runs_every_hour(expression: str) -> bool:
    fields = expression.split()
    return expression == "@hourly" or (len(fields) == 5 and fields[1].startswith("*"))
