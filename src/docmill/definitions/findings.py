"""Turns what is wrong with a definition into findings that a person can act on: where, what, and what to do instead."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

from pydantic import BaseModel, ValidationError

from docmill.definitions.yaml_text import Path, YamlText, kind_of
from docmill.domain.results import Problem
from docmill.domain.workflow import (
    ID_PATTERN,
    VARIABLE_PATTERN,
    CommandHandler,
    ReportHandler,
    StepSpec,
    WebhookHandler,
)
from docmill.errors import DefinitionError

_BOUNDS = {
    "greater_than_equal": ("ge", "at least"),
    "greater_than": ("gt", "more than"),
    "less_than_equal": ("le", "at most"),
    "less_than": ("lt", "less than"),
}
_TYPES = {
    "string": "text",
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "list": "a list",
    "tuple": "a list",
    "dict": "a mapping",
    "model": "a mapping",
}


@dataclass(frozen=True, slots=True)
class Place:
    """Where values come from: a part of a file, or the command line (``text`` None)."""

    file: str
    text: YamlText | None = None
    root: Path = ()

    def at(self, *keys: str | int) -> Place:
        return Place(self.file, self.text, (*self.root, *keys))

    def problem(self, path: Path, message: str, suggestion: str | None = None, *, level: str = "error") -> Problem:
        whole = (*self.root, *path)
        line = self.text.line_of(whole) if self.text else None
        return Problem(
            file=self.file, line=line, path=key_path(whole), message=message, suggestion=suggestion, level=level
        )


class BadDefinition(DefinitionError):
    """A definition, or values given for one, that cannot be used. ``wanted_id`` is the id that the file claims."""

    def __init__(self, words: str, problems: list[Problem], wanted_id: str | None = None) -> None:
        self.problems = problems
        self.wanted_id = wanted_id
        super().__init__(
            f"{words} cannot be used: {_sentence(problems[0], len(problems))}",
            hint=problems[0].suggestion if len(problems) == 1 else None,
            problems=[problem.model_dump() for problem in problems],
        )


def _sentence(first: Problem, count: int) -> str:
    if count > 1:
        return f"{count} findings"
    where = f"{first.file}:{first.line}" if first.line else first.file
    return f"{where}: {first.path}: {first.message}" if first.path else f"{where}: {first.message}"


def key_path(path: Path) -> str:
    """``("steps", 2, "retries")`` as ``steps[2].retries``."""
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text


def nearest(word: str, known: Iterable[str]) -> str:
    """``did you mean 'size'?``, or what there is."""
    words = sorted(known)
    near = get_close_matches(word, words, n=1)
    return f"did you mean {near[0]!r}?" if near else f"there are: {', '.join(words) or 'none'}"


def from_validation(error: ValidationError, data: Any, place: Place, model: type[BaseModel]) -> list[Problem]:
    """One finding for each of pydantic's, with the key's path in the file and plain words."""
    return [from_item(item, data, place, model) for item in error.errors(include_url=False)]


def from_item(item: Mapping[str, Any], data: Any, place: Place, model: type[BaseModel]) -> Problem:
    """One of ``ValidationError.errors()`` as a finding."""
    path = _path_in(data, item["loc"])
    message, suggestion = _words(item, path, model)
    return place.problem(path, message, suggestion)


def _path_in(data: Any, loc: tuple[int | str, ...]) -> Path:
    """pydantic's location without what is not in the data, such as the tags of unions and ``[key]``."""
    path: list[str | int] = []
    for index, part in enumerate(loc):
        if part in (data if isinstance(data, dict) else range(len(data)) if isinstance(data, list) else ()):
            data = data[part]
        elif index < len(loc) - 1 or part == "[key]" or not isinstance(data, dict):
            continue
        path.append(part)
    return tuple(path)


def _words(item: Mapping[str, Any], path: Path, model: type[BaseModel]) -> tuple[str, str | None]:
    kind, value, context = str(item["type"]), item.get("input"), item.get("ctx", {})
    last = str(path[-1]) if path else ""
    if kind == "extra_forbidden":
        if last in ("token", "secret") and path[0] == "lifecycle":
            return f"a {last} is not written into a workflow", f"{last}_env: VARIABLE, or {last}_file: PATH"
        return f"unknown key {last!r}", nearest(last, _known_keys(path, model))
    if kind == "missing":
        return f"{last!r} is missing", None
    if kind in ("enum", "literal_error"):
        known = _expected(context)
        return f"{value!r} is not one of {', '.join(known)}", nearest(str(value), known)
    if kind in ("union_tag_invalid", "union_tag_not_found"):
        return "a handler's type is 'webhook' or 'command'", "type: webhook, with a url; or type: command"
    if kind in _BOUNDS:
        key, words = _BOUNDS[kind]
        return f"must be {words} {context[key]:g}, not {value}", None
    if kind == "string_pattern_mismatch":
        return _pattern_words(str(context["pattern"]), value)
    if kind == "value_error":
        return str(context.get("error", item["msg"])), None
    if kind in ("string_too_short", "too_short"):
        return "must not be empty", None
    wanted = _TYPES.get(kind.rsplit("_", 1)[0])
    if wanted:
        return f"must be {wanted}, not {_shown(value)}", _type_suggestion(wanted, value)
    if kind == "int_from_float":
        return f"must be a whole number, not {value}", None
    return str(item["msg"]).removeprefix("Input should be ").removeprefix("Value error, "), None


def _expected(context: Mapping[str, Any]) -> list[str]:
    """pydantic says ``'a', 'b' or 'c'``."""
    return str(context.get("expected", "")).replace(" or ", ", ").replace("'", "").split(", ")


def _pattern_words(pattern: str, value: object) -> tuple[str, str | None]:
    if pattern == ID_PATTERN:
        import re

        slug = re.sub(r"[^a-z0-9_-]+", "-", str(value).lower()).strip("-_")[:64]
        return "must be of lower-case letters, digits, - and _", f"{slug!r} would do" if slug else None
    if pattern.startswith("^https?"):
        return "must be an http or https address", None
    if pattern == VARIABLE_PATTERN:
        return "must be the name of an environment variable", None  # what was given may be the secret itself
    return f"{value!r} does not match {pattern}", None


def _shown(value: object) -> str:
    if value is None or isinstance(value, (list, dict)):
        return kind_of(value)
    return f"{kind_of(value)} ({value!r})" if not isinstance(value, bool) else f"{str(value).lower()}"


def _type_suggestion(wanted: str, value: object) -> str | None:
    if wanted == "text":
        return "put it in quotes"
    if isinstance(value, str) and value.lower() in ("yes", "no", "on", "off") and wanted == "true or false":
        return f"write {'true' if value.lower() in ('yes', 'on') else 'false'}"
    if isinstance(value, str) and value.replace(".", "", 1).isdigit() and "number" in wanted:
        return "take the quotes off"
    return None


def _known_keys(path: Path, model: type[BaseModel]) -> list[str]:
    """The keys that the mapping around ``path`` may have."""
    if len(path) == 3 and path[0] == "steps":
        return list(StepSpec.model_fields)
    if len(path) == 4 and path[0] == "lifecycle":
        return sorted({*WebhookHandler.model_fields, *CommandHandler.model_fields, *ReportHandler.model_fields})
    return list(model.model_fields)
