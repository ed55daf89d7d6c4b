"""Makes a home, and refuses file systems on which its promises could not be kept. What is refused leaves nothing."""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from docmill.domain.results import InitResult
from docmill.errors import StorageError
from docmill.settings import HOME_NAME, Settings
from docmill.stores import database_folders, filesystem
from docmill.stores.faults import storage_error

FOLDERS = ("artifacts", "lancedb", "logs", "workflows", "param-sets")


def init(settings: Settings, folder: Path | None = None, *, mountinfo: str | None = None) -> InitResult:
    """Create ``folder/.docmill``, or the home that the settings name. Calling it again changes nothing.

    Where a home has lost its state.db, its databases are set aside: nobody knows any more what lies in them.
    ``mountinfo`` stands in for the kernel's own list of mounts.

    Raises StorageError where the place cannot be written, lies on a network, or lacks what SQLite and LanceDB need.
    """
    home = (settings.home or (folder or Path.cwd()) / HOME_NAME).expanduser().absolute()
    if _is_home(home):
        return _there_already(home)
    filesystem.require_local(home, mountinfo)
    doing = f"no home can be made at {home}"
    try:
        with _made(home):
            filesystem.require_fit(home)
            with _alone(home):
                if _is_home(home):
                    return _there_already(home)
                aside = begin_anew(home)
    except StorageError:
        raise
    except OSError as error:
        raise storage_error(error, doing) or StorageError(
            f"{doing}: {error.strerror}", hint="choose a writable folder on a local disk"
        ) from error
    except Exception as error:
        fault = storage_error(error, doing)
        if fault is None:
            raise
        raise fault from error
    left = f"; the databases of an earlier state lie in {aside}, and can be deleted" if aside else ""
    return InitResult(home=str(home), created=True, message=f"created {home}{left}")


def begin_anew(home: Path) -> Path | None:
    """Make a state.db where there is none. Returns where the databases lie by now that it knows nothing of, if any do.

    To be called by whoever holds the lock on the home's folder.
    """
    aside = _set_aside(home)
    from docmill.stores.state import State

    State.create(home).close()
    return aside


def _is_home(home: Path) -> bool:
    return (home / "state.db").is_file()


def _there_already(home: Path) -> InitResult:
    return InitResult(home=str(home), created=False, message=f"{home} is a docmill home already")


@contextmanager
def _made(home: Path) -> Iterator[None]:
    """The home's folders, for good where all goes well; else those that were not there before are removed again."""
    made: list[Path] = []
    try:
        missing = [each for each in (home, *home.parents) if not each.exists()]
        for folder in (*reversed(missing), *(home / name for name in FOLDERS)):
            with contextlib.suppress(FileExistsError):
                folder.mkdir(mode=0o777 if folder in home.parents else 0o700)
                made.append(folder)
        yield
    except BaseException:
        if not _is_home(home):  # another process's, which has come between
            for folder in reversed(made):
                with contextlib.suppress(OSError):
                    folder.rmdir()
        raise


@contextmanager
def _alone(home: Path) -> Iterator[None]:
    """One process makes the home; the others wait and find it made."""
    descriptor = os.open(home, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _set_aside(home: Path) -> Path | None:
    """Move databases that no state knows of out of the way: their rows would be found beside those of the new state.

    Artifacts and cached vectors are named by their content; they stay, and nothing is embedded again.
    """
    old = home / "lancedb"
    if not database_folders.databases(home):
        return None
    aside = free_name(home / "lancedb.old")
    old.rename(aside)
    old.mkdir(mode=0o700)
    return aside


def free_name(path: Path) -> Path:
    """The path with the first number behind it that nothing has yet."""
    number = 1
    while (free := path.with_name(f"{path.name}-{number}")).exists():
        number += 1
    return free
