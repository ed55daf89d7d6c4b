"""Search for those who build on it: hits that say the same, contexts, many questions, and single passages."""

from __future__ import annotations

import io
import json
import os
import re
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from conftest import Mill
from docmill.cli.app import run
from docmill.domain.results import DocumentText, PassageShown
from docmill.errors import DatabaseNotFound, NotFoundError, UsageError
from docmill.service import home, prompting, questions, showing

LEASE = "The lease of the oak house begins in March, and the rent is 900 a month. Notice is given in writing. " * 3
PARTS = "\n\n".join(
    f"## Part {n}\n\n" + f"Paragraph {n} speaks of {w}. " * 12 for n, w in enumerate(("tin", "zinc", "lead"))
)


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mill]:
    """A text in three files, one that differs in a number, and a longer one, in a home that is only read."""
    mill = Mill(tmp_path_factory.mktemp("asking"))
    mill.folder.mkdir()
    home.init(mill.settings)
    for name in ("a.md", "b.md", "c.txt"):
        mill.write(name, f"# Lease\n\n{LEASE}\n" if name.endswith("md") else f"Lease\n\n{LEASE}\n")
    mill.write("dearer.md", f"# Lease\n\n{LEASE.replace('900', '950')}\n")
    mill.write("metals.md", f"# Metals\n\n{PARTS}\n")
    other = mill.root / "other"
    other.mkdir()
    (other / "metals.md").write_text("# Other metals\n\nCopper, of which the metals there say nothing.\n")
    mill.sync(overrides=["chunk.size=120"])
    mill.sync(other)
    yield mill


@pytest.mark.parametrize("mode", ["hybrid", "vector", "fts"])
def test_hits_that_say_the_same_are_one(filled: Mill, mode: str) -> None:
    hits = filled.search("oak house lease rent", mode=mode, limit=2).hits
    assert len(hits) == 2
    [same] = [hit for hit in hits if hit.uri != "dearer.md"]
    assert sorted([same.uri, *(each.uri for each in same.also_in)]) == ["a.md", "b.md", "c.txt"]
    assert all(len(each.chunk_id) == 32 and each.source == "docs" for each in same.also_in)
    plain = filled.search("oak house lease rent", mode=mode, limit=4, collapse=False).hits
    assert {hit.uri for hit in plain} == {"a.md", "b.md", "c.txt", "dearer.md"}
    assert not any(hit.also_in for hit in plain)


def test_more_are_looked_at_until_enough_of_them_differ(mill: Mill) -> None:
    for number in range(80):
        mill.write(f"copy-{number:02}.md", "The same notice about the oak hangs here.\n")
    mill.write("far.md", "Of notices there are many in this house, and this one says of the oak something else.\n")
    mill.sync()
    first, second = mill.search("the same notice about the oak", mode="vector", limit=2).hits
    assert (len(first.also_in), second.uri) == (79, "far.md")


# ---- contexts --------------------------------------------------------------------------------------------------------


def test_a_context_has_its_citations(filled: Mill) -> None:
    made = prompting.context(filled.settings, "zinc", limit=2)
    assert [each.mark for each in made.citations] == ["[1]", "[2]"]
    assert made.text.count(made.boundary) == 2 + 2 * 2
    first = made.citations[0]
    assert re.search(rf"^\[1\] {first.uri}\nsource: docs\ntitle: Metals\nheadings: Metals > Part 1$", made.text, re.M)
    shown = showing.show(filled.settings, first.chunk_ids[0])
    assert isinstance(shown, PassageShown)
    assert shown.text in made.text
    assert sum(each.tokens for each in made.citations) < made.tokens
    assert (made.left_out, made.model) == (0, "hashing-64")


def test_a_context_keeps_to_its_tokens(filled: Mill) -> None:
    whole = prompting.context(filled.settings, "zinc lease", limit=4)
    for most in (whole.tokens, whole.tokens - 1, 300):
        made = prompting.context(filled.settings, "zinc lease", limit=4, max_tokens=most)
        assert made.tokens <= most
        assert made.left_out + len(made.citations) == 4
        assert made.citations[0].uri == whole.citations[0].uri
    assert prompting.context(filled.settings, "zinc lease", limit=4, max_tokens=whole.tokens - 1).left_out == 1
    with pytest.raises(UsageError, match="room for none") as refused:
        prompting.context(filled.settings, "zinc lease", limit=4, max_tokens=20)
    least = int(re.findall(r"\d+", str(refused.value.hint))[0])
    assert len(prompting.context(filled.settings, "zinc lease", limit=4, max_tokens=least).citations) == 1


def test_what_stands_around_hits_is_said_once(filled: Mill) -> None:
    made = prompting.context(
        filled.settings, "metals paragraph speaks", limit=3, context=1, uri_prefix="metals", source=["docs"]
    )
    [one] = made.citations
    assert made.text.count("Paragraph 1 speaks of zinc.") == 12
    shown = showing.show(filled.settings, "metals.md", source="docs")
    assert isinstance(shown, DocumentText)
    assert len(one.chunk_ids) == shown.chunk_count
    assert (one.char_start, one.char_end) == (0, len(shown.text.rstrip()))


