"""Makes a home, and refuses file systems on which its promises could not be kept."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

from docmill.domain.results import InitResult
from docmill.errors import StorageError
from docmill.settings import HOME_NAME, Settings

FOLDERS = ("artifacts", "lancedb", "logs", "workflows", "param-sets")


def init(settings: Settings, folder: Path | None = None) -> InitResult:
    """Create ``folder/.docmill``, or the home that the settings name. Calling it again changes nothing.

    Raises StorageError where the place cannot be written, or lacks hard links or file locks.
    """
    home = (settings.home or (folder or Path.cwd()) / HOME_NAME).expanduser().absolute()
    if (home / "state.db").is_file():
        return InitResult(home=str(home), created=False, message=f"{home} is a docmill home already")
    try:
        home.mkdir(mode=0o700, parents=True, exist_ok=True)
        for name in FOLDERS:
            (home / name).mkdir(mode=0o700, exist_ok=True)
        _probe(home)
    except OSError as error:
        raise StorageError(
            f"no home can be made at {home}: {error.strerror}", hint="choose a writable folder on a local disk"
        ) from error
    from docmill.stores.state import State

    State.create(home).close()
    return InitResult(home=str(home), created=True, message=f"created {home}")


def _probe(home: Path) -> None:
    """LanceDB commits by hard links, and one engine per home rests on flock: try both."""
    probe, link = home / f"probe-{os.getpid()}", home / f"probe-{os.getpid()}.link"
    try:
        probe.write_bytes(b"")
        try:
            link.hardlink_to(probe)
        except OSError as error:
            raise StorageError(
                f"the file system of {home} has no hard links ({error.strerror}), which LanceDB's commits need",
                hint="choose a folder on a local disk",
            ) from error
        with probe.open("rb") as stream:
            try:
                fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as error:
                raise StorageError(
                    f"the file system of {home} has no file locks ({error.strerror})",
                    hint="choose a folder on a local disk",
                ) from error
    finally:
        link.unlink(missing_ok=True)
        probe.unlink(missing_ok=True)
