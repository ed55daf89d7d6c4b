"""Results as text for people: ``render`` gives the lines and tables of any result. One module a subject."""

from docmill.cli.text import (
    batches,
    databases,
    definitions,
    delivering,
    documents,
    files,
    following,
    history,
    ingesting,
    models,
    pages,
    planning,
    quarantine,
    runs,
    searching,
    sources,
    status,
    upkeep,
    watching,
)
from docmill.cli.text.dispatch import View, render

__all__ = ["View", "render"]

# Importing them is what registers their renderers.
_SUBJECTS = (
    batches,
    databases,
    definitions,
    delivering,
    documents,
    files,
    following,
    history,
    ingesting,
    models,
    pages,
    planning,
    quarantine,
    runs,
    searching,
    sources,
    status,
    upkeep,
    watching,
)
