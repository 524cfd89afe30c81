"""Questions in the log: which are open, and that each has one answer."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from interpreter.errors import AlreadyAnswered
from interpreter.store import Store
from interpreter.types.events import ApprovalRequested, ApprovalResolved
from tests.store.samples import started


def asked(approval: str) -> ApprovalRequested:
    return ApprovalRequested(approval=approval, kind="run", action="a_1", subject="ab" * 32)


def answer(approval: str, by: str = "ann") -> ApprovalResolved:
    return ApprovalResolved(approval=approval, answer="yes", by=by)


def test_an_answer_is_found_among_many_and_before_the_question_was_asked_again(tmp_path: Path) -> None:
    with Store.open(tmp_path) as store:
        log, other = store.create("s_1", tmp_path), store.visit("s_1")
        log.append_now(started(), asked("ap_0"))
        assert log.answer_to("ap_0") is None
        other.append_now(answer("ap_0", "bob"))
        log.append_now(asked("ap_0"))
        for n in range(1, 40):
            log.append_now(asked(f"ap_{n}"), answer(f"ap_{n}"))
        found = log.answer_to("ap_0")
        assert found is not None and found.event == answer("ap_0", "bob")
        for one in (log, other, store.visit("s_1")):
            with pytest.raises(AlreadyAnswered):
                one.append_now(answer("ap_0"))
            assert one.answer_to("ap_40") is None


def test_a_question_is_open_until_it_is_answered(tmp_path: Path) -> None:
    with Store.open(tmp_path) as store:
        log = store.create("s_1", tmp_path)
        log.append_now(started(), asked("ap_1"), asked("ap_2"), asked("ap_1"))  # asked again by a resumed run
        assert [(one.session, one.request.approval, one.seq) for one in store.questions()] == [
            ("s_1", "ap_1", 4),
            ("s_1", "ap_2", 3),
        ]
        assert log.answer_to("ap_1") is None and store.answered("ap_1") is None
        log.append_now(answer("ap_1"))
        assert [one.request.approval for one in store.questions()] == ["ap_2"]
        found, everywhere = log.answer_to("ap_1"), store.answered("ap_1")
        assert found is not None and found == everywhere and found.event == answer("ap_1")
        log.append_now(asked("ap_1"))  # an answered question is never open again
        assert [one.request.approval for one in store.questions()] == ["ap_2"]


def test_a_second_answer_is_refused_and_told_who_was_first(tmp_path: Path) -> None:
    with Store.open(tmp_path) as store:
        log = store.create("s_1", tmp_path)
        log.append_now(started(), asked("ap_1"), answer("ap_1"))
        with pytest.raises(AlreadyAnswered, match=r"ap_1.*yes, by ann, \d{4}-"):
            log.append_now(answer("ap_1", "bob"))
        assert log.size == 3
        store.create("s_2", tmp_path).append_now(started("s_2"), asked("ap_1"), answer("ap_1", "eve"))


def test_of_many_answers_at_once_one_counts(tmp_path: Path) -> None:
    with Store.open(tmp_path) as store:
        store.create("s_1", tmp_path).append_now(started(), asked("ap_1"))
    taken: list[str] = []

    def give(by: str) -> None:
        with Store.open(tmp_path) as store:
            try:
                store.visit("s_1").append_now(answer("ap_1", by))
            except AlreadyAnswered:
                return
            taken.append(by)

    threads = [threading.Thread(target=give, args=(f"person {n}",)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with Store.open(tmp_path) as store:
        log = store.visit("s_1")
        assert len(taken) == 1 and log.size == 3 and log.verify().whole
