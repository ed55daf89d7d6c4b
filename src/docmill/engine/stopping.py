"""The wish to stop in good order, and how the one who wished it is told what is still waited for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from docmill.domain.events import MessageEvent, Reporter

TIME_LIMIT = "TIME_LIMIT"
_NAMES = 3
_WORDS = {
    "SIGINT": ("stopping", "press Ctrl-C again to end"),
    TIME_LIMIT: ("the time limit is reached, stopping", "Ctrl-C ends it"),
}


@dataclass(slots=True)
class StopFlag:
    """Finish what is in flight, hand out nothing more, and return. ``reason``: the signal's name, or TIME_LIMIT."""

    reason: str | None = None
    _told: bool = field(default=False, repr=False)

    def tell(self, reporter: Reporter, uris: Sequence[str]) -> None:
        """Say once that the engine is stopping, and for which documents it waits."""
        if self._told or self.reason is None:
            return
        self._told = True
        why, again = _WORDS.get(self.reason, ("stopping", "a second signal ends it"))
        reporter.emit(MessageEvent("info", f"{why}: {_in_flight(uris)}; {again} at once"))


def _in_flight(uris: Sequence[str]) -> str:
    if not uris:
        return "putting away what is done"
    named = ", ".join(sorted(uris)[:_NAMES]) + (", …" if len(uris) > _NAMES else "")
    return f"{len(uris)} document{'' if len(uris) == 1 else 's'} in flight ({named})"