def test_nothing_found_is_an_empty_context(filled: Mill) -> None:
    made = prompting.context(filled.settings, "zinc", source=["none"], max_tokens=5)
    assert (made.text, made.citations, made.tokens) == ("", [], 0)


# ---- many questions --------------------------------------------------------------------------------------------------


def ask(filled: Mill, text: bytes, tmp_path: Path, **asked: Any) -> tuple[Any, list[dict[str, Any]]]:
    path = tmp_path / "answers.jsonl"
    result = questions.answer_all(filled.settings, "-", io.BytesIO(text), io.BytesIO(), output=str(path), **asked)
    return result, [json.loads(line) for line in path.read_text("utf-8").splitlines()]


def test_many_questions_are_answered_as_one_by_one(filled: Mill, tmp_path: Path) -> None:
    words = ["zinc", "lease", "tin and lead", "rent a month", "copper"] * 30
    result, answers = ask(filled, "\n".join(words).encode(), tmp_path, limit=2)
    assert (result.queries, result.failed, result.reason) == (150, 0, None)
    assert [(each["line"], each["query"]) for each in answers] == list(enumerate(words, 1))
    for word, answer in zip(words[:5], answers, strict=False):
        alone = filled.search(word, limit=2).model_dump(mode="json")
        assert {**answer, "seconds": 0} == {"line": answer["line"], "id": None, **alone, "seconds": 0}


def test_a_line_that_cannot_be_answered_costs_no_other(filled: Mill, tmp_path: Path) -> None:
    lines = [
        b'\xef\xbb\xbf{"id": "x", "query": "zinc", "limit": 1, "mode": "fts"}',
        b"",
        b'{"id": 7, "query": "zinc", "limt": 1}',
        b'{"query": "zinc", "limit": 0}',
        b'{"id": 1.5, "query": "zinc"}',
        b'{"id": 9}',
        b"{nonsense",
        b"[" * 100_000,
        b"{" + b'"a":{' * 100_000,
        b"\xff\xfe",
        b"x" * (questions.MOST_BYTES + 5),
        b'{"query": "zinc", "filter": "page >"}',
        b'{"query": "zinc", "filter": "uri = \'a.md\'"}',
        b"tin",
        b'{"query": "\\ud800 tin"}',
    ]
    result, answers = ask(filled, b"\n".join(lines), tmp_path, limit=2, mode="fts")
    assert [each["line"] for each in answers] == [1, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15]
    errors = {each["line"]: each["error"]["message"] for each in answers if "error" in each}
    assert (result.failed, result.answered) == (len(errors), 14 - len(errors))
    assert sorted(errors) == [3, 4, 5, 6, 7, 9, 10, 11, 12, 15]
    assert errors[3] == "a question has no 'limt'"
    assert errors[4].startswith("limit: must be greater")
    assert errors[10] == "the line is not UTF-8"
    assert [(each["id"], each["hits"][0]["uri"]) for each in (answers[0], answers[-2])] == [
        ("x", "metals.md"),
        (None, "metals.md"),
    ]
    assert answers[1]["id"] == 7


class Heard(io.BytesIO):
    """Says when it is flushed."""

    def __init__(self, event: threading.Event) -> None:
        super().__init__()
        self._event = event

    def flush(self) -> None:
        self._event.set()


def test_an_answer_does_not_wait_for_the_next_question(filled: Mill) -> None:
    """Whoever asks through a pipe may read an answer before asking on."""
    asking, asked = os.pipe()
    answered = threading.Event()
    stdout = Heard(answered)
    with os.fdopen(asked, "wb") as ends, os.fdopen(asking, "rb") as stream:
        working = threading.Thread(
            target=lambda: questions.answer_all(filled.settings, "-", stream, stdout, mode="fts")
        )
        working.start()
        for query in (b"zinc\n", b"tin\n"):
            answered.clear()
            ends.write(query)
            ends.flush()
            assert answered.wait(30)
        ends.close()
        working.join(30)
    assert not working.is_alive()
    assert [json.loads(line)["query"] for line in stdout.getvalue().splitlines()] == ["zinc", "tin"]


def test_answers_as_contexts_and_files_that_are_not_there(filled: Mill, tmp_path: Path) -> None:
    _result, [answer] = ask(filled, b"zinc", tmp_path, as_context=True, max_tokens=400, limit=1)
    assert answer["text"].startswith("Passages found") and answer["citations"][0]["uri"] == "metals.md"
    with pytest.raises(NotFoundError):
        questions.answer_all(filled.settings, str(tmp_path / "none"), None, io.BytesIO())
    with pytest.raises(DatabaseNotFound):
        questions.answer_all(filled.settings, "-", io.BytesIO(b"x"), io.BytesIO(), database="none")


