"""A second model as a judge: it can only say no to what the checks show, and whatever is no verdict is a no."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from pathlib import Path

import pytest

from interpreter.app.goals import Goal
from interpreter.llm.scripted import Reply, ScriptedModel
from interpreter.types.goals import JudgeAnswered, Task
from interpreter.types.messages import ModelRequest, Piece

from .runs import Ran, check, execute, finish, run

REPLIES = [execute("open('made', 'w').write('secret words')"), finish(evidence="made is there")]


def judged(workspace: Path, *answers: Reply | str, replies: Sequence[Reply | str] | None = None) -> Ran:
    task = Task(goal="Make it.", checks=(check("test -e made"),), judge="second")
    return run(task, replies or list(REPLIES), workspace, judge=answers)


def test_a_yes_of_the_judge_is_proof(tmp_path: Path) -> None:
    ran = judged(tmp_path, 'Sure: {"agrees": true, "reason": "the file is there"}')
    assert ran.end.exit_code == 0
    assert [(j.agrees, j.reason) for j in ran.of(JudgeAnswered)] == [(True, "the file is there")]


def test_a_no_goes_back_to_the_model(tmp_path: Path) -> None:
    replies = [*REPLIES, finish(evidence="look again")]
    ran = judged(tmp_path, '{"agrees": false, "reason": "why?"}', '{"agrees": true}', replies=replies)
    assert ran.end.exit_code == 0 and "not convinced: why?" in ran.told(2)


@pytest.mark.parametrize(
    "answer", ["yes, it is fine", '{"agrees": "true"}', "", '{"agrees": tru', Reply(fault="server_error")]
)
def test_what_is_no_verdict_is_a_no(tmp_path: Path, answer: Reply | str) -> None:
    ran = judged(tmp_path, answer)
    assert (ran.end.exit_code, ran.finished.status) == (1, "unproven")
    assert ran.of(JudgeAnswered)[0].problem


def test_the_judge_reads_goal_evidence_and_checks_only(tmp_path: Path) -> None:
    judge: list[Reply | str] = ['{"agrees": true, "reason": ""}']
    task = Task(goal="Make it.", checks=(check("test -e made"),), judge="second")
    seen: list[str] = []

    class Listening(ScriptedModel):
        async def stream(self, request: ModelRequest) -> AsyncGenerator[Piece, None]:
            seen.extend(message.text for message in request.messages)
            async for piece in super().stream(request):
                yield piece

    ran = run(task, list(REPLIES), tmp_path, goal=Goal(task, judge=Listening(judge)))
    assert ran.end.exit_code == 0 and len(seen) == 2
    assert "Make it." in seen[1] and "made is there" in seen[1] and "test -e made" in seen[1]
    assert "secret words" not in "".join(seen)
