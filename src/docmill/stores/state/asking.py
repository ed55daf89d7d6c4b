"""How the model of a database was last asked for, so that searches ask for it in the same way.

A search is told a database and nothing of parameters. Those that change no vector (the server that holds the model, a
prefix of questions) may change at any time, also where there is nothing to compute; so the last ones count.
"""

from __future__ import annotations

import json

from docmill.domain.planning import PlannedGroup
from docmill.stores.queries import asking_key
from docmill.stores.state.database import Transaction


def remember(tx: Transaction, group: PlannedGroup) -> None:
    """Does nothing where the database is another model's."""
    found = tx.value("SELECT fingerprint FROM database WHERE name = ?", [group.database])
    if found == group.model_fingerprint:
        value = json.dumps({"fingerprint": group.model_fingerprint, "params": group.asking})
        key = asking_key(group.database)
        if tx.value("SELECT value FROM home_meta WHERE key = ?", [key]) != value:
            tx.run("INSERT OR REPLACE INTO home_meta (key, value) VALUES (?, ?)", [key, value])
