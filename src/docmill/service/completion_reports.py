"""Reports that are written by themselves, when a run group ends: asking for them, and taking them away.

They are handlers of ``group_end``, so that the outbox sees to it that each is written, whatever becomes of the engine.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from docmill.errors import UsageError

if TYPE_CHECKING:
    from docmill.stores.state.database import Transaction

FOLDER = "reports"  # of the home
_KEYS = ("report_on_completion", "report_folder")


def configuration(*, on_completion: bool, folder: str | None) -> dict[str, object]:
    """What a batch's configuration keeps of it. Raises UsageError for a folder alone."""
    if folder is not None and not on_completion:
        raise UsageError("--report-folder says where reports go", hint="ask for them too: --report-on-completion")
    if not on_completion:
        return {}
    return {"report_on_completion": True, **({"report_folder": folder} if folder is not None else {})}


def set_for(tx: Transaction, batch_id: int, wanted: Mapping[str, object]) -> None:
    """Let a batch have these, instead of what its configuration says of reports."""
    stored = json.loads(tx.value("SELECT configuration FROM batch WHERE id = ?", [batch_id]))
    told = {**{key: value for key, value in stored.items() if key not in _KEYS}, **wanted}
    if told != stored:
        text = json.dumps(told, ensure_ascii=False)
        tx.run("UPDATE batch SET configuration = ? WHERE id = ?", [text, batch_id])


def forget(home: Path, group_ids: Iterable[int]) -> None:
    """Take away what lies in the home of run groups that are deleted: it names documents."""
    for group_id in group_ids:
        for path in (home / FOLDER).glob(f"*-{group_id}.*"):
            path.unlink(missing_ok=True)
