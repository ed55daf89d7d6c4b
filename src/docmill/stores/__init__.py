"""What is kept: SQLite state, artifacts, cached embeddings, LanceDB."""
