"""From names to a pipeline that can run: definitions resolved, and the model in place."""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from dataclasses import replace
from pathlib import Path

from docmill.domain.events import MessageEvent, Reporter
from docmill.domain.workflow import Pipeline, StepType
from docmill.engine.pipelines import CompiledPipeline, compile_pipeline
from docmill.errors import DefinitionError, ModelMissing
from docmill.models import store
from docmill.service import definitions, prerequisites


def prepare(
    home: Path,
    reporter: Reporter,
    workflow: str,
    params: str,
    overrides: Sequence[str],
    profiles: Collection[str] = (),
) -> CompiledPipeline:
    """A pipeline that work can begin with. ``profiles``: of documents that have some parameters of their own.

    Raises as :func:`resolved`, MissingError where OCR is asked for and not installed, DefinitionError where a password
    file cannot be read.
    """
    pipeline = resolved(home, reporter, workflow, params, overrides, profiles)
    prerequisites.require(pipeline.definition, reporter)
    _warn_of_clocks(pipeline, reporter)
    return pipeline


def _warn_of_clocks(pipeline: CompiledPipeline, reporter: Reporter) -> None:
    """A parser that stops by itself keeps what it has; one that is ended by the workflow's clock keeps nothing."""
    soft, hard = pipeline.parse_params.max_seconds, pipeline.leg_timeout_s
    if soft >= hard:
        reporter.emit(
            MessageEvent(
                "warning",
                f"parse.max_seconds ({soft:g} s) comes to nothing: the timeout_s of the workflow end a document after"
                f" {hard:g} s, and nothing of it is kept then",
            )
        )


def resolved(
    home: Path,
    reporter: Reporter,
    workflow: str,
    params: str,
    overrides: Sequence[str],
    profiles: Collection[str] = (),
) -> CompiledPipeline:
    """A pipeline whose keys can be told, whether or not work could begin with it.

    Raises DefinitionError, and ModelMissing where the model is not installed and cannot be.
    """
    definition = definitions.resolve(home, workflow, params, list(overrides))
    variants = {}
    for profile in sorted(filter(None, profiles)):
        own = definitions.resolve(home, workflow, params, [*overrides, *json.loads(profile)])
        for step, other in zip(definition.steps, own.steps, strict=True):
            if step.type in (StepType.EMBED, StepType.STORE) and step != other:
                said = ", ".join(json.loads(profile))
                raise DefinitionError(
                    f"{step.type.value} is the same for all documents of a source; a rule has {said}",
                    hint="rules for files may set values of validate, parse, enrich and chunk",
                )
        variants[profile] = own.steps
    return compile_with_model(replace(definition, variants=variants), reporter)


def compile_with_model(definition: Pipeline, reporter: Reporter) -> CompiledPipeline:
    """A model that is missing is installed on the way: once, here, before any worker asks for it."""
    try:
        return compile_pipeline(definition)
    except ModelMissing as error:
        name = error.context.get("model")
        if not isinstance(name, str):
            raise  # its hint says how to get it
        quantization = error.context.get("quantization", "fp32")
        form = "" if quantization == "fp32" else f" as {quantization}"
        reporter.emit(MessageEvent("info", f"installing the embedding model {name}{form}"))
        store.ensure(name, store.default_cache(), quantization)
        return compile_pipeline(definition)
