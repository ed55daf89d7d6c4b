"""docmill keeps folders of documents parsed, chunked, embedded and searchable in a local LanceDB."""

__version__ = "0.1.0"
__all__ = ["__version__"]
