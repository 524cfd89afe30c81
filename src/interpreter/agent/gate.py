"""The one door to execution: the only module that makes a Permit."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, NamedTuple

import msgspec

from ..errors import InterpreterError
from ..text.i18n import _
from ..types.actions import Action, Permit
from ..types.base import code_sha256, new_id
from ..types.events import ActionJudged, ApprovalRequested, ApprovalResolved, NoteAdded
from ..types.ops import ResolveApproval
from ..types.rules import Circumstances, Mode, Verdict
from ..types.tooling import TOOL, read_call
from . import refusals
from .approvals import Approvals
from .options import AgentOptions
from .ports import Emitter, Rules

MOST_DENIALS = 3
"""Denials by rules in a row, after which the run ends."""


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
    shown: str = ""
    """What the person reads; empty: what the status says."""


class Earlier(NamedTuple):
    """The question about an action that waited when the session was left, and its answer, if it has got one."""

    request: ApprovalRequested
    given: ApprovalResolved | None


class Gate:
    """Policy and approval come together here, for every entry point alike."""

    def __init__(
        self, options: AgentOptions, approvals: Approvals, emitter: Emitter, rules: Rules, circumstances: Circumstances
    ) -> None:
        self.mode: Mode = options.mode
        self.parked = ""
        """The question that the last refused action waits for; empty: none."""
        self.refusal = ""
        """What a person reads of a rule's refusal after which nothing was admitted, where nobody is there; else empty.
        A turn that ends then ends because of it."""
        self._options, self._approvals, self._emitter, self._rules = options, approvals, emitter, rules
        self._circumstances = circumstances
        self._earlier: dict[str, Earlier] = {}
        self._denied: set[str] = set()
        self._denials = 0

    @property
    def auto(self) -> bool:
        return self.mode == "auto"

    @property
    def walled(self) -> bool:
        """Whether what it admits runs inside walls."""
        return self._circumstances.walled

    def again(self, session: str, approvals: str) -> str:
        """The words that go on with a session whose run waits for an answer."""
        flags = " -y" * self.auto + " --approvals park" * (approvals == "park")
        return f"interpreter --resume {session}{flags}"

    def begin_turn(self) -> None:
        self._denied.clear()
        self._denials, self.parked, self.refusal = 0, "", ""

    def recall(self, earlier: Mapping[str, Earlier]) -> None:
        """What the log says about actions (by id) that are gone on with: an answer that was given counts."""
        self._earlier.update(earlier)

    async def withdraw(self) -> None:
        """The actions that waited are given up: their open questions are closed."""
        while self._earlier:
            _action, (request, given) = self._earlier.popitem()
            if given is None:
                await self._approvals.close(request.approval, "cancelled", "harness", "given up")

    async def admit(self, action: Action, where: str, *, parks: bool = True) -> Admitted | Refused:
        """Decide about one action; `where` says in which walls and folder it would run. `parks`: whether it can wait.

        Raises PolicyError: the rules cannot be read, so nothing may run.
        """
        self.parked = ""
        earlier = await self._now(self._earlier.pop(action.id, None))
        verdict = self._judge(action, self.mode)
        if verdict.decision == "deny":
            if earlier is not None and earlier.given is None:
                await self._approvals.close(earlier.request.approval, "no", "policy")
            return self._refused(action, verdict)
        if earlier is not None and earlier.given is not None:
            if bound_to(earlier) == action.sha256:
                return await self._answered(action, action, earlier.request, as_op(earlier.given))
            earlier = None  # an answer to other code is none
        if not self._waits(action) and (by := self._free(action, verdict)):
            if earlier is not None:
                await self._approvals.close(earlier.request.approval, "yes", by)
            return self._admitted(action, by)
        request = self._request(action, where, verdict, earlier)
        if self._approvals.can_ask:
            return await self._ask(action, request)
        if parks and (earlier is not None or self._approvals.left or self._options.parks(self.mode)):
            await self._approvals.park(request)
            return self._parked(request)
        rule, _covers = self._rules.narrow_rule(action.language, action.code, verdict)
        return self._refused(action, verdict, rule)

    async def look(self, action: Action, where: str) -> Admitted | Refused:
        """Decide about the first look of a skill: like any other action here."""
        return await self.admit(action, where)

    async def own(self, action: Action, where: str) -> Admitted | Refused:
        """What the person typed as code (`%%`) is approved by having been typed; where a rule denies it, they are asked
        once more. The administrator's rules hold for them as well.
        """
        verdict = self._judge(action, "ask" if self.mode == "plan" else self.mode)
        if verdict.decision != "deny":
            return self._admitted(action, "person")
        if not self._approvals.can_ask or any(
            reason.layer == "administrator" and reason.decision == "deny" for reason in verdict.reasons
        ):
            return self._refused(action, verdict)
        request = msgspec.structs.replace(self._request(action, where, verdict, None), proposal="", covers=())
        answer, _edited = await self._approvals.ask(request)
        if answer is not None and answer.answer in ("yes", "always"):
            return self._admitted(action, "person")
        return refused_by_person(answer)

    def _judge(self, action: Action, mode: Mode) -> Verdict:
        parks = self._approvals.left or self._options.parks(mode)
        attended = self._approvals.can_ask or parks  # a parked question is answered as well
        circumstances = msgspec.structs.replace(self._circumstances, attended=attended, mode=mode)
        verdict = self._verdict(action, circumstances)
        judged = ActionJudged(
            action=action.id, decision=verdict.decision, reasons=verdict.reasons, unknown=verdict.unknown, mode=mode
        )
        self._emitter.hold(judged)  # its start, its refusal or the question about it follows at once
        return verdict

    def _verdict(self, action: Action, circumstances: Circumstances) -> Verdict:
        return self._rules.judge(action.language, action.code, circumstances)

    async def _now(self, earlier: Earlier | None) -> Earlier | None:
        """The same question with the answer that it has got meanwhile; a no where its deadline has passed."""
        if earlier is None or earlier.given is not None:
            return earlier
        request = earlier.request
        if (given := self._approvals.answer_to(request.approval)) is not None:
            return Earlier(request, given)
        if request.deadline is None or time.time() < request.deadline:
            return earlier
        return Earlier(request, await self._approvals.close(request.approval, "no", "deadline"))

    def _waits(self, action: Action) -> bool:
        """Whether a question of the model's waits as its approval: nobody is there, and questions wait."""
        if not asks_person(action) or self._approvals.here:
            return False
        return self._approvals.can_ask or self._approvals.left or self._options.parks(self.mode)

    def _free(self, action: Action, verdict: Verdict) -> str:
        """By whom this runs without a question; empty where it does not."""
        if self._approvals.stands("run", program(action)):
            return "always"
        if verdict.decision != "allow":
            return ""
        if asks_person(action):
            return "question"  # it is a question itself
        if self.mode == "auto":
            return "auto"
        if verdict.covered:
            return next((reason.rule for reason in verdict.reasons if reason.decision == "allow"), "policy")
        if self.mode == "plan" and self._circumstances.walled:
            return "plan"
        return "always" if self._approvals.stands("run", action.language) else ""

    def _request(self, action: Action, where: str, verdict: Verdict, earlier: Earlier | None) -> ApprovalRequested:
        """The question; one that is open already keeps its id and its deadline."""
        rule, covers = self._rules.narrow_rule(action.language, action.code, verdict)
        return ApprovalRequested(
            approval=earlier.request.approval if earlier is not None else new_id("ap"),
            kind="run",
            action=action.id,
            subject=action.sha256,
            where=where,
            reasons=tuple(reason for reason in verdict.reasons if reason.decision != "allow"),
            unknown=verdict.unknown,
            proposal=rule,
            covers=covers,
            deadline=earlier.request.deadline if earlier is not None else None,
        )

    async def _ask(self, action: Action, request: ApprovalRequested) -> Admitted | Refused:
        answer, edited = await self._approvals.ask(request, edited=lambda code: edited_action(action, code))
        if answer is None and not self._approvals.can_ask:
            return self._parked(request)
        if edited is not None:
            again = self._judge(edited, self.mode)
            if again.decision == "deny":
                return self._refused(edited, again)
        return await self._answered(action, edited or action, request, answer)

    async def _answered(
        self, action: Action, runs: Action, request: ApprovalRequested, answer: ResolveApproval | None
    ) -> Admitted | Refused:
        if answer is None or answer.answer == "no":
            return refused_by_person(answer)
        if answer.answer == "always":
            await self._remember(action, request, answer)
        if asks_person(runs):
            self._approvals.words[runs.id] = answer.reason or _("yes")
        return self._admitted(runs, answer.by)

    async def _remember(self, action: Action, request: ApprovalRequested, answer: ResolveApproval) -> None:
        """`always`: the rule is written where a person answered at this terminal, else it counts for this session."""
        self._approvals.stand("run", program(action))
        if not request.proposal:
            if not request.reasons:
                self._approvals.stand("run", action.language)
            return
        if answer.channel != "terminal":
            self._rules.learn(request.proposal)
            return
        try:
            self._rules.write(request.proposal)
            text = _("The rule was added to {path}.", path=self._rules.place)
        except InterpreterError as error:
            text = _("The rule was not written: {reason} It counts for this session.", reason=str(error))
            self._rules.learn(request.proposal)
        await self._emitter.emit(NoteAdded(text=text, to_model=False))

    def _parked(self, request: ApprovalRequested) -> Refused:
        self.parked = request.approval
        return Refused("not_run", "Not run: it needs an approval and nobody was there to give one.", "waiting")

    def _refused(self, action: Action, verdict: Verdict, rule: str = "") -> Refused:
        """A rule says no. The turn goes on, unless the model does not take it for an answer."""
        self._denials += 1
        ends = action.sha256 in self._denied or self._denials >= MOST_DENIALS
        self._denied.add(action.sha256)
        shown = refusals.for_person(verdict, self._rules.place, rule)
        if self.mode == "auto" and not self._approvals.here:
            self.refusal = _("This was refused, and nothing ran after it:") + f"\n{shown}"
        return Refused("denied", refusals.for_model(verdict, self.mode), "denied" if ends else "", shown)

    def _admitted(self, action: Action, by: str) -> Admitted:
        self._denials, self.refusal = 0, ""
        return Admitted(
            Permit(action=action.id, language=action.language, sha256=code_sha256(action.code), by=by), action
        )


