"""A database for haiku.rag: its tables are those that haiku.rag makes itself, as fixtures/haiku.json has recorded them.

benchmarks/haiku_search.py records that file, and asks haiku.rag itself.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import lancedb
import numpy as np
import pyarrow as pa
import pytest

from conftest import Mill
from docmill.domain import docling
from docmill.domain.documents import Block, BlockKind, ParsedDocument
from docmill.errors import AlreadyExists, UsageError
from docmill.exporters import haiku
from docmill.service import exporting, home
from docmill.stores import published
from documents import make_pdf, text_page

RECORDED = json.loads((Path(__file__).parent.parent / "fixtures" / "haiku.json").read_text("utf-8"))
BODY = "\n\n".join(f"## Part {n}\n\n" + f"Paragraph {n} speaks of {n} ships. " * 12 for n in range(4))


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Mill:
    mill = Mill(tmp_path_factory.mktemp("filled"))
    mill.folder.mkdir()
    home.init(mill.settings)
    mill.write("care/guide.md", f"# Guide\n\n{BODY}\n\n| a | b |\n|---|---|\n| 1 | 2 |\n\n```\ncode()\n```\n")
    mill.write("tools.md", "# Tools\n\nA plane, a chisel and a saw 😀.\n")
    pages = [text_page("The first page tells of oak."), text_page("The second page tells of ash.")]
    make_pdf(mill.folder / "pages.pdf", pages)
    mill.sync(overrides=["chunk.size=60"])
    return mill


@pytest.fixture(scope="module")
def exported(filled: Mill) -> Path:
    path = filled.root / "all.haiku"
    result = exporting.export(filled.settings, database="default", format="haiku", output=str(path))
    assert (result.rows, result.documents, result.path) == (len(filled.rows()), 3, str(path))
    return path


def rows(exported: Path, table: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = lancedb.connect(exported).open_table(table).to_arrow().to_pylist()
    return found


@pytest.mark.parametrize("name", sorted(RECORDED["tables"]))
def test_tables_have_the_columns_and_indexes_that_haiku_rag_gives_them(exported: Path, name: str) -> None:
    table = lancedb.connect(exported).open_table(name)
    columns = [[each.name, str(each.type).replace("[64]", "[8]"), each.nullable] for each in table.schema]
    indexes = sorted([each.name, each.index_type, *each.columns] for each in table.list_indices())
    assert {"columns": columns, "indexes": indexes} == RECORDED["tables"][name]
    for index in table.list_indices():
        assert table.index_stats(index.name).num_unindexed_rows == 0


def test_there_is_no_other_table(exported: Path) -> None:
    assert sorted(lancedb.connect(exported).list_tables().tables) == sorted(RECORDED["tables"])


def test_settings_name_the_model_as_haiku_rag_is_configured_for_it(exported: Path) -> None:
    [[key, recorded]] = RECORDED["settings"]
    [row] = rows(exported, "settings")
    model = {**recorded["embeddings"]["model"], "name": "hashing-64", "vector_dim": 64}
    assert (row["id"], json.loads(row["settings"])) == (key, {**recorded, "embeddings": {"model": model}})


def test_prefixes_of_the_model_are_told() -> None:
    model = haiku.ModelInfo("nomic-ai/nomic-embed-text-v1.5", "fastembed", "f", 768, 8192)
    told = haiku._settings(model)["embeddings"]["model"]
    assert (told["query_prefix"], told["document_prefix"]) == ("search_query: ", "search_document: ")


def test_chunks_are_the_passages_with_their_vectors(filled: Mill, exported: Path) -> None:
    stored = {row["chunk_id"]: row for row in filled.rows()}
    chunks = rows(exported, "chunks")
    assert {row["id"] for row in chunks} == set(stored)
    for row in chunks:
        own = stored[row["id"]]
        assert (row["document_id"], row["content"], row["order"]) == (own["document_id"], own["text"], own["position"])
        assert np.array_equal(np.array(row["vector"], np.float32), np.array(own["vector"], np.float32))
        assert row["content_fts"].endswith(row["content"])
    [tools] = [row for row in chunks if "chisel" in row["content"]]
    assert json.loads(tools["metadata"]) == {
        "doc_item_refs": ["#/texts/0", "#/texts/1"],
        "headings": ["Tools"],
        "labels": ["section_header", "text"],
        "page_numbers": [],
    }
    late = next(row for row in chunks if "Paragraph 3" in row["content"])
    assert late["content_fts"].startswith("Guide\nPart 3\n")
    pages = {tuple(json.loads(row["metadata"])["page_numbers"]) for row in chunks if "page tells" in row["content"]}
    assert {page for each in pages for page in each} == {1, 2}


def test_documents_and_items_belong_together(filled: Mill, exported: Path) -> None:
    contents = {row["id"]: row for row in rows(exported, "documents")}
    metas = {row["id"]: row for row in rows(exported, "document_meta")}
    items: dict[str, list[dict[str, Any]]] = {}
    for row in rows(exported, "document_items"):
        items.setdefault(row["document_id"], []).append(row)
    assert set(contents) == set(metas) == set(items)
    assert sorted(row["uri"] for row in metas.values()) == ["care/guide.md", "pages.pdf", "tools.md"]
    for row in metas.values():
        assert json.loads(row["metadata"])["docmill"]["source"] == "docs"
    for document_id, own in items.items():
        row = contents[document_id]
        structure = json.loads(pa.input_stream(pa.BufferReader(row["docling_document"]), compression="zstd").read())
        assert [each["position"] for each in own] == list(range(len(own)))
        assert [each["text"] for each in structure["texts"]] == [each["text"] for each in own]
        assert [each["$ref"] for each in structure["body"]["children"]] == [each["self_ref"] for each in own]
        place = 0
        for each in own:
            place = row["content"].index(each["text"], place) + len(each["text"])
    refs = {(document_id, each["self_ref"]) for document_id, own in items.items() for each in own}
    for chunk in rows(exported, "chunks"):
        named = {(chunk["document_id"], ref) for ref in json.loads(chunk["metadata"])["doc_item_refs"]}
        assert named and named <= refs


def test_a_database_is_written_whole_or_not_at_all(
    filled: Mill, exported: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = sorted(exported.rglob("*"))
    with pytest.raises(AlreadyExists):
        exporting.export(filled.settings, database="default", format="haiku", output=str(exported))
    with pytest.raises(UsageError, match="stdout"):
        exporting.export(filled.settings, database="default", format="haiku")

    def break_off(*, has_chunks: bool) -> Any:
        raise OSError(28, "No space left on device", has_chunks)

    monkeypatch.setattr(haiku, "_indexes", break_off)
    for place, replace in ((exported, True), (filled.root / "other.haiku", False)):
        with pytest.raises(Exception, match="No space left"):
            exporting.export(filled.settings, database="default", format="haiku", output=str(place), replace=replace)
    assert sorted(exported.rglob("*")) == before
    assert not (filled.root / "other.haiku").exists()
    assert not list(filled.root.glob(".*new*"))


def test_many_small_windows_give_the_same(filled: Mill, exported: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(haiku, "_ROWS_AT_ONCE", 1)
    path = filled.root / "windows.haiku"
    exporting.export(filled.settings, database="default", format="haiku", output=str(path))
    for table in RECORDED["tables"]:
        assert rows(path, table) == rows(exported, table)
    shutil.rmtree(path)


def test_a_filter_that_lets_nothing_through_gives_an_empty_database(filled: Mill) -> None:
    path = filled.root / "empty.haiku"
    exporting.export(filled.settings, database="default", format="haiku", output=str(path), filter="uri = 'none'")
    assert {table: len(rows(path, table)) for table in RECORDED["tables"]} == {
        "chunks": 0,
        "document_items": 0,
        "document_meta": 0,
        "documents": 0,
        "settings": 1,
    }
    indexes = [each.index_type for each in lancedb.connect(path).open_table("chunks").list_indices()]
    assert "FTS" not in indexes, "made of no rows it would never take any in"


def test_where_the_output_of_parsing_has_gone_passages_are_the_items(
    filled: Mill, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(published.document_queries, "parsed_output", lambda *_: None)
    path = filled.root / "passages.haiku"
    exporting.export(filled.settings, database="default", format="haiku", output=str(path))
    texts = {row["text"] for row in rows(path, "document_items")}
    for chunk in rows(path, "chunks"):
        assert chunk["content"] in texts
        assert len(json.loads(chunk["metadata"])["doc_item_refs"]) == 1


def test_items_of_a_passage_are_those_that_it_has_something_of() -> None:
    text = "Top\n\nOne.\n\n \n\nTwo."
    spans = [(0, 3), (5, 9), (11, 12), (14, 18)]
    kinds = [BlockKind.HEADING, BlockKind.PARAGRAPH, BlockKind.PARAGRAPH, BlockKind.TABLE]
    blocks = tuple(Block(kind, *span, page=3) for kind, span in zip(kinds, spans, strict=True))
    items = docling.items(ParsedDocument("text", text, blocks))
    assert [(item.ref, item.label, item.level) for item in items] == [
        ("#/texts/0", "section_header", 1),
        ("#/texts/1", "text", 0),
        ("#/texts/2", "text", 0),
    ]
    for (start, end), names in {
        (0, 3): "Top",
        (0, 5): "Top",
        (0, 6): "Top One.",
        (9, 14): "",
        (8, 15): "One. Two.",
    }.items():
        assert " ".join(item.text for item in docling.within(items, start, end)) == names
    assert docling.document("n", items)["texts"][0]["prov"][0]["page_no"] == 3
