"""What a session leaves open that comes from another machine, and what closes it: nothing goes on by itself."""

from __future__ import annotations

from ..text.i18n import _
from ..types.actions import Observation
from ..types.events import (
    ActionFinished,
    ActionProposed,
    ActionStarted,
    ApprovalRequested,
    ApprovalResolved,
    Event,
    TurnFinished,
    TurnStarted,
)

CUT_OFF = "[The session was taken to another machine while this ran. It is not known how far it got.]"
NOT_RUN = "Not run: the session was taken to another machine before it."


class Loose:
    def __init__(self) -> None:
        self._actions: dict[str, bool] = {}
        """Without an end; whether they had begun."""
        self._questions: dict[str, None] = {}
        self._turn = ""

    def apply(self, event: Event) -> None:
        match event:
            case TurnStarted():
                self._turn = event.turn
            case TurnFinished():
                self._turn = ""
            case ActionProposed():
                self._actions[event.action.id] = False
            case ActionStarted():
                self._actions[event.action] = True
            case ActionFinished():
                self._actions.pop(event.action, None)
            case ApprovalRequested():
                self._questions[event.approval] = None
            case ApprovalResolved():
                self._questions.pop(event.approval, None)
            case _:
                pass

    def ends(self) -> list[Event]:
        found: list[Event] = [
            ApprovalResolved(approval=approval, answer="cancelled", by="import", reason="taken to another machine")
            for approval in self._questions
        ]
        for action, begun in self._actions.items():
            told = Observation(text=CUT_OFF if begun else NOT_RUN, shown="")
            found.append(ActionFinished(action=action, status="lost" if begun else "not_run", observation=told))
        if self._turn:
            text = _("The session was taken to another machine in this turn.")
            found.append(TurnFinished(turn=self._turn, reason="interrupted", exit_code=130, text=text))
        return found
