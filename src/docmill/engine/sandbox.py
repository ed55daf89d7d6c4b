"""What a worker process may do. Entered once, before the first task; nothing of it can be undone from inside.

It bounds what a hostile file does that has taken a parsing library over: no network, no secrets of the environment, no
look into the engine, a bound to memory, processor time and files. It does not bound which of the user's files are read.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import resource
import signal
import sys
from collections.abc import Collection
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Final

from docmill.engine import syscalls

# Variables by name or pattern; what programs and libraries need that parse, and nothing that is anybody's secret.
KEPT_VARIABLES: Final = (
    *("PATH", "HOME", "USER", "LOGNAME", "SHELL", "LANG", "LANGUAGE", "LC_*", "TZ", "TMPDIR", "TEMP", "TMP"),
    *("PYTHON*", "VIRTUAL_ENV", "CONDA_PREFIX", "LD_LIBRARY_PATH", "DYLD_*", "XDG_CACHE_HOME", "XDG_DATA_HOME"),
    *("OMP_*", "MKL_*", "OPENBLAS_*", "NUMEXPR_*", "VECLIB_*", "RAYON_*", "TOKENIZERS_PARALLELISM", "MALLOC_*"),
    *("FASTEMBED_CACHE_PATH", "HF_HOME", "HF_HUB_OFFLINE", "DOCMILL_MODEL_CACHE", "DOCMILL_FAILPOINTS*"),
)
_OOM_SCORE = "500"  # where memory runs out, the kernel shall end a worker and not the engine
_FIELD_OF_ENVIRONMENT = 50 - 3  # env_start in /proc/PID/stat, counted from what follows the name


@dataclass(frozen=True, slots=True)
class Sandbox:
    """Of a document worker.

    memory_bytes: address space; file_bytes: of any file that it writes; cpu_s: allotted to each document anew.
    environment:  names and patterns of variables that are kept beside KEPT_VARIABLES.
    """

    memory_bytes: int
    cpu_s: int
    file_bytes: int
    environment: tuple[str, ...] = ()
    network: bool = False


def become_worker(parent: int) -> None:
    """What every worker does: die with the parent, keep out of the terminal, leave no core, gain no rights."""
    if sys.platform == "linux":
        syscalls.die_with_parent(signal.SIGKILL)
        if os.getppid() != parent:  # it died before the line above
            os._exit(1)
        with contextlib.suppress(OSError):
            syscalls.renounce_privileges()
        with contextlib.suppress(OSError):
            Path("/proc/self/oom_score_adj").write_text(_OOM_SCORE, "ascii")
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    with contextlib.suppress(OSError):
        os.setpgid(0, 0)
    _limit(resource.RLIMIT_CORE, 0)


def enter(sandbox: Sandbox) -> list[str]:
    """Give up what a document worker does not need. Returns what this system would not take, in words."""
    keep_environment((*KEPT_VARIABLES, *sandbox.environment))
    refused = []
    if not _limit(resource.RLIMIT_AS, sandbox.memory_bytes):
        refused.append("no bound to its memory")
    if not _limit(resource.RLIMIT_FSIZE, sandbox.file_bytes):
        refused.append("no bound to the files that it writes")
    if sys.platform != "linux":
        return [*refused, "the network is not shut off: only Linux can"]
    with contextlib.suppress(OSError):  # a libc without the call; filters hold all the same
        syscalls.drop_capabilities()
    for close, without in (
        (syscalls.keep_apart, "not kept apart from other processes (Landlock)"),
        (syscalls.filter_calls, "system calls are not filtered (seccomp), so the network is not shut off"),
    ):
        try:
            close(network=sandbox.network)
        except OSError as error:
            refused.append(f"{without}: {error.strerror}")
    return refused


def allot_cpu(seconds: int) -> None:
    """Processor time from now on; the kernel ends the process with SIGXCPU then.

    RLIMIT_CPU counts over a process's life, so each document moves the soft limit on.
    """
    used = resource.getrusage(resource.RUSAGE_SELF)
    total = int(used.ru_utime + used.ru_stime) + 1 + seconds
    _soft, hard = resource.getrlimit(resource.RLIMIT_CPU)
    resource.setrlimit(resource.RLIMIT_CPU, (total if hard == resource.RLIM_INFINITY else min(total, hard), hard))


def keep_environment(kept: Collection[str]) -> None:
    """Forget all variables but those that a name or pattern of ``kept`` fits, in the process's memory too."""
    doomed = [name for name in os.environ if not _fits(name, kept)]
    for name in doomed:
        del os.environ[name]
    _overwrite_initial(kept)


def _overwrite_initial(kept: Collection[str]) -> None:
    """The block that the process was started with: /proc/PID/environ shows it to the end, whatever is unset."""
    try:
        block = Path("/proc/self/environ").read_bytes()
        fields = Path("/proc/self/stat").read_bytes().rpartition(b")")[2].split()
    except OSError:
        return  # no /proc: nobody can look it up there either
    address = int(fields[_FIELD_OF_ENVIRONMENT])
    for variable in block.split(b"\0"):
        if address and not _fits(os.fsdecode(variable.partition(b"=")[0]), kept):
            ctypes.memset(address, 0, len(variable))
        address += len(variable) + 1


def _fits(name: str, patterns: Collection[str]) -> bool:
    return any(fnmatchcase(name, pattern) for pattern in patterns)


def _limit(which: int, most: int) -> bool:
    """False where the system refuses. A lower limit that is set already holds."""
    _soft, hard = resource.getrlimit(which)
    most = most if hard == resource.RLIM_INFINITY else min(most, hard)
    try:
        resource.setrlimit(which, (most, most))
    except (ValueError, OSError):
        return False
    return True
