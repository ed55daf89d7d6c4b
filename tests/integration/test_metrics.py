"""Metrics: a scraper can read them, they are true, and a file of them is whole at each moment."""

from __future__ import annotations

import json
import re
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from conftest import Mill
from docmill.cli import app
from docmill.domain.exposition import COUNTER, GAUGE, Family, text
from docmill.errors import StorageError, UsageError
from docmill.service import batches, metrics

NAME = r"[a-zA-Z_:][a-zA-Z0-9_:]*"
SAMPLE = re.compile(rf"({NAME})(?:\{{(.*)\}})? (-?[0-9.e+-]+|NaN|[+-]Inf)")
LABEL = re.compile(r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\["\\n])*)"(,|$)')
Read = dict[str, dict[tuple[tuple[str, str], ...], float]]


def parsed(written: str) -> Read:
    """A strict reader of the text format: HELP, TYPE, then samples, of one family at a time, none of them twice."""
    assert written.endswith("\n") and "\n\n" not in written
    found: Read = {}
    lines = iter(written.splitlines())
    name = ""
    for line in lines:
        if line.startswith("# HELP "):
            _hash, _help, name, words = line.split(" ", 3)
            assert re.fullmatch(NAME, name) and words and name not in found
            kind = next(lines).removeprefix(f"# TYPE {name} ")
            assert kind in ("gauge", "counter")
            assert (kind == "counter") == name.endswith("_total")
            found[name] = {}
            continue
        sample = SAMPLE.fullmatch(line)
        assert sample is not None, line
        assert sample[1] == name, f"{line} lies outside its family"
        labels = tuple(sorted(_labels(sample[2] or "")))
        assert labels not in found[name], f"{line} comes twice"
        found[name][labels] = float(sample[3])
    assert all(found.values())
    return found


def _labels(written: str) -> Iterator[tuple[str, str]]:
    at = 0
    while at < len(written):
        label = LABEL.match(written, at)
        assert label is not None, written[at:]
        plain = re.sub(r"\\(.)", lambda each: "\n" if each[1] == "n" else each[1], label[2])
        yield label[1], plain
        at = label.end()


def sample(found: Read, name: str, /, **labels: str) -> float:
    """The one sample that has these labels among others."""
    [value] = [value for known, value in found[name].items() if set(labels.items()) <= set(known)]
    return value


@pytest.fixture
def worked(mill: Mill) -> Mill:
    mill.write_many(3)
    mill.write("broken.pdf", "this is no pdf\n")
    mill.sync()
    batches.create_batch(mill.settings, name='odd "name"\\ of\ntwo lines')
    return mill


def test_they_are_true(worked: Mill, capfd: pytest.CaptureFixture[str]) -> None:
    mill = worked
    assert metrics.write(mill.settings, "-").path is None
    found = parsed(capfd.readouterr().out)
    assert sample(found, "docmill_documents", status="completed", type="markdown") == 3
    assert sample(found, "docmill_documents", status="failed", type="pdf") == 1
    assert sample(found, "docmill_failed_documents", code="CORRUPTED_FILE") == 1
    assert sample(found, "docmill_batches", status="completed") == 1
    assert sample(found, "docmill_batches", status="created") == 1
    assert sample(found, "docmill_run_groups", status="failed") == 0
    assert sample(found, "docmill_queue_documents", status="pending") == 0
    assert sample(found, "docmill_deliveries", status="failed") == 0
    chunks = mill.value("SELECT chunks_total FROM run_group")
    assert sample(found, "docmill_last_run_chunks", batch="docs", batch_id="1") == chunks
    assert sample(found, "docmill_last_run_documents", outcome="completed") == 3
    assert sample(found, "docmill_last_run_documents", outcome="failed") == 1
    assert sample(found, "docmill_last_run_success") == 0
    began, ended = (sample(found, f"docmill_last_run_{name}_timestamp_seconds") for name in ("start", "end"))
    assert 0 < ended - began < 600
    assert sample(found, "docmill_database_documents", database="default") == 3
    assert sample(found, "docmill_database_chunks", database="default") == chunks
    assert sample(found, "docmill_database_bytes", database="default") > 0
    assert sample(found, "docmill_cache_bytes") >= (mill.home / "cache.db").stat().st_size
    assert sample(found, "docmill_artifacts") == mill.value("SELECT COUNT(*) FROM artifact")
    assert sample(found, "docmill_engine_up") == 0
    assert sample(found, "docmill_engine_starts_total") == 1
    assert all(dict(labels)["home"] == str(mill.home) for family in found.values() for labels in family)
    shown = metrics.metrics(mill.settings)
    assert {each.name: len(each.samples) for each in shown.families} == {name: len(of) for name, of in found.items()}


def test_a_file_is_replaced_at_once_and_what_cannot_be_written_is_said(worked: Mill, tmp_path: Path) -> None:
    mill, file = worked, tmp_path / "out" / "docmill.prom"
    file.parent.mkdir()
    file.write_text("before")
    before = file.stat().st_ino
    written = metrics.write(mill.settings, str(file))
    assert file.stat().st_ino != before and [each.name for each in file.parent.iterdir()] == ["docmill.prom"]
    assert written.size_bytes == file.stat().st_size
    assert sum(len(of) for of in parsed(file.read_text()).values()) == written.samples
    with pytest.raises(UsageError):
        metrics.write(mill.settings, str(mill.home / "docmill.prom"))
    with pytest.raises(StorageError):
        metrics.write(mill.settings, str(tmp_path / "nowhere" / "docmill.prom"))


def test_the_command(worked: Mill, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    home = ["--home", str(worked.home), "metrics"]
    writer = sqlite3.connect(worked.home / "state.db", isolation_level=None)
    writer.execute("BEGIN IMMEDIATE")  # nobody is waited for
    assert app.run(home) == 0
    writer.execute("ROLLBACK")
    writer.close()
    shown = parsed(capfd.readouterr().out)
    assert app.run([*home, "--json"]) == 0
    assert {each["name"] for each in json.loads(capfd.readouterr().out)["families"]} == set(shown)
    file = tmp_path / "docmill.prom"
    assert app.run([*home, "-o", str(file)]) == 0
    assert capfd.readouterr().out.endswith(f"in {file}\n")
    assert app.run([*home, "-o", str(file), "--quiet"]) == 0
    assert capfd.readouterr() == ("", "")
    assert app.run(["--home", str(tmp_path / "none"), "metrics"]) == 4


def test_the_text_format() -> None:
    odd = 'a "b" \\ c\nd'
    families = [
        Family("docmill_odd", GAUGE, "Lines\nand \\ signs.", (({"name": odd, "other": "\udcff"}, 0.25),)),
        Family("docmill_none", GAUGE, "Nobody has any.", ()),
        Family("docmill_starts_total", COUNTER, "Starts.", (({}, 3.0),)),
    ]
    written = text(families)
    assert written == (
        "# HELP docmill_odd Lines\\nand \\\\ signs.\n# TYPE docmill_odd gauge\n"
        'docmill_odd{name="a \\"b\\" \\\\ c\\nd",other="?"} 0.25\n'
        "# HELP docmill_starts_total Starts.\n# TYPE docmill_starts_total counter\ndocmill_starts_total 3\n"
    )
    assert sample(parsed(written), "docmill_odd", name=odd) == 0.25
