"""What a person reads at the end of a turn that was not finished."""

from __future__ import annotations

from ..agent.gate import Gate
from ..agent.options import AgentOptions
from ..agent.refusals import waiting_text
from ..agent.turns import End
from ..text.i18n import _


def closing_text(end: End, session: str, gate: Gate, options: AgentOptions) -> str:
    """What happened and what to do next; empty where the end says it itself."""
    kept = _("Everything so far is kept in session {session}.", session=session)
    match end.reason:
        case "waiting":
            again = gate.again(session, options.approvals)
            return waiting_text(session, gate.parked, again, by_yes=gate.mode == "ask")
        case "interrupted":
            return _("Interrupted.") + " " + kept
        case "denied":
            return _("Not run: you said no.") + " " + kept
        case _:
            return ""
