"""A pipeline made ready to run: its model known, its keys computable, and its way to JSON and back.

A run group keeps its pipeline as JSON, so that whichever engine takes it up runs what was asked for, whatever became of
the YAML meanwhile. A plug-in that has another version by then shows in the keys.
"""

from __future__ import annotations

import json
import pickle
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from docmill import definitions, registry
from docmill.domain import identity
from docmill.domain.contracts import Embedder, ModelInfo
from docmill.domain.jobs import LegPlan
from docmill.domain.params import EmbedParams, ParseParams, StoreParams
from docmill.domain.planning import PlannedGroup, PlannedStep, RowsKeys
from docmill.domain.workflow import Pipeline, ResolvedStep, StepType

_LEG = (StepType.VALIDATE, StepType.PARSE, StepType.ENRICH, StepType.CHUNK)
_STORED = (StepType.PARSE, StepType.CHUNK)  # the steps whose output is kept as an artifact
_POLICY = ("retries", "timeout_s", "retry_delay", "backoff_multiplier", "jitter")
DEFAULT_TIMEOUT_S = 300.0


@dataclass(frozen=True)
class CompiledPipeline:
    """``model`` is the embedder's, described but not loaded."""

    definition: Pipeline
    model: ModelInfo

    def variant(self, profile: str) -> CompiledPipeline:
        """The pipeline of documents of a profile; this one where it knows none of that name."""
        return self._variants.get(profile, self)

    @cached_property
    def _variants(self) -> dict[str, CompiledPipeline]:
        definition = self.definition
        return {
            profile: CompiledPipeline(replace(definition, steps=steps, variants={}), self.model)
            for profile, steps in definition.variants.items()
        }

    @cached_property
    def leg(self) -> tuple[ResolvedStep, ...]:
        """The steps that a document worker does in one go."""
        return tuple(step for step in self.definition.steps if step.type in _LEG)

    @cached_property
    def leg_plan(self) -> bytes:
        """What a worker needs to know for all documents, pickled once; it reads the same bytes once, too."""
        steps = tuple((step.name, step.type.value, step.method, step.params) for step in self.leg)
        return pickle.dumps(LegPlan(steps, self.embed.method, self.embed_params))

    @cached_property
    def stored(self) -> frozenset[str]:
        return frozenset(step.name for step in self.leg if step.type in _STORED)

    @cached_property
    def chunk_name(self) -> str:
        return self._only(StepType.CHUNK).name

    @cached_property
    def embed(self) -> ResolvedStep:
        return self._only(StepType.EMBED)

    @cached_property
    def embed_params(self) -> EmbedParams:
        params = self.embed.params
        assert isinstance(params, EmbedParams)
        return params

    @property
    def asking(self) -> str:
        """What a search needs to know to load the same model, as JSON: the parameters that are not as by default."""
        return self.embed_params.model_dump_json(exclude_defaults=True, exclude=EmbedParams.tuned())

    def asks_otherwise(self, record: str) -> bool:
        """Whether another pipeline, as :attr:`record` has it, loads its model by other parameters."""
        embed = next(step for step in json.loads(record)["steps"] if step["type"] == StepType.EMBED.value)
        own = self.embed_params.model_dump(mode="json", exclude=EmbedParams.tuned())
        return any(embed["params"].get(name, value) != value for name, value in own.items())

    @cached_property
    def parse_params(self) -> ParseParams:
        params = self._only(StepType.PARSE).params
        assert isinstance(params, ParseParams)
        return params

    @property
    def password_files(self) -> set[str]:
        """That documents of any profile are tried with."""
        named = (each.parse_params.password_file for each in (self, *self._variants.values()))
        return {name for name in named if name is not None}

    @cached_property
    def store_params(self) -> StoreParams:
        params = self._only(StepType.STORE).params
        assert isinstance(params, StoreParams)
        return params

    @property
    def database(self) -> str:
        return self.store_params.database

    @cached_property
    def embedder_key(self) -> str:
        """The same for pipelines whose texts can be embedded together."""
        return f"{self.embed.method} {self.model.fingerprint}"

    @cached_property
    def leg_timeout_s(self) -> float:
        """The hard limit of a document's time in a worker."""
        return sum(step.timeout_s or DEFAULT_TIMEOUT_S for step in self.leg)

    @cached_property
    def rows_key(self) -> str:
        """Changes whenever any step would give a document without a profile another result, or put it elsewhere."""
        return list(self.step_keys("", "", {}).values())[-1]

    @cached_property
    def rows_keys(self) -> RowsKeys:
        return RowsKeys(self.rows_key, {profile: each.rows_key for profile, each in self._variants.items()})

    @property
    def key(self) -> str:
        """Changes whenever any document would be given another result, or be put elsewhere."""
        return self.rows_keys.all

    def step_keys(self, content_hash: str, suffix: str, meta: dict[str, Any]) -> dict[str, str]:
        """The key of each step, by its name, for a document's content.

        The suffix counts, as it decides between kinds of text; so does the metadata given at ingestion, from chunking
        on, as a title is part of what is embedded.
        """
        keys: dict[str, str] = {}
        upstream = f"{content_hash} {suffix}"
        for step in self.definition.steps:
            if step.type is StepType.CHUNK and meta:
                upstream = f"{upstream} {json.dumps(meta, sort_keys=True)}"
            upstream = keys[step.name] = self._key_makers[step.name](upstream)
        return keys

    @cached_property
    def _key_makers(self) -> dict[str, Callable[[str], str]]:
        modelled = (StepType.CHUNK, StepType.EMBED, StepType.STORE)
        return {
            step.name: identity.step_keys(
                step.type.value,
                step.method,
                step.version,
                step.params.key_fields(),
                self.model.fingerprint if step.type in modelled else "",
            )
            for step in self.definition.steps
        }

    @cached_property
    def record(self) -> str:
        """As a run group keeps it: :func:`load` makes it ready again."""
        return dump(self.definition, self.model)

    def planned_group(self, batch_id: int) -> PlannedGroup:
        return PlannedGroup(
            batch_id=batch_id,
            workflow=self.definition.workflow,
            params=self.definition.params,
            pipeline=self.record,
            rows_keys=self.rows_keys,
            database=self.database,
            model=self.model.name,
            model_fingerprint=self.model.fingerprint,
            steps=tuple(PlannedStep(step.name, step.type.value, step.retries) for step in self.definition.steps),
            handlers=self.definition.handlers,
            asking=self.asking,
        )

    def _only(self, step_type: StepType) -> ResolvedStep:
        return next(step for step in self.definition.steps if step.type is step_type)


