"""``docmill workflow`` and ``docmill params``."""

from __future__ import annotations

import io
import json

import pytest

BAD_WORKFLOW = """\
id: mine
name: Mine
steps:
  - {name: parse, type: parse}
  - name: chunk
    type: chunk
    retires: 3
    parameters: {siez: 100}
  - {name: embed, type: embed}
  - {name: store, type: store}
"""

GOOD_PARAMS = """\
# mine
id: mine
name: Mine
config:
  chunk: {size: 100}
  store: {database: own}
"""


@pytest.mark.parametrize(
    ("group", "ids"), [("workflow", ["batch", "interactive"]), ("params", ["default", "draft", "fast", "high_quality"])]
)
def test_shipped_ones_are_listed_and_valid_without_a_home(group, ids, cli):
    listed = cli(group, "list", "--json").json
    assert [each["id"] for each in listed["definitions"]] == ids
    assert listed["total"] == len(ids)
    assert {each["source"] for each in listed["definitions"]} == {"app"}
    for id_ in ids:
        assert cli(group, "show", id_).out.startswith("# ")
        assert cli(group, "show", id_, "--json").json["definition"]["id"] == id_
    assert cli(group, "validate").code == 0


def test_lists_have_pages(cli):
    listed = cli("params", "list", "--json", "--limit", "1", "--offset", "1").json
    assert [each["id"] for each in listed["definitions"]] == ["draft"]
    assert (listed["total"], listed["limit"], listed["offset"]) == (4, 1, 1)
    assert "2 to 2 of 4 param sets; go on with --offset 2" in cli("params", "list", "--limit", "1", "--offset", "1").out


def test_a_bad_file_is_told_with_line_key_and_suggestion(cli, tmp_path):
    file = tmp_path / "mine.yaml"
    file.write_text(BAD_WORKFLOW)
    ran = cli("workflow", "validate", str(file))
    assert ran.code == 6
    assert f"{file}:7" in ran.out
    assert "steps[1].retires: unknown key 'retires'" in ran.out
    assert "did you mean 'retries'?" in ran.out

    file.write_text(BAD_WORKFLOW.replace("retires", "retries"))
    ran = cli("workflow", "validate", str(file), "--json")
    assert ran.code == 6
    [problem] = ran.json["problems"]
    assert ran.json["valid"] is False
    assert problem == {
        "file": str(file),
        "line": 8,
        "path": "steps[1].parameters.siez",
        "message": "the chunker 'structure' has no parameter 'siez'",
        "suggestion": "did you mean 'size'?",
        "level": "error",
    }


def test_a_bad_file_in_the_home_hides_no_good_one(cli, home):
    (home / "workflows" / "bad.yaml").write_text(BAD_WORKFLOW)
    listed = cli("workflow", "list", "--json").json
    assert [each["id"] for each in listed["definitions"]] == ["batch", "interactive"]
    assert listed["problems"][0]["path"] == "steps[1].retires"
    ran = cli("workflow", "show", "mine")
    assert ran.code == 6
    assert "retires" in ran.err
    assert cli("workflow", "validate").code == 6
    assert cli("workflow", "validate", "batch").code == 0


def test_several_findings_are_all_in_the_error(cli, home):
    (home / "workflows" / "bad.yaml").write_text(BAD_WORKFLOW.replace("name: Mine", "nmae: Mine"))
    ran = cli("workflow", "show", "mine")
    assert ran.code == 6
    assert "error: workflow cannot be used: 3 findings" in ran.err
    assert "unknown key 'nmae'" in ran.err
    assert len(cli("workflow", "show", "mine", "--json").json["error"]["problems"]) == 3


def test_a_token_that_would_travel_in_the_clear_is_noted(cli, tmp_path):
    file = tmp_path / "mine.yaml"
    handlers = "lifecycle:\n  item_failed:\n    - {type: webhook, url: 'http://example.org/hook', token_env: TOKEN}\n"
    file.write_text(BAD_WORKFLOW.replace("    retires: 3\n    parameters: {siez: 100}\n", "") + handlers)
    ran = cli("workflow", "validate", str(file), "--json")
    assert ran.code == 0
    [note] = ran.json["problems"]
    assert (note["level"], note["path"]) == ("note", "lifecycle.item_failed[0].url")
    assert "unencrypted" in note["message"]
    file.write_text(file.read_text().replace("http://", "https://"))
    assert cli("workflow", "validate", str(file), "--json").json["problems"] == []


