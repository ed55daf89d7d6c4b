"""Contexts, passages, documents' texts, param sets compared and tried, and graphs: as text."""

from __future__ import annotations

import io
from typing import Any

import pytest
from rich.console import Console

from docmill.cli import output
from docmill.cli.console import write_text
from docmill.cli.text import View, render
from docmill.domain import results as r

ID = "ab" * 16
BESIDE = r.Neighbour(text="What stands\nbeside it.", chunk_id="e" * 32, char_start=0, char_end=9)
ALSO = [
    r.AlsoIn(uri=f"copy {n}[red].md", source="s", page_start=n, page_end=n + 1, chunk_id=ID, document_id=ID)
    for n in range(1, 6)
]
HIT = r.Hit(
    rank=1,
    score=0.0328,
    uri="trees.pdf",
    source="papers",
    title="Trees",
    page_start=3,
    page_end=4,
    headings=["Oaks"],
    char_start=0,
    char_end=9,
    text="An oak is a tree.",
    chunk_id=ID,
    document_id=ID,
    also_in=ALSO,
)
SPAN: dict[str, Any] = {"tokens": 7, "page_start": 1, "page_end": 1, "headings": ["Trees", "Oa\x1b[2Jks [red]"]}
TRIED: dict[str, Any] = {
    "params": "default",
    "workflow": "batch",
    "file": "/d/trees.pdf",
    "size_bytes": 2048,
    "chunker": "structure",
    "seconds": {"validate": 0.001, "parse": 0.25, "chunk": 0.01},
    "limit": 2,
    "offset": 0,
}
GRAPH = r.WorkflowGraph(
    id="batch",
    name="Batch",
    description="",
    params="mine",
    nodes=[
        r.GraphNode(
            name="read",
            type="parse",
            method="auto",
            process="document worker",
            retries=1,
            timeout_s=120.0,
            parameters={"pdf_engine": "auto", "model": "a/name-that-is-far-too-long-for-any-box-that-is-drawn"},
            keeps=True,
        ),
        r.GraphNode(
            name="chunk",
            type="chunk",
            method="structure",
            process="document worker",
            retries=None,
            timeout_s=None,
            parameters={},
            keeps=True,
        ),
        r.GraphNode(
            name="store",
            type="store",
            method="lancedb",
            process="engine",
            retries=None,
            timeout_s=None,
            parameters={"database": "default"},
            keeps=False,
        ),
    ],
    edges=[
        r.GraphEdge(start="source", end="read", carries="file"),
        r.GraphEdge(start="read", end="chunk", carries="text"),
        r.GraphEdge(start="chunk", end="store", carries="passages"),
        r.GraphEdge(start="store", end="database", carries="rows"),
    ],
    handlers={"item_failed": 1, "group_end": 2},
)
SAMPLES = {
    "search-also": r.SearchResult(query="oak", mode="hybrid", database="default", hits=[HIT], seconds=0.1),
    "context": r.ContextResult(
        query="oak",
        mode="hybrid",
        database="default",
        text="Passages.\n\n[1] trees.pdf\n<<< 0f\nA line that is much longer than the terminal is wide, and that is"
        " to stay one line all the same, whatever happens.\n>>> 0f\n",
        boundary="0f",
        citations=[],
        tokens=30,
        max_tokens=None,
        left_out=0,
        model="mini",
        seconds=0.1,
    ),
    "context-nothing": r.ContextResult(
        query="oak",
        mode="fts",
        database="default",
        text="",
        boundary="0f",
        citations=[],
        tokens=0,
        max_tokens=9,
        left_out=0,
        model="mini",
        seconds=0.1,
    ),
    "queries": r.QueriesResult(
        database="default", path="/a.jsonl", queries=1000, answered=998, failed=2, seconds=12.0, reason="2 failed"
    ),
    "passage": r.PassageShown(
        database="default",
        chunk_id=ID,
        document_id=ID,
        uri="trees [red].pdf",
        source="papers",
        title="Trees",
        type="pdf",
        version=2,
        position=3,
        chunk_count=12,
        page_start=3,
        page_end=4,
        headings=["Trees", "Oaks"],
        char_start=1000,
        char_end=1100,
        tokens=19,
        text="An oak\x1b[2J is\na tree.",
        context="Trees > Oaks",
        before=[BESIDE],
        after=[BESIDE],
        metadata={"author": "A. Corn", "pages": 7},
        vector=r.VectorShown(model="mini", dimension=7, norm=1.0, values=[0.5, -0.25, 0.125, 0.1, 0.0, 0.3, 0.2]),
    ),
    "document-text": r.DocumentText(
        database="default",
        document_id=ID,
        uri="trees.pdf",
        source="papers",
        title="Trees",
        type="pdf",
        version=1,
        status="completed",
        characters=30,
        chunk_count=2,
        origin="parsed",
        text="An oak is a tree.\n(a gap)\nAn elm is one.\nso",
        chunks=[
            r.PassageSpan(chunk_id=ID, position=0, char_start=0, char_end=17, **SPAN),
            r.PassageSpan(chunk_id="cd" * 16, position=1, char_start=26, char_end=40, **SPAN),
        ],
    ),
    "params-diff": r.ParamsDiff(
        workflow="batch",
        a="default",
        b="mine",
        alike=False,
        differences=[
            r.ParamDifference(step="chunk", type="chunk", name="size", a=220, b=160, tuning=False),
            r.ParamDifference(step="embed", type="embed", name="quantization", a="fp32", b=None, tuning=False),
            r.ParamDifference(step="store", type="store", name="window_documents", a=256, b=1024, tuning=True),
        ],
        steps=[
            r.StepAgain(step="parse", type="parse", again=False, why="what it has made is used again"),
            r.StepAgain(step="chunk", type="chunk", again=True, why="documents are cut again"),
        ],
        notes=["both write the database 'default'"],
    ),
    "params-diff-none": r.ParamsDiff(
        workflow="batch", a="default", b="default", alike=True, differences=[], steps=[], notes=[]
    ),
    "params-test": r.ParamsTested(
        **TRIED,
        total=5,
        type="pdf",
        title="Trees",
        characters=1234,
        pages=7,
        members=2,
        degraded=["PAGE_FAILED"],
        warnings=["PAGE_FAILED: page 3 [red]"],
        tokens=r.TokenCounts(total=60, mean=12.0, min=3, max=19),
        coverage=0.9876,
        chunks=[
            r.TriedPassage(position=0, char_start=0, char_end=9, context="", text="An oak\nis a tree.", **SPAN),
            r.TriedPassage(position=1, char_start=9, char_end=19, context="Trees", text="An elm.", **SPAN),
        ],
    ),
    "params-test-failed": r.ParamsTested(
        **TRIED,
        total=0,
        chunks=[],
        failure=r.TriedFailure(
            stage="parse", error_code="CORRUPTED_FILE", error_message="no page can be read", hint="open it in a viewer"
        ),
        reason="it failed with CORRUPTED_FILE at parse",
    ),
    "graph": GRAPH,
    "graph-written": GRAPH.model_copy(update={"path": "/g.svg", "size_bytes": 4096}),
}


