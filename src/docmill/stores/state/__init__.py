"""state.db, written. Every write to it goes through this package; reading has a light side of its own, queries.py.

``State.transaction`` is the only way in: one BEGIN IMMEDIATE, held shortly. Within it the modules here offer what may
be written: ``transitions`` (statuses, with their events), ``catalogue`` (sources, documents, versions), ``batches`` and
``groups`` (batches, run groups, runs, steps) and ``settling`` (what the engine records as work comes back).
"""

from docmill.stores.state.database import State

__all__ = ["State"]
