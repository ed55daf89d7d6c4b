"""The pipelines that are compared, docmill among them: how each is run over a folder, and what it embedded.

Each takes the same folder and the same ONNX file. A second run in the same work folder is its own way to keep up with
changes.
"""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import lancedb

import measuring
from docmill.models import store
from docmill.models.installed import TOKENIZER
from docmill.models.known import MINILM
from docmill.models.tokenizer import open_tokenizer
from peers.install import CannotInstall, environment


@dataclass(frozen=True)
class Choice:
    """What makes a peer faster than its defaults do, by runs over some dozens of files."""

    option: str
    value: int
    form: str


HERE = Path(__file__).parent
BATCHES = Choice("--batch-size", 8, "batches of 8")
WORKERS = Choice("--workers", 2, "2 workers")
NOT_CLEAN = 3  # docmill's exit code where single documents failed: of real files, some are scans


@dataclass(frozen=True)
class Pipeline:
    """name: as people know it; form: what is not its default. texts: its column of what was embedded."""

    name: str
    form: str
    command: tuple[str, ...]
    work: Path
    texts: str = "text"
    table: str = "lancedb"
    env: Mapping[str, str] = field(default_factory=dict)
    codes: tuple[int, ...] = (0,)

    @property
    def title(self) -> str:
        return f"{self.name}, {self.form}" if self.form else self.name

    def begin(self) -> None:
        """Nothing is there yet, as before a first run."""
        shutil.rmtree(self.work, ignore_errors=True)
        self.work.mkdir(parents=True)

    def run(self, documents: Path, *, memory: bool = False) -> Run:
        ran = measuring.run(
            [*self.command, str(documents)], memory=memory, codes=self.codes, env=self.env, cwd=self.work
        )
        record = json.loads(ran.stdout[ran.stdout.index("{") :])
        embedded = record["chunks"]["embedded"] if isinstance(record["chunks"], dict) else record["embedded"]
        return Run(ran.seconds, embedded, ran.peak_bytes)

    def embedded_texts(self) -> list[str]:
        """What lies in its index."""
        table = lancedb.connect(self.work / self.table).open_table("chunks")
        return list(table.search().select([self.texts]).limit(10**7).to_arrow().column(self.texts).to_pylist())


@dataclass(frozen=True)
class Run:
    seconds: float
    embedded: int
    peak_bytes: int


def docmill(work: Path) -> Pipeline:
    """It makes its home where it is run, which the first run pays for."""
    return Pipeline(
        "docmill",
        "",
        (sys.executable, "-m", "docmill", "sync", "--json"),
        work / "docmill",
        "search_text",
        ".docmill/lancedb/default",
        codes=(0, NOT_CLEAN),
    )


def plain_script(work: Path, *, batched: bool = False) -> Pipeline:
    return _peer("plain script", sys.executable, "plain_script.py", work, BATCHES if batched else None)


def peers(work: Path, *, install: bool) -> tuple[list[tuple[Pipeline, Pipeline]], list[str]]:
    """Those that can be had, each as its documentation has it and in its best form; and why the others are missing."""
    found, missing = [], []
    for name, title, script, best in (
        ("llamaindex", "LlamaIndex", "llamaindex_pipeline.py", BATCHES),
        ("cocoindex", "CocoIndex", "cocoindex_app.py", BATCHES),
        ("haiku", "haiku-ingester", "haiku_ingester.py", WORKERS),
    ):
        try:
            python = str(environment(name, install=install))
        except CannotInstall as error:
            missing.append(f"{title} could not be installed: {error}")
            continue
        found.append((_peer(title, python, script, work), _peer(title, python, script, work, best)))
    return found, missing


def _peer(name: str, python: str, script: str, work: Path, chosen: Choice | None = None) -> Pipeline:
    folder = work / f"{Path(script).stem}-{'best' if chosen else 'documented'}"
    model = str(store.ensure(MINILM, store.default_cache()).folder)
    more = (chosen.option, str(chosen.value)) if chosen else ()
    command = (
        python,
        "-W",
        "ignore",
        str(HERE / script),
        "--work",
        str(folder),
        "--model",
        model,
        *more,
        "--documents",
    )
    form = chosen.form if chosen else "as documented"
    # Its environment is its own; the one that has no model of its own asks docmill's, run by this Python.
    env = {"PYTHONPATH": "", "DOCMILL_PYTHON": sys.executable}
    texts, table = ("content_fts", "haiku.rag.lancedb") if script.startswith("haiku") else ("text", "lancedb")
    return Pipeline(name, form, command, folder, texts, table, env=env)


def tokens_of(texts: Sequence[str]) -> int:
    """What the model reads of them, special tokens included: the work that was done, however it was cut into chunks."""
    model = store.ensure(MINILM, store.default_cache())
    tokenizer = open_tokenizer(model.folder / TOKENIZER)
    tokenizer.enable_truncation(max_length=model.info.max_tokens)
    return sum(len(encoding.ids) for encoding in tokenizer.encode_batch_fast(list(texts)))
