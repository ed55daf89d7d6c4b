"""The contract of errors: exit codes, messages on stderr, and with --json one document on stdout."""

from __future__ import annotations

import errno
import json
import sqlite3

import pytest

from docmill.cli import boundary
from docmill.errors import BatchNotFound, DefinitionError, Interrupted, StorageError


@pytest.mark.parametrize(
    "arguments",
    [
        ["serch"],
        ["search"],
        ["search", "x", "--limit", "0"],
        ["search", "x", "--limit", "many"],
        ["search", "x", "--mode", "psychic"],
        ["search", "x", "--max-tokens", "9"],
        ["search", "x", "--queries", "y"],
        ["search", "x", "-o", "y"],
        ["show"],
        ["params", "diff", "default"],
        ["workflow", "graph", "batch", "-o", "y"],
        ["sync", "x", "--lock-timeout", "-1"],
        ["batch", "create"],
        ["batch", "list", "--status", "odd"],
        ["retry", "1"],
        ["retry", "1", "--file", "a", "--all-failed"],
        ["status", "--nonsense"],
        ["report", "1"],
        ["archive", "-o", "x"],
    ],
)
def test_wrong_usage_is_exit_2_as_text_and_as_json(arguments, cli):
    ran = cli(*arguments)
    assert ran.code == 2
    assert ran.out == ""
    assert ran.err.startswith("error: ")
    assert "hint: " in ran.err

    ran = cli(*arguments, "--json")
    assert ran.code == 2
    assert ran.err == ""
    assert ran.json["error"]["code"] == "USAGE"
    assert ran.json["error"]["hint"]


@pytest.mark.parametrize("command", ["report", "archive"])
def test_what_goes_to_stdout_is_not_mixed_with_json(command, cli):
    ran = cli(command, "1", "-o", "-", "--json")
    assert (ran.code, ran.json["error"]["hint"]) == (2, "name a file: -o FILE")


def test_a_misspelt_command_is_told_the_right_one(cli):
    assert "Did you mean 'search'" in cli("serch").err


def test_words_of_the_argument_parser_s_library_do_not_show(cli):
    ran = cli("search", "x", "--mode", "psychic")
    assert "Value error" not in ran.err
    assert "'hybrid'" in ran.err


def test_json_before_the_command_counts_too(cli):
    assert cli("--json", "status").json["error"]["code"] == "HOME_NOT_FOUND"
    assert cli("--json", "serch").json["error"]["code"] == "USAGE"


def test_what_follows_two_dashes_is_no_option(cli):
    ran = cli("search", "--", "--json")
    assert ran.out == ""
    assert ran.code == 4


def test_json_and_events_exclude_each_other(cli):
    ran = cli("sync", "x", "--json", "--events")
    assert ran.code == 2
    assert json.loads(ran.out)["error"]["code"] == "USAGE"


def test_events_end_with_the_error_object_on_one_line(cli):
    ran = cli("start", "1", "--events")
    assert ran.code == 4
    assert json.loads(ran.out.splitlines()[-1])["error"]["code"] == "HOME_NOT_FOUND"


@pytest.mark.parametrize("arguments", [[], ["batch"], ["params"]])
def test_a_group_alone_shows_its_help(arguments, cli):
    ran = cli(*arguments)
    assert ran.code == 2
    assert ran.out.startswith("Usage: docmill")
    assert ran.err == ""


@pytest.mark.parametrize(
    "arguments",
    [
        ["status"],
        ["sync"],
        ["plan", "x"],
        ["batch", "list"],
        ["start", "1"],
        ["pause", "1"],
        ["search", "x"],
        ["show", "x"],
        ["export", "1", "-o", "x"],
        ["pages", "1", "-o", "x"],
        ["summary", "1"],
        ["report", "1", "-o", "x"],
        ["archive", "1", "-o", "x"],
        ["lancedb", "list"],
        ["params", "add", "x.yaml"],
        ["params", "delete", "mine"],
    ],
)
def test_without_a_home_exit_4_and_how_to_make_one(arguments, cli):
    ran = cli(*arguments)
    assert ran.code == 4
    assert "docmill init" in ran.err
    assert cli(*arguments, "--json").json["error"]["code"] == "HOME_NOT_FOUND"


def test_a_home_that_is_named_must_exist(cli, tmp_path):
    ran = cli("workflow", "list", "--home", str(tmp_path / "nowhere"))
    assert ran.code == 4
    assert "docmill init --home" in ran.err


def test_the_home_comes_from_the_option_then_the_environment(cli, tmp_path, monkeypatch):
    assert cli("init", "--home", str(tmp_path / "a")).code == 0
    assert cli("init", "--home", str(tmp_path / "b")).code == 0
    monkeypatch.setenv("DOCMILL_HOME", str(tmp_path / "a"))
    assert cli("status", "--json").json["home"] == str(tmp_path / "a")
    assert cli("--home", str(tmp_path / "b"), "status", "--json").json["home"] == str(tmp_path / "b")
    assert cli("status", "--json", "--home", str(tmp_path / "b")).json["home"] == str(tmp_path / "b")


