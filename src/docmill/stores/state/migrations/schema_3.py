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
