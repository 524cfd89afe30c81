"""The gate of a goal run: the same door, which besides wants to know how a writing action is undone."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import msgspec

from ..agent.approvals import Approvals
from ..agent.gate import Admitted, Gate, Refused
from ..agent.options import AgentOptions
from ..agent.ports import Emitter, Rules
from ..policy.rules import N_, strictest
from ..types.actions import Action
from ..types.goals import UndoNamed
from ..types.rules import Circumstances, Decision, Reason, Verdict
from ..types.tooling import Declaration
from .reach import Way, way_back
from .run import Run

REASON = N_("It cannot be undone, and this run wants a yes for such actions.")
UNDO_ASKED = N_("A rule asks about its undo: a yes to it is a yes to the undo as well.")
NAME_IT = (
    "Not run: it reaches beyond the working folder ({what}), so say first how it is undone: call execute again with "
    '`undo` set to a shell command that takes it back. If there is none, set undo="none".'
)
STATE_CHECKS = (
    "Not run: first state how success will be checked. Call checks(commands) with shell commands that exit with 0 only "
    "when the goal is reached; then do this again."
)
OTHER_UNDO = (
    "Not run: the rules refuse its undo ({why}), so it could not be taken back. Call execute again with another "
    '`undo`, in one short line; if there is none, set undo="none".'
)
LONGEST_ASKED = 300
"""Characters of an undo that a person is asked about: they have to read it whole."""
STOPPED = "Not run: the run has stopped and is being undone."


class GoalGate(Gate):
    def __init__(
        self,
        options: AgentOptions,
        approvals: Approvals,
        emitter: Emitter,
        rules: Rules,
        circumstances: Circumstances,
        *,
        run: Run,
        workspace: Path,
        kept: Callable[[], bool],
        declared: Callable[[], Mapping[str, Declaration]],
    ) -> None:
        """
        Args:
            kept: whether the workspace's files are kept before each step.
            declared: the session's tools by name.
        """
        super().__init__(options, approvals, emitter, rules, circumstances)
        self._run, self._workspace, self._kept, self._declared = run, workspace, kept, declared
        self._besides: Decision = "allow"
        """What is wanted of the action that is being admitted, whatever the rules say."""
        self._undo: tuple[Reason, ...] = ()
        """Why the undo of that action has to be asked about."""

    def again(self, session: str, approvals: str) -> str:
        return f"interpreter run --resume {session}" + " --approvals park" * (approvals == "park")

    async def admit(self, action: Action, where: str, *, parks: bool = True) -> Admitted | Refused:
        run = self._run
        await run.flush()
        if run.stopped:
            return Refused("not_run", STOPPED)
        writes = self.writes(action)
        if writes and self._forbidden(action):
            return await self._admit(action, where, parks)
        if writes and not run.book.checks:
            return Refused("not_run", STATE_CHECKS)
        back = Way("snapshot")
        if writes:
            says = not self._options.tools_only
            back = way_back(action, self._workspace, self._declared(), kept=self._kept(), says=says)
        if back.missing:
            return Refused("not_run", NAME_IT.format(what=back.why))
        undo = self._of_undo(back)
        if undo.decision == "deny":
            return Refused("not_run", OTHER_UNDO.format(why=", ".join(reason.rule for reason in undo.reasons)))
        self._besides = run.task.without_undo if back.by == "none" else "allow"
        self._undo = undo.reasons
        try:
            verdict = await self._admit(action, where, parks)
        finally:
            self._besides, self._undo = "allow", ()
        if writes and isinstance(verdict, Admitted):
            run.refused = ""
            approved = bool(undo.reasons) and verdict.permit.by != "always"  # an earlier yes was to another undo
            named = UndoNamed(
                turn=run.turn, action=action.id, by=back.by, code=back.code, why=back.why, approved=approved
            )
            await self._emitter.emit(named)
        return verdict

    def _of_undo(self, back: Way) -> Verdict:
        """What the rules say to an undo, because it would be too late to ask when it has to run."""
        if not back.code or self._approvals.can_ask:
            return Verdict(decision="allow")
        circumstances = msgspec.structs.replace(self._circumstances, attended=False, mode=self.mode)
        verdict = self._rules.judge("shell", back.code, circumstances)
        strict = tuple(reason for reason in verdict.reasons if reason.decision == verdict.decision)
        if verdict.decision == "allow":
            return Verdict(decision="allow")
        if verdict.decision == "deny" or "\n" in back.code or len(back.code) > LONGEST_ASKED:
            return Verdict(decision="deny", reasons=strict)
        rule, layer = (strict[0].rule, strict[0].layer) if strict else ("undo-not-understood", "session")
        asked = Reason(rule=rule, layer=layer, decision="ask", text=UNDO_ASKED, subject=back.code)
        return Verdict(decision="ask", reasons=(asked,))

    async def _admit(self, action: Action, where: str, parks: bool) -> Admitted | Refused:
        verdict = await super().admit(action, where, parks=parks)
        if isinstance(verdict, Refused) and verdict.status == "denied":
            self._run.refused = verdict.shown or verdict.told
        return verdict

    async def look(self, action: Action, where: str) -> Admitted | Refused:
        """It is the harness's: no way back is asked for, and it does not wait."""
        return await self.harness(action, where, given=False)

    async def harness(self, action: Action, where: str, *, given: bool) -> Admitted | Refused:
        """Decide about an execution of the harness itself. It is never parked: what waits is the model's work.

        Args:
            given: the person wrote it, on the command line or in a task file.
        """
        kept = self._denials, self.refusal
        try:
            if given:
                return await self.own(action, where)
            return await super().admit(action, where, parks=False)
        finally:
            self._denials, self.refusal = kept

    def writes(self, action: Action) -> bool:
        """Whether it does more than read, as plan mode understands it."""
        circumstances = msgspec.structs.replace(self._circumstances, mode="plan")
        return super()._verdict(action, circumstances).decision == "deny"

    def _forbidden(self, action: Action) -> bool:
        """Whether rules refuse it in any case: then nothing else has to be asked for first."""
        attended = self._approvals.can_ask or self._approvals.left or self._options.parks(self.mode)
        circumstances = msgspec.structs.replace(self._circumstances, attended=attended, mode=self.mode)
        decision = super()._verdict(action, circumstances).decision
        return decision == "deny" or (decision == "ask" and not attended)

    def _verdict(self, action: Action, circumstances: Circumstances) -> Verdict:
        verdict = super()._verdict(action, circumstances)
        if self._undo:
            verdict = with_reasons(verdict, "ask", self._undo)
        if self._besides == "allow" or (self._besides == "ask" and verdict.covered):
            return verdict  # a rule of the person's that allows it is a yes
        reason = Reason(rule="no-undo", layer="session", decision=self._besides, text=REASON)
        return with_reasons(verdict, self._besides, (reason,))


def with_reasons(verdict: Verdict, decision: Decision, reasons: tuple[Reason, ...]) -> Verdict:
    """What the run wants besides the rules: at least this decision."""
    strict = strictest((verdict.decision, decision))
    together = (*reasons, *verdict.reasons) if strict == decision else (*verdict.reasons, *reasons)
    return msgspec.structs.replace(verdict, decision=strict, reasons=together, covered=False)
