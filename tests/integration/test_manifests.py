"""Manifests: documents by row, what they say of them, and what happens when they say something else."""

from __future__ import annotations

import contextlib
import io
import json
import os
import threading
from collections.abc import Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from conftest import Mill
from docmill.cli.output import exit_code
from docmill.domain import changes
from docmill.domain.results import IngestResult
from docmill.domain.sources import Rule, Wishes
from docmill.errors import NotFoundError, UsageError
from docmill.service import documents, ingest_tally, ingesting, naming, registering, running
from docmill.sources import folder as folders


def ingest(
    mill: Mill, manifest: Path | str, *inputs: str, columns: dict[str, str] | None = None, **options: Any
) -> IngestResult:
    given = naming.Manifest(str(manifest), options.pop("format", None), columns or {}, options.pop("stream", None))
    return ingesting.ingest(mill.settings, list(inputs), manifest=given, reporter=mill.reporter, **options)


def start(mill: Mill, batch: int | None) -> int:
    result = running.start(mill.settings, mill.reporter, str(batch), overrides=list(mill.overrides))
    return result.workflows


def metadata(mill: Mill, path: Path) -> dict[str, Any]:
    return documents.show_document(mill.settings, str(path)).metadata


@pytest.fixture
def served(mill: Mill) -> Iterator[str]:
    """The folder of the documents, as a real site."""

    class Handler(SimpleHTTPRequestHandler):
        def __init__(self, *args: Any) -> None:
            super().__init__(*args, directory=str(mill.folder))

        def handle_one_request(self) -> None:
            with contextlib.suppress(OSError):
                super().handle_one_request()

        def log_message(self, *_args: Any) -> None:
            """Tests are quiet."""

    http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=http.serve_forever, args=(0.01,), daemon=True).start()
    mill.flags = {"allowed_hosts": ("127.0.0.1",)}
    yield f"http://127.0.0.1:{http.server_address[1]}"
    http.shutdown()
    http.server_close()


def test_rows_are_documents_with_metadata(mill: Mill, served: str) -> None:
    a, b = mill.write("a.txt", "About walnuts.\n"), mill.write("sub/b.txt", "About hazels.\n")
    mill.write("c.txt", "About almonds.\n")
    manifest = mill.write("list.csv", f"uri,title,shelf\na.txt,Walnuts,12\n{b},,13\n{served}/c.txt,Almonds,\n")
    result = ingest(mill, manifest, meta=["project=nuts", "shelf=0"])
    assert (exit_code(result), result.counts.new, result.warnings) == (0, 3, [])
    assert [target.source for target in result.targets] == ["files", "web"]
    assert metadata(mill, a) == {"project": "nuts", "title": "Walnuts", "shelf": "12"}
    assert metadata(mill, b) == {"project": "nuts", "shelf": "13"}
    for target in result.targets:
        start(mill, target.batch_id)
    titles = {row["uri"]: row["title"] for row in mill.rows()}
    assert titles == {str(a): "Walnuts", str(b): None, f"{served}/c.txt": "Almonds"}
    assert mill.search("almonds", mode="fts").hits[0].title == "Almonds"


def test_other_metadata_makes_a_document_due_again(mill: Mill) -> None:
    a, b = mill.write("a.txt", "About walnuts.\n"), mill.write("b.txt", "About hazels.\n")
    manifest = mill.write("list.jsonl", '{"uri": "a.txt", "title": "One", "x": 1}\n{"uri": "b.txt"}\n')
    first = ingest(mill, manifest)
    assert start(mill, first.batch_id) == 2
    row = mill.state("SELECT * FROM document ORDER BY uri")
    assert ingest(mill, manifest).counts.unchanged == 2
    assert (mill.state("SELECT * FROM document ORDER BY uri"), start(mill, first.batch_id)) == (row, 0)
    manifest.write_text('{"uri": "a.txt", "title": "Two", "x": null, "y": [1]}\n{"uri": "b.txt", "z": null}\n')
    again = ingest(mill, manifest)
    assert [(file.uri, file.outcome) for file in again.files] == [(str(a), "updated"), (str(b), "unchanged")]
    assert metadata(mill, a) == {"title": "Two", "y": [1]}
    events = documents.history(mill.settings, str(a)).events
    assert [(event.event, event.version) for event in events] == [("new", 1), ("described", 2)]
    assert start(mill, first.batch_id) == 1
    assert [row["title"] for row in mill.rows()] == ["Two", None]


