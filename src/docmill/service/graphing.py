"""A workflow as a graph: its steps, what goes from one to the next, and who is told. Written as SVG where asked for."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from docmill.definitions import files, resolving
from docmill.definitions.files import PARAM_SET, WORKFLOW
from docmill.domain import graph_svg
from docmill.domain.results import GraphEdge, GraphNode, WorkflowGraph
from docmill.domain.workflow import ResolvedStep, StepSpec, StepType
from docmill.service.definitions import home_if_any
from docmill.settings import Settings
from docmill.stores import outputs

DOCUMENT_WORKER, EMBED_WORKER, ENGINE = "document worker", "embed worker", "engine"
_PROCESSES = {StepType.EMBED: EMBED_WORKER, StepType.STORE: ENGINE}
_KEPT = (StepType.PARSE, StepType.CHUNK, StepType.EMBED)
_GIVES = {
    StepType.VALIDATE: "file",
    StepType.PARSE: "text",
    StepType.ENRICH: "text",
    StepType.CHUNK: "passages",
    StepType.EMBED: "vectors",
}
SOURCE, TARGET = "source", "database"
_NO_VALUES = files.load_text(PARAM_SET, "id: none\nname: None\n", Path("-"), "user")  # a workflow by itself


def graph(settings: Settings, workflow: str, *, params: str | None = None) -> WorkflowGraph:
    """A workflow, by id or file, with the values of a param set where one is named.

    Raises DefinitionNotFound, DefinitionError.
    """
    home = home_if_any(settings)
    loaded = files.given(WORKFLOW, workflow, home)
    chosen = _NO_VALUES if params is None else files.given(PARAM_SET, params, home)
    pipeline = resolving.combine(loaded, chosen)
    definition = loaded.definition
    stated = [{**spec.parameters, **chosen.definition.config.get(spec.type, {})} for spec in definition.steps]
    nodes = [_node(*each) for each in zip(definition.steps, pipeline.steps, stated, strict=True)]
    return WorkflowGraph(
        id=definition.id,
        name=definition.name,
        description=definition.description,
        params=chosen.definition.id if params is not None else None,
        nodes=nodes,
        edges=_edges(pipeline.steps),
        handlers={event.value: len(told) for event, told in definition.lifecycle.items() if told},
    )


def write_svg(settings: Settings, made: WorkflowGraph, output: str) -> WorkflowGraph:
    """As a picture that needs nothing else, into a file that is whole or absent, or into stdout for ``-``.

    Returns the graph with where it is. Raises StorageError; BrokenPipeError where whoever read stdout has had enough.
    """
    path = outputs.place(output)
    with outputs.stream(path, home_if_any(settings)) as stream:
        stream.write(graph_svg.drawn(made).encode())
    return made.model_copy(update={"path": str(path) if path else None, "size_bytes": stream.size_bytes})


def _node(spec: StepSpec, step: ResolvedStep, stated: dict[str, Any]) -> GraphNode:
    return GraphNode(
        name=step.name,
        type=step.type.value,
        method=step.method,
        process=_PROCESSES.get(step.type, DOCUMENT_WORKER),
        retries=spec.retries,
        timeout_s=spec.timeout_s,
        parameters={name: value for name, value in stated.items() if name != "method"},
        keeps=step.type in _KEPT,
    )


def _edges(steps: tuple[ResolvedStep, ...]) -> list[GraphEdge]:
    names = [SOURCE, *(step.name for step in steps), TARGET]
    carried = ["file", *(_GIVES.get(step.type, "rows") for step in steps)]
    return [
        GraphEdge(start=start, end=end, carries=carries)
        for start, end, carries in zip(names, names[1:], carried, strict=False)
    ]
