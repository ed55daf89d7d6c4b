"""What the shape of a definition cannot say: the order of steps, plug-ins that exist, parameters that they know."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from docmill.definitions import plugins
from docmill.definitions.findings import Place, nearest
from docmill.definitions.layers import Layer, effective
from docmill.definitions.yaml_text import kind_of
from docmill.domain.results import Problem
from docmill.domain.workflow import ParamSet, StepSpec, StepType, WebhookHandler, Workflow, order_faults

METHOD = "method"


def check_workflow(workflow: Workflow, place: Place) -> list[Problem]:
    """Every finding; those of level ``note`` leave the workflow usable."""
    problems = []
    for fault in order_faults(workflow.steps):
        path = ("steps",) if fault.index is None else ("steps", fault.index)
        problems.append(place.problem(path, fault.message, "the order is validate, parse, enrich, chunk, embed, store"))
    for index, step in enumerate(workflow.steps):
        problems += _check_step(step, place.at("steps", index))
    return problems + _unencrypted(workflow, place)


def _unencrypted(workflow: Workflow, place: Place) -> list[Problem]:
    """A note for each webhook whose token anybody on the way could read."""
    problems = []
    for event, handlers in workflow.lifecycle.items():
        for index, handler in enumerate(handlers):
            if isinstance(handler, WebhookHandler) and handler.url.startswith("http:") and handler.has_token:
                path = ("lifecycle", event.value, index, "url")
                problems.append(place.problem(path, "the token goes there unencrypted", "https://…", level="note"))
    return problems


def check_param_set(params: ParamSet, place: Place) -> list[Problem]:
    """Every finding that does not depend on a workflow."""
    problems = []
    for type_, values in params.config.items():
        problems += check_values(type_, values, place.at("config", type_.value))
    return problems


def check_values(type_: StepType, values: Mapping[str, Any], place: Place) -> list[Problem]:
    """Values for a step type as a param set gives them, over the plug-in's own defaults."""
    method = values.get(METHOD, plugins.default_method(type_))
    if method is not None and not isinstance(method, str):
        return [place.problem((METHOD,), f"must be text, not {kind_of(method)}")]
    own = {key: value for key, value in values.items() if key != METHOD}
    if method is None:
        return _unknown_to_all(type_, own, place)
    try:
        plugin = plugins.find(type_, method)
    except plugins.UnknownPlugin as error:
        return [place.problem((METHOD,), error.message, error.suggestion)]
    return effective(plugin, [Layer(own, place)])[1]


def _check_step(step: StepSpec, place: Place) -> list[Problem]:
    method = step.method or plugins.default_method(step.type)
    if method is None:
        there = ", ".join(plugins.methods(step.type)) or "none"
        return [place.problem((METHOD,), f"a step of type {step.type.value!r} names its method", f"there are: {there}")]
    try:
        plugin = plugins.find(step.type, method)
    except plugins.UnknownPlugin as error:
        return [place.problem((METHOD,), error.message, error.suggestion)]
    return effective(plugin, [Layer(step.parameters, place.at("parameters"))])[1]


def _unknown_to_all(type_: StepType, keys: Iterable[str], place: Place) -> list[Problem]:
    """Keys of a type without a default plug-in that no plug-in of this type has."""
    known: set[str] = set()
    for method in plugins.methods(type_):
        known |= set(plugins.find(type_, method).params.model_fields)
    return [
        place.problem((key,), f"no {type_.value}er has a parameter {key!r}", nearest(key, known))
        for key in keys
        if key not in known
    ]
