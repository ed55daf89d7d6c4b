"""The home, workflows and param sets."""

from __future__ import annotations

from typing import Any

from pydantic import Field

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


class ParamDifference(Result):
    """A value that two param sets give a step. ``tuning``: it changes speed, never a result. None also: there is none.

    ``name`` is ``method`` where the plug-in is another.
    """

    step: str
    type: str
    name: str
    a: Any
    b: Any
    tuning: bool


class StepAgain(Result):
    """Whether a step would run again for documents that A has processed, and why or why not."""

    step: str
    type: str
    again: bool
    why: str


class ParamsDiff(Result):
    """``a`` and ``b``: ids. ``alike``: they give every document the same result, in the same database."""

    workflow: str
    a: str
    b: str
    alike: bool
    differences: list[ParamDifference]
    steps: list[StepAgain]
    notes: list[str]


class TokenCounts(Result):
    """Of passages, by the embedding model's tokenizer."""

    total: int
    mean: float
    min: int
    max: int


class TriedPassage(Result):
    """``context``: what is put in front of it for the model."""

    position: int
    char_start: int
    char_end: int
    tokens: int
    page_start: int | None
    page_end: int | None
    headings: list[str]
    context: str
    text: str


class TriedFailure(Result):
    stage: str
    error_code: str
    error_message: str
    hint: str | None


class ParamsTested(Page):
    """What a param set makes of one file. ``total``, ``limit`` and ``offset`` are of ``chunks``.

    coverage: the share of the text's characters that lie in passages, white space not counted. seconds: by step.
    members: files in it, which would become documents of their own. ``failure`` and ``reason`` where it failed.
    """

    params: str
    workflow: str
    file: str
    size_bytes: int
    type: str | None = None
    title: str | None = None
    metadata: dict[str, Any] = Field(default_factory=dict)
    characters: int = 0
    pages: int | None = None
    members: int = 0
    degraded: list[str] = Field(default_factory=list)
    warnings: list[str] = Field(default_factory=list)
    chunker: str
    tokens: TokenCounts | None = None
    coverage: float | None = None
    seconds: dict[str, float]
    chunks: list[TriedPassage]
    failure: TriedFailure | None = None
    reason: str | None = None


class GraphNode(Result):
    """A step. ``process``: which runs it. ``parameters``: those that the definitions state. ``keeps``: its output is
    kept, and used again.
    """

    name: str
    type: str
    method: str
    process: str
    retries: int | None
    timeout_s: float | None
    parameters: dict[str, Any]
    keeps: bool


class GraphEdge(Result):
    """From a step to the next, by their names; ``carries``: what goes over."""

    start: str
    end: str
    carries: str


class WorkflowGraph(Result):
    """``handlers``: how many are told of each event. ``path`` and ``size_bytes``: of the file that was written."""

    id: str
    name: str
    description: str
    params: str | None
    nodes: list[GraphNode]
    edges: list[GraphEdge]
    handlers: dict[str, int]
    path: str | None = None
    size_bytes: int | None = None
