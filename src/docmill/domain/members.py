"""What becomes of the files inside a file: taken, passed over or left out, and what the reader is told of it."""

from __future__ import annotations

from typing import IO

from docmill.domain.assembly import DocumentBuilder
from docmill.domain.contracts import Keeper, LeftOut

_NAMED = 3  # of those that are left out, in the warning
_LONGEST_NAME = 120


class Members:
    """Hands members to the keeper and keeps count."""

    def __init__(self, keeper: Keeper) -> None:
        self._keeper = keeper
        self._left_out: list[tuple[str, str]] = []
        self._ignored = 0
        self._broken_off = ""
        self.seen = 0
        self.taken = 0

    def take(self, name: str, content: IO[bytes]) -> None:
        """Raises whatever reading ``content`` raises, but LeftOut."""
        self.seen += 1
        try:
            if self._keeper.member(name, content):
                self.taken += 1
            else:
                self._ignored += 1
        except LeftOut as reason:
            self._left_out.append((name, str(reason)))

    def leave_out(self, name: str, reason: str) -> None:
        self.seen += 1
        self._left_out.append((name, reason))

    def ignore(self) -> None:
        """Pass over what is no file, or none that a folder's scan would take."""
        self.seen += 1
        self._ignored += 1

    def break_off(self, reason: str) -> None:
        """The rest is not looked at."""
        self._broken_off = self._broken_off or reason

    def tell(self, builder: DocumentBuilder) -> None:
        """Warn of what was left out, which degrades, and of what nobody wants, which does not."""
        parts = []
        if self._left_out:
            named = "; ".join(f"{name[:_LONGEST_NAME]}: {reason}" for name, reason in self._left_out[:_NAMED])
            more = f"; and {len(self._left_out) - _NAMED:,} more" if len(self._left_out) > _NAMED else ""
            parts.append(f"{len(self._left_out):,} of its files are left out ({named}{more})")
        if self._broken_off:
            parts.append(f"the rest of its files are left out: {self._broken_off}")
        if parts:
            builder.warn("MEMBERS_LEFT_OUT", "; ".join(parts), degrades=True)
        if self._ignored:
            builder.warn("MEMBERS_IGNORED", f"{self._ignored:,} of its entries are of kinds that are not read")
