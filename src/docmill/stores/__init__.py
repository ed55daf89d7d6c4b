"""What is kept: SQLite state, artifacts, cached embeddings, LanceDB."""

import os

# LanceDB writes warnings of its own to stderr, of partitions that it has split or found empty, as it reads and indexes.
os.environ.setdefault("LANCE_LOG", "error")
