"""Filters in real searches: the passages that pass, in every mode, and no other."""

from __future__ import annotations

import json
import operator
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from conftest import Mill
from docmill.domain import filter_grammar, filters
from docmill.errors import UsageError
from docmill.service import exporting, home, ingesting, naming
from docmill.stores import reading
from docmill.stores.reading import CHUNKS, Database, Scope

Row = dict[str, Any]
WORDS = ("walnut", "linseed", "beeswax", "shellac", "varnish", "turpentine")


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mill]:
    mill = Mill(tmp_path_factory.mktemp("filters"))
    mill.folder.mkdir()
    home.init(mill.settings)
    parts = "\n\n".join(f"## Part {word}\n\n" + f"Oil speaks of {word}. " * 12 for word in WORDS)
    mill.write("care/guide.md", f"# Guide\n\n{parts}\n")
    mill.write("care/oil's 100%.md", "# Oils [a.b] \\ (c)\n\nOil dries slowly, walnut slower.\n")
    mill.write("tools.md", "# Tools\n\nOil a plane, a chisel and a saw.\n")
    mill.write("bare.txt", "Oil without a heading.\n")
    mill.sync(overrides=["chunk.size=60"])
    table = Database(mill.home, "default").table(CHUNKS)
    table.checkout_latest()
    # Pages, as a parser of PDF would have given them: the guide's passages lie on the pages n to n + 1.
    guide = "uri = 'care/guide.md'"
    table.update(where=guide, values_sql={"page_start": "position", "page_end": "position + 1"})
    table.tags.update("published", table.version)
    yield mill


def _pages(row: Row, test: Callable[[int], bool]) -> bool:
    return row["page_start"] is not None and any(map(test, range(row["page_start"], row["page_end"] + 1)))


SAME: list[tuple[str, Callable[[Row], bool]]] = [
    ("source = 'docs'", lambda row: row["source"] == "docs"),
    ("source != 'docs'", lambda row: False),
    ("uri like 'care/%'", lambda row: row["uri"].startswith("care/")),
    ("uri like '%100\\%.md'", lambda row: row["uri"].endswith("100%.md")),
    ("uri = 'care/oil''s 100%.md'", lambda row: row["uri"] == "care/oil's 100%.md"),
    ("uri in ('tools.md', 'bare.txt')", lambda row: row["uri"] in ("tools.md", "bare.txt")),
    ("uri not in ('tools.md', 'bare.txt')", lambda row: row["uri"] not in ("tools.md", "bare.txt")),
    ("uri < 'care/h'", lambda row: row["uri"] < "care/h"),
    ("type = 'text'", lambda row: row["type"] == "text"),
    ("text like '%walnut%'", lambda row: "walnut" in row["text"]),
    ("title is null", lambda row: row["title"] is None),
    ("title != 'Guide'", lambda row: row["title"] not in (None, "Guide")),
    ("not title = 'Guide'", lambda row: row["title"] not in (None, "Guide")),
    ("tokens > 40 and position >= 2", lambda row: row["tokens"] > 40 and row["position"] >= 2),
    ("page = 3", lambda row: _pages(row, lambda page: page == 3)),
    ("page >= 3", lambda row: _pages(row, lambda page: page >= 3)),
    ("page > 3", lambda row: _pages(row, lambda page: page > 3)),
    ("page <= 3", lambda row: _pages(row, lambda page: page <= 3)),
    ("page < 3", lambda row: _pages(row, lambda page: page < 3)),
    ("page in (1, 4)", lambda row: _pages(row, lambda page: page in (1, 4))),
    ("page != 3", lambda row: row["page_start"] is not None and not _pages(row, lambda page: page == 3)),
    ("not (page >= 3)", lambda row: row["page_start"] is not None and not _pages(row, lambda page: page >= 3)),
    ("page is null", lambda row: row["page_start"] is None),
    ("heading = 'Part linseed'", lambda row: "Part linseed" in row["headings"]),
    ("heading != 'Guide'", lambda row: "Guide" not in row["headings"]),
    ("heading in ('Tools', 'Part shellac')", lambda row: {"Tools", "Part shellac"} & set(row["headings"])),
    ("heading like 'Part _e%'", lambda row: any(h[:5] == "Part " and h[6:7] == "e" for h in row["headings"])),
    ("heading like 'Guide%beeswax'", lambda row: False),
    ("heading like 'Oils [a.b] \\\\ (c)'", lambda row: "Oils [a.b] \\ (c)" in row["headings"]),
    ("heading like '%'", lambda row: bool(row["headings"])),
    ("heading is null", lambda row: not row["headings"]),
    (
        "(type = 'text' or heading = 'Tools') and not uri like 'care/%'",
        lambda row: row["uri"] in ("bare.txt", "tools.md"),
    ),
    ("meta.nothing is null", lambda row: True),
    ("meta.nothing = 'x'", lambda row: False),
]