def test_add_show_target_delete(cli, home, tmp_path):
    file = tmp_path / "given.yaml"
    file.write_text(GOOD_PARAMS)
    added = cli("params", "add", str(file), "--json").json
    assert added["id"] == "mine"
    assert added["file_path"] == str(home / "param-sets" / "mine.yaml")
    assert cli("params", "show", "mine").out == GOOD_PARAMS
    assert cli("params", "show", "mine", "--json").json["source"] == "user"
    assert [each["id"] for each in cli("params", "targets", "own", "--json").json["param_sets"]] == ["mine"]
    assert cli("params", "targets", "default", "--json").json["total"] == 3

    again = cli("params", "add", str(file), "--json")
    assert again.code == 5
    assert again.json["error"]["code"] == "ALREADY_EXISTS"

    assert "would delete" in cli("params", "delete", "mine", "--dry-run").out
    assert cli("params", "show", "mine").code == 0
    assert cli("params", "delete", "mine").code == 0
    assert cli("params", "show", "mine").code == 4
    assert list((home / "param-sets").iterdir()) == []


def test_add_from_stdin(cli, home, monkeypatch):
    monkeypatch.setattr("sys.stdin", io.StringIO(GOOD_PARAMS))
    assert cli("params", "add", "-").code == 0
    assert (home / "param-sets" / "mine.yaml").read_text() == GOOD_PARAMS


def test_a_bad_set_is_not_written(cli, home, tmp_path):
    file = tmp_path / "given.yaml"
    file.write_text(GOOD_PARAMS.replace("size: 100", "size: 100, overlap: 80"))
    ran = cli("params", "add", str(file))
    assert ran.code == 6
    assert "given.yaml:5: config.chunk: overlap (80) must be at most half of size (100)" in ran.err
    assert list((home / "param-sets").iterdir()) == []


def test_shipped_sets_cannot_be_deleted_or_replaced(cli, home, tmp_path):
    ran = cli("params", "delete", "default", "--json")
    assert ran.code == 5
    assert ran.json["error"]["code"] == "NOT_ALLOWED"
    file = tmp_path / "given.yaml"
    file.write_text(GOOD_PARAMS.replace("id: mine", "id: default"))
    assert cli("params", "add", str(file)).code == 5


def test_a_shipped_id_in_the_home_is_a_finding_and_the_shipped_one_stays(cli, home):
    (home / "param-sets" / "x.yaml").write_text(GOOD_PARAMS.replace("id: mine", "id: default"))
    listed = cli("params", "list", "--json").json
    assert [each["source"] for each in listed["definitions"]] == ["app"] * 4
    assert "shipped" in listed["problems"][0]["message"]
    assert cli("params", "show", "default", "--json").json["source"] == "app"


def test_delete_also_removes_a_set_that_cannot_be_used(cli, home):
    (home / "param-sets" / "mine.yaml").write_text("id: mine\nnmae: x\n")
    assert cli("params", "delete", "mine").code == 0
    assert not (home / "param-sets" / "mine.yaml").exists()


def test_delete_asks_on_a_terminal(cli, home, monkeypatch):
    (home / "param-sets" / "mine.yaml").write_text(GOOD_PARAMS)
    asked = io.StringIO("n\n")
    asked.isatty = lambda: True
    monkeypatch.setattr("sys.stdin", asked)
    monkeypatch.setattr("docmill.cli.invocation.on_terminal", lambda: True)
    assert cli("params", "delete", "mine").code == 8
    assert (home / "param-sets" / "mine.yaml").exists()


@pytest.mark.parametrize("group", ["workflow", "params"])
def test_unknown_ids_are_exit_4_with_the_nearest(group, cli):
    wanted = {"workflow": ("bach", "batch"), "params": ("defualt", "default")}[group]
    ran = cli(group, "show", wanted[0])
    assert ran.code == 4
    assert f"did you mean '{wanted[1]}'?" in ran.err
    assert json.loads(cli(group, "validate", wanted[0], "--json").out)["error"]["code"] == "DEFINITION_NOT_FOUND"
    assert cli(group, "validate", "nowhere.yaml").code == 4
