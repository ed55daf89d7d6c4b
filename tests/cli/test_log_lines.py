"""The log on stderr: one form for what work, libraries and errors say, without secrets."""

from __future__ import annotations

import io
import json
import logging
import subprocess
import sys
import warnings

import pytest

from docmill.cli import log_lines
from docmill.cli.app import run
from docmill.cli.log_lines import LogFormat
from docmill.cli.reporting import LineReporter, choose
from docmill.domain.events import CompletedEvent, DocumentEvent, ErrorEvent, MessageEvent, ProgressEvent
from docmill.service import batches

AT = "2026-01-31T12:00:00.000Z"
SECRET = "https://user:hunter2@example.org/?token=hunter2"


def records(text: str) -> list[dict]:
    return [json.loads(line) for line in text.splitlines()]


def test_events_of_work_as_json():
    stream = io.StringIO()
    reporter = LineReporter(stream, form=LogFormat.JSON)
    reporter.emit(MessageEvent("info", f"looking at {SECRET}", timestamp=AT))
    reporter.emit(MessageEvent("debug", "a detail", timestamp=AT))
    reporter.emit(ErrorEvent(1, 2, "ab", "b.pdf", "parse", "TIMEOUT", f"from {SECRET}", AT, 1))
    reporter.emit(DocumentEvent(1, 2, "ab", "b.pdf", "failed", timestamp=AT))
    reporter.emit(CompletedEvent(1, 2, "completed", "3 documents", {"documents": 3}, AT))
    said, failed, ended = records(stream.getvalue())
    assert said == {
        "time": AT,
        "level": "info",
        "message": "looking at https://***@example.org/?token=***",
        "event": "message",
    }
    assert (failed["level"], failed["event"], failed["uri"], failed["error_code"]) == (
        "error",
        "error",
        "b.pdf",
        "TIMEOUT",
    )
    assert failed["message"].startswith("b.pdf: parse: TIMEOUT: from https://***@")
    assert (ended["message"], ended["metadata"], ended["run_group_id"]) == (
        "completed: 3 documents",
        {"documents": 3},
        2,
    )
    assert "hunter2" not in stream.getvalue()


def test_quiet_and_verbose_hold_for_json_too():
    quiet, verbose = io.StringIO(), io.StringIO()
    for reporter in (
        LineReporter(quiet, quiet=True, form=LogFormat.JSON),
        LineReporter(verbose, verbose=True, form=LogFormat.JSON),
    ):
        reporter.emit(MessageEvent("debug", "a detail"))
        reporter.emit(MessageEvent("warning", "not fine"))
        reporter.emit(DocumentEvent(1, 2, "ab", "a.pdf", "completed", chunks=3))
        reporter.emit(ErrorEvent(1, 2, "ab", "b.pdf", "parse", "TIMEOUT", "late"))
    assert [each["level"] for each in records(quiet.getvalue())] == ["warning", "error"]
    assert [each["level"] for each in records(verbose.getvalue())] == ["debug", "warning", "info", "error"]


def test_text_hides_secrets_as_well():
    stream = io.StringIO()
    LineReporter(stream).emit(MessageEvent("warning", f"no answer from {SECRET}\nat all"))
    assert stream.getvalue() == "warning: no answer from https://***@example.org/?token=*** at all\n"


def test_json_is_for_logs_also_where_there_is_a_terminal(monkeypatch):
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    monkeypatch.setattr(sys, "stderr", Terminal())
    reporter = choose(events=False, quiet=False, verbose=False, log_format=LogFormat.JSON)
    reporter.emit(ProgressEvent(1, 2, 3, 1, 0, ()))
    reporter.emit(MessageEvent("info", "a word"))
    assert [each["message"] for each in records(sys.stderr.getvalue())] == ["a word"]


@pytest.mark.parametrize("form", LogFormat)
def test_what_libraries_say_is_part_of_the_log(form, capsys):
    before = list(logging.getLogger().handlers)
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        with log_lines.of_libraries(form, verbose=False, records=True):
            logging.getLogger("lib.part").warning("slow: %s", SECRET)
            logging.getLogger("lib.part").info("a detail")
            warnings.warn("old", FutureWarning, stacklevel=1)
            try:
                raise ValueError("why")
            except ValueError:
                logging.getLogger("lib").exception("it broke")
    assert logging.getLogger().handlers == before
    written = capsys.readouterr().err
    if form is LogFormat.TEXT:
        assert written.splitlines() == [
            "warning: lib.part: slow: https://***@example.org/?token=***",
            "warning: old",
            "error: lib: it broke",
        ]
        return
    first, old, broke = records(written)
    assert (first["level"], first["logger"], first["message"]) == (
        "warning",
        "lib.part",
        "slow: https://***@example.org/?token=***",
    )
    assert (old["category"], old["logger"]) == ("FutureWarning", "py.warnings")
    assert broke["level"] == "error" and "ValueError: why" in broke["traceback"]


def test_errors_are_part_of_it(cli, home):
    ran = cli("wait", "nothing", "--log-format", "json")
    [said] = records(ran.err)
    assert (ran.code, ran.out) == (4, "")
    assert (said["level"], said["code"], said["exit_code"], said["batch"]) == ("error", "BATCH_NOT_FOUND", 4, "nothing")
    both = cli("--log-format=json", "batch", "show", "nothing", "--json")
    assert both.json["error"]["code"] == records(both.err)[0]["code"] == "BATCH_NOT_FOUND"
    assert records(cli("wait", "--log-format", "json", "--no-such").err)[0]["code"] == "USAGE"


def test_the_environment_asks_for_it_and_a_flag_goes_before(cli, home, monkeypatch):
    monkeypatch.setenv("DOCMILL_LOG_FORMAT", "json")
    assert records(cli("wait", "nothing").err)[0]["level"] == "error"
    assert cli("wait", "nothing", "--log-format", "text").err.startswith("error: no batch 'nothing'")
    monkeypatch.setenv("DOCMILL_LOG_FORMAT", "xml")
    assert cli("status").code == 6
    monkeypatch.delenv("DOCMILL_LOG_FORMAT")
    assert cli("wait", "--log-format", "xml").code == 2


def test_a_surprise_brings_its_traceback_where_it_is_asked_for(cli, home, monkeypatch):
    def broken(*_given, **_more):
        raise RuntimeError("boom")

    monkeypatch.setattr(batches, "home_status", broken)
    [said] = records(cli("status", "-v", "--log-format", "json").err)
    assert said["exit_code"] == 1 and "RuntimeError: boom" in said["traceback"]
    assert "traceback" not in records(cli("status", "--log-format", "json").err)[0]


def test_reading_does_not_import_logging_for_it(home):
    program = "import sys\nfrom docmill.cli.app import run\nrun(sys.argv[1:])\nprint('logging' in sys.modules)"
    arguments = ["--home", str(home), "batch", "list", "--log-format", "json"]
    done = subprocess.run([sys.executable, "-c", program, *arguments[:4]], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "False"
    assert run(arguments) == 2  # what only reads has no such option of its own
