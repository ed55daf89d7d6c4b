"""From names to a pipeline that can run: definitions resolved, and the model in place."""

from __future__ import annotations

from pathlib import Path

from docmill.domain.events import MessageEvent, Reporter
from docmill.domain.workflow import Pipeline, StepType
from docmill.engine.pipelines import CompiledPipeline, compile_pipeline
from docmill.errors import ModelMissing
from docmill.models import store
from docmill.service import definitions


def prepare(home: Path, reporter: Reporter, workflow: str, params: str, overrides: list[str]) -> CompiledPipeline:
    """Raises DefinitionError, and ModelMissing where the model is not installed and cannot be."""
    return compile_with_model(definitions.resolve(home, workflow, params, overrides), reporter)


def compile_with_model(definition: Pipeline, reporter: Reporter) -> CompiledPipeline:
    """A model that is missing is installed on the way: once, here, before any worker asks for it."""
    try:
        return compile_pipeline(definition)
    except ModelMissing:
        name: str = definition.step(StepType.EMBED).params.model  # type: ignore[attr-defined] # embed has EmbedParams
        reporter.emit(MessageEvent("info", f"installing the embedding model {name}"))
        store.ensure(name, store.default_cache())
        return compile_pipeline(definition)
