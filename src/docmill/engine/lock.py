"""engine.lock: one engine per home, who it is, and whether it still gives signs of life.

The locks are the kernel's (flock), so they go with the process that held them. Two are taken: the home folder's own,
which nobody can delete under a living engine, and engine.lock's, which also holds on network disks between machines.
The file's content says who holds them. Its last value is the heartbeat, on the clock that stands still while the
machine is suspended, so that a laptop that wakes up does not find its engine dead.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType

from docmill.domain.events import now
from docmill.domain.redaction import command_line
from docmill.domain.results import EngineHolder
from docmill.engine import processes
from docmill.errors import StaleEngine, StorageError

NAME = "engine.lock"
RUNNING, STOPPED, UNRESPONSIVE, GONE = "running", "stopped", "unresponsive", "gone"
BEAT_SECONDS = 1.0
UNRESPONSIVE_SECONDS = 60.0  # a large index is built within one call, and no heart beats meanwhile
_SETTLE_SECONDS = 0.2  # how long the name in the file may still be the last engine's
_STAMP = "{:>16.3f}}}\n"  # the heartbeat and the end of the file, of one width always


@dataclass(frozen=True, slots=True)
class Record:
    """What the file says. ``boot`` and ``namespace`` tell where the pid means anything."""

    pid: int
    started_at: str
    command: str
    process_began: int | None = None
    host: str = ""
    boot: str = ""
    namespace: str = ""
    heartbeat: float = 0.0

    @classmethod
    def mine(cls) -> Record:
        me = processes.find(os.getpid())
        command = command_line(["docmill", *sys.argv[1:]])
        return cls(os.getpid(), now(), command, me.began if me else None, os.uname().nodename, _boot(), _namespace())

    @property
    def is_here(self) -> bool:
        """Its pid is one of this machine's, of this boot, as this process sees them."""
        return (self.host, self.boot, self.namespace) == (os.uname().nodename, _boot(), _namespace())

    def process(self) -> processes.Process | None:
        """The living process that it names; None where that has ended, or lives elsewhere."""
        found = processes.find(self.pid) if self.is_here else None
        return found if found is not None and found.began == self.process_began else None


@dataclass(frozen=True, slots=True)
class Holding:
    """Who holds the lock. ``silent_seconds``: since its last heartbeat."""

    record: Record
    state: str
    silent_seconds: float | None


