"""A pipeline as a run group wrote it down: good for its step keys alone, and needs neither plug-ins nor a model.

What a group has made goes by these keys, also once a plug-in has another version, or is not there any more.
"""

from __future__ import annotations

import json
from typing import Any

from docmill.domain.contracts import ModelInfo
from docmill.domain.params import StepParams
from docmill.domain.workflow import Pipeline, ResolvedStep, StepType
from docmill.engine.pipelines import CompiledPipeline


class _RecordedParams(StepParams):
    """The values that counted when the group was made."""

    counted: dict[str, Any]

    def key_fields(self) -> dict[str, Any]:
        return self.counted


def find_recorded(text: str) -> CompiledPipeline | None:
    """From what ``pipelines.dump`` wrote. None where an older docmill wrote it, which left out what the keys need."""
    record = json.loads(text)
    try:
        name, _, fingerprint = record["model"].rpartition(" ")
        variants = {profile: _steps(steps) for profile, steps in record["variants"].items()}
        definition = Pipeline(record["workflow"], record["params"], _steps(record["steps"]), variants=variants)
    except KeyError:
        return None
    return CompiledPipeline(definition, ModelInfo(name, "", fingerprint, dimension=0, max_tokens=0))


def _steps(record: list[dict[str, Any]]) -> tuple[ResolvedStep, ...]:
    """Raises KeyError."""
    return tuple(
        ResolvedStep(
            step["name"],
            StepType(step["type"]),
            step["method"],
            step["version"],
            _RecordedParams(counted={name: step["params"][name] for name in step["counting"]}),
            retries=None,
            timeout_s=None,
        )
        for step in record
    )
