"""Summaries, reports and archives as text and as JSON."""

from __future__ import annotations

import io
import json
from types import SimpleNamespace
from typing import Any

import pytest
from rich.console import Console

from docmill.cli import output
from docmill.cli.console import write_text
from docmill.cli.text import View, render
from docmill.domain import results as r
from summaries import EMPTY, SUMMARY

SAMPLES: dict[str, r.Result] = {
    "summary": SUMMARY,
    "summary-empty": EMPTY,
    "report": r.ReportResult(batch_id=3, run_group_id=7, path="/r/q4.html", size_bytes=44_000, format="html"),
    "archive": r.ArchiveResult(
        batch_id=3,
        path="/r/q4.zip",
        size_bytes=1_400_000,
        files=[
            r.ArchivedFile(name="report.html", size_bytes=44_000, sha256="ab" * 32),
            r.ArchivedFile(name="documents.jsonl", size_bytes=9000, sha256="cd" * 32, rows=12),
        ],
    ),
}


def text_of(result: r.Result, *, verbose: bool = False, width: int = 80) -> str:
    console = Console(file=io.StringIO(), width=width, color_system=None)
    write_text(console, render(result, View(width=width, verbose=verbose)))
    return console.file.getvalue()  # type: ignore[attr-defined] # a StringIO


@pytest.mark.parametrize("name", SAMPLES)
def test_as_text(name: str, snapshot: Any) -> None:
    text = text_of(SAMPLES[name])
    assert "\x1b" not in text
    assert all(len(line) <= 80 for line in text.splitlines())
    snapshot("text", name, text)


@pytest.mark.parametrize("name", SAMPLES)
def test_json_is_one_document_that_reads_back(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    result = SAMPLES[name]
    output.show(result, SimpleNamespace(json=True, events=False, verbose=False))  # type: ignore[arg-type]
    assert type(result).model_validate(json.loads(capsys.readouterr().out)) == result
    assert output.exit_code(result) == 0


def test_verbose_lists_the_files_of_an_archive() -> None:
    assert "cd" * 32 in text_of(SAMPLES["archive"], verbose=True, width=200)
