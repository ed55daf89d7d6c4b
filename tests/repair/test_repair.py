"""The short form of ``make repair``: every kind of damage once, and some files of LanceDB. REPAIR_SEED gives others."""

from __future__ import annotations

import os

import pytest

from crash import corpus
from repair import damage
from repair.campaign import Peace

SEED = os.environ.get("REPAIR_SEED", "7")


@pytest.fixture(scope="module")
def peace(tmp_path_factory: pytest.TempPathFactory) -> Peace:
    return Peace(tmp_path_factory.mktemp("repair"), corpus.Size(documents=1))


@pytest.mark.parametrize("damaged", damage.CERTAIN, ids=lambda each: each.__name__)
def test_what_is_damaged_is_found_and_repaired(peace: Peace, damaged: damage.Damage) -> None:
    one = peace.disturb(damaged, SEED)
    assert not one.findings, str(one)


def test_a_file_that_lancedb_cannot_tell_is_damaged_is_found(peace: Peace) -> None:
    rounds = [peace.disturb(damage.lance_file, f"{SEED}/{number}") for number in range(6)]
    assert not any(one.findings for one in rounds), "\n".join(map(str, rounds))
    assert any("DATABASE_FILE_DAMAGED" in one.codes or "DATABASE_UNREADABLE" in one.codes for one in rounds)
