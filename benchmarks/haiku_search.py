"""Whether haiku.rag finds in an exported database what docmill finds in its own.

    python benchmarks/haiku_search.py [--home HOME] [--database NAME] [--questions FILE] [--json FILE]
    python benchmarks/haiku_search.py --record tests/fixtures/haiku.json

``export --format haiku`` makes the database, haiku.rag 0.101.1 opens it in an environment of its own (peers/install.py;
it needs Python 3.12 or later) and embeds each question by ``models serve``. Like is compared with like: search by
vector, and by full text, has to give the same first passage for every question. Hybrid is told as well: it may differ
where a passage lies in several documents (docs/haiku.md). Without a home it is the shipped example with ten
questions about it; FILE has one question a line. With --record only the tables that haiku.rag makes are written down,
for the tests.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from peers.install import CannotInstall, environment

HERE = Path(__file__).parent
KINDS = ("vector", "fts", "hybrid")
TEN = (
    "how long does the night ferry need to be delayed before I get my money back?",
    "what happens to my ticket when a storm cancels the crossing?",
    "how do I ask for a refund?",
    "may I take my dog on board?",
    "how many lifeboats does a ship have?",
    "when does the last ferry leave the harbour?",
    "what does a ticket cost for a car?",
    "how often is the engine inspected?",
    "what does a new member of the crew have to learn first?",
    "who answers for the ship when the captain sleeps?",
)


def docmill(*arguments: str | Path, home: Path) -> Any:
    ran = subprocess.run(
        [sys.executable, "-m", "docmill", "--home", home, *arguments, "--json"], stdout=subprocess.PIPE, check=False
    )
    said = json.loads(ran.stdout)
    if "error" in said:
        raise SystemExit(f"docmill {arguments[0]}: {said['error']['message']}")
    return said


@contextlib.contextmanager
def served(home: Path, model: str) -> Iterator[dict[str, Any]]:
    """The model of the database, as other programs ask it."""
    command = [sys.executable, "-m", "docmill", "--home", str(home), "models", "serve", model, "--port", "0"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        address = process.stdout.readline().strip()
        if not address:
            raise SystemExit("the model could not be served")
        yield {"address": f"{address}/v1"}
    finally:
        process.terminate()
        process.wait()


def haiku(python: Path, *arguments: str, questions: list[str] | None = None) -> Any:
    ran = subprocess.run(
        [python, "-W", "ignore", HERE / "peers" / "haiku_database.py", *arguments],
        input=json.dumps(questions),
        stdout=subprocess.PIPE,
        env={"PATH": "/usr/bin:/bin", "HOME": str(Path.home())},
        text=True,
        check=True,
    )
    return json.loads(ran.stdout[ran.stdout.index("{") :])


def compare(python: Path, home: Path, database: str, questions: list[str], work: Path) -> dict[str, Any]:
    info = docmill("lancedb", "info", database, home=home)["embeddings"]
    exported = work / "exported.haiku"
    docmill("export", "--database", database, "--format", "haiku", "-o", exported, home=home)
    with served(home, info["model"]) as server:
        theirs = haiku(
            python,
            "search",
            *("--database", str(exported)),
            *("--address", server["address"]),
            *("--model", info["model"]),
            *("--dimension", str(info["vector_dim"])),
            questions=questions,
        )
    rows = []
    for question, answer in zip(questions, theirs["answers"], strict=True):
        row: dict[str, Any] = {"question": question}
        for kind in KINDS:
            hits = docmill("search", question, "--mode", kind, "--database", database, home=home)["hits"]
            # A passage that lies in two documents is one hit to docmill, and two of one score to others.
            ours, found = [_ids(hit) for hit in hits], answer[kind]
            same = not found if not ours else bool(ours[0] & {*found[:1]})
            row[kind] = {"same_first": same, "shared_of_ten": sum(bool(ids & {*found[:10]}) for ids in ours[:10])}
            if kind == "vector" and hits:
                row["uri"] = hits[0]["uri"]
                row["expanded_holds_it"] = "".join(hits[0]["text"].split()) in "".join(answer["expanded"].split())
        rows.append(row)
    return {**{key: theirs[key] for key in ("documents", "documents_with_the_same_items")}, "questions": rows}


def _ids(hit: dict[str, Any]) -> set[str]:
    """Of a passage, and of those that say the same."""
    return {hit["chunk_id"], *(each["chunk_id"] for each in hit["also_in"])}


def told(result: dict[str, Any]) -> bool:
    rows = result["questions"]
    for row in rows:
        marks = "  ".join(f"{kind} {'same' if row[kind]['same_first'] else 'other'}" for kind in KINDS)
        print(f"{marks}   {row['question']}  ->  {row.get('uri')}")
    same = {kind: sum(row[kind]["same_first"] for row in rows) for kind in KINDS}
    print(f"the same first passage of {len(rows)}: {', '.join(f'{kind} {same[kind]}' for kind in KINDS)}")
    print(f"documents whose items are those of their DoclingDocument: {result['documents_with_the_same_items']}"
          f" of {result['documents']}")  # fmt: skip
    return bool(
        same["vector"] == same["fts"] == len(rows) and result["documents_with_the_same_items"] == result["documents"]
    )


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--home", type=Path)
    parser.add_argument("--database", default="default")
    parser.add_argument("--questions", type=Path)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--record", type=Path)
    given = parser.parse_args()
    try:
        python = environment("haiku")
    except CannotInstall as error:
        print(f"haiku.rag could not be installed: {error}", file=sys.stderr)
        return 1
    if given.record:
        given.record.write_text(json.dumps(haiku(python, "schema"), indent=1) + "\n", "utf-8")
        return 0
    questions = [line for line in given.questions.read_text("utf-8").splitlines() if line] if given.questions else TEN
    with tempfile.TemporaryDirectory() as folder:
        home = given.home
        if home is None:
            home = Path(folder) / ".docmill"
            docmill("init", home=home)
            docmill("sync", HERE.parent / "examples" / "library", home=home)
        result = compare(python, home, given.database, list(questions), Path(folder))
    if given.json:
        given.json.write_text(json.dumps(result, indent=1) + "\n", "utf-8")
    return 0 if told(result) else 1


if __name__ == "__main__":
    raise SystemExit(main())
