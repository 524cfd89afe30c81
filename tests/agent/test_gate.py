"""The gate and the approvals: the one door to execution."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

import msgspec
import pytest

from interpreter.agent.approvals import Approvals
from interpreter.agent.gate import Admitted, Earlier, Gate, Refused
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

    async def emit(self, event: Event, *more: Event) -> None:
        assert not more
        self.events.append(event)

    def hold(self, event: Event) -> None:
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


def test_always_never_answers_for_the_same_text_in_another_language() -> None:
    async def story() -> None:
        recorder, approvals, gate = make(AgentOptions(auto_run=True), Book(ASK))
        both = '""":"; rm -rf work; exit # """'  # a string in Python, a deletion in the shell
        python = Action(id="a1", language="python", code=both, sha256=code_sha256(both))
        asking = asyncio.ensure_future(gate.admit(python, "here"))
        approvals.resolve(ResolveApproval(approval=(await recorder.question()).approval, answer="always"))
        assert isinstance(await asking, Admitted)
        again = await gate.admit(msgspec.structs.replace(python, id="a2"), "here")
        assert isinstance(again, Admitted) and again.permit.by == "always"
        shell = asyncio.ensure_future(gate.admit(msgspec.structs.replace(python, id="a3", language="shell"), "here"))
        assert (await recorder.question(1)).action == "a3"
        approvals.cancel_all()
        assert isinstance(await shell, Refused)

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


def test_a_rule_that_denies_is_told_to_the_model_and_the_turn_goes_on() -> None:
    recorder, _approvals, gate = make(AgentOptions(auto_run=True), Book(DENY))
    verdict = run(gate.admit(ACTION, "here"))
    assert isinstance(verdict, Refused)
    assert (verdict.status, verdict.ends) == ("denied", "")
    assert "rule never (built-in): It destroys." in verdict.told
    assert "disable: [never]" in verdict.shown and Book.place in verdict.shown
    assert recorder.events == [ActionJudged(action="a1", decision="deny", reasons=(NEVER,), mode="auto")]


def other(code: str) -> Action:
    return Action(id="b1", language="python", code=code, sha256=code_sha256(code))


def test_the_same_denied_code_again_ends_the_run_and_so_do_three_denials_in_a_row() -> None:
    async def story() -> None:
        book = Book(DENY)
        _recorder, _approvals, gate = make(AgentOptions(auto_run=True), book)
        ends = [(await gate.admit(action, "here")) for action in (ACTION, ACTION)]
        assert [one.ends for one in ends if isinstance(one, Refused)] == ["", "denied"]
        gate.begin_turn()
        ends = [(await gate.admit(other(code), "here")) for code in ("1", "2", "3")]
        assert [one.ends for one in ends if isinstance(one, Refused)] == ["", "", "denied"]
        gate.begin_turn()
        await gate.admit(other("1"), "here")
        await gate.admit(other("2"), "here")
        book.verdict = Verdict(decision="allow")
        assert isinstance(await gate.admit(other("3"), "here"), Admitted)
        book.verdict = DENY
        last = await gate.admit(other("4"), "here")
        assert isinstance(last, Refused) and last.ends == ""

    run(story())


def test_auto_asks_what_a_rule_asks_and_the_reasons_stand_in_the_question() -> None:
    recorder, verdict = run(answered(AgentOptions(auto_run=True), Book(ASK), answer="yes"))
    assert isinstance(verdict, Admitted)
    (question,) = [event for event in recorder.events if isinstance(event, ApprovalRequested)]
    assert question.reasons == (CAREFUL,)


def test_unattended_a_question_is_a_no_and_the_line_to_add_is_told() -> None:
    rule = "- name: pushes\n  decision: allow\n  command: git push"
    recorder, _approvals, gate = make(AgentOptions(auto_run=True, can_ask=False), Book(ASK, rule))
    verdict = run(gate.admit(ACTION, "here"))
    assert isinstance(verdict, Refused)
    assert (verdict.status, verdict.ends) == ("denied", "")
    assert "rule careful" in verdict.told and "command: git push" in verdict.shown and Book.place in verdict.shown
    assert not any(isinstance(event, ApprovalRequested) for event in recorder.events)


def test_unattended_a_question_can_be_parked() -> None:
    book = Book(ASK)
    recorder, _approvals, gate = make(AgentOptions(auto_run=True, can_ask=False, approvals="park"), book)
    verdict = run(gate.admit(ACTION, "here"))
    assert isinstance(verdict, Refused)
    assert (verdict.status, verdict.ends) == ("not_run", "waiting")
    assert isinstance(recorder.events[-1], ApprovalRequested)
    assert book.seen[-1].attended  # who answers comes later


