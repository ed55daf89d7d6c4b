"""The sets of files that benchmarks compare on: each document once, so that nobody gains by knowing a text again."""

import importlib.util
from collections import Counter
from pathlib import Path
from types import ModuleType

import pytest


@pytest.fixture
def real_documents(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """With a folder that holds ten documents in five formats each, and one that holds a report."""
    for number in range(10):
        for suffix in ("md", "html", "docx", "pptx", "pdf"):
            path = tmp_path / "company" / "Bank" / suffix / f"policy-{number}.{suffix}"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text("text")
    (tmp_path / "reports").mkdir()
    (tmp_path / "reports" / "annual.pdf").write_text("text")
    (tmp_path / "reports" / "LICENSE").write_text("text")
    monkeypatch.setenv("DOCMILL_BENCH_DOCUMENTS", f"{tmp_path / 'company'}:{tmp_path / 'reports'}")
    path = Path(__file__).parents[2] / "benchmarks" / "real_documents.py"
    spec = importlib.util.spec_from_file_location("real_documents", path)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_mixed_takes_each_document_once_and_all_formats_in_turn(real_documents: ModuleType, tmp_path: Path) -> None:
    assert real_documents.mixed(tmp_path / "set") == 11
    taken = [path for path in (tmp_path / "set").rglob("*") if path.is_file()]
    assert Counter(path.stem for path in taken) == {**{f"policy-{number}": 1 for number in range(10)}, "annual": 1}
    policies = Counter(path.suffix for path in taken if path.stem != "annual")
    assert policies == {".md": 2, ".html": 2, ".docx": 2, ".pptx": 2, ".pdf": 2}


def test_markdown_takes_markdown_alone_and_can_take_fewer(real_documents: ModuleType, tmp_path: Path) -> None:
    assert real_documents.markdown(tmp_path / "all") == 10
    assert real_documents.markdown(tmp_path / "fewer", every=4) == 3
    assert {path.suffix for path in (tmp_path / "all").rglob("*") if path.is_file()} == {".md"}


def test_without_documents_it_says_so_and_ends_with_2(
    real_documents: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("DOCMILL_BENCH_DOCUMENTS")
    with pytest.raises(SystemExit) as ended:
        real_documents.folders()
    assert ended.value.code == 2
    assert "DOCMILL_BENCH_DOCUMENTS" in capsys.readouterr().err
