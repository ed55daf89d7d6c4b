"""Document workers that start while folders are still looked at: one imports for half a second before it reads a file.

Only once there is a file to read, and where no other engine is at work, as that one would read it with its own.
"""

from __future__ import annotations

from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

from docmill.settings import Settings

if TYPE_CHECKING:
    from docmill.engine.pools import Pools


class HeadStart:
    """Holds the workers until an engine takes them; those that none takes end with the ``with`` block."""

    def __init__(self, home: Path, settings: Settings) -> None:
        self._home = home
        self._settings = settings
        self._pools: Pools | None = None
        self._found = 0
        self._most = settings.document_workers

    def __enter__(self) -> HeadStart:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def found(self) -> None:
        """There is one more file to be read."""
        if self._found >= self._most:
            return
        self._found += 1
        if self._pools is None:
            from docmill.engine.lock import holder
            from docmill.engine.pools import Pools

            if holder(self._home) is not None:
                self._most = 0
                return
            self._pools = Pools(self._home, self._settings)
        self._pools.documents().warm(self._found)

    def stop(self) -> None:
        """End the workers, as no engine will take them."""
        pools = self.take()
        if pools is not None:
            pools.stop()

    def take(self) -> Pools | None:
        """The pools, which are the caller's to stop from now on; none a second time."""
        pools, self._pools = self._pools, None
        return pools
