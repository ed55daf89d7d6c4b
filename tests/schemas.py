"""Holds every JSON document that a test has docmill print against the schema that ``docmill schema`` publishes."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import lru_cache
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from docmill.cli import invocation, output
from docmill.domain.results import Result
from docmill.domain.terminal import json_text
from docmill.service import schemas


@lru_cache
def validator(names: tuple[str, ...], *, lines: bool = False) -> Draft202012Validator:
    """Of a command that returns results of these names. The schema itself must be one, too."""
    schema = (schemas.of_lines if lines else schemas.of_document)("test", list(names)).model_dump(mode="json")
    Draft202012Validator.check_schema(schema)
    return Draft202012Validator(schema)


def check(document: Any, names: tuple[str, ...]) -> None:
    """As a program reads it: JSON knows no tuples, no dates and no NaN."""
    validator(names).validate(json.loads(json_text(document), parse_constant=_refuse))


def check_lines(text: str, names: tuple[str, ...]) -> None:
    for line in text.splitlines():
        validator(names, lines=True).validate(json.loads(line, parse_constant=_refuse))


def hold_all(patch: pytest.MonkeyPatch) -> None:
    """Results and errors of whatever is shown as JSON in this process, by a command or by a test itself."""
    running: list[tuple[str, ...]] = []
    run, leave, show, write = invocation._run, invocation._leave, output.show, output.write_json

    def checked_run(function: Callable[..., Any], *rest: Any) -> Result | None:
        running.append(tuple(invocation._results_of(function)))
        try:
            return run(function, *rest)
        except BaseException:
            running.pop()
            raise

    def checked_leave(*ended: Any) -> None:
        try:
            leave(*ended)
        finally:
            running.pop()

    def checked_show(result: Result, *rest: Any) -> None:
        name = type(result).__name__
        if running:
            assert name in running[-1], f"its signature promises {running[-1]}, not {name}"
        running.append((name,))
        try:
            show(result, *rest)
        finally:
            running.pop()

    def checked_write(document: dict[str, Any], *, indent: bool) -> None:
        check(document, running[-1] if running else ())
        write(document, indent=indent)

    patch.setattr(invocation, "_run", checked_run)
    patch.setattr(invocation, "_leave", checked_leave)
    patch.setattr(output, "show", checked_show)
    patch.setattr(output, "write_json", checked_write)


def _refuse(constant: str) -> None:
    raise AssertionError(f"{constant} is no JSON")
