"""Summaries, reports and archives of what was really done; and reports that are written by themselves, once it is."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import shutil
import stat
import zipfile
from typing import Any

import pytest

from conftest import QUICK, Mill
from docmill import privacy
from docmill.domain.results import SummaryResult
from docmill.domain.sources import Wishes
from docmill.engine import notices
from docmill.errors import (
    BatchNotFound,
    DefinitionError,
    InvalidState,
    RunGroupNotFound,
    StorageError,
    UsageError,
)
from docmill.service import (
    archiving,
    batches,
    completion_reports,
    definitions,
    delivering,
    ingesting,
    pruning,
    registering,
    reporting,
    running,
    summarizing,
)
from docmill.service.delivering import Options

ONCE = Options(once=True)
HTML = '<!doctype html><html lang="de-AT"><title>Nuss</title><p>Eine Nuss ist eine Frucht mit harter Schale.</p>'


@pytest.fixture
def done(mill: Mill, monkeypatch: pytest.MonkeyPatch) -> Mill:
    """A source with documents of three types, two of them copies, and one that fails; synced. No deliverer starts."""
    monkeypatch.setattr(notices, "_start", lambda *_args: None)
    mill.write_many(4)
    mill.write("copy.md", (mill.folder / "note-001.md").read_text())
    mill.write("nuss.html", HTML)
    mill.write("broken.pdf", "%PDF-1.4 broken")
    mill.sync()
    return mill


def summary(mill: Mill, batch: str | None = "docs", **options: Any) -> SummaryResult:
    return summarizing.summary(mill.settings, batch, **options)


# ---- the figures -----------------------------------------------------------------------------------------------------


def test_a_summary_adds_up(done: Mill) -> None:
    made = summary(done)
    total, insights = made.summary, made.insights
    assert (total.total_files, total.successfully_processed, total.failed_files, total.pending_files) == (7, 6, 1, 0)
    assert insights.document_types == {"markdown": 5, "html": 1, "pdf": 1}
    by_type = {each.type: each for each in insights.outcomes_by_type}
    assert (by_type["pdf"].failed, by_type["markdown"].completed) == (1, 5)
    assert insights.languages_detected == {"de": 1}
    assert insights.duplicate_files == 1
    assert insights.duplicate_bytes == (done.folder / "copy.md").stat().st_size
    rows = done.rows()
    assert total.total_chunks_created == len(rows)
    assert insights.chunk_lengths is not None
    assert insights.chunk_lengths.count == sum(each.count for each in insights.chunk_lengths.bins) == len(rows)
    assert insights.chunk_lengths.max == max(row["tokens"] for row in rows)
    assert made.storage.source_bytes == sum(path.stat().st_size for path in done.folder.iterdir())
    assert total.total_storage_used == made.storage.artifacts_bytes + made.storage.database_bytes > 0
    assert made.largest[0].size_bytes == max(path.stat().st_size for path in done.folder.iterdir())
    assert {each.uri for each in made.slowest} <= {each.name for each in done.folder.iterdir()} - {"broken.pdf"}
    assert [each.seconds for each in made.slowest] == sorted((each.seconds for each in made.slowest), reverse=True)
    assert made.outcomes.failed == {"CORRUPTED_FILE": 1}


def test_the_run_s_figures_are_the_run_s_and_the_documents_are_the_batch_s(done: Mill) -> None:
    first = summary(done)
    done.write("new.md", "# New\n\nA new one.\n")
    done.sync()
    second = summary(done)
    assert first.run and second.run and first.throughput and second.throughput
    assert (first.run.completed, first.run.failed) == (6, 1)
    assert (second.run.completed, second.run.failed) == (1, 0)
    assert second.summary.total_files == 8
    assert second.summary.total_processing_time > first.summary.total_processing_time
    assert [each.run_group_id for each in second.runs] == [second.run.run_group_id, first.run.run_group_id]
    assert sum(each.documents_read for each in first.throughput.bins) == 6
    assert sum(each.chunks_embedded for each in first.throughput.bins) == first.run.chunks_total
    again = summary(done, None, run_group=first.run.run_group_id)
    assert again.run == first.run
    assert again.summary == second.summary
    assert [each.name for each in first.stages if each.work_seconds is None] == ["embed"]


def test_copies_and_documents_of_others_are_left_out(done: Mill) -> None:
    """Another batch in the same database has no part in the figures."""
    other = done.root / "other"
    other.mkdir()
    (other / "x.md").write_text("# X\n\nAll of another batch.\n")
    done.sync(other)
    mine, its = summary(done), summary(done, "other")
    assert (its.summary.total_files, its.summary.total_chunks_created) == (1, 1)
    assert its.insights.chunk_lengths is not None
    assert its.insights.chunk_lengths.count == 1
    assert its.insights.languages_detected == {}
    share = its.storage.database_bytes / (its.storage.database_bytes + mine.storage.database_bytes)
    assert share == pytest.approx(1 / len(done.rows()), rel=0.01)


def test_what_has_not_begun_says_so(mill: Mill) -> None:
    batches.create_batch(mill.settings, name="later", scheduled_start="2999-01-01")
    made = summary(mill, "later")
    assert (made.run, made.runs, made.summary.total_files, made.recommendations) == (None, [], 0, [])
    with pytest.raises(InvalidState):
        summary(mill, None, run_group=1)
    with pytest.raises(BatchNotFound):
        summary(mill, "none")
    with pytest.raises(RunGroupNotFound):
        summary(mill, None, run_group=9)
    with pytest.raises(UsageError):
        summary(mill, None)


def test_a_database_that_is_gone_takes_only_its_own_figures_along(done: Mill) -> None:
    before = summary(done)
    shutil.rmtree(done.home / "lancedb" / "default")
    after = summary(done)
    assert (after.insights.chunk_lengths, after.storage.database_bytes) == (None, 0)
    assert after.summary.total_chunks_created == before.summary.total_chunks_created
    assert after.run == before.run


# ---- report and archive ----------------------------------------------------------------------------------------------


def test_a_report_is_a_file_of_the_user_s(done: Mill, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    path = done.root / "out.html"
    made = reporting.report(done.settings, "docs", output=str(path))
    text = path.read_text("utf-8")
    assert made.size_bytes == path.stat().st_size
    assert "broken.pdf" in text
    reporting.report(done.settings, "docs", output="-")
    out = capfdbinary.readouterr().out
    assert out.startswith(b"<!DOCTYPE html>")
    assert out.endswith(b"</html>\n")
    with pytest.raises(StorageError):
        reporting.report(done.settings, "docs", output=str(done.root / "nowhere" / "x.html"))
    with pytest.raises(UsageError):
        reporting.report(done.settings, "docs", output=str(done.home / "x.html"))


def test_an_archive_holds_what_its_manifest_says(done: Mill) -> None:
    path = done.root / "docs.zip"
    made = archiving.archive(done.settings, "docs", output=str(path), include_metadata=True)
    with zipfile.ZipFile(path) as package:
        assert package.testzip() is None
        assert [each.name for each in made.files] == package.namelist()
        assert {each.date_time for each in package.infolist()} == {(1980, 1, 1, 0, 0, 0)}
        manifest = json.loads(package.read("manifest.json"))
        named = {each["name"]: each for each in manifest["files"]}
        assert {*named, "manifest.json"} == set(package.namelist())
        for name, said in named.items():
            data = package.read(name)
            assert (said["size_bytes"], said["sha256"]) == (len(data), hashlib.sha256(data).hexdigest())
            if "rows" in said and name.endswith(".jsonl"):
                assert said["rows"] == len([json.loads(line) for line in data.splitlines()])
        passages = [json.loads(line) for line in package.read("passages/passages.jsonl").splitlines()]
        documents = [json.loads(line) for line in package.read("documents.jsonl").splitlines()]
        assert SummaryResult.model_validate(json.loads(package.read("summary.json"))).batch_id == made.batch_id
        assert package.read("report.html").startswith(b"<!DOCTYPE html>")
        events = package.read("run-groups/1/events.jsonl").splitlines()
    assert sorted(row["text"] for row in passages) == sorted(row["text"] for row in done.rows())
    assert all("metadata" in row for row in passages)
    assert {row["uri"] for row in documents} == {each.name for each in done.folder.iterdir()}
    assert len(events) == done.value("SELECT COUNT(*) FROM lifecycle_event")
    assert [each.name for each in done.root.iterdir() if each.name.startswith(".")] == [], "something was left behind"


def test_archives_of_one_state_differ_in_nothing_but_the_time(done: Mill) -> None:
    found = []
    for name in ("a.zip", "b.zip"):
        archiving.archive(done.settings, "docs", output=str(done.root / name), format="csv")
        with zipfile.ZipFile(done.root / name) as package:
            found.append({each: package.read(each) for each in package.namelist()})
    timed = ("report.html", "summary.json", "manifest.json")
    assert list(found[0]) == list(found[1])
    assert {name for name, data in found[0].items() if data != found[1][name]} <= set(timed)
    rows = list(csv.DictReader(io.StringIO(found[0]["passages/passages.csv"].decode("utf-8-sig"))))
    assert len(rows) == len(done.rows())


def test_an_archive_fails_whole(done: Mill, monkeypatch: pytest.MonkeyPatch) -> None:
    path = done.root / "docs.zip"
    with pytest.raises(UsageError, match="psychic"):
        archiving.archive(done.settings, "docs", output=str(path), format="psychic")

    def full(*_args: Any, **_options: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(archiving.exporting, "export", full)
    with pytest.raises(StorageError, match="No space left"):
        archiving.archive(done.settings, "docs", output=str(path))
    assert sorted(each.name for each in done.root.iterdir()) == ["docs", "home"]


def test_a_batch_without_passages_has_an_archive_too(mill: Mill) -> None:
    batches.create_batch(mill.settings, name="new")
    made = archiving.archive(mill.settings, "new", output=str(mill.root / "new.zip"))
    assert [each.name for each in made.files] == [
        "report.html",
        "summary.json",
        "documents.jsonl",
        "log.jsonl",
        "manifest.json",
    ]


# ---- written by themselves -------------------------------------------------------------------------------------------


def killed(mill: Mill, code: str) -> bool:
    """Run it in a process of its own, which is to kill itself."""
    process = mill.process(code)
    process.communicate(timeout=60)
    return process.returncode == -9


def reports(mill: Mill) -> list[str]:
    folder = mill.home / completion_reports.FOLDER
    return sorted(each.name for each in folder.iterdir()) if folder.is_dir() else []


def test_a_batch_that_asked_for_it_leaves_a_report_when_it_ends(done: Mill) -> None:
    made = batches.create_batch(done.settings, name="Q4 / <b>", report_on_completion=True)
    ingesting.ingest(done.settings, [str(done.folder)], batch=str(made.batch_id), source="q4")
    running.start(done.settings, done.reporter, str(made.batch_id), overrides=list(QUICK))
    assert reports(done) == [], "the engine itself wrote it"
    (done.home / "reports").mkdir(0o700)
    (done.home / "reports" / ".Q4-b-2.html.0123456789ab.new").write_text("half of a page, by a process that was killed")
    assert delivering.deliver(done.settings, ONCE).delivered == 1
    group = done.value("SELECT MAX(id) FROM run_group")
    assert reports(done) == [f"Q4-b-{group}.html", f"Q4-b-{group}.json"]
    folder = done.home / completion_reports.FOLDER
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert {stat.S_IMODE(each.stat().st_mode) for each in folder.iterdir()} == {0o600}
    told = SummaryResult.model_validate(json.loads((folder / f"Q4-b-{group}.json").read_text("utf-8")))
    assert told.run is not None
    assert (told.run.run_group_id, told.run.status, told.run.completed) == (group, "completed", 6)
    [(context,)] = done.state("SELECT context FROM log_entry WHERE message = 'wrote the report'")
    assert json.loads(context)["output"] == str(folder / f"Q4-b-{group}.html")
    pruning.delete_batch(done.settings, str(made.batch_id), with_documents=True)
    assert reports(done) == []


def test_a_report_that_was_due_when_everything_died_is_written_by_the_next_deliverer(done: Mill) -> None:
    """It is due from the very transaction on that ends the group; killed while it is written, it is written again."""
    registering.add(
        done.settings,
        "docs",
        done.folder,
        Wishes(overrides=list(QUICK)),
        reports=completion_reports.configuration(on_completion=True, folder=None),
    )
    done.write("new.md", "# New\n\nA new one.\n")
    code = "import os\nfrom docmill.engine import notices\n"
    code += "notices.Notices.close = lambda *_args: os.kill(os.getpid(), 9)\n"
    code += "notices._start = lambda *_args: None\nmill.sync()"
    assert killed(done, code)
    assert done.value("SELECT status FROM run_group ORDER BY id DESC LIMIT 1") == "completed"
    assert reports(done) == []
    dying = "import os\nfrom docmill.service import delivering, reporting\n"
    dying += "write = reporting._write\n"
    dying += "def write_one(path, *rest):\n    write(path, *rest)\n    os.kill(os.getpid(), 9)\n"
    dying += "reporting._write = write_one\ndelivering.deliver(mill.settings, delivering.Options(once=True))"
    assert killed(done, dying)
    assert [each.rpartition(".")[2] for each in reports(done)] == ["json"]
    assert delivering.deliver(done.settings, ONCE).delivered == 1
    assert [each.rpartition(".")[2] for each in reports(done)] == ["html", "json"]
    registering.add(done.settings, "docs", done.folder, Wishes(overrides=list(QUICK)))
    assert "report_on_completion" not in done.value("SELECT configuration FROM batch WHERE id = 1")


def test_reports_go_where_they_are_wanted_and_a_bad_place_is_tried_again(done: Mill) -> None:
    folder = done.root / "wanted" / "here"
    (done.root / "wanted").write_text("a file is in the way")
    made = batches.create_batch(done.settings, name="q", report_on_completion=True, report_folder=str(folder))
    ingesting.ingest(done.settings, [str(done.folder / "nuss.html")], batch=str(made.batch_id), source="q")
    running.start(done.settings, done.reporter, str(made.batch_id), overrides=list(QUICK))
    assert delivering.deliver(done.settings, ONCE).waiting == 1
    assert "cannot be made" in done.value("SELECT last_error FROM delivery")
    (done.root / "wanted").unlink()
    assert delivering.deliver(done.settings, ONCE).delivered == 1
    assert {each.suffix for each in folder.iterdir()} == {".html", ".json"}
    assert {stat.S_IMODE(each.stat().st_mode) for each in (folder, folder.parent)} == {0o777 & ~privacy.users_umask()}
    assert reports(done) == []
    with pytest.raises(UsageError, match="--report-folder"):
        batches.create_batch(done.settings, name="x", report_folder=str(folder))


def test_a_workflow_may_ask_for_reports_at_the_end_and_only_there(mill: Mill) -> None:
    steps = "".join(f"  - {{name: {each}, type: {each}}}\n" for each in ("parse", "chunk", "embed", "store"))
    text = f"id: mine\nname: Mine\nsteps:\n{steps}lifecycle:\n"
    workflows = mill.home / "workflows"
    (workflows / "mine.yaml").write_text(f"{text}  group_end:\n    - {{type: report, folder: /srv/reports}}\n")
    handlers = json.loads(definitions.resolve(mill.home, "mine", "default", []).handlers)
    assert handlers == {"group_end": [{"type": "report", "folder": "/srv/reports"}]}
    (workflows / "mine.yaml").write_text(f"{text}  item_end:\n    - {{type: report}}\n")
    with pytest.raises(DefinitionError, match="group_end"):
        definitions.resolve(mill.home, "mine", "default", [])


def test_a_report_of_what_was_deleted_since_is_nobody_s_concern(done: Mill) -> None:
    with pytest.raises(RunGroupNotFound):
        reporting.write_of_group(done.home, 99, None)
    assert reports(done) == []
