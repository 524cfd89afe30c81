"""Answers that other programs write into the log of a living session."""

from __future__ import annotations

from ..store import SessionLog
from ..types.events import ApprovalResolved, Stored
from .hub import Hub


class Elsewhere:
    """`agent.ports.Elsewhere`, over the session's own log."""

    def __init__(self, log: SessionLog, hub: Hub) -> None:
        self._log, self._hub = log, hub

    def find(self, approval: str) -> Stored | None:
        return self._log.answer_to(approval)

    def relay(self, event: ApprovalResolved) -> None:
        self._hub.relay(event)
