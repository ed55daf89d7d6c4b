"""Help: every command has a summary and an example, looks as it was reviewed, and costs next to nothing."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
import typer

from docmill.cli.app import build

HEAVY = ("sqlmodel", "sqlalchemy", "lancedb", "pyarrow", "fastembed", "onnxruntime", "numpy", "yaml", "docmill.service")


def walk(command: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    yield path, command
    for name, child in getattr(command, "commands", {}).items():
        yield from walk(child, (*path, name))


COMMANDS = dict(walk(typer.main.get_command(build())))
LEAVES = [path for path, command in COMMANDS.items() if not hasattr(command, "commands")]


def title(path: tuple[str, ...]) -> str:
    return "-".join(("docmill", *path))


@pytest.mark.parametrize("path", COMMANDS, ids=title)
def test_help_looks_as_reviewed(path, cli, snapshot):
    ran = cli(*path, "--help")
    assert ran.code == 0
    assert ran.err == ""
    snapshot("help", title(path), ran.out)


@pytest.mark.parametrize("path", LEAVES, ids=title)
def test_every_command_has_a_summary_an_example_and_the_common_options(path):
    command = COMMANDS[path]
    summary = command.help.partition("\n")[0]
    assert summary.endswith(".")
    assert command.epilog.startswith(f"docmill {' '.join(path)}")
    names = {name for param in command.params for name in param.opts}
    assert {"--home", "--json", "-q", "--quiet", "-v", "--verbose"} <= names


@pytest.mark.parametrize("path", LEAVES, ids=title)
def test_every_option_says_what_it_does(path):
    for param in COMMANDS[path].params:
        assert param.help, f"{title(path)}: {param.opts}"


def test_long_work_can_be_followed_by_programs():
    with_events = {title(path) for path in LEAVES if any("--events" in param.opts for param in COMMANDS[path].params)}
    names = (
        "sync",
        "plan",
        "ingest",
        "start",
        "resume",
        "retry",
        "wait",
        "worker",
        "watch",
        "status",
        "logs",
        "events",
        "models-install",
        "verify",
    )
    assert with_events == {f"docmill-{name}" for name in names}


def test_commands_that_run_the_engine_bound_their_wait():
    with_lock = {title(path) for path in LEAVES if any("--lock-timeout" in p.opts for p in COMMANDS[path].params)}
    names = (
        "sync",
        "start",
        "resume",
        "retry",
        "pause",
        "cancel",
        "worker",
        "watch",
        "lancedb-index",
        "lancedb-vacuum",
        "lancedb-drop",
        "gc",
        "restore",
        "verify",
    )
    assert with_lock == {f"docmill-{name}" for name in names}


@pytest.mark.parametrize("arguments", [["--help"], ["batch", "--help"], ["sync", "--help"], ["--version"]])
def test_help_imports_nothing_heavy(arguments):
    script = (
        "import sys; from docmill.cli.app import run; code = run(sys.argv[1:]);"
        f"sys.stderr.write(' '.join(name for name in {HEAVY} if name in sys.modules)); sys.exit(code)"
    )
    done = subprocess.run([sys.executable, "-c", script, *arguments], capture_output=True, text=True, check=True)
    assert done.stderr == ""
    assert "docmill" in done.stdout


def test_a_child_process_that_imports_the_main_module_imports_nothing_of_it():
    script = "import sys, docmill.__main__; print([name for name in sys.modules if name in ('typer', 'docmill.cli')])"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_version(cli):
    from docmill import __version__

    assert cli("--version").out == f"docmill {__version__}\n"
    assert cli("--version", "--json").json == {"version": __version__}
