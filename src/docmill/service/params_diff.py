"""What differs between two param sets, and which steps would run again for it. Reads YAML; needs no model."""

from __future__ import annotations

import json
from typing import Any

from docmill.definitions import files, resolving
from docmill.definitions.files import PARAM_SET, WORKFLOW
from docmill.domain.contracts import ModelInfo
from docmill.domain.params import EmbedParams
from docmill.domain.results import ParamDifference, ParamsDiff, StepAgain
from docmill.domain.workflow import Pipeline, ResolvedStep, StepType
from docmill.engine.pipelines import CompiledPipeline
from docmill.service.definitions import home_if_any
from docmill.settings import Settings

_MEANS = {
    StepType.VALIDATE: "files are looked at again",
    StepType.PARSE: "files are read again",
    StepType.ENRICH: "metadata is made again",
    StepType.CHUNK: "documents are cut again",
    StepType.EMBED: "only texts that have no vector of its model yet",
    StepType.STORE: "the passages of every document are replaced",
}


def diff(settings: Settings, a: str, b: str, *, workflow: str = "batch") -> ParamsDiff:
    """``a``, ``b``: ids or files. Compared are the values that steps get, whether the YAML states them or not.

    Raises DefinitionNotFound, DefinitionError.
    """
    home = home_if_any(settings)
    flow = files.get(WORKFLOW, workflow, home)
    one, other = (resolving.combine(flow, files.given(PARAM_SET, each, home)) for each in (a, b))
    found = [each for before, after in zip(one.steps, other.steps, strict=True) for each in _differences(before, after)]
    steps = _again(one, other)
    return ParamsDiff(
        workflow=workflow,
        a=one.params,
        b=other.params,
        alike=not any(each.again for each in steps),
        differences=found,
        steps=steps,
        notes=_notes(one, other),
    )


def _differences(before: ResolvedStep, after: ResolvedStep) -> list[ParamDifference]:
    values = [each.params.model_dump(mode="json") for each in (before, after)]
    tuned = before.params.tuned() | after.params.tuned()
    named: list[tuple[str, Any, Any, bool]] = [("method", before.method, after.method, False)]
    named += [(name, values[0].get(name), values[1].get(name), name in tuned) for name in {**values[0], **values[1]}]
    return [
        ParamDifference(step=after.name, type=after.type.value, name=name, a=was, b=now, tuning=tuning)
        for name, was, now, tuning in named
        if was != now
    ]


def _again(one: Pipeline, other: Pipeline) -> list[StepAgain]:
    """By the very keys that runs go by."""
    before, after = _keys(one), _keys(other)
    told: list[StepAgain] = []
    for step, earlier in zip(other.steps, one.steps, strict=True):
        again = before[step.name] != after[step.name]
        own = (step.method, step.params.key_fields()) != (earlier.method, earlier.params.key_fields())
        if not again:
            why = "what it has made is used again"
        elif own or not any(each.again for each in told):
            why = _MEANS[step.type] + ("" if own else ": it counts by the model's tokens")
        else:
            why = f"{_MEANS[step.type]}, because {next(each.step for each in told if each.again)} does"
        told.append(StepAgain(step=step.name, type=step.type.value, again=again, why=why))
    return told


def _keys(pipeline: Pipeline) -> dict[str, str]:
    """Of some document. What stands for the model changes whenever the model does, and needs none to be installed."""
    model = ModelInfo("", "", _model(pipeline), dimension=1, max_tokens=1)
    return CompiledPipeline(pipeline, model).step_keys("", "", {})


def _model(pipeline: Pipeline) -> str:
    step = pipeline.step(StepType.EMBED)
    assert isinstance(step.params, EmbedParams)
    return json.dumps([step.method, step.version, step.params.key_fields()], sort_keys=True)


def _notes(one: Pipeline, other: Pipeline) -> list[str]:
    """What keys do not tell: what becomes of databases."""
    model_differs = _model(one) != _model(other)
    if one.database != other.database:
        return [
            f"{other.params} writes the database {other.database!r}: what lies in {one.database!r} stays as it is,"
            " and is not kept up to date any more by what uses the other"
        ]
    if model_differs:
        return [
            f"both write the database {one.database!r}, which holds vectors of one model: whichever comes second is"
            " refused, unless it writes another, such as by --set store.database=NAME"
        ]
    return []
