"""Makes one pipeline of a workflow, a param set and what the command line overrides.

A parameter's value is, weakest first: the plug-in's default, the workflow step's ``parameters``, the param set's
``config`` for the step's type, ``--set type.name=value``. The last two may also choose the plug-in, by ``method``.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from docmill.definitions import files, plugins
from docmill.definitions.checking import METHOD
from docmill.definitions.files import PARAM_SET, WORKFLOW, Loaded
from docmill.definitions.findings import BadDefinition, Place, nearest
from docmill.definitions.layers import Layer, effective
from docmill.definitions.yaml_text import YamlFault, scalar
from docmill.domain.results import Problem
from docmill.domain.workflow import ParamSet, Pipeline, ResolvedStep, StepSpec, StepType, Workflow
from docmill.errors import DefinitionError

_COMMAND_LINE = Place("--set")

Overrides = dict[StepType, dict[str, Any]]


def resolve(home: Path | None, workflow_id: str, params_id: str, overrides: Sequence[str] = ()) -> Pipeline:
    """The pipeline. Raises DefinitionNotFound, or DefinitionError with every finding."""
    return combine(files.get(WORKFLOW, workflow_id, home), files.get(PARAM_SET, params_id, home), overrides)


def combine(workflow: Loaded[Workflow], params: Loaded[ParamSet], overrides: Sequence[str] = ()) -> Pipeline:
    """The pipeline of definitions that were read. Raises DefinitionError with every finding."""
    given = parse_overrides(overrides, workflow.definition)
    problems: list[Problem] = []
    steps = []
    for index, spec in enumerate(workflow.definition.steps):
        shared = [
            Layer(params.definition.config.get(spec.type, {}), params.place.at("config", spec.type.value)),
            Layer(given.get(spec.type, {}), _COMMAND_LINE.at(spec.type.value)),
        ]
        alike = workflow.definition.of_type(spec.type)
        if len(alike) > 1 and spec is alike[0]:
            problems += _shared_badly(alike, shared)
        step, found = _resolve_spec(spec, workflow.place.at("steps", index), shared, several=len(alike) > 1)
        problems += found
        if step is not None:
            steps.append(step)
    if problems:
        raise BadDefinition(f"{workflow.definition.id} with {params.definition.id}", problems)
    return Pipeline(workflow.definition.id, params.definition.id, tuple(steps), workflow.definition.handlers())


def resolve_step(
    name: str,
    type_: StepType,
    method: str,
    params: Mapping[str, Any],
    *,
    retries: int | None = None,
    timeout_s: float | None = None,
    retry_delay: float | None = None,
    backoff_multiplier: float | None = None,
    jitter: float | None = None,
) -> ResolvedStep:
    """A step from values that were resolved before. Raises DefinitionError where the plug-in has changed or gone."""
    try:
        plugin = plugins.find(type_, method)
        values = plugin.params.model_validate_json(json.dumps(dict(params)))
    except plugins.UnknownPlugin as error:
        raise DefinitionError(error.message, hint=error.suggestion) from None
    except ValidationError as error:
        raise DefinitionError(
            f"the step {name!r} was planned with parameters that {plugin.words} no longer takes: {error}",
            hint="start the batch again",
        ) from None
    policy = (retries, timeout_s, retry_delay, backoff_multiplier, jitter)
    return ResolvedStep(name, type_, method, plugin.version, values, *policy)


def parse_overrides(overrides: Sequence[str], workflow: Workflow) -> Overrides:
    """``["chunk.size=200"]`` by step type. Raises DefinitionError, also for a type that the workflow lacks."""
    given: Overrides = {}
    problems: list[Problem] = []
    there = [step.type.value for step in workflow.steps]
    for text in overrides:
        key, equals, raw = text.partition("=")
        type_, dot, name = key.strip().partition(".")
        if not (equals and dot and name):
            problems.append(
                _COMMAND_LINE.problem((text,), "is not of the form type.name=value", "--set chunk.size=200")
            )
        elif type_ not in there:
            message = f"the workflow {workflow.id!r} has no step of type {type_!r}"
            problems.append(_COMMAND_LINE.problem((key,), message, nearest(type_, there)))
        else:
            try:
                given.setdefault(StepType(type_), {})[name] = scalar(raw)
            except YamlFault as fault:
                problems.append(_COMMAND_LINE.problem((key,), fault.message, "quote the value"))
    if problems:
        raise BadDefinition("what --set gives", problems)
    return given


def effective_database(params: ParamSet) -> str:
    """The database that a param set's pipelines write, as far as workflows do not say otherwise."""
    plugin = plugins.find(StepType.STORE, str(plugins.default_method(StepType.STORE)))
    values = {key: value for key, value in params.config.get(StepType.STORE, {}).items() if key != METHOD}
    database: str = plugin.params.model_validate_json(json.dumps(values)).database  # type: ignore[attr-defined] # StoreParams
    return database


def _resolve_spec(
    spec: StepSpec, place: Place, shared: Sequence[Layer], *, several: bool
) -> tuple[ResolvedStep | None, list[Problem]]:
    """``shared`` are the param set's and the command line's values for the type; ``several`` steps may share them."""
    method, chooser = spec.method or plugins.default_method(spec.type), place
    for layer in shared:
        if METHOD in layer.values:
            method, chooser = layer.values[METHOD], layer.place
    try:
        plugin = plugins.find(spec.type, str(method))
    except plugins.UnknownPlugin as error:
        return None, [chooser.problem((METHOD,), error.message, error.suggestion)]
    layers = [Layer(spec.parameters, place.at("parameters"))]
    for layer in shared:
        own = {
            k: v for k, v in layer.values.items() if k != METHOD and (not several or k in plugin.params.model_fields)
        }
        layers.append(Layer(own, layer.place))
    values, problems = effective(plugin, layers)
    if values is None:
        return None, problems
    policy = (spec.retries, spec.timeout_s, spec.retry_delay, spec.backoff_multiplier, spec.jitter)
    return ResolvedStep(spec.name, spec.type, plugin.method, plugin.version, values, *policy), []


def _shared_badly(specs: Sequence[StepSpec], shared: Sequence[Layer]) -> list[Problem]:
    """What several steps of one type cannot share: the choice of the plug-in, and keys that none of them has."""
    known: set[str] = set()
    for spec in specs:
        with suppress(plugins.UnknownPlugin):  # found and told when the step itself is resolved
            known |= set(plugins.find(spec.type, str(spec.method)).params.model_fields)
    problems = []
    for layer in shared:
        for key in layer.values:
            if key == METHOD:
                message = f"the workflow has {len(specs)} steps of this type"
                problems.append(layer.place.problem((key,), message, "choose the method in the workflow"))
            elif key not in known:
                problems.append(layer.place.problem((key,), f"no step has a parameter {key!r}", nearest(key, known)))
    return problems
