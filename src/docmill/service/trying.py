"""A dry run of one file up to its passages, in the sandboxed worker that real runs use. Nothing of it is kept."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import CancelledError
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from docmill.definitions import files, resolving
from docmill.definitions.files import PARAM_SET, WORKFLOW
from docmill.domain import uris
from docmill.domain.changes import HashedFile
from docmill.domain.documents import Chunk, ParsedDocument
from docmill.domain.events import Reporter
from docmill.domain.failures import words_of
from docmill.domain.jobs import ArtifactRef, LegJob, LegOutcome
from docmill.domain.results import ParamsTested, TokenCounts, TriedFailure, TriedPassage
from docmill.engine import worker
from docmill.engine.pipelines import CompiledPipeline
from docmill.engine.pools import Pools
from docmill.engine.sound import is_sound
from docmill.engine.worker_process import WorkerDied
from docmill.errors import (
    DamagedArtifact,
    DocmillError,
    DocumentError,
    DocumentTimeout,
    NotFoundError,
    ProcessingError,
    SourceFileMissing,
    StorageError,
    UsageError,
    WorkerCrashed,
)
from docmill.service import prerequisites
from docmill.service.definitions import home_if_any
from docmill.service.pipelines import compile_with_model
from docmill.settings import Settings
from docmill.sources import folder as folders
from docmill.stores.artifacts import ArtifactStore


def test(
    settings: Settings,
    reporter: Reporter,
    params: str,
    file: str,
    *,
    workflow: str = "batch",
    overrides: Sequence[str] = (),
    limit: int,
    offset: int,
) -> ParamsTested:
    """What a param set, by id or file, makes of a file. Of the passages ``limit`` from ``offset`` are shown.

    The home, where there is one, gives its definitions and is not written to. Raises NotFoundError where there is no
    such file, UsageError for a folder, DefinitionError, MissingError.
    """
    home = home_if_any(settings)
    loaded = files.given(PARAM_SET, params, home)
    definition = resolving.combine(files.get(WORKFLOW, workflow, home), loaded, overrides)
    path = Path(file).expanduser().absolute()
    hashed = _hashed(path)
    prerequisites.require(definition, reporter)
    pipeline = compile_with_model(definition, reporter)
    with tempfile.TemporaryDirectory(prefix="docmill-") as place:
        trial = _Trial(Path(place), pipeline, hashed)
        outcome, failure = trial.run(settings)
        parsed = trial.parsed(outcome)
    return _result(
        _Tried(loaded.definition.id, workflow, path, hashed, pipeline, outcome, failure, parsed), limit, offset
    )


def _hashed(path: Path) -> HashedFile:
    if path.is_dir():
        raise UsageError(f"{path} is a folder", hint="name one file")
    try:
        return folders.hash_file(folders.found_file(path, uris.encode(path.name)))
    except SourceFileMissing:
        raise NotFoundError(f"there is no file {path}") from None
    except DocumentError as error:
        raise StorageError(error.message, hint=error.hint) from None


class _Trial:
    """One leg in a folder that stands for a home. Fits :class:`docmill.engine.sound.Asked`."""

    def __init__(self, place: Path, pipeline: CompiledPipeline, hashed: HashedFile) -> None:
        self.place = place
        self.pipeline = pipeline
        self._hashed = hashed
        self.keys: Mapping[str, str] = pipeline.step_keys(hashed.content_hash, hashed.file.suffix, {})

    def run(self, settings: Settings) -> tuple[LegOutcome | None, TriedFailure | None]:
        """What its worker says of it, or why it failed. Raises what is not the document's fault."""
        pools = Pools(self.place, settings)
        limit = self.pipeline.leg_timeout_s
        try:
            task = pools.solo().submit(None, worker.run_legs, self.pipeline.leg_plan, [self._job()], timeout=limit)
            outcome = self._believed(task.result())
        except TimeoutError:
            return None, self._failure(DocumentTimeout(f"it took longer than {limit:.0f} s"))
        except (WorkerDied, CancelledError) as error:
            return None, self._failure(WorkerCrashed(f"it took its worker down: {error}"))
        except DocumentError as error:
            return None, self._failure(error)
        except DocmillError:
            raise
        except Exception as error:  # noqa: BLE001 - an answer that cannot be read is what became of the document
            return None, self._failure(ProcessingError(f"its worker could not answer: {words_of(error)}"))
        finally:
            pools.stop()
        if (failed := outcome.failure) is None:
            return outcome, None
        return outcome, TriedFailure(
            stage=failed.stage, error_code=failed.code, error_message=failed.message, hint=failed.hint
        )

    def parsed(self, outcome: LegOutcome | None) -> ParsedDocument | None:
        """What was read, where parsing has come to its end."""
        refs = [step.ref for step in outcome.steps if step.ref is not None] if outcome else []
        for ref in refs:
            if ref.step_key == self.keys[self._parse_name]:
                return self._read(ref)
        return None

    @property
    def _parse_name(self) -> str:
        return next(step.name for step in self.pipeline.leg if step.type.value == "parse")

    def _read(self, ref: ArtifactRef) -> ParsedDocument | None:
        try:
            return ParsedDocument.from_json(ArtifactStore(self.place).read(ref))
        except (DamagedArtifact, ValueError, KeyError, TypeError):
            return None

    def _believed(self, answer: Any) -> LegOutcome:
        if type(answer) is not list or len(answer) != 1 or not is_sound(answer[0], self):
            raise ProcessingError("its worker gave no answer about this document")
        outcome: LegOutcome = answer[0]
        return outcome

    def _failure(self, error: DocumentError) -> TriedFailure:
        """The step is the first: more is not known of a worker that did not answer."""
        return TriedFailure(
            stage=self.pipeline.leg[0].name, error_code=error.code, error_message=error.message, hint=error.hint
        )

    def _job(self) -> LegJob:
        file = self._hashed.file
        leg = self.pipeline.leg
        return LegJob(
            home=str(self.place),
            uri=file.uri,
            path=file.path,
            suffix=file.suffix,
            content_hash=self._hashed.content_hash,
            size_bytes=file.stat.size,
            depth=0,
            expanded_bytes=0,
            metadata={},
            keys=tuple(self.keys[step.name] for step in leg),
            refs=tuple(None for _step in leg),
        )


