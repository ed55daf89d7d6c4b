"""``docmill schema`` publishes what commands print; tests/schemas.py holds all they print in tests against it."""

from __future__ import annotations

import json
from typing import Any

import pytest
from jsonschema import ValidationError

import schemas
from docmill.cli.schema import has_events, leaves
from docmill.domain import results

LEAVES = leaves()


def test_every_command_names_its_results() -> None:
    """In its signature, where mypy holds it to them."""
    for path, command in LEAVES.items():
        assert command.callback.results, path
        for name in command.callback.results:
            assert issubclass(getattr(results, name), results.Result), (path, name)
            assert name != "Result", f"{' '.join(path)}: which one?"


def test_the_list_is_of_all_commands(cli) -> None:
    listed = cli("schema", "--json").json["commands"]
    assert [each["command"] for each in listed] == sorted(" ".join(path) for path in LEAVES)
    with_events = {each["command"] for each in listed if each["events"]}
    assert with_events == {" ".join(path) for path, command in LEAVES.items() if has_events(command)}
    assert [each["command"] for each in cli("schema", "workflow", "--json").json["commands"]] == [
        command for command in (" ".join(path) for path in sorted(LEAVES)) if command.startswith("workflow ")
    ]


def test_a_schema_is_the_same_as_text_and_as_json(cli) -> None:
    told = cli("schema", "source", "show")
    assert json.loads(told.out) == cli("schema", "source", "show", "--json").json
    assert told.code == 0
    schema = json.loads(told.out)
    assert schema["$schema"] == schemas.schemas.DIALECT
    assert {"$ref": "#/$defs/SourceRecord"} in schema["anyOf"]
    assert schema["$defs"]["SourceRecord"]["additionalProperties"] is False


def test_a_command_that_is_not_there_is_exit_4(cli) -> None:
    for words in (["serch"], ["batch", "lst"], ["search", "x"]):
        ran = cli("schema", *words, "--json")
        assert ran.code == 4
        assert ran.json["error"]["code"] == "NOT_FOUND"
    assert "did you mean `search`?" in cli("schema", "serch").err
    assert cli("schema", "search", "--lines").code == 2


def test_the_schema_of_lines_has_every_kind_of_event(cli) -> None:
    lines = cli("schema", "sync", "--lines").json
    kinds = {each["properties"].get("type", {}).get("const") for each in lines["$defs"].values()} - {None}
    assert kinds == {"progress", "stage_complete", "document", "error", "completed", "message", "log"}
    assert {"SyncResult", "PlanResult", "ErrorDocument"} <= set(lines["$defs"])
    assert "SyncResult" not in cli("schema", "--lines").json["$defs"]


def test_what_no_schema_promises_is_refused() -> None:
    """What holds all other tests is no formality."""
    good: dict[str, Any] = {"home": "/h", "created": True, "message": "made"}
    schemas.check(good, ("InitResult",))
    for bad in ({**good, "more": 1}, {"home": "/h"}, {**good, "created": "yes"}):
        with pytest.raises(ValidationError):
            schemas.check(bad, ("InitResult",))
    with pytest.raises(AssertionError, match="NaN"):
        schemas.check({**good, "message": float("nan")}, ("InitResult",))
    schemas.check({"error": {"code": "USAGE", "message": "no", "hint": None, "usage": "…"}}, ("InitResult",))
