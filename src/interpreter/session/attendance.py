"""Who is there to answer a session's questions."""

from __future__ import annotations

from ..agent.approvals import Approvals


class Attendance:
    """The person at the session's own front end, and those who join from elsewhere."""

    def __init__(self, approvals: Approvals) -> None:
        self._approvals = approvals
        self._at_home = approvals.can_ask
        self._guests = 0

    def leave(self) -> None:
        """Nobody is left at the front end. While others are there, questions are still asked."""
        self._at_home = False
        if not self._guests:
            self._approvals.leave()

    def arrive(self) -> None:
        """Somebody has joined from elsewhere, who can answer."""
        self._guests += 1
        self._approvals.come()

    def depart(self) -> None:
        """They have gone again."""
        self._guests -= 1
        if not self._guests and not self._at_home:
            self._approvals.leave()

    def end(self) -> bool:
        """Everybody goes. Whether a question whether code may run was open: it stays open in the log."""
        asked = self._approvals.asks_to_run
        self._guests, self._at_home = 0, False
        self._approvals.leave()
        return asked
