"""Schema 4: documents that lie in others, why a document is degraded, and what its pages gave."""

from __future__ import annotations

import sqlalchemy as sa
from alembic.operations import Operations
from sqlalchemy import Connection


def upgrade(operations: Operations, connection: Connection) -> None:  # noqa: ARG001 - every upgrade is given both
    operations.add_column("document", sa.Column("parent_id", sa.String))
    operations.add_column("document", sa.Column("reasons", sa.String, nullable=False, server_default=sa.text("'[]'")))
    operations.add_column("document", sa.Column("text_yield", sa.String))
    given = sa.text("parent_id IS NOT NULL")
    operations.create_index("document_by_parent", "document", ["parent_id"], sqlite_where=given)
