"""Schema 2: lifecycle events once an attempt, schedules, limits, forced starts, and the outbox."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic.operations import Operations
from sqlalchemy import Connection


def upgrade(operations: Operations, connection: Connection) -> None:
    _add_columns(operations)
    _add_deliveries(operations)
    _number_attempts(connection)


def _add_columns(operations: Operations) -> None:
    added: dict[str, list[sa.Column[Any]]] = {
        "batch": [
            sa.Column("jitter", sa.Float(), nullable=False, server_default=sa.text("0.1")),
            sa.Column("max_processing_time", sa.Float()),
            sa.Column("cron", sa.String()),
        ],
        "run_group": [
            sa.Column("scheduled_for", sa.String()),
            _attempt(),
            sa.Column("no_cache", sa.String(), nullable=False, server_default=sa.text("'[]'")),
            sa.Column("handlers", sa.String(), nullable=False, server_default=sa.text("'{}'")),
        ],
        "run": [
            _attempt(),
            sa.Column("status_message", sa.String()),
        ],
        "run_step": [_attempt()],
        "lifecycle_event": [_attempt()],
    }
    for table, columns in added.items():
        for column in columns:
            operations.add_column(table, column)


def _attempt() -> sa.Column[int]:
    return sa.Column("attempt", sa.Integer(), nullable=False, server_default=sa.text("1"))


def _add_deliveries(operations: Operations) -> None:
    operations.create_table(
        "delivery",
        sa.Column("id", sa.Integer(), primary_key=True),
        sa.Column("idempotency_key", sa.String(), nullable=False),
        sa.Column("batch_id", sa.Integer(), nullable=False),
        sa.Column("run_group_id", sa.Integer(), nullable=False),
        sa.Column("event", sa.String(), nullable=False),
        sa.Column("handler", sa.String(), nullable=False),
        sa.Column("payload", sa.String(), nullable=False),
        sa.Column("status", sa.String(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("next_at", sa.String(), nullable=False),
        sa.Column("last_error", sa.String()),
        sa.Column("created_at", sa.String(), nullable=False),
        sa.Column("delivered_at", sa.String()),
        sa.UniqueConstraint("idempotency_key"),
    )


def _number_attempts(connection: Connection) -> None:
    """Events were told again after a crash: the first is attempt 1, the next 2. Rows stand at the last of theirs."""
    connection.exec_driver_sql(
        "UPDATE lifecycle_event SET attempt = numbered.n FROM (SELECT id, ROW_NUMBER() OVER (PARTITION BY run_group_id,"
        " COALESCE(run_id, 0), COALESCE(step_id, 0), event ORDER BY id) AS n FROM lifecycle_event) AS numbered"
        " WHERE numbered.id = lifecycle_event.id AND numbered.n > 1"
    )
    for table, owner, condition in (
        ("run_step", "step_id", "TRUE"),
        ("run", "run_id", "step_id IS NULL"),
        ("run_group", "run_group_id", "run_id IS NULL"),
    ):
        connection.exec_driver_sql(
            f"UPDATE {table} SET attempt = last.n FROM (SELECT {owner} AS id, MAX(attempt) AS n FROM lifecycle_event"  # noqa: S608 - the constants above
            f" WHERE {condition} GROUP BY {owner}) AS last WHERE last.id = {table}.id AND last.n > 1"
        )