def test_a_bad_row_is_named_by_its_line_and_the_rest_goes_on(mill: Mill) -> None:
    mill.write("a.txt", "About walnuts.\n")
    mill.write("b.txt", "About hazels.\n")
    (mill.folder / "inside").mkdir()
    os.mkfifo(mill.folder / "pipe.txt")
    manifest = mill.write(
        "list.csv",
        'uri,title\na.txt,"Two\nlines"\n,none\nmissing.txt,x\ninside,x\nb.txt,x,y\npipe.txt,x\nftp://x/y,x\nb.txt,Last\n',
    )
    result = ingest(mill, manifest)
    assert exit_code(result) == 3
    assert [(error.line, error.error_code) for error in sorted(result.errors, key=lambda each: each.line or 0)] == [
        (4, "BAD_ROW"),
        (5, "FILE_NOT_FOUND"),
        (6, "BAD_ROW"),
        (7, "BAD_ROW"),
        (8, "UNSUPPORTED_TYPE"),
        (9, "ADDRESS_REFUSED"),
    ]
    assert all(error.error_message.startswith(f"line {error.line}: ") for error in result.errors)
    assert [file.uri for file in result.files] == [str(mill.folder / "a.txt"), str(mill.folder / "b.txt")]
    assert result.reason == "6 could not be ingested"


def test_columns_of_others(mill: Mill) -> None:
    path = mill.write("a.txt", "About walnuts.\n")
    manifest = mill.write("export.csv", "id;Name;Path\n7;Walnuts;a.txt\n")
    result = ingest(mill, manifest, columns=naming.columns(["uri=Path", "title=Name"]))
    assert result.counts.new == 1
    assert metadata(mill, path) == {"title": "Walnuts", "id": "7"}
    with pytest.raises(UsageError, match="no column 'uri'") as caught:
        ingest(mill, manifest, str(path))
    assert caught.value.hint == "--map uri=Path"
    with pytest.raises(NotFoundError):
        ingest(mill, mill.folder / "none.csv")
    for wrong in (["uri"], ["=x"], ["uri="], ["uri=a", "uri=b"]):
        with pytest.raises(UsageError):
            naming.columns(wrong)
    with pytest.raises(UsageError):
        naming.manifest(None, None, ["uri=Path"], None)


def test_a_refused_manifest_writes_nothing(mill: Mill) -> None:
    path = mill.write("a.txt", "About walnuts.\n")
    with pytest.raises(UsageError):
        ingest(mill, mill.write("list.csv", "file\na.txt\n"), str(path))
    assert mill.value("SELECT COUNT(*) FROM document") == 0


def test_a_manifest_on_stdin(mill: Mill, monkeypatch: pytest.MonkeyPatch) -> None:
    path = mill.write("a.txt", "About walnuts.\n")
    monkeypatch.chdir(mill.folder)
    result = ingest(mill, "-", format="jsonl", stream=io.BytesIO(b'{"uri": "a.txt"}\n{broken\n'))
    assert [file.uri for file in result.files] == [str(path)]
    assert [(error.uri, error.line) for error in result.errors] == [("the manifest on stdin:2", 2)]
    with pytest.raises(UsageError, match="does not tell"):
        ingest(mill, "-", stream=io.BytesIO(b""))
    with pytest.raises(UsageError, match="one list"):
        ingest(mill, "-", "-", stream=io.BytesIO(b""), stdin=[])


def test_a_uri_that_comes_again_has_the_last_word_and_is_told(mill: Mill) -> None:
    path = mill.write("a.txt", "About walnuts.\n")
    result = ingest(mill, mill.write("list.csv", "uri,title,x\na.txt,One,1\n./a.txt,Two,\n"))
    assert [file.outcome for file in result.files] == ["new", "updated"]
    assert metadata(mill, path) == {"title": "Two"}
    [warning] = result.warnings
    assert warning.startswith("line 3 ")
    assert exit_code(result) == 0


def test_metadata_for_the_documents_of_a_followed_folder(mill: Mill) -> None:
    mill.write("a.txt", "About walnuts.\n")
    mill.sync()
    manifest = mill.root / "list.csv"
    manifest.write_text("uri,title\ndocs/a.txt,Walnuts\n")
    result = ingest(mill, manifest, source="docs")
    assert [(file.uri, file.outcome) for file in result.files] == [("a.txt", "updated")]
    mill.sync()
    assert [row["title"] for row in mill.rows()] == ["Walnuts"]
    assert mill.value("SELECT COUNT(*) FROM document") == 1