def test_a_wait_of_no_seconds_is_a_wait(cli, monkeypatch):
    from docmill.service import databases

    seen = []
    monkeypatch.setattr(databases, "vacuum", lambda settings, _database: seen.append(settings.lock_timeout) or fail())

    def fail():
        raise BatchNotFound("far enough")

    assert cli("lancedb", "vacuum", "--lock-timeout", "0").code == 4
    assert seen == [0.0]


def test_bad_settings_are_exit_6(cli, monkeypatch):
    monkeypatch.setenv("DOCMILL_EMBED_WORKERS", "none")
    ran = cli("status", "--json")
    assert ran.code == 6
    assert ran.json["error"]["code"] == "BAD_SETTINGS"


def test_export_on_stdout_leaves_no_room_for_json(cli):
    ran = cli("export", "1", "--json")
    assert ran.code == 2
    assert "-o FILE" in ran.json["error"]["hint"]


@pytest.fixture
def broken(monkeypatch):
    """Make ``docmill status`` raise."""

    def let_it_raise(error: BaseException) -> None:
        from docmill.service import batches

        def fail(*_arguments, **_options):
            raise error

        monkeypatch.setattr(batches, "home_status", fail)

    return let_it_raise


def test_a_surprise_is_exit_1_with_a_traceback_only_on_request(cli, broken):
    broken(ZeroDivisionError("one over nothing"))
    ran = cli("status")
    assert ran.code == 1
    assert "one over nothing" in ran.err
    assert "Traceback" not in ran.err
    assert "Traceback" in cli("status", "-v").err
    document = cli("status", "--json").json
    assert document["error"]["code"] == "UNEXPECTED"
    assert document["error"]["exception"] == "ZeroDivisionError"


def test_an_interrupt_is_exit_130(cli, broken):
    broken(KeyboardInterrupt())
    ran = cli("status", "--json")
    assert ran.code == 130
    assert ran.json["error"]["code"] == "INTERRUPTED"


def test_an_error_s_context_is_in_its_json(cli, broken):
    broken(BatchNotFound("no batch 7", batch=7))
    document = cli("status", "--json").json
    assert document == {
        "error": {"code": "BATCH_NOT_FOUND", "message": "no batch 7", "hint": BatchNotFound.hint, "batch": 7}
    }


def test_names_in_messages_do_not_reach_the_terminal_raw(cli, broken):
    broken(BatchNotFound("no batch \x1b]0;owned\x07\x1b[31m[red]x"))
    assert "no batch [red]x" in cli("status").err


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (sqlite3.OperationalError("disk I/O error"), StorageError),
        (sqlite3.DatabaseError("file is not a database"), StorageError),
        (OSError(errno.ENOSPC, "No space left on device", "x"), StorageError),
        (OSError(errno.EROFS, "Read-only file system"), StorageError),
        (PermissionError(errno.EACCES, "Permission denied", "x"), StorageError),
        (RuntimeError("lance error: IO error: No space left on device (os error 28)"), StorageError),
        (KeyboardInterrupt(), Interrupted),
    ],
)
def test_failing_disks_are_told_from_faults_of_the_program(error, code):
    assert type(boundary.translate(error)) is code


@pytest.mark.parametrize("error", [sqlite3.IntegrityError("NOT NULL"), FileNotFoundError(2, "no"), KeyError("x")])
def test_faults_of_the_program_are_unexpected(error):
    assert boundary.translate(error).exit_code == 1


def test_what_sqlalchemy_wraps_is_looked_into():
    error = RuntimeError("wrapped")
    error.orig = sqlite3.OperationalError("database or disk is full")
    assert type(boundary.translate(error)) is StorageError


def test_our_own_errors_pass_unchanged():
    error = DefinitionError("bad")
    assert boundary.translate(error) is error


@pytest.mark.parametrize(
    ("arguments", "hint"),
    [
        (["1", "--format", "papyrus"], "there are: "),
        (["1", "--format", "lance"], "-o PATH"),
        (["1", "--report"], "-o PATH"),
        (["1", "-o", "x", "--format", "lance", "--compression", "zst"], "--compression zip"),
        (["1", "-o", "x.lancedb.gz"], "--compression zip"),
        (["1", "-o", "x.csv", "--replace"], None),
        (["1", "--per-document", "x", "-o", "y"], None),
        (["1", "--per-document", "x", "--no-text"], "--no-text"),
        (["1", "--database", "default", "-o", "x"], "docmill export BATCH"),
    ],
)
def test_exports_that_cannot_be_are_exit_2(arguments, hint, cli, home, tmp_path):
    ran = cli("export", *arguments)
    assert ran.code == 2
    assert hint is None or hint in ran.err
    assert not [each for each in tmp_path.iterdir() if each != home]