class EngineLock:
    """``acquire`` never waits; ``beat`` is to be called about every second while the lock is held."""

    def __init__(self, home: Path) -> None:
        self._home = home
        self._path = home / NAME
        self._folder: int | None = None
        self._file: int | None = None
        self._text = ""
        self._beaten = 0.0

    def acquire(self) -> bool:
        """False where another process holds it. Raises StorageError where the file system has no locks."""
        self._folder = os.open(self._home, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            if _lock(self._folder) and self._take_file():
                return True
        except BaseException:
            self.release()
            raise
        self.release()
        return False

    def beat(self) -> None:
        """Show that this engine lives, and put its file back where somebody has deleted or replaced it.

        Raises StaleEngine where the home is not this one any more, or another process has got hold of the file's lock.
        """
        assert self._folder is not None and self._file is not None
        if not _names(self._home, self._folder):
            raise StaleEngine(
                f"{self._home} has been moved or replaced under this engine", hint="run the same command again"
            )
        if not _names(self._path, self._file):
            os.close(self._file)
            self._file = None
            if not self._take_file():
                raise StaleEngine(
                    f"another process has replaced {self._path} and holds it", hint="this one stops; that one goes on"
                )
        elif time.monotonic() - self._beaten >= BEAT_SECONDS:
            self._stamp()

    @contextmanager
    def beating(self) -> Iterator[None]:
        """Beats by itself, for work that is one long call."""
        ended = threading.Event()

        def beat() -> None:
            with contextlib.suppress(StaleEngine, OSError):  # then the heart stands still, and others see it
                while not ended.wait(BEAT_SECONDS):
                    self.beat()

        heart = threading.Thread(target=beat, daemon=True)
        heart.start()
        try:
            yield
        finally:
            ended.set()
            heart.join()

    def release(self) -> None:
        for descriptor in (self._file, self._folder):
            if descriptor is not None:
                os.close(descriptor)
        self._file = self._folder = None

    def __enter__(self) -> EngineLock:
        return self

    def __exit__(
        self, _type: type[BaseException] | None, _error: BaseException | None, _tb: TracebackType | None
    ) -> None:
        self.release()

    def _take_file(self) -> bool:
        """Lock the file that the path names now, and write this process's name into it."""
        while True:
            descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                if not _lock(descriptor):
                    os.close(descriptor)
                    return False
                if _names(self._path, descriptor):
                    break
            except BaseException:
                os.close(descriptor)
                raise
            os.close(descriptor)  # replaced in between: what was locked is nobody's file any more
        self._file = descriptor
        fields = asdict(Record.mine())
        del fields["heartbeat"]
        self._text = f'{json.dumps(fields)[:-1]}, "heartbeat": '
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{self._text}{_STAMP.format(time.monotonic())}".encode(), 0)
        self._beaten = time.monotonic()
        return True

    def _stamp(self) -> None:
        assert self._file is not None
        self._beaten = time.monotonic()
        with contextlib.suppress(OSError):  # a full disk is told by those who need room on it
            os.pwrite(self._file, _STAMP.format(self._beaten).encode(), len(self._text.encode()))


def holder(home: Path) -> EngineHolder | None:
    """Who holds the lock now; None where it is free. Looks without taking it."""
    found = holding(home)
    if found is None:
        return None
    record = found.record
    return EngineHolder(
        pid=record.pid,
        started_at=record.started_at,
        command=record.command,
        state=found.state,
        host=record.host,
        process_began=record.process_began,
        silent_seconds=found.silent_seconds,
    )


def holding(home: Path) -> Holding | None:
    """As :func:`holder`, with all that the file says."""
    deadline = time.monotonic() + _SETTLE_SECONDS
    while _is_locked(home):
        found = _read(home / NAME)
        settled = found is not None and found.state != GONE
        if settled or time.monotonic() > deadline:
            return found or Holding(Record(0, now(), "docmill"), GONE, None)
        time.sleep(_SETTLE_SECONDS / 10)  # an engine that has just begun has not written its name yet
    return None


def keepers(home: Path) -> list[tuple[int, str]]:
    """Pids and command lines of the processes through whose descriptors the lock is held, as far as they can be seen.

    Where the engine that took it is gone, this is who inherited it, or took it by hand.
    """
    inodes = {each.stat().st_ino for each in (home, home / NAME) if each.exists()}
    found = []
    for info in Path("/proc").glob("[0-9]*/fdinfo") if processes.has_proc() else ():
        with contextlib.suppress(OSError):
            if any(_shows_lock(each.read_text("utf-8", "replace"), inodes) for each in info.iterdir()):
                words = (info.parent / "cmdline").read_bytes().rstrip(b"\0").split(b"\0")
                found.append((int(info.parent.name), b" ".join(words).decode("utf-8", "replace")[:200]))
    return sorted(found)


def _shows_lock(fdinfo: str, inodes: set[int]) -> bool:
    """``lock: 1: FLOCK  ADVISORY  WRITE 4242 fd:01:131078 0 EOF`` among the lines, for one of these files."""
    for line in fdinfo.splitlines():
        words = line.split()
        if len(words) > 6 and words[0] == "lock:" and words[2] == "FLOCK" and words[4] == "WRITE":
            return int(words[6].rpartition(":")[2]) in inodes
    return False


def _read(path: Path) -> Holding | None:
    """What the file says, held against the process that it names. None where it says nothing sensible."""
    try:
        record = Record(**json.loads(path.read_bytes()))
        age = max(time.time() - path.stat().st_mtime, 0.0)
    except (OSError, ValueError, TypeError):
        return None
    if not record.is_here:
        return Holding(record, UNRESPONSIVE if age > UNRESPONSIVE_SECONDS else RUNNING, round(age, 1))
    process = record.process()
    silent = round(max(time.monotonic() - record.heartbeat, 0.0), 1)
    if process is None:
        return Holding(record, GONE, silent)
    if process.stopped:
        return Holding(record, STOPPED, silent)
    return Holding(record, UNRESPONSIVE if silent > UNRESPONSIVE_SECONDS else RUNNING, silent)


def _is_locked(home: Path) -> bool:
    for path in (home, home / NAME):
        try:
            descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            continue
        try:
            fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        finally:
            os.close(descriptor)
    return False


def _lock(descriptor: int) -> bool:
    """Lock it for this process alone. Those who only look hold a shared lock for microseconds: they are outwaited."""
    try:
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return True
            except BlockingIOError:
                fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)  # it can be had: nobody holds it for good
            fcntl.flock(descriptor, fcntl.LOCK_UN)
            time.sleep(0.001)
    except BlockingIOError:
        return False
    except OSError as error:
        raise StorageError(
            f"this file system has no file locks ({error.strerror})", hint="put the home on a local disk"
        ) from error


def _names(path: Path, descriptor: int) -> bool:
    """The path still leads to the file that the descriptor has open."""
    try:
        found = path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    held = os.fstat(descriptor)
    return (found.st_dev, found.st_ino) == (held.st_dev, held.st_ino)


def _boot() -> str:
    """Names this boot of this machine; empty where the system does not say."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text("ascii").strip()
    except OSError:
        return ""


def _namespace() -> str:
    """Names the world of pids that this process lives in: containers have their own."""
    try:
        return str(Path("/proc/self/ns/pid").readlink())
    except OSError:
        return ""
