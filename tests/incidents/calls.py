# SPDX-License-Identifier: Apache-2.0
"""System calls that fail, and one that does not come back."""

import os

from incident import incident, mount
from node import scratch


@incident("no_space", finding="calls.failing", says="ENOSPC")
def _(stage):
    stage.load(stage.victim, "fill", mount("-t", "tmpfs", "-o", "size=64k", "tmpfs"))


@incident("no_descriptors", finding="calls.failing", says="EMFILE")
def _(stage):
    stage.load(stage.victim, "descriptors")


@incident("stuck_lock", finding="calls.stuck", says="file")
def _(stage):
    """A file's lock that another has and keeps."""
    path = scratch() + "/lock"
    stage.load(stage.neighbour, "flock", path, "hold")
    stage.load(stage.victim, "flock", path)
    stage.lead = 12


@incident("stuck_open", finding="calls.stuck", says="file")
def _(stage):
    """A FIFO that nobody opens to read."""
    path = scratch() + "/fifo"
    os.mkfifo(path)
    stage.load(stage.victim, "fifo", path)
    stage.lead = 12
