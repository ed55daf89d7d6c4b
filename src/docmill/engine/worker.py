"""What runs in child processes: the entry of document workers and of embed workers.

A worker computes and returns small outcomes. It writes artifacts; it never opens state.db or a LanceDB database.
"""

from __future__ import annotations

import contextlib
import errno
import os
import posixpath
import resource
import signal
import sys
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from docmill.domain.contracts import SourceFile
from docmill.domain.deadline import Deadline
from docmill.domain.documents import ChunkedDocument, ParsedDocument
from docmill.domain.events import now
from docmill.domain.identity import assets_key
from docmill.domain.jobs import ArtifactRef, Failure, LegJob, LegOutcome, StepJob, StepOutcome
from docmill.domain.params import EmbedParams, ParseParams
from docmill.errors import (
    DamagedArtifact,
    DefinitionError,
    DocumentError,
    FileChanged,
    MissingError,
    OutOfMemory,
    ProcessingError,
)
from docmill.stores.artifacts import ArtifactStore
from docmill.stores.faults import storage_error

_PR_SET_PDEATHSIG = 1


@dataclass(frozen=True, slots=True)
class WorkerLimits:
    """What a document worker may use. ``cpu_s`` is allotted to each document anew."""

    memory_bytes: int
    cpu_s: int


def start_document_worker(parent: int, log: str, limits: WorkerLimits) -> None:
    """Pool initializer."""
    _become_child(parent, log)
    global _cpu_s
    _cpu_s = limits.cpu_s
    with contextlib.suppress(ValueError, OSError):  # a lower hard limit is set already: that one holds
        resource.setrlimit(resource.RLIMIT_AS, (limits.memory_bytes, limits.memory_bytes))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


_cpu_s = 120


def start_embed_worker(parent: int, log: str, method: str, params: EmbedParams, threads: int) -> None:
    """Pool initializer: loads the model, so that it is ready when the first texts come."""
    _become_child(parent, log)
    from docmill.steps import embed

    with contextlib.suppress(Exception):  # the first task meets the same error, and can tell it
        embed.session(method, params, threads)