def program(action: Action) -> str:
    """What `always` is about: the code and its language; in another language the same text is another program."""
    return f"{action.language} {action.sha256}"


def asks_person(action: Action) -> bool:
    """Whether the call is a question to the person, whose answer is its result."""
    try:
        return action.language == TOOL and read_call(action.code).tool == "ask_human"
    except ValueError:
        return False


def bound_to(earlier: Earlier) -> str:
    """The hash of the code that the answer is about: the edited code's, where it was edited."""
    given = earlier.given
    return given.action.sha256 if given is not None and given.action is not None else earlier.request.subject


def refused_by_person(answer: ResolveApproval | None) -> Refused:
    if answer is None:
        return Refused("not_run", "Not run: the question was withdrawn.", "interrupted")
    if answer.by == "deadline":
        told = "Not run: nobody answered in time, and that is a no."
        return Refused("denied", told, "denied", _("Not run: nobody answered before the deadline."))
    if answer.reason:
        return Refused("denied", f"Not run. The person said no: {answer.reason}")
    return Refused("denied", "Not run. The person said no.", "denied")


def as_op(given: ApprovalResolved) -> ResolveApproval | None:
    """An answer from the log as if it were given now; a question that was withdrawn has none."""
    if given.answer == "cancelled":
        return None
    return ResolveApproval(
        approval=given.approval, answer=given.answer, reason=given.reason, by=given.by, channel=given.channel
    )


def edited_action(action: Action, code: str) -> Action:
    """The same action with the person's code; its id stays, its hash does not."""
    return msgspec.structs.replace(
        action, code=code, sha256=code_sha256(code), repairs=(*action.repairs, "edited by the person")
    )
