"""Whether what a worker answers can be an answer about its document at all.

A worker that a hostile file has taken over may answer anything that answers.py lets through. It can lie about the text
of its document; what it says must not bring the engine down, and not stand for the results of others.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Protocol

from docmill.domain.documents import Chunk, ChunkedDocument, Member, Warning  # noqa: A004 - the field's word
from docmill.domain.identity import assets_key
from docmill.domain.jobs import ArtifactRef, Failure, LegOutcome, StepOutcome
from docmill.engine.pipelines import CompiledPipeline

_MOST = 2**31  # of what a database's columns hold


class Asked(Protocol):
    """What a worker was asked about a document: the steps, and the keys of their outputs by their names."""

    @property
    def pipeline(self) -> CompiledPipeline: ...

    @property
    def keys(self) -> Mapping[str, str]: ...


def is_sound(outcome: Any, work: Asked) -> bool:
    """All steps of this document's leg and its passages, or those up to its failure, in the types that are promised."""
    if type(outcome) is not LegOutcome or type(outcome.steps) is not tuple:
        return False
    leg = [step.name for step in work.pipeline.leg]
    if outcome.failure is not None:
        if outcome.content is not None or not _is_failure(outcome.failure, leg):
            return False
        leg = leg[: leg.index(outcome.failure.stage)]
    elif not _is_content(outcome.content):
        return False
    return (
        len(outcome.steps) == len(leg)
        and all(_is_step(step, name, work) for step, name in zip(outcome.steps, leg, strict=True))
        and _are_texts(outcome.worker_id, outcome.failed_at or "")
    )


def _is_step(step: Any, name: str, work: Asked) -> bool:
    if type(step) is not StepOutcome or step.name != name:
        return False
    key = work.keys[name]
    return (
        _are_texts(step.started_at, step.completed_at)
        and type(step.seconds) is float
        and type(step.reused) is bool
        and _is_record(step.meta)
        and _is_ref(step.ref, key)
        and (step.assets is None or _is_ref(step.assets, assets_key(key)))
    )


def _is_ref(ref: Any, key: str) -> bool:
    """An artifact of this very step, and of no other's."""
    return ref is None or (
        type(ref) is ArtifactRef
        and ref.step_key == key
        and _are_texts(ref.digest, ref.created_at)
        and _is_size(ref.size_bytes)
    )


def _is_content(content: Any) -> bool:
    return (
        type(content) is ChunkedDocument
        and _are_texts(content.type, content.title or "")
        and _is_record(content.metadata)
        and all(type(each) is tuple for each in (content.warnings, content.chunks, content.members))
        and all(type(each) is Warning and _are_texts(each.code, each.message) for each in content.warnings)
        and all(type(each) is Chunk and _is_chunk(each) for each in content.chunks)
        and all(type(each) is Member and _is_member(each) for each in content.members)
        and _are_counts(*content.page_characters)
    )


def _is_chunk(chunk: Chunk) -> bool:
    return (
        _are_texts(chunk.text, chunk.context, *chunk.headings)
        and _are_counts(chunk.char_start, chunk.char_end, chunk.tokens, chunk.lead_chars)
        and _are_counts(chunk.page_start or 0, chunk.page_end or 0)
    )


def _is_member(member: Member) -> bool:
    return _are_texts(member.name, member.content_hash, member.suffix) and _is_size(member.size_bytes)


def _is_failure(failure: Any, leg: list[str]) -> bool:
    return (
        type(failure) is Failure
        and failure.stage in leg
        and _are_texts(failure.code, failure.message, failure.hint or "")
        and type(failure.permanent) is type(failure.retried) is bool
    )


def _are_texts(*values: Any) -> bool:
    """Text that can be written: SQLite, JSON and Arrow refuse halves of a character."""
    try:
        return {*map(type, values)} <= {str} and "".join(values).encode() is not None
    except UnicodeEncodeError:
        return False


def _are_counts(*values: Any) -> bool:
    return {*map(type, values)} <= {int} and all(0 <= each < _MOST for each in values)


def _is_size(value: Any) -> bool:
    return type(value) is int and 0 <= value < 2**63


def _is_record(value: Any) -> bool:
    try:
        return value == {} or (type(value) is dict and _are_texts(json.dumps(value, ensure_ascii=False)))
    except (TypeError, ValueError, RecursionError):
        return False
