"""What became of each document: told once by its code, listed by batch, and explained one by one."""

from __future__ import annotations

import json

import pytest

from conftest import Mill
from docmill.cli.degraded import judged
from docmill.cli.output import exit_code
from docmill.domain.changes import FoundFile, HashedFile
from docmill.domain.results import FileList, TextYield
from docmill.errors import BatchNotFound, SourceFileDenied
from docmill.service import batches, documents, ingesting, retrying, running
from docmill.sources import folder
from docmill.stores.state import State

FEW_ROWS = ["parse.max_rows=2"]
TOLD_ROWS = "ROWS_LEFT_OUT: only the first 2 rows are read (max_rows)"


@pytest.fixture
def shelf(mill: Mill) -> Mill:
    """One whole document; two of the same bytes that lost rows, one of them bytes too; two that failed."""
    mill.write("good.md", "# Good\n\nNothing is missing here.\n")
    mill.write("rows.csv", "name,colour\na,red\nb,green\nc,blue\n")
    mill.write("same.csv", "name,colour\na,red\nb,green\nc,blue\n")
    (mill.folder / "both.csv").write_bytes(b"\xef\xbb\xbfname,colour\na,r\xffed\nb,green\nc,blue\n")
    mill.write("empty.txt", "")
    mill.write("broken.pdf", "no PDF at all")
    return mill


def files(mill: Mill, **chosen: object) -> FileList:
    return documents.list_files(mill.settings, "docs", **{"limit": 50, "offset": 0, **chosen})  # type: ignore[arg-type] # shorthand


def uris(mill: Mill, **chosen: object) -> list[str]:
    listed = files(mill, **chosen)
    assert listed.total == len(listed.files)
    return [each.uri for each in listed.files]


def write_state(mill: Mill, sql: str, *values: object) -> None:
    state = State(mill.home)
    with state.transaction() as tx:
        tx.run(sql, list(values))
    state.close()


def test_a_sync_counts_by_code_what_did_not_end_well(shelf: Mill) -> None:
    result = shelf.sync(overrides=FEW_ROWS)
    assert (result.documents.failed, result.documents.degraded) == (2, 3)
    counts = result.outcomes
    assert (counts.failed_documents, counts.degraded_documents) == (2, 3)
    assert counts.failed == {"EMPTY_DOCUMENT": 1, "CORRUPTED_FILE": 1}
    assert counts.degraded == {"ROWS_LEFT_OUT": 3, "DECODE_FALLBACK": 1}
    assert {each.uri: sorted(each.reasons) for each in result.degraded} == {
        "both.csv": ["DECODE_FALLBACK", "ROWS_LEFT_OUT"],
        "rows.csv": ["ROWS_LEFT_OUT"],
        "same.csv": ["ROWS_LEFT_OUT"],
    }
    assert all(error.hint and error.permanent for error in result.errors)


def test_what_is_degraded_stays_so_when_there_is_nothing_to_do(shelf: Mill) -> None:
    first = shelf.sync(overrides=FEW_ROWS)
    again = shelf.sync(overrides=FEW_ROWS)
    assert again.run_group_id is None
    assert again.documents.degraded == 0
    assert (again.outcomes, again.degraded, again.errors) == (first.outcomes, first.degraded, first.errors)
    strict = judged(again, fail_on_degraded=True)
    assert (exit_code(strict), strict.reason) == (3, "2 documents failed, 3 documents degraded")
    for uri in ("empty.txt", "broken.pdf"):
        (shelf.folder / uri).unlink()
    left = shelf.sync(overrides=FEW_ROWS)
    assert exit_code(judged(left, fail_on_degraded=False)) == 0
    assert exit_code(judged(left, fail_on_degraded=True)) == 3
    mended = shelf.sync(overrides=["parse.max_rows=100"])
    assert mended.outcomes.degraded == {"DECODE_FALLBACK": 1}


def test_a_status_and_a_retry_count_the_same(shelf: Mill) -> None:
    counts = shelf.sync(overrides=FEW_ROWS).outcomes
    assert batches.status(shelf.settings, "docs").outcomes == counts
    assert batches.home_status(shelf.settings).outcomes == counts
    assert retrying.retry(shelf.settings, shelf.reporter, "docs").outcomes == counts


def test_a_file_that_cannot_be_read_at_all_counts_too(mill: Mill, monkeypatch: pytest.MonkeyPatch) -> None:
    def denied(file: FoundFile) -> HashedFile:
        if file.uri == "secret.md":
            raise SourceFileDenied("the file cannot be read: Permission denied")
        return hash_file(file)

    hash_file = folder.hash_file
    monkeypatch.setattr(folder, "hash_file", denied)
    mill.write("a.md", "# A\n\nText.\n")
    mill.write("secret.md", "# B\n")
    result = mill.sync()
    assert (result.outcomes.failed, result.outcomes.failed_documents) == ({"PERMISSION_DENIED": 1}, 1)
    assert result.reason == "1 document failed"
    assert not result.errors[0].permanent
    assert result.errors[0].hint


