# SPDX-License-Identifier: Apache-2.0
"""The measuring itself."""

from incident import Agent, incident
from node import least_memory
from tap import defer


@incident("lost_events", finding="self.lost", overall="inconclusive",
          says="table_full")
def _(stage):
    """An agent with next to no memory, and more threads than its tables have room for; the
    control is asked of another one."""
    stage.agent = Agent("--slots", "64", "--memory", least_memory(64))
    defer(stage.agent.stop)
    stage.load(stage.neighbour, "threads", 4000)
    stage.load(stage.victim, "threads", 300)
    stage.lead = 5


@incident("probe_off", finding=None, overall="inconclusive", says="tcp")
def _(stage):
    """Somebody has switched off what would have to be known."""
    stage.agent = Agent()
    defer(stage.agent.stop)
    stage.agent.tune("tcp", "enabled=false")
    stage.load(stage.victim, "periodic", 1, 50)
