"""Lays the values of several sources over each other, and tells of each bad value where it came from."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from docmill.definitions.findings import Place, from_item, nearest
from docmill.definitions.plugins import StepPlugin
from docmill.domain.params import StepParams
from docmill.domain.results import Problem


@dataclass(frozen=True, slots=True)
class Layer:
    """Values, and the place where they are written."""

    values: Mapping[str, Any]
    place: Place


def effective(plugin: StepPlugin, layers: Sequence[Layer]) -> tuple[StepParams | None, list[Problem]]:
    """The plug-in's parameters under all layers, the last one on top; None where there are findings."""
    known = plugin.params.model_fields
    problems = [
        layer.place.problem((key,), f"{plugin.words} has no parameter {key!r}", nearest(key, known))
        for layer in layers
        for key in layer.values
        if key not in known
    ]
    merged: dict[str, Any] = {}
    owner: dict[str, Layer] = {}
    for layer in layers:
        for key, value in layer.values.items():
            if key in known:
                merged[key] = value
                owner[key] = layer
    try:
        params = plugin.params.model_validate_json(json.dumps(merged))
    except ValidationError as error:
        top = next((layer for layer in reversed(layers) if layer.values), layers[-1])
        return None, problems + _located(error, merged, owner, top, plugin)
    return (None if problems else params), problems


def _located(
    error: ValidationError, merged: dict[str, Any], owner: Mapping[str, Layer], top: Layer, plugin: StepPlugin
) -> list[Problem]:
    """Each finding in the layer that set the value; what concerns several values, in the topmost."""
    problems = []
    for item in error.errors(include_url=False):
        key = str(item["loc"][0]) if item["loc"] else None
        layer = owner.get(key, top) if key else top
        problems.append(from_item(item, merged, layer.place, plugin.params))
    return problems