def test_rules_of_a_source_hold_for_what_is_ingested(mill: Mill) -> None:
    mill.write("a.txt", "About walnuts.\n")
    registering.add(
        mill.settings, "docs", mill.folder, Wishes(rules=[Rule("*.txt", ("chunk.size=100",), {"kind": "nut"})])
    )
    ingesting.ingest(mill.settings, [str(mill.folder)])
    assert mill.state("SELECT profile, meta FROM document") == [('["chunk.size=100"]', '{"kind": "nut"}')]


def test_a_followed_folder_is_ingested_as_a_sync_would_take_it(mill: Mill) -> None:
    for name in ("a.txt", "in/b.txt", "in/c.md"):
        mill.write(name, "About walnuts.\n")
    registering.add(mill.settings, "docs", mill.folder, Wishes(exclude=["*.md"]))
    result = ingesting.ingest(mill.settings, [str(mill.folder / "in")], source="docs")
    assert ([file.uri for file in result.files], result.counts.ignored) == (["in/b.txt"], 1)
    assert [file.uri for file in ingesting.ingest(mill.settings, [str(mill.folder)]).files] == ["a.txt", "in/b.txt"]
    mill.sync()
    assert mill.value("SELECT COUNT(*) FROM document WHERE state = 'active'") == 2
    assert mill.value("SELECT MAX(version) FROM document") == 1


def test_an_untouched_file_is_not_read_again(mill: Mill, monkeypatch: pytest.MonkeyPatch) -> None:
    path = mill.write("a.txt", "About walnuts.\n")
    manifest = mill.write("list.csv", "uri\na.txt\n")
    ingest(mill, manifest)
    monkeypatch.setattr(changes, "CLOCK_GRANULARITY_NS", -(10**18))  # however quickly this follows its writing
    read: list[str] = []
    hash_file = folders.hash_file
    monkeypatch.setattr(folders, "hash_file", lambda file: read.append(file.uri) or hash_file(file))
    assert (ingest(mill, manifest).counts.unchanged, read) == (1, [])
    os.utime(path, (10**9, 10**9))
    assert (ingest(mill, manifest).counts.unchanged, read) == (1, [str(path)])
    assert (ingest(mill, manifest).counts.unchanged, read) == (1, [str(path)]), "its new times are known by now"


def test_a_change_that_another_shell_wrote_meanwhile(mill: Mill, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was found unchanged against an older look is looked at once more."""
    path = mill.write("a.txt", "About walnuts.\n")
    manifest = mill.write("list.csv", "uri,title\na.txt,T\n")
    ingest(mill, manifest)
    monkeypatch.setattr(changes, "CLOCK_GRANULARITY_NS", -(10**18))
    as_known, others = ingesting._as_known, []

    def meanwhile(before: Any) -> Any:
        if not others:
            others.append(1)
            path.write_text("About hazels.\n")
            ingesting.ingest(mill.settings, [str(path)])
        return as_known(before)

    monkeypatch.setattr(ingesting, "_as_known", meanwhile)
    assert ingest(mill, manifest).counts.unchanged == 1
    assert mill.state("SELECT version, meta FROM document") == [(2, '{"title": "T"}')]


def test_windows_and_what_is_not_listed(mill: Mill, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ingesting, "_MOST_FILES", 3)
    monkeypatch.setattr(ingest_tally, "MOST_LISTED", 4)
    rows = [json.dumps({"uri": f"note-{number:03d}.md", "n": number}) for number in range(12)]
    mill.write_many(10)
    result = ingest(mill, mill.write("list.jsonl", "\n".join(rows)))
    assert (result.counts.new, result.counts.failed, len(result.files), len(result.errors)) == (10, 2, 4, 2)
    assert result.not_listed == 6
    assert mill.value("SELECT COUNT(*) FROM document") == 10


def test_what_is_written_stays_when_a_later_window_fails(mill: Mill, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ingesting, "_MOST_FILES", 3)
    mill.write_many(6)
    manifest = mill.write("list.csv", "uri\n" + "".join(f"note-{number:03d}.md\n" for number in range(6)))
    hash_file, count = folders.hash_file, []

    def interrupted(file: Any) -> Any:
        count.append(1)
        if len(count) == 5:
            raise KeyboardInterrupt
        return hash_file(file)

    monkeypatch.setattr(folders, "hash_file", interrupted)
    with pytest.raises(KeyboardInterrupt):
        ingest(mill, manifest)
    monkeypatch.setattr(folders, "hash_file", hash_file)
    assert mill.value("SELECT COUNT(*) FROM document") == 3
    again = ingest(mill, manifest)
    assert (again.counts.new, again.counts.unchanged) == (3, 3)
