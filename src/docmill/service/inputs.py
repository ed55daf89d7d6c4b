"""Values that people give: checked, and brought into the form in which they are kept."""

from __future__ import annotations

from datetime import UTC, datetime

from docmill.errors import UsageError

PRIORITIES = ("low", "normal", "high")


def one_of(what: str, value: str, allowed: tuple[str, ...]) -> None:
    """Raises UsageError, naming what is allowed."""
    if value not in allowed:
        raise UsageError(f"unknown {what} {value!r}", hint=f"one of {', '.join(allowed)}")


def within(what: str, value: float | None, least: float, most: float) -> None:
    """Raises UsageError for a number outside of these, and for what is none. None passes."""
    if value is not None and not least <= value <= most:
        raise UsageError(f"{what} must be from {least:g} to {most:.10g}, not {value:g}")


def utc(time: str | None) -> str | None:
    """A date or a time as UTC ISO-8601 with ``Z``; without a zone it is taken for UTC. Raises UsageError."""
    return None if time is None else _text(time, "seconds")


def instant(time: str | None) -> str | None:
    """As :func:`utc`, with milliseconds: comparable as text with the times that state.db holds."""
    return None if time is None else _text(time, "milliseconds")


def local_instant(time: str | None) -> str | None:
    """As :func:`instant`, but what names no zone is a time of this machine's clock."""
    return None if time is None else _text(time, "milliseconds", local=True)


def _text(time: str, timespec: str, *, local: bool = False) -> str:
    try:
        parsed = datetime.fromisoformat(time)
        aware = parsed if parsed.tzinfo else parsed.astimezone() if local else parsed.replace(tzinfo=UTC)
        return aware.astimezone(UTC).isoformat(timespec=timespec).replace("+00:00", "Z")
    except (ValueError, OverflowError):
        raise UsageError(f"not a time: {time!r}", hint="as 2026-01-31 or 2026-01-31T12:00:00Z") from None