def run_leg(job: LegJob) -> LegOutcome:
    """Everything of one document up to its chunks. Raises what is no document's fault: disk, model or plug-in gone."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    _allot_cpu(int(used.ru_utime + used.ru_stime) + 1 + _cpu_s)
    leg = _Leg(job)
    worker = f"worker-{os.getpid()}"
    for step in job.steps:
        try:
            leg.run(step)
        except DocumentError as error:
            return LegOutcome(worker, tuple(leg.done), failure=Failure.of(step.name, error), failed_at=now())
        except (MissingError, DefinitionError):
            raise
        except MemoryError:
            failure = OutOfMemory("reading it needed more memory than a worker may use")
            return LegOutcome(worker, tuple(leg.done), failure=Failure.of(step.name, failure), failed_at=now())
        except Exception as error:  # noqa: BLE001 - whatever a library raises is this document's outcome
            failure_ = _as_document_error(step, error)
            return LegOutcome(worker, tuple(leg.done), failure=Failure.of(step.name, failure_), failed_at=now())
    return LegOutcome(worker, tuple(leg.done), content=leg.content)


def _as_document_error(step: StepJob, error: Exception) -> DocumentError:
    if isinstance(error, OSError):
        from docmill.steps.validate import TEMPORARY, unreadable

        full = storage_error(error, f"{step.type} needs room") if error.errno in (errno.ENOSPC, errno.EDQUOT) else None
        if full is not None:  # a temporary file, or the log: no document's fault
            raise full
        if error.errno in TEMPORARY:
            return unreadable(error)
    return ProcessingError(f"{step.type} failed: {type(error).__name__}: {str(error)[:300]}")


def run_embed(method: str, params: EmbedParams, threads: int, texts: list[str]) -> bytes:
    """One micro-batch. The vectors come back as bytes: they go into the cache and into Arrow as they are."""
    from docmill.steps import embed

    return embed.embed(method, params, threads, texts)


class _Leg:
    """One document on its way through the steps of a leg."""

    def __init__(self, job: LegJob) -> None:
        self.job = job
        self.artifacts = ArtifactStore(Path(job.home))
        self.path = Path(job.path)
        self.stat = _stat(self.path)
        self.done: list[StepOutcome] = []
        self.file_type: Any = None
        self.parsed: ParsedDocument | None = None
        self.content: ChunkedDocument | None = None
        self.assets: ArtifactRef | None = None

    def run(self, step: StepJob) -> None:
        started_at, started = now(), time.perf_counter()
        reused, ref, meta = getattr(self, f"_{step.type}")(step)
        seconds = round(time.perf_counter() - started, 6)
        assets, self.assets = self.assets, None
        self.done.append(StepOutcome(step.name, started_at, now(), seconds, reused, ref, meta, assets))

    def _validate(self, step: StepJob) -> tuple[bool, ArtifactRef | None, dict[str, Any]]:
        from docmill.steps.validate import validate

        self.file_type = validate(self.path, self.job.content_hash, step.params)  # type: ignore[arg-type] # the planner pairs each type with its params
        return False, None, {"type": self.file_type.name}

    def _parse(self, step: StepJob) -> tuple[bool, ArtifactRef | None, dict[str, Any]]:
        if step.ref is not None:
            with contextlib.suppress(DamagedArtifact):  # then it is computed again
                self.parsed = ParsedDocument.from_json(self.artifacts.read(step.ref))
                return True, None, {}
        from docmill.filetypes import detect
        from docmill.steps.parse import parse
        from docmill.stores.keeping import HomeKeeper

        params, job = step.params, self.job
        assert isinstance(params, ParseParams)
        file_type = self.file_type or detect(self.path, name=self.path.name)
        keeper = HomeKeeper(
            Path(job.home), params, size_bytes=job.size_bytes, depth=job.depth, expanded_bytes=job.expanded_bytes
        )
        deadline, name = Deadline(params.max_seconds), posixpath.basename(job.uri)
        source = SourceFile(self.path, file_type.name, job.size_bytes, name, job.depth, deadline, keeper)
        self.parsed = replace(parse(source, step.method, params), members=keeper.members)
        if _stat(self.path) != self.stat:
            raise FileChanged("the file changed while it was read", hint="sync the folder again")
        assets = keeper.zipped_assets()
        if assets is not None:
            self.assets = self.artifacts.write_bytes(assets_key(step.key), assets)
        warnings = [f"{warning.code}: {warning.message}" for warning in self.parsed.warnings[:20]]
        return False, self.artifacts.write(step.key, self.parsed.to_json()), {"warnings": warnings} if warnings else {}

    def _enrich(self, step: StepJob) -> tuple[bool, ArtifactRef | None, dict[str, Any]]:
        from docmill import registry

        assert self.parsed is not None
        added = registry.load("enrichers", step.method).enrich(self.parsed, step.params)
        self.parsed = replace(self.parsed, metadata={**self.parsed.metadata, **added})
        return False, None, {"added": sorted(added)}

    def _chunk(self, step: StepJob) -> tuple[bool, ArtifactRef | None, dict[str, Any]]:
        from docmill.steps.chunk import chunk, tokenizer_of

        assert self.parsed is not None
        tokenizer = tokenizer_of(self.job.embed_method, self.job.embed_params)
        self.content = chunk(self.parsed, step.method, step.params, tokenizer, self.job.metadata)  # type: ignore[arg-type] # the planner pairs each type with its params
        ref = self.artifacts.write(step.key, self.content.to_json())
        return False, ref, {"chunks": len(self.content.chunks)}


def _stat(path: Path) -> tuple[int, ...] | None:
    """What tells that a file is not what it was; None where it cannot be looked at."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns


def _become_child(parent: int, log: str) -> None:
    """Die with the parent, keep out of the terminal's signals and of its output."""
    if sys.platform == "linux":
        import ctypes

        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:  # it died before the line above
            os._exit(1)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    os.environ["TOKENIZERS_PARALLELISM"] = "false"
    with contextlib.suppress(OSError):
        os.setpgid(0, 0)
    descriptor = _open_log(log)
    os.dup2(descriptor, 2)
    os.dup2(descriptor, 1)
    os.close(descriptor)


def _open_log(log: str) -> int:
    """Where what libraries print goes: nowhere, if the log cannot be written, as no work depends on it."""
    try:
        return os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    except OSError:
        return os.open(os.devnull, os.O_WRONLY)


def _allot_cpu(total_seconds: int) -> None:
    """RLIMIT_CPU counts over a process's life, so each document moves the soft limit on."""
    _soft, hard = resource.getrlimit(resource.RLIMIT_CPU)
    wanted = total_seconds if hard == resource.RLIM_INFINITY else min(total_seconds, hard)
    resource.setrlimit(resource.RLIMIT_CPU, (wanted, hard))
