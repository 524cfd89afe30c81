"""The gate and the approvals: the one door to execution."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

import pytest

from interpreter.agent.approvals import Approvals
from interpreter.agent.gate import Admitted, Gate, Refused
from interpreter.agent.options import AgentOptions
from interpreter.errors import UsageError
from interpreter.types.actions import Action
from interpreter.types.base import code_sha256
from interpreter.types.events import ActionJudged, ApprovalRequested, ApprovalResolved, Event
from interpreter.types.ops import ResolveApproval
from interpreter.types.rules import Circumstances, Reason, Verdict


class Recorder:
    """An emitter that keeps what it is given."""

    def __init__(self) -> None:
        self.events: list[Event] = []

    async def emit(self, event: Event) -> None:
        self.events.append(event)

    def show(self, event: Event) -> None:
        self.events.append(event)

    async def question(self, n: int = 0) -> ApprovalRequested:
        """The n-th question, waited for."""
        while True:
            found = [e for e in self.events if isinstance(e, ApprovalRequested)]
            if len(found) > n:
                return found[n]
            await asyncio.sleep(0)


class Book:
    """Rules that say what the test says, about what the test names."""

    def __init__(self, verdict: Verdict | None = None, rule: str = "") -> None:
        self.verdict, self.rule = verdict or Verdict(decision="allow"), rule
        self.written: list[str] = []
        self.learned: list[str] = []
        self.seen: list[Circumstances] = []
        self.denied = ""
        """Code that is denied, whatever `verdict` says."""

    place = "/home/somebody/policy.yaml"

    def judge(self, language: str, code: str, circumstances: Circumstances) -> Verdict:
        self.seen.append(circumstances)
        return Verdict(decision="deny", reasons=(NEVER,)) if self.denied and self.denied in code else self.verdict

    def narrow_rule(self, language: str, code: str, verdict: Verdict) -> tuple[str, tuple[str, ...]]:
        return self.rule, ("what else",) if self.rule else ()

    def write(self, rule: str) -> None:
        self.written.append(rule)

    def learn(self, rule: str) -> None:
        self.learned.append(rule)


NEVER = Reason(rule="never", layer="built-in", decision="deny", text="It destroys.", subject="rm -rf /")
CAREFUL = Reason(rule="careful", layer="user", decision="ask", text="It leaves the machine.", subject="git push")
DENY = Verdict(decision="deny", reasons=(NEVER,))
ASK = Verdict(decision="ask", reasons=(CAREFUL,))
HERE = Circumstances(workspace="/work")
CODE = "print('hello')"
ACTION = Action(id="a1", language="python", code=CODE, sha256=code_sha256(CODE))


def make(options: AgentOptions, book: Book | None = None) -> tuple[Recorder, Approvals, Gate]:
    recorder = Recorder()
    approvals = Approvals(recorder, can_ask=options.can_ask)
    return recorder, approvals, Gate(options, approvals, recorder, book or Book(), HERE)


async def answered(
    options: AgentOptions, book: Book | None = None, **answer: Any
) -> tuple[Recorder, Admitted | Refused]:
    recorder, approvals, gate = make(options, book)

    async def reply() -> None:
        question = await recorder.question()
        approvals.resolve(ResolveApproval(approval=question.approval, **answer))

    verdict, _none = await asyncio.gather(gate.admit(ACTION, "here"), reply())
    return recorder, verdict


def run(work: Coroutine[Any, Any, Any]) -> Any:
    return asyncio.run(asyncio.wait_for(work, 10))


def test_auto_admits_without_a_question() -> None:
    recorder, _approvals, gate = make(AgentOptions(auto_run=True))
    verdict = run(gate.admit(ACTION, "here"))
    assert isinstance(verdict, Admitted)
    assert (verdict.permit.by, verdict.permit.sha256) == ("auto", ACTION.sha256)
    assert recorder.events == [ActionJudged(action="a1", decision="allow", mode="auto")]


def test_with_nobody_to_ask_nothing_runs() -> None:
    recorder, _approvals, gate = make(AgentOptions(can_ask=False))
    verdict = run(gate.admit(ACTION, "here"))
    assert isinstance(verdict, Refused)
    assert (verdict.status, verdict.ends) == ("not_run", "waiting")
    _judged, asked = recorder.events  # it stays open in the log
    assert isinstance(asked, ApprovalRequested)
    assert (asked.subject, gate.parked) == (ACTION.sha256, asked.approval)


def test_yes_is_a_record_bound_to_the_codes_hash() -> None:
    recorder, verdict = run(answered(AgentOptions(), answer="yes"))
    assert isinstance(verdict, Admitted)
    assert verdict.permit.by == "person"
    _judged, asked, resolved = recorder.events
    assert isinstance(asked, ApprovalRequested)
    assert isinstance(resolved, ApprovalResolved)
    assert asked.subject == ACTION.sha256
    assert (resolved.approval, resolved.answer, resolved.by) == (asked.approval, "yes", "person")


def test_no_ends_the_turn_and_no_with_a_reason_goes_on() -> None:
    _recorder, plain = run(answered(AgentOptions(), answer="no"))
    _recorder, reasoned = run(answered(AgentOptions(), answer="no", reason="use pandas"))
    assert isinstance(plain, Refused)
    assert plain.ends == "denied"
    assert isinstance(reasoned, Refused)
    assert reasoned.ends == ""
    assert "use pandas" in reasoned.told


def test_what_runs_is_what_was_edited() -> None:
    _recorder, verdict = run(answered(AgentOptions(), answer="edit", code="print('bye')"))
    assert isinstance(verdict, Admitted)
    assert verdict.action.code == "print('bye')"
    assert verdict.permit.sha256 == code_sha256("print('bye')") == verdict.action.sha256


def test_an_empty_edit_is_refused_and_the_question_stays() -> None:
    async def story() -> None:
        recorder, approvals, gate = make(AgentOptions())
        asking = asyncio.ensure_future(gate.admit(ACTION, "here"))
        question = await recorder.question()
        with pytest.raises(UsageError):
            approvals.resolve(ResolveApproval(approval=question.approval, answer="edit", code=" "))
        approvals.resolve(ResolveApproval(approval=question.approval, answer="no"))
        assert isinstance(await asking, Refused)

    run(story())


def test_always_stands_for_the_language_and_no_other() -> None:
    async def story() -> None:
        recorder, approvals, gate = make(AgentOptions())
        asking = asyncio.ensure_future(gate.admit(ACTION, "here"))
        approvals.resolve(ResolveApproval(approval=(await recorder.question()).approval, answer="always"))
        assert isinstance(await asking, Admitted)
        again = await gate.admit(ACTION, "here")
        assert isinstance(again, Admitted)
        assert again.permit.by == "always"
        shell = Action(id="a2", language="shell", code="ls", sha256=code_sha256("ls"))
        other = asyncio.ensure_future(gate.admit(shell, "here"))
        assert (await recorder.question(1)).action == "a2"
        approvals.cancel_all()
        verdict = await other
        assert isinstance(verdict, Refused)
        assert verdict.ends == "interrupted"

    run(story())


def test_a_question_is_answered_once() -> None:
    async def story() -> None:
        recorder, approvals, gate = make(AgentOptions())
        asking = asyncio.ensure_future(gate.admit(ACTION, "here"))
        question = await recorder.question()
        approvals.resolve(ResolveApproval(approval=question.approval, answer="no"))
        with pytest.raises(UsageError):
            approvals.resolve(ResolveApproval(approval=question.approval, answer="yes"))
        await asking
        with pytest.raises(UsageError):
            approvals.resolve(ResolveApproval(approval="ap_guess", answer="yes"))

    run(story())


def test_a_cancelled_wait_is_on_record_and_never_a_yes() -> None:
    async def story() -> None:
        recorder, approvals, gate = make(AgentOptions())
        asking = asyncio.ensure_future(gate.admit(ACTION, "here"))
        await recorder.question()
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking
        last = recorder.events[-1]
        assert isinstance(last, ApprovalResolved)
        assert last.answer == "cancelled"
        assert approvals.pending() == ()

    run(story())
