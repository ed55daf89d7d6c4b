"""What runs in child processes: the entry of document workers and of embed workers.

A worker computes and returns small outcomes. It writes artifacts; it never opens state.db or a LanceDB database.
"""

from __future__ import annotations

import contextlib
import errno
import math
import os
import pickle
import posixpath
import sys
import time
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any

from docmill.domain.contracts import SourceFile
from docmill.domain.deadline import Deadline
from docmill.domain.documents import ChunkedDocument, ParsedDocument
from docmill.domain.events import now
from docmill.domain.failures import is_out_of_memory, words_of
from docmill.domain.identity import assets_key
from docmill.domain.jobs import ArtifactRef, Failure, LegJob, LegOutcome, LegPlan, StepJob, StepOutcome
from docmill.domain.params import EmbedParams, ParseParams
from docmill.engine import processes, sandbox
from docmill.engine.sandbox import Sandbox
from docmill.errors import (
    CorruptedFile,
    DamagedArtifact,
    DecodeError,
    DefinitionError,
    DocumentError,
    EmptyDocument,
    FileChanged,
    FileTooLarge,
    MissingError,
    OutOfMemory,
    ProcessingError,
)
from docmill.sources.held import HeldFile
from docmill.stores.artifacts import ArtifactStore
from docmill.stores.faults import storage_error

_NICE = 5  # the engine is one thread that all workers wait for: where processors are short, it goes first
_NEAR_THE_LIMIT = 7 / 8  # what asks for more at once than is left does not show in the peak
_PERHAPS_OUT_OF_MEMORY = (ProcessingError, CorruptedFile, DecodeError, EmptyDocument)

_limits: Sandbox | None = None  # of this process, once it is in it


def start_document_worker(parent: int, limits: Sandbox) -> None:
    """Pool initializer."""
    global _limits
    sandbox.become_worker(parent)
    os.nice(_NICE)
    os.environ["TOKENIZERS_PARALLELISM"] = "false"
    for refused in sandbox.enter(limits):
        print(f"this system does not take all of a worker's bounds: {refused}", file=sys.stderr, flush=True)  # noqa: T201 - for the log
    _limits = limits


def start_embed_worker(parent: int, method: str, params: EmbedParams, threads: int) -> None:
    """Pool initializer: loads the model, so that it is ready when the first texts come.

    It reads texts and no files, and may need the network and its keys: it is not in the sandbox.
    """
    sandbox.become_worker(parent)
    os.environ["TOKENIZERS_PARALLELISM"] = "false"
    from docmill.steps import embed

    with contextlib.suppress(Exception):  # the first task meets the same error, and can tell it
        embed.session(method, params, threads)


def run_legs(pickled: bytes, jobs: list[LegJob]) -> list[LegOutcome]:
    """One after the other. Fewer outcomes than jobs where the next document should have a fresh worker."""
    outcomes: list[LegOutcome] = []
    for job in jobs:
        outcomes.append(run_leg(pickled, job))
        if len(jobs) > 1 and _is_near_the_limit():
            break
    return outcomes


def run_leg(pickled: bytes, job: LegJob) -> LegOutcome:
    """Everything of one document up to its chunks. Raises what is no document's fault: disk, model or plug-in gone.

    ``pickled``: a LegPlan.
    """
    plan = _plan(pickled)
    steps = [StepJob(*step, key, ref) for step, key, ref in zip(plan.steps, job.keys, job.refs, strict=True)]
    if _limits is not None:
        extra = sum(step.params.extra_seconds for step in steps if isinstance(step.params, ParseParams))
        sandbox.allot_cpu(_limits.cpu_s + math.ceil(extra))
    leg = _Leg(plan, job)
    worker = f"worker-{os.getpid()}"
    try:
        for step in steps:
            try:
                leg.run(step)
            except Exception as error:  # noqa: BLE001 - whatever a library raises is this document's outcome
                failure = leg.failure(step, error)
                return LegOutcome(worker, tuple(leg.done), failure=failure, failed_at=now())
    finally:
        leg.close()
    return LegOutcome(worker, tuple(leg.done), content=leg.content)


@lru_cache(maxsize=2)
def _artifacts(home: str) -> ArtifactStore:
    return ArtifactStore(Path(home))


@lru_cache(maxsize=16)
def _plan(pickled: bytes) -> LegPlan:
    plan: LegPlan = pickle.loads(pickled)  # noqa: S301 - the engine wrote it
    return plan


def _as_document_error(step: StepJob, error: Exception) -> DocumentError:
    """What became of the document. Raises what is no document's fault."""
    if _too_large_to_write(error):
        most = _limits.file_bytes if _limits else 0
        return FileTooLarge(
            f"{step.type} would write a file of more than {most:,} bytes", hint="raise DOCMILL_WORKER_FILE_BYTES"
        )
    if isinstance(error, MissingError | DefinitionError):
        raise error
    told = error if isinstance(error, DocumentError) else _translated(step, error)
    if isinstance(error, MemoryError) or (isinstance(told, _PERHAPS_OUT_OF_MEMORY) and _was_out_of_memory(error)):
        most = _limits.memory_bytes if _limits else 0
        return OutOfMemory(
            f"{step.type} needs more memory than a worker may have ({most // 1024**2:,} MiB)",
            hint="raise DOCMILL_WORKER_MEMORY_BYTES",
        )
    return told


