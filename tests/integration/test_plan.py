"""Plans and reasons: what they say is what then happens, and what has happened."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from conftest import QUICK, Mill
from docmill.cli.output import exit_code
from docmill.domain.results import PlanResult, SourcePlan, WhyResult
from docmill.domain.sources import Wishes
from docmill.errors import DefinitionError, DocumentNotFound, NotAllowedError, NotFoundError, UsageError
from docmill.service import explaining, forgetting, planning, running, syncing

LONG = [f"Sentence {number} of a long text tells of walnut {number} and of little else." for number in range(80)]


def planned(mill: Mill, *, overrides: tuple[str, ...] = (), **options: Any) -> PlanResult:
    wishes = Wishes(overrides=[*QUICK, *overrides])
    return planning.plan(mill.settings, mill.reporter, [mill.folder], wishes=wishes, **options)


def plan(mill: Mill, *, overrides: tuple[str, ...] = (), **options: Any) -> SourcePlan:
    [one] = planned(mill, overrides=overrides, **options).sources
    return one


def changes(one: SourcePlan) -> dict[str, str]:
    return {each.uri: each.change for each in one.documents}


def why(mill: Mill, uri: str, **options: Any) -> WhyResult:
    return explaining.why(mill.settings, mill.reporter, uri, **options)


def test_what_is_planned_is_what_is_done(mill: Mill) -> None:
    mill.write_many(6)
    first = plan(mill)
    assert set(changes(first).values()) == {"new"}
    assert {step.type: (step.run, step.reused) for step in first.steps}["parse"] == (6, 0)
    assert mill.sync().documents.completed == 6
    assert plan(mill).documents == []
    mill.write("note-000.md", "# Elm\n\nThis tells of elms.\n")
    (mill.folder / "note-001.md").unlink()
    (mill.folder / "note-002.md").rename(mill.folder / "moved.md")
    mill.write("fresh.md", "# Oak\n\nThis tells of oaks.\n")
    mill.write("copy.md", "# Oak\n\nThis tells of oaks.\n")
    before = mill.rows()
    one = plan(mill)
    assert changes(one) == {
        "note-000.md": "changed",
        "note-001.md": "deleted",
        "moved.md": "renamed",
        "fresh.md": "new",
        "copy.md": "new",
    }
    by_uri = {each.uri: each for each in one.documents}
    assert by_uri["moved.md"].from_uri == "note-002.md"
    assert "embed" in by_uri["moved.md"].reused and "store" in by_uri["moved.md"].steps
    assert "since version 1" in by_uri["note-000.md"].why
    assert mill.rows() == before
    result = mill.sync()
    assert (result.scan.new, result.scan.changed, result.scan.renamed, result.scan.deleted) == (2, 1, 1, 1)
    runs = {step.type: (step.run, step.reused) for step in one.steps}
    done = {
        type_: (run, reused)
        for type_, run, reused in mill.state(
            "SELECT type, SUM(reused = 0), SUM(reused = 1) FROM run_step WHERE run_group_id = ? GROUP BY type",
            result.run_group_id,
        )
    }
    assert runs["parse"] == done["parse"] == (2, 2)
    assert runs["embed"] == done["embed"]


def test_other_values_make_documents_due_and_the_plan_says_which(mill: Mill) -> None:
    mill.write("a.md", "# A\n\n" + "\n\n".join(LONG))
    mill.sync()
    one = plan(mill, overrides=("chunk.size=100",))
    assert [(each.change, each.why) for each in one.documents] == [("due", "chunk.size is 100, and was 220")]
    assert [(each.step, each.what, each.before, each.after) for each in one.definition_changes] == [
        ("chunk", "size", 220, 100)
    ]
    assert "parse" in one.documents[0].reused and "chunk" in one.documents[0].steps
    assert not one.exact
    mill.sync(overrides=["chunk.size=100"])
    back = plan(mill)
    assert back.exact  # it was cut so before
    assert (back.chunks.embedded, back.documents[0].steps) == (0, ["store"])
    result = mill.sync()
    assert (result.chunks.total, result.chunks.embedded) == (back.chunks.total, 0)
    tuned = plan(mill, overrides=("embed.batch_tokens=64",))
    assert tuned.documents == []


def test_predictions_come_from_history_and_tell_how_far_off_they_were(mill: Mill) -> None:
    mill.write_many(3)
    first = plan(mill)
    assert (first.prediction.basis, first.prediction.off) == ("guess", None)
    mill.sync()
    mill.write("more.md", "# More\n\nWords.\n")
    second = plan(mill)
    assert (second.prediction.basis, second.prediction.groups, second.prediction.compared) == ("history", 1, 0)
    mill.sync()
    mill.write("most.md", "# Most\n\nWords.\n")
    third = plan(mill)
    assert third.prediction.compared == 1
    assert third.prediction.off is not None and third.prediction.off >= 0
    assert plan(mill).prediction.seconds == third.prediction.seconds


def test_a_budget(mill: Mill) -> None:
    mill.write_many(3)
    over = planned(mill, budget_minutes=0.0001)
    assert (over.over_budget, exit_code(over)) == (True, 3)
    within = planned(mill, budget_minutes=60)
    assert (within.over_budget, exit_code(within)) == (False, 0)


def test_a_plan_tells_of_a_mass_deletion_instead_of_refusing(mill: Mill) -> None:
    mill.write_many(3)
    mill.sync()
    for path in mill.folder.iterdir():
        path.unlink()
    one = plan(mill)
    assert one.refused is not None and "--allow-mass-delete" in one.refused
    assert set(changes(one).values()) == {"deleted"}
    assert plan(mill, prune=False).documents == []


# ---- manifests -------------------------------------------------------------------------------------------------------


def run(mill: Mill, manifest: Path, **options: Any) -> Any:
    return syncing.sync(mill.settings, mill.reporter, [], manifest=manifest, **options)


def test_a_manifest_is_done_exactly(mill: Mill) -> None:
    mill.write_many(4)
    mill.sync()
    mill.write("note-000.md", "# Elm\n\nElms.\n")
    (mill.folder / "note-001.md").unlink()
    (mill.folder / "note-002.md").rename(mill.folder / "moved.md")
    mill.write("fresh.md", "# Oak\n\nOaks.\n")
    manifest = mill.root / "plan.json"
    planned(mill, manifest=manifest)
    mill.write("later.md", "# Ash\n\nAshes.\n")
    (mill.folder / "note-003.md").unlink()
    result = run(mill, manifest)
    assert (result.scan.new, result.scan.changed, result.scan.renamed, result.scan.deleted) == (1, 1, 1, 1)
    assert sorted(mill.texts()) == ["fresh.md", "moved.md", "note-000.md", "note-003.md"]
    again = run(mill, manifest)
    assert (again.run_group_id, again.status) == (None, "completed")
    assert changes(plan(mill)) == {"later.md": "new", "note-003.md": "deleted"}


@pytest.mark.parametrize("what", ["edited", "gone", "back", "definitions"])
def test_a_manifest_that_is_not_true_any_more_does_nothing(
    mill: Mill, what: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    mill.write_many(2)
    mill.sync()
    mill.write("fresh.md", "# Oak\n\nOaks.\n")
    (mill.folder / "note-001.md").unlink()
    manifest = mill.root / "plan.json"
    planned(mill, manifest=manifest)
    if what == "edited":
        mill.write("fresh.md", "# Oak\n\nOther oaks.\n")
    elif what == "gone":
        (mill.folder / "fresh.md").unlink()
    elif what == "back":
        mill.write("note-001.md", "# Back\n\nIt is back.\n")
    else:
        record = json.loads(manifest.read_text())
        record["sources"][0]["overrides"].append("chunk.size=100")
        manifest.write_text(json.dumps(record))
    before = mill.rows()
    with pytest.raises(NotAllowedError, match="not as it was planned") as refused:
        run(mill, manifest)
    assert len(refused.value.context["deviating"]) == 1
    assert mill.rows() == before
    assert mill.value("SELECT COUNT(*) FROM run_group") == 1


def test_what_is_no_manifest(mill: Mill) -> None:
    mill.write_many(1)
    for text in ("nonsense", "[]", "{}", '{"docmill_manifest": 9, "sources": []}', '{"docmill_manifest": 1}'):
        (mill.root / "plan.json").write_text(text)
        with pytest.raises(DefinitionError):
            run(mill, mill.root / "plan.json")
    with pytest.raises(NotFoundError):
        run(mill, mill.root / "none.json")
    with pytest.raises(UsageError, match="--manifest says"):
        run(mill, mill.root / "plan.json", source="docs")


# ---- why -------------------------------------------------------------------------------------------------------------


def test_why_it_was_processed_each_time(mill: Mill) -> None:
    mill.write("a.md", "# A\n\n" + "\n\n".join(LONG))
    mill.sync()
    assert (why(mill, "a.md").would, why(mill, "a.md").runs[0].reason) == (False, "it was new")
    mill.write("a.md", "# A\n\n" + "\n\n".join([*LONG[:40], "A wholly new sentence about elms.", *LONG[40:]]))
    assert why(mill, "a.md").would
    assert "bytes are others" in why(mill, "a.md").why
    mill.sync()
    mill.sync(overrides=["chunk.size=100"])
    mill.sync(overrides=["chunk.size=100", "parse.max_rows=999"])
    running.start(mill.settings, mill.reporter, "docs", force=True, documents=["a.md"])
    told = why(mill, "a.md")
    assert not told.would
    assert "these very definitions" in told.why
    reasons = [each.reason for each in told.runs]
    assert reasons[1:] == [
        "parse.max_rows is 999, and was 1000000",
        "chunk.size is 100, and was 220",
        "its bytes changed: version 2 after 1",
        "it was new",
    ]
    assert reasons[0].startswith("it was forced")
    steps = {each.step: each for each in told.runs[2].steps}
    assert (steps["parse"].reused, steps["chunk"].reused) == (True, False)
    assert steps["parse"].version and steps["parse"].key
    [between] = told.chunks
    assert (between.version, between.previous) == (2, 1)
    assert told.parameters["chunk"]["size"] == 100


def test_which_passages_changed_between_versions(mill: Mill) -> None:
    mill.write("a.md", "# A\n\n" + "\n\n".join(LONG))
    mill.sync()
    total = mill.value("SELECT chunk_count FROM document")
    mill.write("a.md", "# A\n\n" + "\n\n".join([*LONG, "A wholly new sentence about elms."]))
    mill.sync()
    [between] = why(mill, "a.md").chunks
    assert between.kept >= total - 3
    assert 1 <= len(between.added) <= 3
    assert len(between.removed) == total - between.kept


def test_why_it_would_be_processed_now(mill: Mill) -> None:
    mill.write_many(3)
    mill.sync()
    os.utime(mill.folder / "note-000.md")
    assert not why(mill, "note-000.md").would  # the same bytes
    forgetting.delete_document(mill.settings, "note-001.md")
    assert "restore" in why(mill, "note-001.md").why
    (mill.folder / "note-002.md").unlink()
    assert why(mill, "note-002.md").would
    mill.sync(allow_mass_delete=True)
    gone = why(mill, "note-002.md")
    assert (gone.would, gone.status) == (False, "deleted")
    mill.write("empty.md", "")
    mill.sync()
    failed = why(mill, "empty.md")
    assert not failed.would and "EMPTY_DOCUMENT" in failed.why
    with pytest.raises(DocumentNotFound):
        why(mill, "none.md")
