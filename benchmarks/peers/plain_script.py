"""What a good engineer writes in an afternoon: read, cut into windows, embed, one table. Done anew each time.

    python plain_script.py --documents DIR --work DIR --model DIR [--batch-size N]

Without ``--batch-size`` fastembed takes 256 texts at a time, as its documentation shows. It knows nothing of what it
did before.
"""

import argparse
import json
from pathlib import Path

import lancedb
from fastembed import TextEmbedding
from tokenizers import Tokenizer

TOKENS = 254  # what the model reads at once, without the two special tokens

parser = argparse.ArgumentParser()
for name in ("documents", "work", "model"):
    parser.add_argument(f"--{name}", type=Path, required=True)
parser.add_argument("--batch-size", type=int, default=256)
given = parser.parse_args()

tokenizer = Tokenizer.from_file(str(given.model / "tokenizer.json"))
tokenizer.no_truncation()
tokenizer.no_padding()
model = TextEmbedding("sentence-transformers/all-MiniLM-L6-v2", specific_model_path=str(given.model))

rows = []
paths = sorted(given.documents.rglob("*.md"))
for path in paths:
    text = path.read_text("utf-8")
    offsets = tokenizer.encode(text, add_special_tokens=False).offsets
    for at in range(0, len(offsets), TOKENS):
        window = offsets[at : at + TOKENS]
        rows.append({"path": str(path.relative_to(given.documents)), "text": text[window[0][0] : window[-1][1]]})
vectors = model.embed([row["text"] for row in rows], batch_size=given.batch_size)
for row, vector in zip(rows, vectors, strict=True):
    row["vector"] = vector
lancedb.connect(given.work / "lancedb").create_table("chunks", rows, mode="overwrite")
print(json.dumps({"documents": len(paths), "chunks": len(rows), "embedded": len(rows)}))
