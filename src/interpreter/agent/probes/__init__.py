"""Twelve micro-tasks that show how well a model and its server work as an agent. Rules judge; no code runs."""

from .measure import ProbeResult as ProbeResult
from .measure import ServerReport as ServerReport
from .measure import probe_server as probe_server