def text_of(name: str, **view: Any) -> str:
    console = Console(file=io.StringIO(), width=100, color_system=None, highlight=False, markup=False, emoji=False)
    write_text(console, render(SAMPLES[name], View(**view)))
    return console.file.getvalue()  # type: ignore[attr-defined,no-any-return] # a StringIO


@pytest.mark.parametrize("name", SAMPLES)
def test_as_text(name: str, snapshot: Any) -> None:
    text = text_of(name)
    assert "\x1b" not in text
    snapshot("text", name, text)


@pytest.mark.parametrize("name", ["graph", "params-test", "document-text"])
def test_where_the_terminal_has_no_other_signs(name: str) -> None:
    assert text_of(name, ascii_only=True).isascii()


def test_a_prompt_s_lines_are_neither_folded_nor_cut() -> None:
    assert text_of("context").splitlines() == SAMPLES["context"].text.splitlines()  # type: ignore[attr-defined]


def test_a_pipe_gets_the_document_s_text_alone_and_lines_that_are_not_filled() -> None:
    lines = text_of("document-text", terminal=False).splitlines()
    assert lines[0].startswith("── 1  ─  7 tokens")
    assert not lines[0].endswith("─")
    assert "copy 5[red].md" in text_of("search-also", terminal=False)
    assert text_of("context-nothing", terminal=False) == ""


@pytest.mark.parametrize(("name", "code"), [("queries", 3), ("params-test", 0), ("params-test-failed", 3)])
def test_exit_codes(name: str, code: int) -> None:
    assert output.exit_code(SAMPLES[name]) == code
