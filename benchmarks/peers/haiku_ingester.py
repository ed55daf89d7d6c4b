"""haiku-ingester's ``run-batch`` over a folder, as its documentation has it, with ``docmill models serve`` as embedder.

    python haiku_ingester.py --documents DIR --work DIR --model DIR [--workers N]

It has no model of its own and asks a server, so the server is started and ended here, and counts as part of it.
Without ``--workers`` it has its default of 4, each of which looks for work once a second. The environment has docling
without the models that only PDFs and images want.
"""

import argparse
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

TOKENS = 254  # of a chunk, as the others have it: the model reads 256, two of them special
SOURCES = Path(__file__).parents[2] / "src"


def configuration(given: argparse.Namespace, address: str) -> dict[str, Any]:
    workers = {"worker_count": given.workers, "poll_idle_interval_s": 0.05} if given.workers else {}
    source = {"type": "fs", "root": str(given.documents), "include_patterns": ["*.md"]}
    return {
        "storage": {"data_dir": str(given.work)},
        "embeddings": {
            "model": {
                "provider": "openai",
                "name": "sentence-transformers/all-MiniLM-L6-v2",
                "vector_dim": 384,
                "base_url": address,
                "api_key": "none",
            }
        },
        "processing": {"chunk_size": TOKENS, "chunking_tokenizer": str(given.model)},
        "ingester": {
            "databases": {"haiku.rag": {"sources": [source]}},
            "queue": {"path": str(given.work / "ingester.db")},
            "workers": workers,
            "api": {"enabled": False},
        },
    }


def main() -> None:
    parser = argparse.ArgumentParser()
    for name in ("documents", "work", "model"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    parser.add_argument("--workers", type=int)
    given = parser.parse_args()
    given.work.mkdir(parents=True, exist_ok=True)
    server = subprocess.Popen(
        [os.environ["DOCMILL_PYTHON"], "-m", "docmill", "models", "serve", "--port", "0"],
        env={**os.environ, "PYTHONPATH": str(SOURCES)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert server.stdout is not None
        address = server.stdout.readline().strip()
        if not address:
            raise SystemExit("the model could not be served")
        file = given.work / "haiku.rag.yaml"
        file.write_text(json.dumps(configuration(given, f"{address}/v1")), "utf-8")  # JSON is YAML
        ingester = Path(sys.executable).with_name("haiku-ingester")
        env = {**os.environ, "HF_HUB_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false"}
        ran = subprocess.run(
            [ingester, "--config", file, "run-batch"],
            env=env,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        if ran.returncode:
            raise SystemExit(ran.stdout[-2000:])
    finally:
        server.terminate()
        told = server.communicate()[1]
    embedded = re.search(r"texts embedded: (\d+)", told)
    assert embedded is not None, told
    print(json.dumps({"chunks": 0, "embedded": int(embedded[1])}))


if __name__ == "__main__":
    main()