def test_a_rule_of_the_person_runs_without_a_question_only_where_it_covers_all() -> None:
    mine = Reason(rule="mine", layer="user", decision="allow", text="I said so.")
    covered = Verdict(decision="allow", reasons=(mine,), covered=True)
    _recorder, _approvals, gate = make(AgentOptions(can_ask=False), Book(covered))
    verdict = run(gate.admit(ACTION, "here"))
    assert isinstance(verdict, Admitted) and verdict.permit.by == "mine"
    _recorder, _approvals, gate = make(AgentOptions(can_ask=False), Book(Verdict(decision="allow", reasons=(mine,))))
    assert isinstance(run(gate.admit(ACTION, "here")), Refused)


@pytest.mark.parametrize(("channel", "kept"), [("terminal", "written"), ("ops", "learned")])
def test_always_writes_the_rule_of_a_person_and_counts_for_the_session_of_a_program(channel: str, kept: str) -> None:
    async def story() -> None:
        book = Book(ASK, "- name: pushes")
        recorder, approvals, gate = make(AgentOptions(auto_run=True), book)
        asking = asyncio.ensure_future(gate.admit(ACTION, "here"))
        question = await recorder.question()
        assert (question.proposal, question.covers) == ("- name: pushes", ("what else",))
        approvals.resolve(ResolveApproval(approval=question.approval, answer="always", channel=channel))
        assert isinstance(await asking, Admitted)
        assert getattr(book, kept) == ["- name: pushes"]
        assert len(book.written) + len(book.learned) == 1
        again = await gate.admit(ACTION, "here")  # the very same code, whatever the rule says
        assert isinstance(again, Admitted) and again.permit.by == "always"

    run(story())


def test_always_for_a_language_never_answers_what_a_rule_asks() -> None:
    async def story() -> None:
        book = Book()
        recorder, approvals, gate = make(AgentOptions(), book)
        asking = asyncio.ensure_future(gate.admit(ACTION, "here"))
        approvals.resolve(ResolveApproval(approval=(await recorder.question()).approval, answer="always"))
        await asking
        book.verdict = ASK
        next_one = asyncio.ensure_future(gate.admit(other("import os"), "here"))
        await recorder.question(1)
        approvals.cancel_all()
        assert isinstance(await next_one, Refused)

    run(story())


def test_edited_code_is_judged_again() -> None:
    book = Book()
    book.denied = "rm -rf"
    recorder, verdict = run(answered(AgentOptions(), book, answer="edit", code="import os; os.system('rm -rf /')"))
    assert isinstance(verdict, Refused)
    assert verdict.status == "denied"
    assert [e.decision for e in recorder.events if isinstance(e, ActionJudged)] == ["allow", "deny"]


def test_own_code_is_judged_and_asked_once_more_where_it_is_denied() -> None:
    async def story(verdict: Verdict, answer: str) -> Admitted | Refused:
        recorder, approvals, gate = make(AgentOptions(), Book(verdict, "- name: x"))

        async def reply() -> None:
            question = await recorder.question()
            assert question.proposal == "" and question.reasons == verdict.reasons
            approvals.resolve(ResolveApproval(approval=question.approval, answer=answer))  # pyright: ignore[reportArgumentType]

        if verdict.decision == "deny" and verdict.reasons[0].layer != "administrator":
            admitted, _none = await asyncio.gather(gate.own(ACTION, "here"), reply())
            return admitted
        return await gate.own(ACTION, "here")

    assert isinstance(run(story(ASK, "yes")), Admitted)
    assert isinstance(run(story(DENY, "yes")), Admitted)
    assert isinstance(run(story(DENY, "no")), Refused)
    firm = Reason(rule="firm", layer="administrator", decision="deny", text="Never here.")
    refused = run(story(Verdict(decision="deny", reasons=(firm,)), "yes"))
    assert isinstance(refused, Refused) and "administrator" in refused.shown


def test_plan_runs_what_only_reads_and_says_so_in_the_verdict() -> None:
    book = Book()
    _recorder, _approvals, gate = make(AgentOptions(plan=True, auto_run=True), book)
    verdict = run(gate.admit(ACTION, "here"))
    assert isinstance(verdict, Admitted) and verdict.permit.by == "plan"
    assert book.seen[-1].mode == "plan"
    book.verdict = DENY
    refused = run(gate.admit(ACTION, "here"))
    assert isinstance(refused, Refused) and "Describe the steps" in refused.told


def test_after_the_deadline_silence_is_a_no() -> None:
    async def story() -> None:
        recorder = Recorder()
        approvals = Approvals(recorder, can_ask=True, timeout=0.05)
        gate = Gate(AgentOptions(), approvals, recorder, Book(), HERE)
        verdict = await gate.admit(ACTION, "here")
        assert isinstance(verdict, Refused)
        assert (verdict.status, verdict.ends) == ("denied", "denied")
        last = recorder.events[-1]
        assert isinstance(last, ApprovalResolved)
        assert (last.answer, last.by) == ("no", "deadline")

    run(story())


