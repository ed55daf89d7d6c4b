"""Schema 3: what a source remembers of how it is synced, and where a document was fetched from."""

from __future__ import annotations

import sqlalchemy as sa
from alembic.operations import Operations
from sqlalchemy import Connection


def upgrade(operations: Operations, connection: Connection) -> None:  # noqa: ARG001 - the shape of every upgrade
    for table, column, default in (
        ("source", "overrides", "'[]'"),
        ("source", "rules", "'[]'"),
        ("document", "profile", "''"),
        ("document", "origin", "'{}'"),
    ):
        operations.add_column(table, sa.Column(column, sa.String(), nullable=False, server_default=sa.text(default)))
    # Whether a new file is that of a document that went would else be looked for in all of them.
    operations.create_index("document_gone", "document", ["source", "uri"], sqlite_where=sa.text("state != 'active'"))
