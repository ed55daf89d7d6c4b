"""PDFs that a password protects: tried with those of a file, and tried again when that file is new or changed."""

from __future__ import annotations

import io
import os
import time
from pathlib import Path

import pytest
from pypdf import PdfReader, PdfWriter

from conftest import QUICK, Mill
from docmill.domain.results import PlannedDocument
from docmill.domain.sources import Wishes
from docmill.service import planning, running
from documents import MAKERS

SECRET = "open sesame, 9431"


@pytest.fixture
def locked(mill: Mill) -> Mill:
    """A folder with one PDF under a password, and one open text."""
    path = MAKERS["sample.pdf"](mill.root / "sample.pdf")
    with io.BytesIO() as stream:
        writer = PdfWriter(PdfReader(path))
        writer.encrypt(SECRET, algorithm="AES-256")
        writer.write(stream)
        mill.write("open.md", "Of hazel.\n")
        (mill.folder / "locked.pdf").write_bytes(stream.getvalue())
    return mill


def passwords(mill: Mill, *lines: str) -> Path:
    path = mill.root / "passwords.txt"
    path.write_text("\n".join(lines) + "\n", "utf-8")
    path.chmod(0o600)
    return path


def planned(mill: Mill, told: list[str]) -> list[PlannedDocument]:
    wishes = Wishes(overrides=[*QUICK, *told])
    return planning.plan(mill.settings, mill.reporter, [mill.folder], wishes=wishes).sources[0].documents


def failed(mill: Mill, **options: object) -> list[tuple[str, str]]:
    return [(each.uri, each.error_code) for each in mill.sync(**options).errors]  # type: ignore[arg-type]


LOCKED = [("locked.pdf", "ENCRYPTED_FILE")]


def test_a_file_of_passwords_that_is_new_or_changed_is_tried(locked: Mill) -> None:
    assert failed(locked) == LOCKED
    told = [f"parse.password_file={passwords(locked, 'wrong')}"]
    result = locked.sync(overrides=told)
    assert (result.documents.failed, result.documents.completed) == (1, 0), "only the locked one is tried"
    assert locked.sync(overrides=told).run_group_id is None
    assert planned(locked, told) == []
    time.sleep(0.01)
    passwords(locked, "wrong", "", SECRET)
    [item] = planned(locked, told)
    assert (item.uri, item.why) == ("locked.pdf", "it failed for want of a password, and there may be one now")
    result = locked.sync(overrides=told)
    assert (result.errors, result.documents.completed) == ([], 1)
    assert "locked.pdf" in locked.texts()
    assert locked.sync(overrides=told).run_group_id is None


def test_a_start_tries_it_too(locked: Mill) -> None:
    assert failed(locked) == LOCKED
    told = [*QUICK, f"parse.password_file={passwords(locked, SECRET)}"]
    assert running.start(locked.settings, locked.reporter, "docs", overrides=told).documents.completed == 1


def test_a_password_is_written_down_nowhere(locked: Mill) -> None:
    assert failed(locked, overrides=[f"parse.password_file={passwords(locked, SECRET)}"]) == []
    for folder, _folders, names in os.walk(locked.home):
        for name in names:
            assert SECRET.encode() not in (Path(folder) / name).read_bytes(), name
    assert not any(SECRET in repr(event) for event in locked.reporter.events)
