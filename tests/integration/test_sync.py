"""``sync`` from end to end: real files, real worker processes, real SQLite and LanceDB."""

from __future__ import annotations

from conftest import Mill


def test_the_index_follows_the_folder(traps: Mill) -> None:
    mill = traps
    mill.write_many(4)
    mill.write("sub/deep.txt", "Walnut wood wants oil.\n")
    first = mill.sync()
    assert first.scan.new == 5 and first.documents.completed == 5, first
    assert first.chunks.embedded == 5
    assert mill.found("walnut") == ["sub/deep.txt"]