def test_the_files_of_a_batch_and_their_filters(shelf: Mill) -> None:
    mill = shelf
    mill.sync(overrides=FEW_ROWS)
    assert uris(mill) == ["both.csv", "broken.pdf", "empty.txt", "good.md", "rows.csv", "same.csv"]
    assert uris(mill, has_errors=True) == ["both.csv", "broken.pdf", "empty.txt", "rows.csv", "same.csv"]
    assert uris(mill, status="failed") == ["broken.pdf", "empty.txt"]
    assert uris(mill, status="completed") == ["both.csv", "good.md", "rows.csv", "same.csv"]
    assert uris(mill, status="degraded") == ["both.csv", "rows.csv", "same.csv"]
    assert uris(mill, status="pending") == []
    assert uris(mill, reason="DECODE_FALLBACK") == ["both.csv"]
    assert uris(mill, reason="EMPTY_DOCUMENT") == ["empty.txt"]
    assert uris(mill, reason="EMPTY_DOCUMENT", status="completed") == []
    assert uris(mill, type="csv") == ["both.csv", "rows.csv", "same.csv"]
    assert uris(mill, type="pdf") == ["broken.pdf"], "what a name promises counts where nobody could read it"
    assert uris(mill, stage="validate") == ["broken.pdf", "empty.txt"]
    assert uris(mill, stage="embed") == []
    page = files(mill, has_errors=True, limit=2, offset=1)
    assert ([each.uri for each in page.files], page.total) == (["broken.pdf", "empty.txt"], 5)
    assert page.outcomes.degraded == {"ROWS_LEFT_OUT": 3, "DECODE_FALLBACK": 1}, "of all, not of the page"
    with pytest.raises(BatchNotFound):
        documents.list_files(mill.settings, "other", limit=1, offset=0)


def test_what_a_row_says(shelf: Mill) -> None:
    mill = shelf
    mill.sync(overrides=FEW_ROWS)
    stored = json.dumps({"pages": 4, "characters": 1000, "without_text": [2, 3]})
    write_state(mill, "UPDATE document SET text_yield = ? WHERE uri = 'rows.csv'", stored)
    rows = {each.uri: each for each in files(mill).files}
    good, partly, bad = rows["good.md"], rows["rows.csv"], rows["broken.pdf"]
    assert (good.status, good.degraded, good.reasons) == ("completed", False, [])
    assert (good.error_code, good.stage) == (None, None)
    assert (good.chunk_count, good.pages, good.text_yield) == (1, None, None)
    found = TextYield(pages=4, characters=1000, characters_per_page=250.0, without_text=[2, 3])
    assert (partly.status, partly.degraded, partly.pages, partly.text_yield) == ("completed", True, 4, found)
    assert (bad.status, bad.error_code, bad.stage, bad.permanent) == ("failed", "CORRUPTED_FILE", "validate", True)
    assert bad.error_message
    assert bad.hint
    assert bad.occurred_at
    assert documents.show_document(mill.settings, "rows.csv").text_yield == found


def test_files_of_a_batch_that_was_never_started_are_pending(mill: Mill) -> None:
    mill.write("a.md", "# A\n\nText.\n")
    mill.write("b.txt", "")
    batches.create_batch(mill.settings, name="docs")
    ingesting.ingest(mill.settings, [str(mill.folder)], batch="docs")
    assert [(each.status, each.type) for each in files(mill).files] == [("pending", "markdown"), ("pending", "text")]
    assert len(files(mill, type="markdown").files) == 1
    running.start(mill.settings, mill.reporter, "docs", overrides=list(mill.overrides))
    assert [each.status for each in files(mill).files] == ["completed", "failed"]


def test_one_document_says_why_it_is_degraded(shelf: Mill) -> None:
    mill = shelf
    mill.sync(overrides=FEW_ROWS)
    shown = documents.show_document(mill.settings, "both.csv")
    assert {each.code: len(each.messages) for each in shown.reasons} == {"DECODE_FALLBACK": 1, "ROWS_LEFT_OUT": 1}
    assert all(each.meaning and each.hint for each in shown.reasons)
    for uri in ("rows.csv", "same.csv"):  # one of the two was parsed, the other found the output there
        [reason] = documents.show_document(mill.settings, uri).reasons
        assert [f"{reason.code}: {message}" for message in reason.messages] == [TOLD_ROWS]
    assert documents.show_document(mill.settings, "good.md").reasons == []


def test_a_warning_that_degrades_nothing_is_no_reason(mill: Mill) -> None:
    (mill.folder / "old.txt").write_bytes("Größe und Maße, für alle Fälle überall schön erklärt.\n".encode("cp1252"))
    mill.sync()
    shown = documents.show_document(mill.settings, "old.txt")
    assert (shown.document.degraded, shown.reasons) == (False, [])
    assert [each.partition(":")[0] for each in shown.warnings] == ["DECODE_FALLBACK"]


def test_what_an_earlier_docmill_left_without_a_reason_is_counted(shelf: Mill) -> None:
    mill = shelf
    mill.sync(overrides=FEW_ROWS)
    write_state(mill, "UPDATE document SET reasons = '[]' WHERE uri = 'both.csv'")
    assert files(mill).outcomes.degraded == {"ROWS_LEFT_OUT": 2, "NOT_RECORDED": 1}
    assert uris(mill, reason="NOT_RECORDED") == ["both.csv"]
    assert [each.code for each in documents.show_document(mill.settings, "both.csv").reasons] == ["NOT_RECORDED"]


def test_a_document_that_fails_after_it_was_degraded_is_only_failed(shelf: Mill) -> None:
    mill = shelf
    mill.sync(overrides=FEW_ROWS)
    again = mill.sync(overrides=["validate.max_file_bytes=10"])
    assert again.outcomes.failed == {"FILE_TOO_LARGE": 5, "EMPTY_DOCUMENT": 1}
    assert (again.outcomes.degraded_documents, again.degraded) == (0, [])
    [row] = [each for each in files(mill).files if each.uri == "rows.csv"]
    assert (row.degraded, row.reasons) == (False, [])
