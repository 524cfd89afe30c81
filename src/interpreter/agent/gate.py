"""The one door to execution: the only module that makes a Permit."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from ..text.i18n import _
from ..types.actions import Action, Permit
from ..types.base import code_sha256, new_id
from ..types.events import ApprovalRequested
from .approvals import Approvals
from .options import AgentOptions


@dataclass(frozen=True)
class Admitted:
    permit: Permit
    action: Action
    """As it will run: the proposed one, or the edited one."""


@dataclass(frozen=True)
class Refused:
    status: Literal["denied", "not_run"]
    told: str
    """What the model reads."""
    ends: Literal["", "denied", "waiting", "interrupted"] = ""
    """Why the turn ends here; empty when it goes on."""


class Gate:
    """Policy and approval come together here, for every entry point alike."""

    def __init__(self, options: AgentOptions, approvals: Approvals) -> None:
        self._approvals = approvals
        self.auto = options.auto_run

    async def admit(self, action: Action, where: str) -> Admitted | Refused:
        """Decide about one action; `where` says in which walls and folder it would run."""
        if self.auto:
            return self._admitted(action, "auto")
        if self._approvals.stands("run", action.language):
            return self._admitted(action, "always")
        if not self._approvals.can_ask:
            return Refused("not_run", "Not run: it needs an approval and nobody was there to give one.", "waiting")
        request = ApprovalRequested(
            approval=new_id("ap"), kind="run", action=action.id, subject=action.sha256, where=where
        )
        answer, edited = await self._approvals.ask(
            request, standing=action.language, edited=lambda code: edited_action(action, code)
        )
        if answer is None:
            return Refused("not_run", "Not run: the question was withdrawn.", "interrupted")
        if answer.answer == "no":
            if answer.reason:
                return Refused("denied", f"Not run. The person said no: {answer.reason}")
            return Refused("denied", "Not run. The person said no.", "denied")
        if edited is not None:
            return self._admitted(edited, "person")
        return self._admitted(action, "person")

    def own(self, action: Action) -> Admitted:
        """What the person typed as code (`%%`) is approved by having been typed."""
        return self._admitted(action, "person")

    def _admitted(self, action: Action, by: str) -> Admitted:
        return Admitted(
            Permit(action=action.id, language=action.language, sha256=code_sha256(action.code), by=by), action
        )


def edited_action(action: Action, code: str) -> Action:
    """The same action with the person's code; its id stays, its hash does not."""
    return Action(
        id=action.id,
        language=action.language,
        code=code,
        sha256=code_sha256(code),
        call_id=action.call_id,
        repairs=(*action.repairs, "edited by the person"),
    )


def waiting_text(session: str) -> str:
    """What a person reads when nobody could be asked: nothing ran, and the words that go on."""
    return _(
        "Nothing was run: the code above needs an approval and nobody is here to give it.\n"
        "To approve it and go on: interpreter --resume {session} -y\n"
        "To look at it first:    interpreter --resume {session}",
        session=session,
    )