@pytest.mark.parametrize("mode", ["hybrid", "vector", "fts"])
def test_it_is_as_if_the_hits_were_filtered_afterwards(filled: Mill, mode: str) -> None:
    rows = {row["chunk_id"]: row for row in filled.rows()}
    everything = filled.search("oil walnut", mode=mode, limit=1000).hits
    assert len(everything) > 6
    passed = set()
    for text, test in SAME:
        expected = [hit.chunk_id for hit in everything if test(rows[hit.chunk_id])]
        found = filled.search("oil walnut", mode=mode, limit=1000, filter=text).hits
        by_id = operator.attrgetter("chunk_id")
        assert sorted(map(by_id, found)) == sorted(expected), text
        passed |= set(expected)
    assert passed == {hit.chunk_id for hit in everything}


def test_it_is_applied_before_the_best_are_chosen(filled: Mill) -> None:
    """A passage that would not be among the best of all is the best of those that pass."""
    [hit] = filled.search("turpentine", mode="vector", limit=1, filter="uri = 'bare.txt'").hits
    assert hit.uri == "bare.txt"
    assert filled.search("oil", filter="uri = 'bare.txt'", source=["another"]).hits == []


def test_text_that_looks_like_a_condition_is_text(filled: Mill) -> None:
    for text in ("x'' OR true OR uri = ''", "''; DROP TABLE chunks; --", "a\nb", "\u2019 OR 1=1", "%"):
        assert filled.search("oil", filter=f"uri = '{text}'").hits == []


def test_the_longest_filters_are_taken(filled: Mill) -> None:
    pages = ",".join(map(str, range(1000)))
    assert filled.search("oil", mode="fts", filter=f"page in ({pages})").hits
    assert filled.search("oil", mode="fts", filter=" and ".join(["page<9"] * 350)).hits


def test_metadata_is_looked_up_in_the_documents(mill: Mill) -> None:
    mill.write_many(6)
    rows = [{"uri": f"note-00{n}.md", "project": "nuts" if n < 2 else "oil's", "year": n} for n in range(5)]
    manifest = mill.root / "list.jsonl"
    manifest.write_text("".join(json.dumps(row | {"uri": f"docs/{row['uri']}"}) + "\n" for row in rows), "utf-8")
    mill.sync()
    ingesting.ingest(mill.settings, [], manifest=naming.Manifest(str(manifest)), source="docs")
    mill.sync()

    def uris(text: str) -> list[str]:
        return sorted({hit.uri for hit in mill.search("notes", mode="fts", filter=text, limit=100).hits})

    notes = [f"note-00{n}.md" for n in range(6)]
    assert uris("meta.project = 'nuts'") == notes[:2]
    assert uris("meta.project = 'oil''s' and meta.year >= 3") == notes[3:5]
    assert uris("not (meta.project = 'nuts')") == notes[2:5]
    assert uris("meta.project is null") == notes[5:]
    assert uris("meta.project is not null and uri != 'note-000.md'") == notes[1:5]
    assert uris("meta.project = 'x'') OR true --'") == []


def test_no_more_documents_than_a_condition_can_name(filled: Mill, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(filters, "MOST_DOCUMENTS", 3)
    with pytest.raises(UsageError, match="selects 4 documents"):
        filled.search("oil", filter="meta.nothing is null")


def test_exports_are_filtered_too(filled: Mill, tmp_path: Path) -> None:
    result = exporting.export(
        filled.settings, database="default", output=str(tmp_path / "out.jsonl"), filter="uri = 'tools.md'"
    )
    assert result.rows == 1
    result = exporting.export(filled.settings, batch="docs", output=str(tmp_path / "out.jsonl"), filter="page = 2")
    assert result.rows == 2


def test_the_condition_is_what_the_scope_takes(filled: Mill) -> None:
    """No raw text gets there: the type checker holds it, and so does this for what reads directly."""
    table = Database(filled.home, "default").table(CHUNKS)
    condition = filters.condition(filter_grammar.parse("uri = 'tools.md'"), lambda test: [])
    assert [row["uri"] for row in reading.rows_of(table, ["uri"], Scope(filter=condition))] == ["tools.md"]