def test_whether_to_go_on_is_asked_with_its_reason_once() -> None:
    recorder = Recorder()
    assert run(Approvals(recorder, can_ask=True, timeout=0.05).go_on("4 attempts failed.")) is False
    asked = [event for event in recorder.events if isinstance(event, ApprovalRequested)]
    assert [(one.kind, one.question, one.subject) for one in asked] == [("continue", "4 attempts failed. Go on?", "")]


def test_an_answer_for_other_code_is_refused() -> None:
    async def story() -> None:
        recorder, approvals, gate = make(AgentOptions())
        asking = asyncio.ensure_future(gate.admit(ACTION, "here"))
        question = await recorder.question()
        with pytest.raises(UsageError, match="other code"):
            approvals.resolve(ResolveApproval(approval=question.approval, answer="yes", sha256="0" * 64))
        approvals.resolve(ResolveApproval(approval=question.approval, answer="yes", sha256=ACTION.sha256))
        assert isinstance(await asking, Admitted)

    run(story())


def test_when_everybody_leaves_the_question_stays_open() -> None:
    async def story() -> None:
        recorder, approvals, gate = make(AgentOptions())
        asking = asyncio.ensure_future(gate.admit(ACTION, "here"))
        await recorder.question()
        approvals.leave()
        verdict = await asking
        assert isinstance(verdict, Refused) and verdict.ends == "waiting"
        assert isinstance(recorder.events[-1], ApprovalRequested)

    run(story())


QUESTION = ApprovalRequested(approval="ap_old", kind="run", action="old", subject=ACTION.sha256)


def earlier(answer: str = "", **fields: Any) -> Earlier:
    given = ApprovalResolved(approval="ap_old", answer=answer, by="ann", **fields) if answer else None  # pyright: ignore[reportArgumentType]
    return Earlier(QUESTION, given)


def recalled(options: AgentOptions, before: Earlier, book: Book | None = None) -> tuple[Recorder, Admitted | Refused]:
    recorder, _approvals, gate = make(options, book)
    gate.recall({"a1": before})
    return recorder, run(gate.admit(ACTION, "here"))


def test_an_answer_from_the_log_counts_without_a_question() -> None:
    recorder, verdict = recalled(AgentOptions(can_ask=False), earlier("yes"))
    assert isinstance(verdict, Admitted) and verdict.permit.by == "ann"
    assert len(recorder.events) == 1
    _recorder, verdict = recalled(AgentOptions(can_ask=False, auto_run=True), earlier("no"))
    assert isinstance(verdict, Refused) and verdict.ends == "denied"


def test_an_answer_from_the_log_does_not_lift_a_rule_nor_count_for_other_code() -> None:
    _recorder, verdict = recalled(AgentOptions(can_ask=False), earlier("yes"), Book(DENY))
    assert isinstance(verdict, Refused) and verdict.status == "denied"
    request = ApprovalRequested(approval="ap_old", kind="run", action="old", subject="0" * 64)
    given = ApprovalResolved(approval="ap_old", answer="yes", by="ann")
    recorder, verdict = recalled(AgentOptions(can_ask=False), Earlier(request, given))
    assert isinstance(verdict, Refused) and verdict.ends == "waiting"
    (asked,) = [event for event in recorder.events if isinstance(event, ApprovalRequested)]
    assert asked.approval != "ap_old"


def test_an_open_question_is_asked_again_under_its_id_and_late_it_is_a_no() -> None:
    recorder, verdict = recalled(AgentOptions(can_ask=False), earlier())
    assert isinstance(verdict, Refused) and verdict.ends == "waiting"
    (asked,) = [event for event in recorder.events if isinstance(event, ApprovalRequested)]
    assert (asked.approval, asked.action) == ("ap_old", "a1")
    late = Earlier(msgspec.structs.replace(QUESTION, deadline=1.0), None)
    recorder, verdict = recalled(AgentOptions(auto_run=True, can_ask=False), late)
    assert isinstance(verdict, Refused) and "nobody answered in time" in verdict.told


def test_yes_by_auto_closes_the_open_question_but_not_one_that_a_rule_asks() -> None:
    options = AgentOptions(auto_run=True, can_ask=False)
    recorder, verdict = recalled(options, earlier())
    assert isinstance(verdict, Admitted)
    assert ApprovalResolved(approval="ap_old", answer="yes", by="auto") in recorder.events
    _recorder, verdict = recalled(options, earlier(), Book(ASK))
    assert isinstance(verdict, Refused) and verdict.ends == "waiting"
