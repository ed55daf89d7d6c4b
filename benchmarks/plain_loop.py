"""The least that indexing a folder of small files takes: read, split at headings, hash, embed, one commit of LanceDB.

    python benchmarks/plain_loop.py FOLDER DATABASE

Vectors are those of the embedder ``hashing``, made a thousand at a time. Nothing is remembered, checked or shared out.
"""

import hashlib
import os
import sys

import lancedb
import pyarrow

from docmill.embedders.hashing import PLUGIN, HashingParams

folder, database = sys.argv[1:]
session = PLUGIN.load(HashingParams(), threads=1)
rows = []
for path, _folders, names in os.walk(folder):
    for name in names:
        whole = os.path.join(path, name)  # noqa: PTH118 - no slower than it must be
        with open(whole, "rb") as file:  # noqa: PTH123 - the same
            data = file.read()
        digest = hashlib.sha256(data).hexdigest()
        texts = data.decode().split("\n## ")
        rows += [(whole, digest, text) for text in texts if not text.startswith("# ")]
vectors = [session.embed_passages([row[2] for row in rows[at : at + 1000]]) for at in range(0, len(rows), 1000)]
flat = pyarrow.concat_arrays([pyarrow.array(each.ravel()) for each in vectors])
columns = {
    name: pyarrow.array(values) for name, values in zip(("path", "hash", "text"), zip(*rows, strict=True), strict=True)
}
columns["vector"] = pyarrow.FixedSizeListArray.from_arrays(flat, vectors[0].shape[1])
lancedb.connect(database).create_table("chunks", pyarrow.table(columns))
