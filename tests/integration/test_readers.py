"""Whoever searches while documents are replaced sees each of them old or new: never both, never neither."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import defaultdict

from conftest import Mill, wait_for

DOCUMENTS, PASSAGES = 200, 3
READER = """
import json, sys, time
from pathlib import Path
from docmill.service.searching import Searcher
home, stop = Path(sys.argv[1]), Path(sys.argv[2])
answers = 0
while not stop.exists():
    searcher = Searcher(home, "default")
    for mode in ("fts", "vector", "hybrid"):
        rows = searcher.rank("harbour ferry walnut", mode=mode, limit=int(sys.argv[3]))
        print(json.dumps([mode, [[row["uri"], row["text"].split()[1]] for row in rows]]), flush=True)
    table = searcher.table
    rows = table.search().select(["uri", "text"]).to_list()
    print(json.dumps(["all", [[row["uri"], row["text"].split()[1]] for row in rows]]), flush=True)
"""


def write(mill: Mill, edition: str) -> None:
    for number in range(DOCUMENTS):
        passages = (
            f"Edition {edition} of passage {number}-{part} tells of a harbour, a ferry and a walnut tree."
            for part in range(PASSAGES)
        )
        mill.write(f"note-{number:03d}.txt", "\n\n".join(passages) + "\n")


def test_each_answer_is_wholly_old_or_wholly_new(mill: Mill) -> None:
    mill.overrides = (*mill.overrides, "chunk.size=24", "store.window_documents=8")
    write(mill, "old")
    mill.sync()
    total = len(mill.rows())
    assert total == DOCUMENTS * PASSAGES
    stop, said = mill.root / "stop", mill.root / "answers"
    with said.open("w") as out:
        reader = subprocess.Popen(
            [sys.executable, "-c", READER, str(mill.home), str(stop), str(total)], stdout=out, stderr=subprocess.PIPE
        )
        wait_for(lambda: said.read_text().count("\n") >= 4)
        write(mill, "new")
        result = mill.sync()
        after = said.read_text().count("\n")
        wait_for(lambda: said.read_text().count("\n") >= after + 8)
        stop.touch()
        _out, err = reader.communicate(timeout=60)
    assert reader.returncode == 0, err
    assert result.documents.completed == DOCUMENTS
    mixed = 0
    answers = [json.loads(line) for line in said.read_text().splitlines()]
    for mode, rows in answers:
        editions: dict[str, list[str]] = defaultdict(list)
        for uri, edition in rows:
            editions[uri].append(edition)
        assert len(editions) == DOCUMENTS, f"{mode}: {DOCUMENTS - len(editions)} documents are in neither edition"
        for uri, found in editions.items():
            assert len(found) == PASSAGES and len(set(found)) == 1, f"{mode}: {uri} has {found}"
        mixed += len({found[0] for found in editions.values()}) == 2
    assert {edition for _uri, edition in answers[0][1]} == {"old"}
    assert {edition for _uri, edition in answers[-1][1]} == {"new"}
    assert mixed, "no answer fell between two windows"
