"""The short form of ``make crash``: the same rounds, fewer of them. CRASH_SEED gives other ones.

The command is killed while it works on real files, run again to its end, and held against a run in peace. The naive
stores at the end show that this harness can fail.
"""

from __future__ import annotations

import os
import random
import sys
from pathlib import Path

import pytest

from crash import beginnings, campaign, corpus
from crash.harness import Blow, Report
from docmill.failpoints import POINTS

SEED = os.environ.get("CRASH_SEED", "7")
OTHERS_TEST = {
    "artifact.replace",
    *("backup.snapshot", "backup.verify", "backup.write", "drop.forget", "drop.remove"),
    *("delivery.settle", "gc.forget", "gc.remove", "migrate.backup", "migrate.commit"),
    *("restore.aside", "restore.place", "restore.unpack"),
}

pytestmark = pytest.mark.skipif(not Path("/proc").is_dir(), reason="looks for the workers in /proc")


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> campaign.Stage:
    return campaign.Stage(tmp_path_factory.mktemp("crash"), corpus.Size(documents=1))


def clean(*reports: Report) -> None:
    for report in reports:
        assert not report.findings, str(report)


def test_every_failpoint_is_in_the_long_form() -> None:
    points = {blow.at.split("=")[0] for _scene, blows in campaign.at_failpoints() for blow in blows}
    points |= {"home.create.before", "home.create.after"}
    assert points == {f"{name}.{end}" for name in POINTS - OTHERS_TEST for end in ("before", "after")}


def test_killed_at_random_instants_nothing_is_lost(stage: campaign.Stage) -> None:
    dice, tally = random.Random(SEED), campaign.Tally()
    for scene, kills in (("cold", 1), ("half", 2)):
        blows = [campaign.random_blow(dice, ("engine", "work", "store"), reach=0.6) for _ in range(kills)]
        tally.add(report := stage.scene(scene).disturb(blows, dice))
        clean(report)
    assert tally.at_work >= 1, f"the dice have not hit the work: {tally.hits}"


@pytest.mark.parametrize(
    ("scene", "points"),
    [
        ("cold", ["epoch.raise.after", "store.add.after=kill@3", "index.build.after=kill@2"]),
        (
            "half",
            [
                "store.delete.after=kill@1",  # passages are out, their documents are not
                "store.add.after=kill@1",
                "store.fsync.before",
                "store.tag.after=kill@1",  # documents are published, their passages are not
                "store.settle.before",
            ],
        ),
    ],
)
def test_killed_at_failpoints_one_after_the_other(stage: campaign.Stage, scene: str, points: list[str]) -> None:
    blows = [Blow(point if "=" in point else f"{point}=kill") for point in points]
    report = stage.scene(scene).disturb(blows, random.Random(SEED))
    clean(report)
    assert (report.hits.total(), report.missed) == (len(blows), 0)


def test_killed_in_a_first_commit(stage: campaign.Stage) -> None:
    clean(beginnings.with_a_table_half_made(stage.scene("cold"), "documents"))


@pytest.mark.parametrize("end", ["before", "after"])
def test_killed_while_a_home_is_made(stage: campaign.Stage, end: str) -> None:
    report = beginnings.killed_in_init(stage.root, f"home.create.{end}=kill")
    clean(report)
    assert report.missed == 0


def test_workers_killed_and_stopped_cost_nothing(stage: campaign.Stage) -> None:
    dice, tally = random.Random(SEED), campaign.Tally()
    for blow in (campaign.random_blow(dice, ("engine", "work"), "worker", reach=0.6), campaign.random_stop(dice)):
        tally.add(report := stage.scene("cold").disturb([blow], dice))
        clean(report)
    assert tally.at_work >= 1, f"the dice have not hit a worker: {tally.hits}"


# What others do: add the new rows, and say that it is done.
NAIVE = """
from docmill.stores import schemas
from docmill.stores.vectors import VectorStore
def replace(self, documents, stale):
    if documents:
        self._chunks.add(schemas.chunk_rows(list(documents), self.dimension))
        self._documents.add(schemas.document_rows(list(documents)))
    self.publish()
VectorStore.replace = replace
"""
# The other way round: say that it is done, and store it with the next window.
HASTY = """
from docmill.stores.vectors import VectorStore
store, finish = VectorStore.replace, VectorStore.finish
def replace(self, documents, stale):
    late, self.late = getattr(self, "late", None), (list(documents), list(stale))
    if late:
        store(self, *late)
def finish_late(self, *, index):
    late, self.late = getattr(self, "late", None), None
    if late:
        store(self, *late)
    finish(self, index=index)
VectorStore.replace, VectorStore.finish = replace, finish_late
"""


@pytest.mark.parametrize(
    ("store", "scene", "reported"),
    [(NAIVE, "cold", "duplicate"), (NAIVE, "half", "extra"), (HASTY, "cold", "missing")],
)
def test_a_naive_store_does_not_pass(stage: campaign.Stage, store: str, scene: str, reported: str) -> None:
    program = (sys.executable, "-c", f"{store}\nfrom docmill.__main__ import main\nmain()")
    point = "store.settle.before=kill@2" if store is NAIVE else "store.settle.after=kill@2"
    report = stage.scene(scene).disturb([Blow(point)], random.Random(SEED), program=program)
    assert report.hits.total() == 1, report
    kinds = {finding.split()[1] for finding in report.findings if finding.startswith(("chunks:", "documents:"))}
    assert reported in kinds, report
