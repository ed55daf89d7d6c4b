"""A person's filter as a condition for one database: tests of metadata become ids of the documents that pass."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from docmill.domain import filters
from docmill.domain.filters import Condition, Node, Predicate
from docmill.errors import UsageError
from docmill.stores import reading
from docmill.stores.reading import DOCUMENTS, Database


def condition(database: Database, node: Node, fields: Mapping[str, str] = filters.FIELDS) -> Condition:
    """``fields``: those that the node was parsed with.

    Raises UsageError where a test of metadata selects more documents than a condition can name.
    """
    return filters.condition(node, lambda test: _documents_where(database.table(DOCUMENTS), test), fields)


def condition_among(documents: Any, node: Node) -> Condition:
    """The same for documents in a table that was opened before."""
    return filters.condition(node, lambda test: _documents_where(documents, test), filters.FIELDS)


def _documents_where(table: Any, test: Predicate) -> list[str]:
    """Passages hold no metadata, so it is looked up among the documents, at the version that readers see."""
    assert test.key is not None
    if table is None:
        return []
    said = dict(reading.metadata_values(table, test.key))
    if test.operator == "null" and not test.negated:
        everything = (row["document_id"] for row in reading.rows_of(table, ["document_id"], reading.Scope()))
        found = [each for each in everything if said.get(each) is None]
    else:
        found = [document_id for document_id, value in said.items() if filters.holds(test, value)]
    if len(found) > filters.MOST_DOCUMENTS:
        raise UsageError(
            f"--filter: meta.{test.key} selects {len(found):,} documents, and {filters.MOST_DOCUMENTS:,} is the most",
            hint="sync them as a source of their own, and filter by that",
        )
    return found
