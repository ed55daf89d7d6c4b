"""The contract of all commands, taken from the parser: a new one is held to it as soon as it is there."""

from __future__ import annotations

import json
import shlex

import pytest

from docmill.cli.schema import leaves

LEAVES = {" ".join(path): command for path, command in leaves().items()}

# How each command is told to work on something that is not there. A command that is in neither table fails a test.
MISSING = {
    "archive": "nix -o out.zip",
    "batch delete": "nix --yes",
    "batch show": "nix",
    "cancel": "nix",
    "documents delete": "nix --yes",
    "documents history": "nix",
    "documents list": "--batch nix",
    "documents restore": "nix",
    "documents show": "nix",
    "events": "nix",
    "export": "nix -o out.jsonl",
    "files list": "nix",
    "ingest": "nix.pdf --batch nix",
    "lancedb documents": "nix",
    "lancedb drop": "nix --yes",
    "lancedb index": "nix",
    "lancedb info": "nix",
    "lancedb vacuum": "nix",
    "logs": "nix",
    "models install": "nix",
    "models serve": "nix",
    "models verify": "nix",
    "pages": "nix -o out.zip",
    "params add": "nix.yaml",
    "params delete": "nix --yes",
    "params diff": "nix batch",
    "params show": "nix",
    "params targets": "nix",
    "params test": "default nix.txt",
    "params validate": "nix",
    "pause": "nix",
    "plan": "nix",
    "quarantine list": "--batch nix",
    "quarantine release": "nix",
    "quarantine show": "nix",
    "report": "nix -o out.html",
    "restore": "nix.tar.zst",
    "resume": "nix",
    "retry": "nix --all-failed",
    "run-groups delete": "99 --yes",
    "run-groups list": "nix",
    "run-groups show": "99",
    "run-groups stats": "99",
    "runs lifecycle": "99",
    "runs list": "nix",
    "runs show": "99",
    "schema": "nix",
    "search": "words --database nix",
    "settings show": "nix",
    "show": "abcdef",
    "source add": "nix nix",
    "source relocate": "nix .",
    "source remove": "nix --yes",
    "source show": "nix",
    "source status": "nix",
    "start": "nix",
    "stats durations": "99",
    "stats steps": "99",
    "stats throughput": "99",
    "status": "nix",
    "steps list": "nix",
    "summary": "nix",
    "sync": "nix",
    "wait": "nix",
    "why": "nix",
    "workflow graph": "nix",
    "workflow show": "nix",
    "workflow validate": "nix",
}
NAME_NOTHING = {
    "active",
    "backup",
    "batch create",
    "batch list",
    "cleanup",
    "completion",
    "deliver",
    "doctor",
    "documents cleanup-orphans",
    "gc",
    "init",
    "lancedb list",
    "metrics",
    "models list",
    "params list",
    "source list",
    "verify",
    "watch",  # a folder that is not there may come: it is waited for
    "worker",
    "workflow list",
}
# A model is needed, not only looked up; a check has findings; a database may be meant that is still to be made.
OTHER_CODES = {"models install": 7, "models serve": 7, "models verify": 3, "params targets": 0}


def test_each_command_is_in_one_of_the_tables() -> None:
    assert set(MISSING) | NAME_NOTHING == set(LEAVES)


@pytest.mark.parametrize("name", LEAVES)
def test_an_option_that_it_does_not_have_is_exit_2(name: str, cli) -> None:
    ran = cli(*name.split(), "--no-such-option")
    assert ran.code == 2
    assert ran.out == ""
    assert f"Usage: docmill {name} " in ran.err
    assert f"hint: `docmill {name} --help`" in ran.err
    ran = cli(*name.split(), "--no-such-option", "--json")
    assert ran.code == 2
    assert ran.json["error"]["code"] == "USAGE"
    assert ran.err == ""


@pytest.mark.parametrize("name", MISSING)
def test_what_is_not_there_is_exit_4_and_one_json_document(name: str, cli, home) -> None:
    arguments = (*name.split(), *shlex.split(MISSING[name]))
    ran = cli(*arguments, "--json")
    assert ran.code == OTHER_CODES.get(name, 4), ran.out
    told = cli(*arguments)
    assert told.code == ran.code
    if ran.code != 4:
        return
    error = ran.json["error"]
    assert error["code"].endswith("NOT_FOUND")
    if name == "events":  # which gives JSON in any case, a line each
        assert told.err == ""
        assert json.loads(told.out) == ran.json
        return
    assert told.out == ""
    assert told.err.startswith(f"error: {error['message'][:20]}")


@pytest.mark.parametrize("name", sorted(set(LEAVES) - {"init", "schema", "completion", "watch"}))
def test_without_a_home_it_says_how_to_make_one(name: str, cli) -> None:
    """Unless it needs none: definitions and models are there without one, and sync makes one."""
    arguments = shlex.split(MISSING.get(name, ""))
    required = {
        "backup": ["out.tar.zst"],
        "batch create": ["--name", "x"],
        "cleanup": ["--older-than", "7d"],
    }.get(name, [])
    ran = cli(*name.split(), *arguments, *required, "--json")
    if ran.code == OTHER_CODES.get(name, 0):
        assert name.split()[0] in ("models", "params", "workflow", "settings", "doctor")
    else:
        assert ran.code == 4
        assert ran.json["error"]["code"].endswith("NOT_FOUND")