@dataclass(frozen=True, slots=True)
class _Tried:
    params: str
    workflow: str
    path: Path
    hashed: HashedFile
    pipeline: CompiledPipeline
    outcome: LegOutcome | None
    failure: TriedFailure | None
    parsed: ParsedDocument | None


def _result(tried: _Tried, limit: int, offset: int) -> ParamsTested:
    content = tried.outcome.content if tried.outcome else None
    chunks = content.chunks if content else ()
    parsed, steps = tried.parsed, tried.outcome.steps if tried.outcome else ()
    told = content or parsed
    warnings = told.warnings if told else ()
    failure = tried.failure
    return ParamsTested(
        params=tried.params,
        workflow=tried.workflow,
        file=str(tried.path),
        size_bytes=tried.hashed.file.stat.size,
        type=told.type if told else None,
        title=told.title if told else None,
        metadata=told.metadata if told else {},
        characters=len(parsed.text) if parsed else 0,
        pages=len(parsed.page_characters) or None if parsed else None,
        members=len(told.members) if told else 0,
        degraded=list(dict.fromkeys(each.code for each in warnings if each.degrades)),
        warnings=[f"{each.code}: {each.message}" for each in warnings],
        chunker=next(step.method for step in tried.pipeline.leg if step.name == tried.pipeline.chunk_name),
        tokens=_counts(chunks),
        coverage=_coverage(parsed.text, chunks) if parsed and chunks else None,
        seconds={step.name: round(step.seconds, 3) for step in steps},
        chunks=[_passage(at, chunks[at]) for at in range(offset, min(offset + limit, len(chunks)))],
        failure=failure,
        reason=f"it failed with {failure.error_code} at {failure.stage}" if failure else None,
        total=len(chunks),
        limit=limit,
        offset=offset,
    )


def _counts(chunks: Sequence[Chunk]) -> TokenCounts | None:
    if not chunks:
        return None
    counts = [chunk.tokens for chunk in chunks]
    return TokenCounts(total=sum(counts), mean=round(sum(counts) / len(counts), 1), min=min(counts), max=max(counts))


def _coverage(text: str, chunks: Sequence[Chunk]) -> float:
    """Of the characters that are not white space."""
    everything = _visible(text)
    outside = sum(_visible(gap) for gap in _gaps(text, chunks))
    return round(1 - outside / everything, 6) if everything else 1.0


def _gaps(text: str, chunks: Sequence[Chunk]) -> Iterator[str]:
    end = 0
    for chunk in sorted(chunks, key=lambda each: each.char_start):
        if chunk.char_start > end:
            yield text[end : chunk.char_start]
        end = max(end, chunk.char_end)
    yield text[end:]


def _visible(text: str) -> int:
    return sum(map(len, text.split()))


def _passage(position: int, chunk: Chunk) -> TriedPassage:
    names = ("char_start", "char_end", "tokens", "page_start", "page_end", "context", "text")
    return TriedPassage(
        position=position, headings=list(chunk.headings), **{name: getattr(chunk, name) for name in names}
    )
