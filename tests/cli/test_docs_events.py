"""docs/events.md shows each type of event with the very fields that it has."""

from __future__ import annotations

import json
import re
from dataclasses import fields
from pathlib import Path
from typing import Any, get_args

import pytest
from jsonschema import ValidationError

import schemas
from docmill.domain import events
from docmill.domain.results import LogRecord

PAGE = (Path(__file__).parents[2] / "docs" / "events.md").read_text("utf-8")
EXAMPLES: dict[str, dict[str, Any]] = {
    each["type"]: each for each in map(json.loads, re.findall(r"```json\n(.*?)\n```", PAGE, re.DOTALL))
}
KINDS = {kind.type: kind for kind in get_args(events.Event)}


def test_every_type_has_a_section_and_an_example() -> None:
    assert {*KINDS, "log"} == set(EXAMPLES)
    for name in KINDS:
        assert f"\n### `{name}`\n" in PAGE


@pytest.mark.parametrize("name", KINDS)
def test_an_example_is_what_a_program_will_read(name: str) -> None:
    example = EXAMPLES[name]
    kind = KINDS[name]
    given = {field.name: example[field.name] for field in fields(kind)}
    if name == "progress":
        given["stages"] = tuple(events.StageProgress(**stage) for stage in example["stages"])
    assert json.loads(json.dumps(events.as_record(kind(**given)))) == example
    schemas.validator((), lines=True).validate(example)
    with pytest.raises(ValidationError):
        schemas.validator((), lines=True).validate({**example, "odd": 1})


def test_so_is_that_of_the_log() -> None:
    example = {name: value for name, value in EXAMPLES["log"].items() if name != "type"}
    assert LogRecord(**example).model_dump() == example
    schemas.validator((), lines=True).validate(EXAMPLES["log"])
