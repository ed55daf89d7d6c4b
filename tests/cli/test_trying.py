"""``params diff``, ``params test`` and ``workflow graph``, run by hand."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

import pytest

MINE = "id: mine\nname: Mine\nconfig:\n  chunk: {size: 100}\n  store: {window_documents: 7}\n"
QUICK = ("--set", "embed.method=hashing", "--set", "embed.model=hashing-64")


@pytest.fixture
def mine(tmp_path: Path) -> Path:
    file = tmp_path / "mine.yaml"
    file.write_text(MINE)
    return file


def again(shown) -> list[str]:
    return [each["step"] for each in shown["steps"] if each["again"]]


def test_what_differs_and_what_would_run_again(cli, mine):
    shown = cli("params", "diff", "default", str(mine), "--json").json
    assert {(each["step"], each["name"], each["a"], each["b"], each["tuning"]) for each in shown["differences"]} == {
        ("chunk", "size", 220, 100, False),
        ("store", "window_documents", 1024, 7, True),
    }
    assert (again(shown), shown["alike"], shown["notes"]) == (["chunk", "embed", "store"], False, [])

    mine.write_text(MINE.replace("  chunk: {size: 100}\n", ""))
    shown = cli("params", "diff", "default", str(mine), "--json").json
    assert (again(shown), shown["alike"], len(shown["differences"])) == ([], True, 1)
    assert "no step runs again" in cli("params", "diff", "default", str(mine)).out

    same = cli("params", "diff", "default", "default", "--json").json
    assert (same["differences"], same["alike"]) == ([], True)


def test_another_model_counts_from_chunking_on_and_wants_another_database(cli, mine):
    mine.write_text("id: mine\nname: Mine\nconfig:\n  embed: {method: hashing}\n")
    shown = cli("params", "diff", "default", str(mine), "--json").json
    assert again(shown) == ["chunk", "embed", "store"]
    assert "one model" in shown["notes"][0]
    assert again(cli("params", "diff", "default", "fast", "--json").json)[0] == "parse"
    assert "'draft'" in cli("params", "diff", "default", "draft", "--json").json["notes"][0]


def test_what_cannot_be_compared(cli, tmp_path):
    assert cli("params", "diff", "default", "none").code == 4
    assert cli("params", "diff", "default", "none.yaml").code == 4
    assert cli("params", "diff", "default", "fast", "--workflow", "none").code == 4
    assert cli("params", "diff", "default").code == 2
    (tmp_path / "bad.yaml").write_text(MINE.replace("100", "1"))
    assert cli("params", "diff", "default", "bad.yaml").code == 6


def test_a_file_is_tried_without_a_trace(cli, home, mine, tmp_path):
    text = "# Trees\n\n" + "".join(f"Oak number {n} stands by the river and is old.\n\n" for n in range(40))
    (tmp_path / "trees.md").write_text(text)
    before = sorted((path, path.stat().st_mtime_ns) for path in home.rglob("*"))
    ran = cli("params", "test", str(mine), "trees.md", *QUICK, "--limit", "2", "--offset", "1", "--json")
    assert ran.code == 0
    shown = ran.json
    assert (shown["params"], shown["type"], shown["title"], shown["coverage"]) == ("mine", "markdown", "Trees", 1.0)
    assert shown["tokens"]["max"] <= 100 < 220
    assert shown["total"] > 3
    assert [each["position"] for each in shown["chunks"]] == [1, 2]
    for each in shown["chunks"]:
        assert each["text"] in text
        assert each["headings"] == ["Trees"]
    assert sorted((path, path.stat().st_mtime_ns) for path in home.rglob("*")) == before

    (tmp_path / "empty.md").write_text(" \n")
    ran = cli("params", "test", "default", "empty.md", *QUICK)
    assert ran.code == 3
    assert "EMPTY_DOCUMENT at" in ran.out


def test_what_cannot_be_tried(cli, tmp_path):
    assert cli("params", "test", "default", "none.md", *QUICK).code == 4
    assert cli("params", "test", "none", "none.md", *QUICK).code == 4
    assert cli("params", "test", "default", str(tmp_path), *QUICK).code == 2
    (tmp_path / "a.md").write_text("An oak.\n")
    assert cli("params", "test", "default", "a.md", "--set", "chunk.size=x").code == 6


def test_a_workflow_is_drawn(cli, tmp_path):
    shown = cli("workflow", "graph", "batch", "--json").json
    names = [each["name"] for each in shown["nodes"]]
    assert names == ["validate", "parse", "chunk", "embed", "store"]
    assert [(each["start"], each["end"]) for each in shown["edges"]] == list(
        zip(["source", *names], [*names, "database"], strict=True)
    )
    text = cli("workflow", "graph", "batch", "--params", "fast").out
    assert "▼" in text
    assert "pdf_engine: pdfium" in text
    assert text.index("validate") < text.index("store")


def test_a_workflow_that_does_not_go_with_the_usual_values_is_drawn_by_itself(cli, tmp_path):
    (tmp_path / "own.yaml").write_text(
        "id: own\nname: Own\nsteps:\n  - {name: parse, type: parse}\n  - {name: chunk, type: chunk}\n"
        "  - {name: embed, type: embed, method: hashing}\n  - {name: store, type: store}\n"
    )
    assert "hashing" in cli("workflow", "graph", "own.yaml").out
    assert cli("workflow", "graph", "own.yaml", "--params", "default").code == 6


def test_the_picture_is_whole_and_says_what_it_shows(cli, tmp_path):
    (tmp_path / "odd.yaml").write_text(
        "id: odd\nname: 'Odd <&> \"one\"'\nsteps:\n"
        "  - {name: parse, type: parse}\n  - {name: cut, type: chunk, parameters: {size: 99}}\n"
        "  - {name: embed, type: embed}\n  - {name: store, type: store}\n"
        "lifecycle:\n  item_failed:\n    - {type: command, command: 'true'}\n"
    )
    printed = cli("workflow", "graph", "odd.yaml", "--format", "svg")
    assert printed.code == 0
    picture = ElementTree.fromstring(printed.out)
    said = "".join(picture.itertext())
    assert 'Workflow odd: Odd <&> "one"' in said
    for words in (
        "cut (chunk)",
        "size: 99",
        "passages",
        "embed worker",
        "item_failed: 1 handler",
        "prefers-color-scheme",
    ):
        assert words in said
    assert "http" not in printed.out.replace('xmlns="http://www.w3.org/2000/svg"', "")
    ran = cli("workflow", "graph", "odd.yaml", "--format", "svg", "-o", "odd.svg", "--json")
    assert (ran.json["path"], ran.json["size_bytes"]) == (str(tmp_path / "odd.svg"), len(printed.out.encode()))
    assert (tmp_path / "odd.svg").read_text() == printed.out


def test_what_cannot_be_drawn(cli, tmp_path):
    assert cli("workflow", "graph", "none").code == 4
    assert cli("workflow", "graph", "batch", "--params", "none").code == 4
    assert cli("workflow", "graph", "batch", "-o", "x.txt").code == 2
    assert cli("workflow", "graph", "batch", "--format", "svg", "--json").code == 2
    assert cli("workflow", "graph", "batch", "--format", "svg", "-o", "no/such/folder.svg").code == 7
    assert list(tmp_path.iterdir()) == []
