# SPDX-License-Identifier: Apache-2.0
"""Locks that many threads want."""

from incident import incident


@incident("lock_contention", finding="calls.locks")
def _(stage):
    """Whoever of 16 threads has the lock sleeps for 5 ms."""
    stage.program(stage.victim, "locks", "contention", 16, 5000)


@incident("lock_convoy", finding="calls.locks")
def _(stage):
    """16 threads that hand a lock on each 50 us: two switches each time."""
    stage.program(stage.victim, "locks", "convoy", 16, 50)
