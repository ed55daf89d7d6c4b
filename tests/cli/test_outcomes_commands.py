"""``files``, ``quarantine`` and ``--fail-on-degraded`` as they are typed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

QUICK = ("--set", "embed.method=hashing", "--set", "embed.model=hashing-64", "--set", "parse.max_rows=1")


@pytest.fixture
def shelf(cli: Any, home: Path, tmp_path: Path) -> Path:
    """A source ``shelf``: one whole document, one that lost rows, one that failed."""
    folder = tmp_path / "shelf"
    folder.mkdir()
    (folder / "good.md").write_text("# Good\n\nNothing is missing here.\n")
    (folder / "rows.csv").write_text("name,colour\na,red\nb,green\n")
    (folder / "empty.txt").write_text("")
    assert cli("sync", str(folder), *QUICK).code == 3
    return folder


def uris(cli: Any, *options: str) -> list[str]:
    ran = cli("files", "list", "shelf", *options, "--json")
    assert ran.code == 0
    return [each["uri"] for each in ran.json["files"]]


def test_files_are_chosen_by_every_option(cli: Any, shelf: Path) -> None:
    assert uris(cli) == ["empty.txt", "good.md", "rows.csv"]
    assert uris(cli, "--has-errors") == ["empty.txt", "rows.csv"]
    assert uris(cli, "--status", "degraded") == ["rows.csv"]
    assert uris(cli, "--reason", "rows_left_out") == ["rows.csv"]
    assert uris(cli, "--stage", "validate") == ["empty.txt"]
    assert uris(cli, "--type", "markdown") == ["good.md"]
    assert uris(cli, "--limit", "1", "--offset", "1") == ["good.md"]
    assert cli("files", "list", "other").code == 4
    assert cli("files", "list", "shelf", "--status", "ignored").code == 2


def test_errors_are_grouped_for_a_person(cli: Any, shelf: Path) -> None:
    said = cli("files", "list", "shelf", "--has-errors").out
    assert said.index("1 document failed") < said.index("EMPTY_DOCUMENT") < said.index("empty.txt")
    assert said.index("1 document degraded") < said.index("ROWS_LEFT_OUT") < said.index("rows.csv")
    assert "good.md" not in said
    assert "ROWS_LEFT_OUT: only the first 1 rows" in cli("documents", "show", "rows.csv").out


def test_degraded_documents_end_a_command_with_3_where_that_is_asked(cli: Any, home: Path, tmp_path: Path) -> None:
    folder = tmp_path / "tables"
    folder.mkdir()
    (folder / "rows.csv").write_text("name,colour\na,red\nb,green\n")
    assert cli("sync", str(folder), *QUICK).code == 0
    strict = cli("sync", "--fail-on-degraded", "--json")
    assert (strict.code, strict.json["reason"], strict.json["run_group_id"]) == (3, "1 document degraded", None)
    assert cli("wait", "tables").code == 0
    waited = cli("wait", "tables", "--fail-on-degraded", "--json")
    assert (waited.code, waited.json["reason"]) == (3, "1 document degraded")
    assert cli("worker", "--once", "--fail-on-degraded").code == 0, "it has met none itself"


def test_the_quarantine_of_a_home_without_any(cli: Any, shelf: Path) -> None:
    assert cli("quarantine", "list", "--json").json["documents"] == []
    released = cli("quarantine", "release", "--all", "--json")
    assert (released.code, released.json["total"]) == (0, 0)
    assert cli("quarantine", "release").code == 2
    assert cli("quarantine", "show", "empty.txt").code == 5
    assert cli("quarantine", "release", "nowhere.txt").code == 4