def _translated(step: StepJob, error: Exception) -> DocumentError:
    if isinstance(error, OSError):
        from docmill.steps.validate import TEMPORARY, unreadable

        full = storage_error(error, f"{step.type} needs room") if error.errno in (errno.ENOSPC, errno.EDQUOT) else None
        if full is not None:  # a temporary file, or the log: no document's fault
            raise full
        if error.errno in TEMPORARY:
            return unreadable(error)
    return ProcessingError(f"{step.type} failed: {words_of(error)}")


def _too_large_to_write(error: BaseException | None) -> bool:
    """RLIMIT_FSIZE, also where what failed was an artifact."""
    while error is not None:
        if isinstance(error, OSError) and error.errno == errno.EFBIG:
            return True
        error = error.__cause__
    return False


def _was_out_of_memory(error: BaseException) -> bool:
    """Whether an error hides that memory ran out: by its words, or as the process has come close to its limit.

    It has not come close before this document: a worker that has is replaced.
    """
    if is_out_of_memory(error):
        return True
    return _is_near_the_limit()


def _is_near_the_limit() -> bool:
    found = processes.memory(os.getpid()) if _limits is not None else None
    return _limits is not None and found is not None and found.peak_bytes > _NEAR_THE_LIMIT * _limits.memory_bytes


def run_embed(method: str, params: EmbedParams, threads: int, texts: list[str]) -> bytes:
    """One micro-batch. The vectors come back as bytes: they go into the cache and into Arrow as they are."""
    from docmill.steps import embed

    return embed.embed(method, params, threads, texts)


class _Leg:
    """One document on its way through the steps of a leg."""

    def __init__(self, plan: LegPlan, job: LegJob) -> None:
        self.plan = plan
        self.job = job
        self.artifacts = _artifacts(job.home)
        self.name = posixpath.basename(job.path)
        self.held: HeldFile | None = None
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

    def failure(self, step: StepJob, error: Exception) -> Failure:
        """``error`` as the outcome of a step. Raises what is no document's fault."""
        told = _as_document_error(step, error)
        if self.held is not None:  # libraries name the path that they were given
            told.message = told.message.replace(str(self.held.path), posixpath.basename(self.job.uri))
        return Failure.of(step.name, told)

    def close(self) -> None:
        if self.held is not None:
            self.held.close()

    def _file(self) -> HeldFile:
        """The document's file, opened once for all steps."""
        if self.held is None:
            from docmill.steps.validate import unreadable

            try:
                self.held = HeldFile(self.job.path)
            except OSError as error:
                raise unreadable(error) from error
        return self.held

    def _validate(self, step: StepJob) -> tuple[bool, ArtifactRef | None, dict[str, Any]]:
        from docmill.steps.validate import validate

        self.file_type = validate(self._file(), self.name, self.job.content_hash, step.params)  # type: ignore[arg-type] # the planner pairs each type with its params
        return False, None, {"type": self.file_type.name}

    def _parse(self, step: StepJob) -> tuple[bool, ArtifactRef | None, dict[str, Any]]:
        if step.ref is not None:
            with contextlib.suppress(DamagedArtifact):  # then it is computed again
                self.parsed = ParsedDocument.from_json(self.artifacts.read(step.ref))
                return True, None, {}
        from docmill.filetypes import detect
        from docmill.steps.parse import parse
        from docmill.steps.validate import hold_to
        from docmill.stores.keeping import HomeKeeper

        params, job, file = step.params, self.job, self._file()
        assert isinstance(params, ParseParams)
        if self.file_type is None:  # a workflow without a validate step
            hold_to(file, job.content_hash)
        file_type = self.file_type or detect(file.path, name=self.name)
        keeper = HomeKeeper(
            self.artifacts.home, params, size_bytes=job.size_bytes, depth=job.depth, expanded_bytes=job.expanded_bytes
        )
        deadline, name = Deadline(params.max_seconds), posixpath.basename(job.uri)
        source = SourceFile(file.path, file_type.name, job.size_bytes, name, job.depth, deadline, keeper)
        self.parsed = replace(parse(source, step.method, params), members=keeper.members)
        if not file.unchanged:
            raise FileChanged("the file changed while it was read", hint="sync the folder again")
        assets = keeper.zipped_assets()
        if assets is not None:
            self.assets = self.artifacts.write_bytes(assets_key(step.key), assets)
        warnings = [f"{warning.code}: {warning.message}" for warning in self.parsed.warnings[:20]]
        return False, self.artifacts.write(step.key, self.parsed.to_json()), {"warnings": warnings} if warnings else {}

    def _enrich(self, step: StepJob) -> tuple[bool, ArtifactRef | None, dict[str, Any]]:
        from docmill import registry
        from docmill.steps import contract

        assert self.parsed is not None
        returned = registry.load("enrichers", step.method).enrich(self.parsed, step.params)
        added = contract.metadata(returned, f"{step.method} (enricher)")
        self.parsed = replace(self.parsed, metadata={**self.parsed.metadata, **added})
        return False, None, {"added": sorted(added)}

    def _chunk(self, step: StepJob) -> tuple[bool, ArtifactRef | None, dict[str, Any]]:
        from docmill.steps.chunk import chunk, tokenizer_of

        assert self.parsed is not None
        tokenizer = tokenizer_of(self.plan.embed_method, self.plan.embed_params)
        self.content = chunk(self.parsed, step.method, step.params, tokenizer, self.job.metadata)  # type: ignore[arg-type] # the planner pairs each type with its params
        ref = self.artifacts.write(step.key, self.content.to_json())
        return False, ref, {"chunks": len(self.content.chunks)}