def test_the_exit_code_tells_of_lines(filled: Mill, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "q.txt"
    command = ["--home", str(filled.home), "search", "--queries", str(file), "-m", "fts"]
    file.write_text("zinc\n{\n")
    assert run(command) == 3
    out, err = capfd.readouterr()
    assert [sorted(json.loads(line))[0] for line in out.splitlines()] == ["database", "error"]
    assert "1 question could not be answered" in err
    file.write_text("zinc\n")
    assert run([*command, "-o", str(tmp_path / "a.jsonl"), "--json"]) == 0
    assert json.loads(capfd.readouterr().out)["answered"] == 1
    for wrong in (["zinc"], ["--json"], ["--max-tokens", "9"]):
        assert run([*command, *wrong]) == 2
    assert run(["search", "zinc", "-o", "x"]) == run(["search"]) == 2


# ---- showing ---------------------------------------------------------------------------------------------------------


def test_a_passage_with_what_stands_around_it(filled: Mill) -> None:
    hit = filled.search("zinc", mode="fts", limit=1).hits[0]
    shown = showing.show(filled.settings, hit.chunk_id[:8].upper(), vector=True)
    assert isinstance(shown, PassageShown)
    assert (shown.chunk_id, shown.text, shown.uri, shown.headings) == (hit.chunk_id, hit.text, hit.uri, hit.headings)
    assert shown.before and shown.after and shown.position < shown.chunk_count
    assert shown.context.startswith("Metals")
    assert shown.vector is not None and (shown.vector.dimension, shown.vector.norm) == (64, 1.0)
    alone = showing.show(filled.settings, hit.chunk_id, context=0, database="default")
    assert isinstance(alone, PassageShown) and alone.before == alone.after == [] and alone.vector is None


def test_a_document_as_it_was_read(filled: Mill) -> None:
    shown = showing.show(filled.settings, "metals.md", source="docs", chunks=True)
    assert isinstance(shown, DocumentText) and shown.chunks is not None
    assert (shown.origin, shown.characters, shown.chunk_count) == ("parsed", len(shown.text), len(shown.chunks))
    stored = {row["chunk_id"]: row["text"] for row in filled.rows()}
    for each in shown.chunks:
        assert stored[each.chunk_id].endswith(shown.text[each.char_start : each.char_end])
    assert showing.show(filled.settings, shown.document_id[:9]) == showing.show(
        filled.settings, "metals.md", source="docs"
    )


def test_what_cannot_be_shown(filled: Mill) -> None:
    with pytest.raises(UsageError, match="several sources"):
        showing.show(filled.settings, "metals.md")
    for unknown in ("nothing.md", "abc", "0" * 32):
        with pytest.raises(NotFoundError, match="no passage and no document") as refused:
            showing.show(filled.settings, unknown)
        assert "docmill search" in str(refused.value.hint)
    with pytest.raises(DatabaseNotFound):
        showing.show(filled.settings, "a.md", database="none")


def test_ids_that_begin_alike_are_told(filled: Mill, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(showing, "_ID", re.compile("[0-9a-f]{1,32}"))
    ids = [row["chunk_id"] for row in filled.rows()]
    ids += [row[0] for row in filled.state("SELECT id FROM document")]
    digit = max("0123456789abcdef", key=lambda each: sum(one.startswith(each) for one in ids))
    expected = sorted(one for one in ids if one.startswith(digit))
    assert len(expected) > 1
    with pytest.raises(UsageError, match="several ids") as refused:
        showing.show(filled.settings, digit)
    assert set(refused.value.context["candidates"]) <= set(expected)


def test_without_what_was_parsed_the_passages_are_put_together(mill: Mill) -> None:
    mill.write("metals.md", f"# Metals\n\n{PARTS}\n")
    mill.sync(overrides=["chunk.size=60", "chunk.overlap=20"])
    before = showing.show(mill.settings, "metals.md", chunks=True)
    for file in (mill.home / "artifacts").glob("*/*"):
        file.unlink()
    after = showing.show(mill.settings, "metals.md", chunks=True)
    assert isinstance(before, DocumentText) and isinstance(after, DocumentText)
    assert (before.origin, after.origin) == ("parsed", "passages")
    assert after.text.split() == before.text.split()
    assert after.chunks is not None
    assert [each.chunk_id for each in after.chunks] == [each.chunk_id for each in before.chunks or ()]
    stored = {row["chunk_id"]: row["text"] for row in mill.rows()}
    assert after.text[after.chunks[-1].char_start :] == stored[after.chunks[-1].chunk_id]


def test_a_document_that_failed_has_no_text(mill: Mill) -> None:
    mill.write("empty.md", " \n")
    mill.sync()
    with pytest.raises(NotFoundError, match=r"no text of empty\.md"):
        showing.show(mill.settings, "empty.md")
