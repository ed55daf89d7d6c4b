"""What ``verify`` found, as text and as an exit code."""

from __future__ import annotations

import io
from typing import Any

import pytest
from rich.console import Console

from docmill.cli.console import write_text
from docmill.cli.output import exit_code
from docmill.cli.text import View, render
from docmill.domain import results as r

CHECKED = r.VerifyCounts(
    sources=2,
    folder_files=1203,
    documents=1200,
    documents_due=3,
    artifacts=2400,
    databases=1,
    files_checked=87,
    rows=30_000,
    rows_compared=29_500,
    cached_vectors=29_000,
)
MISSING = r.VerifyFinding(
    code="CHUNK_MISSING",
    where="default",
    message="passages without a row",
    count=1234,
    examples=[f"pa\x1b[2Jpers/{number}.md [{number}]" for number in range(10)],
    repair="stores their documents again",
)
LOST = r.VerifyFinding(
    code="DATABASE_LOST", where="draft", message="it is gone", count=1, examples=[], repair="fills a new one"
)
AWAY = r.VerifyFinding(
    code="FOLDER_MISSING",
    where="disk",
    message="the folder of a source is not there",
    count=1,
    examples=["/mnt/disk"],
    repair=None,
    hint="mount it",
)


def result(**more: Any) -> r.VerifyResult:
    given: dict[str, Any] = {
        "home": "/srv/.docmill",
        "clean": False,
        "repaired": False,
        "quick": False,
        "in_use": False,
        "findings": [],
        "remaining": [],
        "checked": CHECKED,
        "set_aside": [],
        "seconds": 2.25,
    }
    return r.VerifyResult(**{**given, **more})


MENDED = [each.model_copy(update={"repaired": each is not AWAY}) for each in (MISSING, LOST, AWAY)]
SAMPLES = {
    "verify-clean": result(clean=True, in_use=True),
    "verify-quick": result(clean=True, quick=True, checked=r.VerifyCounts(documents=1, databases=1, rows=1)),
    "verify-found": result(findings=[MISSING, LOST, AWAY], remaining=[MISSING, LOST, AWAY], reason="3 kinds of faults"),
    "verify-unrepairable": result(findings=[AWAY], remaining=[AWAY], reason="1 kind of faults"),
    "verify-repaired": result(
        clean=True,
        repaired=True,
        findings=MENDED[:2],
        set_aside=["lancedb.old-1"],
        documents_stored=40,
        chunks_embedded=1,
    ),
    "verify-left": result(repaired=True, findings=MENDED, remaining=[AWAY, LOST], reason="2 kinds of faults"),
}


def text_of(name: str, *, verbose: bool = False) -> str:
    console = Console(file=io.StringIO(), width=100, color_system=None)
    write_text(console, render(SAMPLES[name], View(verbose=verbose)))
    text: str = console.file.getvalue()  # type: ignore[attr-defined] # a StringIO
    assert "\x1b" not in text
    return text


@pytest.mark.parametrize("name", SAMPLES)
def test_as_text(name: str, snapshot: Any) -> None:
    snapshot("text", name, text_of(name))
    assert exit_code(SAMPLES[name]) == (0 if SAMPLES[name].clean else 3)


def test_verbose_tells_all() -> None:
    assert "9.md" in text_of("verify-found", verbose=True)
    assert "9.md" not in text_of("verify-found")
