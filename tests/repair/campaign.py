"""A home is damaged, repaired, and held against one that nobody touched. Short or long, it is the same."""

from __future__ import annotations

import random
import shutil
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from conftest import Mill
from crash import corpus, evidence, verdicts
from crash.evidence import Book, Published
from docmill.service import home as homes
from docmill.service.removing import open_store
from docmill.service.verify.command import verify
from repair.damage import CHANCY, DATABASE, Damage

QUICK = ("embed.method=hashing", "embed.model=hashing-64", "chunk.size=48", "store.window_documents=4")
VECTOR_INDEX_ROWS = 20  # there are few passages, and an index is to be made of them


@dataclass
class Round:
    """``codes``: of what verify found; none where what was damaged is read by nobody."""

    damage: str
    codes: list[str] = field(default_factory=list)
    findings: list[str] = field(default_factory=list)
    embedded: int = 0
    stored: int = 0

    def __str__(self) -> str:
        return f"{self.damage} ({', '.join(self.codes) or 'not found'})" + "".join(f"\n    {e}" for e in self.findings)


class Peace:
    """A folder, and a home that was synced with it. Rounds are copies of that home."""

    def __init__(self, root: Path, size: corpus.Size) -> None:
        self.mill = Mill(root, QUICK, {"vector_index_rows": VECTOR_INDEX_ROWS})
        corpus.write(self.mill.folder, size)
        homes.init(self.mill.settings)
        self.mill.sync()
        corpus.rewrite(self.mill.folder, size)
        self.mill.sync()
        # What a fresh home has: without what only the first edition left.
        self.fresh = Mill(root / "fresh", QUICK, {"vector_index_rows": VECTOR_INDEX_ROWS})
        homes.init(self.fresh.settings)
        self.fresh.sync(self.mill.folder)
        self.wanted = Published.of(self.mill.home)
        self.book = Book.of(self.mill.home)
        self.found = evidence.found_by_words(self.mill.home)
        self.texts = {key for keys in evidence.text_keys(self.mill.home, self.wanted).values() for key in keys}
        assert self.found

    def disturb(self, damage: Damage, seed: str) -> Round:
        dice = random.Random(seed)
        home = self.mill.root / "round" / "home"
        shutil.rmtree(home.parent, ignore_errors=True)
        shutil.copytree(self.mill.home, home)
        one = Round(damage(home, dice))
        settings = self.mill.settings.model_copy(update={"home": home})
        seen = verify(settings, self.mill.reporter)
        one.codes = sorted({each.code for each in seen.findings})
        done = verify(settings, self.mill.reporter, repair=True)
        one.embedded, one.stored = done.chunks_embedded, done.documents_stored
        again = verify(settings, self.mill.reporter)
        for name, result in (("repair", done), ("second verify", again)):
            one.findings += [f"{name}: {each.code} {each.where} {each.examples}" for each in result.remaining]
        one.findings += self._differences(home, lost="STATE_LOST" in one.codes or "STATE_DAMAGED" in one.codes)
        open_store(home, DATABASE).vacuum(vector_rows=VECTOR_INDEX_ROWS)  # it can be worked with, too
        if damage not in CHANCY and not one.codes:
            one.findings.append("it was not found")
        return one

    def _differences(self, home: Path, *, lost: bool) -> list[str]:
        """``lost``: the state was made anew, so that versions and ids are those of a fresh home."""
        published, book = Published.of(home), Book.of(home)
        wanted = Published.of(self.fresh.home) if lost else self.wanted
        found = self.found if not lost else evidence.found_by_words(self.fresh.home)
        findings = [*verdicts.rows(published, wanted), *verdicts.state(home)]
        findings += verdicts.artifacts(home, book, book)
        findings += [f"artifact {key} is missing" for key, _ in Book.of(self.fresh.home).artifacts - book.artifacts]
        findings += [f"vector {key.hex()[:12]} is not cached" for key in self.texts - book.cached.keys()]
        same = self.book.cached.keys() & book.cached.keys()
        findings += [
            f"another vector for {key.hex()[:12]}" for key in same if book.cached[key] != self.book.cached[key]
        ]
        if (now := evidence.found_by_words(home)) != found:
            findings.append(f"a search by words finds {len(now)} passages instead of {len(found)}")
        return findings


@dataclass
class Tally:
    codes: Counter[str] = field(default_factory=Counter)
    rounds: int = 0
    harmless: int = 0
    failures: list[Round] = field(default_factory=list)

    def add(self, one: Round) -> None:
        self.rounds += 1
        self.codes.update(one.codes)
        self.harmless += not one.codes
        if one.findings:
            self.failures.append(one)
