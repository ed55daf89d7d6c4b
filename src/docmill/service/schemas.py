"""JSON Schemas of what commands print, made of the very classes that they return.

So a schema cannot say anything else than the code does: mypy holds each command to the classes that its signature
names, pydantic to their fields.
"""

from __future__ import annotations

from typing import Any, Literal, get_args, get_type_hints

from pydantic import BaseModel, ConfigDict, create_model
from pydantic.json_schema import models_json_schema

from docmill.domain import events, results
from docmill.domain.results import ErrorDocument, JsonSchema, LogRecord

DIALECT = "https://json-schema.org/draft/2020-12/schema"
_CLOSED = ConfigDict(extra="forbid")


def of_document(title: str, names: list[str]) -> JsonSchema:
    """The one document of ``--json``: one of the results of these names, or the error."""
    return _any_of(title, [*_results(names), ErrorDocument])


def of_lines(title: str, names: list[str]) -> JsonSchema:
    """Each line of ``--events``: an event, a log entry, and at last a result of these names or the error."""
    told = [_event(kind) for kind in get_args(events.Event)]
    return _any_of(title, [*told, _log_line(), *_results(names), ErrorDocument])


def _results(names: list[str]) -> list[type[BaseModel]]:
    return [getattr(results, name) for name in names]


def _event(kind: type[events.Event]) -> type[BaseModel]:
    """The record that ``events.as_record`` makes: its type, its fields and its properties."""
    hints = {name: hint for name, hint in get_type_hints(kind).items() if name != "type"}
    for name in events.DERIVED[kind]:
        hints[name] = get_type_hints(getattr(kind, name).fget)["return"]
    return _closed(kind.__name__, kind.__doc__, kind.type, hints)


def _log_line() -> type[BaseModel]:
    hints = {name: field.annotation for name, field in LogRecord.model_fields.items()}
    return _closed("LogLine", LogRecord.__doc__, "log", hints)


def _closed(name: str, doc: str | None, tag: str, hints: dict[str, Any]) -> type[BaseModel]:
    fields: dict[str, Any] = {"type": (Literal[tag], ...)} | {key: (hint, ...) for key, hint in hints.items()}
    return create_model(name, __doc__=doc, __config__=_CLOSED, **fields)


def _any_of(title: str, models: list[type[BaseModel]]) -> JsonSchema:
    refs, made = models_json_schema([(model, "serialization") for model in models], ref_template="#/$defs/{model}")
    either = [refs[model, "serialization"] for model in models]
    return JsonSchema(**{"$schema": DIALECT, "title": title, "anyOf": either, "$defs": made["$defs"]})
