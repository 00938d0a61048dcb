"""The store: the one place where rollouts, flags and their journals are written.

Each part is a file of its own; `Store` is all of them over one engine.
"""

from __future__ import annotations

from state.chain import Chained
from state.commands import Asked, Commands
from state.deliveries import Deliveries
from state.errors import RefusedError, StaleStateError, StoreError, UnknownError
from state.flags import Flags, Switched
from state.incidents import Incidents
from state.keys import Keys
from state.leases import Beat, Leases
from state.outbox import Outbox
from state.rows import FlagEntry, JournalEntry, Live, Notification, Rollout
from state.submitting import Submitted, Submitting
from state.sweep import Look, Settled, Sweep
from state.ticking import Ticking, Ticks
from state.transitions import Epoch, Transitions


class Store(
    Submitting,
    Transitions,
    Commands,
    Sweep,
    Flags,
    Incidents,
    Outbox,
    Deliveries,
    Leases,
    Ticking,
    Keys,
    Chained,
):
    """Everything that is true, behind short transactions.

    `Store(connect(url), "guard")`; `process` says in every journal which part of Sluice wrote a line.
    """


__all__ = [
    "Asked",
    "Beat",
    "Epoch",
    "FlagEntry",
    "JournalEntry",
    "Live",
    "Look",
    "Notification",
    "RefusedError",
    "Rollout",
    "Settled",
    "StaleStateError",
    "Store",
    "StoreError",
    "Submitted",
    "Switched",
    "Ticks",
    "UnknownError",
]
