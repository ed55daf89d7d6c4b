"""The home, workflows and param sets."""

from __future__ import annotations

from typing import Any

from docmill.domain.results.shared import Page, Result


class InitResult(Result):
    home: str
    created: bool
    message: str


class Problem(Result):
    """One finding in a definition. ``path`` is the key's path, such as ``steps[2].retries``; ``line`` is 1-based.

    ``level``: ``error`` makes the definition unusable; ``note`` only tells.
    """

    file: str
    line: int | None
    path: str
    message: str
    suggestion: str | None = None
    level: str = "error"


class DefinitionSummary(Result):
    id: str
    name: str
    description: str
    source: str
    file: str


class DefinitionList(Page):
    """``problems`` belong to files that could not be read; they never hide the others."""

    kind: str
    definitions: list[DefinitionSummary]
    problems: list[Problem]


class DefinitionShown(Result):
    kind: str
    id: str
    source: str
    file: str
    definition: dict[str, Any]
    yaml: str


class ValidationResult(Result):
    """``reason`` is set where the exit code is not 0."""

    kind: str
    valid: bool
    checked: list[str]
    problems: list[Problem]


class DefinitionAdded(Result):
    kind: str
    id: str
    file_path: str
    message: str


class DefinitionDeleted(Result):
    kind: str
    id: str
    message: str


class ParamTargets(Page):
    database: str
    param_sets: list[DefinitionSummary]
