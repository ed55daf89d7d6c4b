"""What a control command is aimed at: a batch, or one of its run groups."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from docmill.domain.status import Entity, Status, Trigger, transition
from docmill.errors import InvalidState, NotFoundError, RunGroupNotFound, UsageError
from docmill.stores.queries import Queries, Row


@dataclass(frozen=True, slots=True)
class Target:
    """A batch and those of its run groups that are meant, oldest first."""

    batch: Row
    groups: list[Row]
    run_group_id: int | None

    @property
    def batch_id(self) -> int:
        return int(self.batch["id"])

    @property
    def status(self) -> str:
        """Of the run group where one is named, else of the batch."""
        return str(self.groups[0]["status"] if self.run_group_id is not None else self.batch["status"])

    def in_status(self, statuses: Iterable[Status]) -> list[Row]:
        wanted = {status.value for status in statuses}
        return [group for group in self.groups if group["status"] in wanted]

    def refuse(self, trigger: Trigger, command: str) -> InvalidState:
        """The error for a trigger that none of its groups allows. ``command``: what may help, without its argument."""
        named = self.run_group_id is not None
        what = f"run group {self.run_group_id}" if named else f"batch {self.batch_id}"
        argument = f"--run-group {self.run_group_id}" if named else str(self.batch_id)
        return InvalidState(
            f"cannot {trigger} {what}: it is {self.status}",
            hint=f"{command} {argument}",
            current_status=self.status,
            valid_statuses=sorted(transition(Entity.GROUP, trigger).sources),
        )


def find_target(queries: Queries, batch: str | None, run_group: int | None = None) -> Target:
    """By batch, by run group, or by both, which must agree.

    Raises UsageError where neither is named, BatchNotFound, RunGroupNotFound.
    """
    if run_group is None:
        if batch is None:
            raise UsageError("name a batch, or a run group with --run-group")
        row = queries.batch(batch)
        groups = queries.rows("SELECT * FROM run_group WHERE batch_id = ? ORDER BY id", [row["id"]])
        return Target(row, groups, None)
    group = queries.group(run_group)
    if group is None:
        raise RunGroupNotFound(f"no run group {run_group}", hint="`docmill run-groups list` shows them")
    row = queries.batch(str(group["batch_id"]))
    if batch is not None and queries.batch(batch)["id"] != row["id"]:
        raise NotFoundError(f"run group {run_group} belongs to batch {row['id']}, not to {batch!r}")
    return Target(row, [group], run_group)
