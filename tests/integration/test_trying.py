"""Param sets tried on files that take workers down, and on such that hold others."""

from __future__ import annotations

import zipfile

from conftest import QUICK, TRAPS, Mill
from docmill.service import trying


def test_a_worker_that_dies_is_told_of(traps: Mill) -> None:
    file = traps.write("killer.md", "KILL ONCE, and then be good.\n")
    before = set(traps.home.rglob("*"))
    tested = trying.test(traps.settings, traps.reporter, "default", str(file), overrides=TRAPS, limit=1, offset=0)
    assert tested.failure is not None
    assert (tested.failure.error_code, tested.chunks, tested.tokens) == ("WORKER_CRASHED", [], None)
    again = trying.test(traps.settings, traps.reporter, "default", str(file), overrides=TRAPS, limit=1, offset=0)
    assert (again.failure, again.total, again.coverage) == (None, 1, 1.0)
    assert set(traps.home.rglob("*")) == before


def test_what_lies_in_an_archive_is_counted(mill: Mill) -> None:
    with zipfile.ZipFile(mill.folder / "notes.zip", "w") as package:
        package.writestr("a.md", "An oak.\n")
        package.writestr("b.md", "An elm.\n")
    file = str(mill.folder / "notes.zip")
    tested = trying.test(mill.settings, mill.reporter, "default", file, overrides=QUICK, limit=9, offset=0)
    assert (tested.failure, tested.members) == (None, 2)