def compile_pipeline(definition: Pipeline) -> CompiledPipeline:
    """Ask the embedder for its model. Raises ModelMissing where it is not installed."""
    step = next(step for step in definition.steps if step.type is StepType.EMBED)
    embedder: Embedder = registry.load("embedders", step.method)
    assert isinstance(step.params, EmbedParams)
    return CompiledPipeline(definition, embedder.describe(step.params))


def dump(definition: Pipeline, model: ModelInfo) -> str:
    return json.dumps(
        {
            "workflow": definition.workflow,
            "params": definition.params,
            "model": f"{model.name} {model.fingerprint}",
            "steps": _steps_out(definition.steps),
            "variants": {profile: _steps_out(steps) for profile, steps in definition.variants.items()},
        },
        ensure_ascii=False,
    )


def load(text: str) -> CompiledPipeline:
    """What :func:`dump` wrote. Raises DefinitionError where a plug-in has gone."""
    record = json.loads(text)
    variants = {profile: _steps_in(steps) for profile, steps in record.get("variants", {}).items()}
    definition = Pipeline(record["workflow"], record["params"], _steps_in(record["steps"]), variants=variants)
    return compile_pipeline(definition)


def _steps_out(steps: tuple[ResolvedStep, ...]) -> list[dict[str, Any]]:
    return [
        {
            "name": step.name,
            "type": step.type.value,
            "method": step.method,
            "version": step.version,
            "params": step.params.model_dump(mode="json"),
            "counting": sorted(step.params.key_fields()),
            **{name: getattr(step, name) for name in _POLICY},
        }
        for step in steps
    ]


def _steps_in(record: list[dict[str, Any]]) -> tuple[ResolvedStep, ...]:
    return tuple(
        definitions.resolve_step(
            step["name"],
            StepType(step["type"]),
            step["method"],
            step["params"],
            **{name: step.get(name) for name in _POLICY},  # a run group of an older docmill lacks some
        )
        for step in record
    )
