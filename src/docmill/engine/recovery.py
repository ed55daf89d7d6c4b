"""What an engine does before it begins: take over from one that died, however it died."""

from __future__ import annotations

import contextlib
from pathlib import Path

from docmill import failpoints
from docmill.stores.artifacts import ArtifactStore
from docmill.stores.state import State, groups, sources_copy


def begin(state: State, home: Path) -> int:
    """Raise the engine epoch, put back the steps that a dead engine left running, and sweep its temporary files.

    What of the sources is nowhere else is copied beside state.db on the way.

    Returns the epoch. From here on the dead engine, should it only have slept, can settle nothing.
    """
    with failpoints.around("epoch.raise"):
        epoch = state.raise_epoch()
    with state.transaction(epoch=epoch) as tx:
        groups.recover(tx)
        sources_copy.write(tx, home)
    sweep(home)
    return epoch


def sweep(home: Path) -> None:
    """Remove what dead workers wrote to take the place of other outputs. To be called while no worker lives."""
    for unfinished in ArtifactStore(home).unfinished():
        with contextlib.suppress(OSError):  # they cost room, and nobody reads them
            unfinished.unlink()
