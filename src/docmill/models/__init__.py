"""Embedding models on disk: which are known, how they get there, whether they are whole."""
