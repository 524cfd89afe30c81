"""A recorded goal run, gone through again: its driver, checks and undo of today over the recorded results."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ..agent.approvals import Approvals
from ..agent.gate import Gate
from ..agent.loop import Loop
from ..agent.mind import Mind
from ..agent.rerun import Find, Rerunner
from ..goals import prompt
from ..goals.book import Book
from ..goals.checks import Checker
from ..goals.drive import Driver
from ..goals.gate import GoalGate
from ..goals.harness import Harness
from ..goals.run import Run
from ..goals.runner import compare
from ..goals.undo import Undoing
from ..session.parts import Worker
from ..types.actions import Action, Permit
from ..types.events import ActionFinished
from ..types.goals import GoalStarted
from ..types.messages import ToolSpec
from ..types.rules import Circumstances
from .replaying import Replay
from .rulebook import Rulebook


class GoalRerunner(Rerunner):
    """What `goals.runner` looks at after an action, over recorded results."""

    def __init__(self, emitter: Any, find: Find, run: Run) -> None:
        super().__init__(emitter, find)
        self.goal = run
        self.allowed: float | None = None
        self.after_writing: Any = None

    async def run(self, permit: Permit, action: Action) -> ActionFinished:
        finished = await super().run(permit, action)
        await compare(self.goal, action, finished, self.after_writing)
        return finished


class Nothing:
    """Nothing runs, so nothing has to be stopped."""

    async def interrupt(self) -> None:
        return


class GoalReplay(Replay):
    def prepare(self) -> None:
        assert self.recording.goal is not None
        self.book = Book()
        self.task = self.book.task = self.recording.goal
        self.readers = (self.book.apply,)

    async def open(self) -> None:
        await super().open()
        await self.hub.emit(GoalStarted(task=self.task))

    def system(self) -> str:
        return f"{super().system()}\n\n{prompt.rules(self.task)}"

    def asked_for(self) -> str:
        return ""

    def specs(self, plain: tuple[ToolSpec, ...]) -> tuple[ToolSpec, ...]:
        return prompt.tools(plain, self.task)

    def gate_of(self, approvals: Approvals, rules: Rulebook, place: Circumstances) -> Gate:
        for rule in self.begun.policy:
            rules.learn(rule)
        self.run_ = Run(self.book, self.hub)
        return GoalGate(
            self.agent, approvals, self.hub, rules, place, run=self.run_, workspace=Path(self.begun.workspace),
            kept=lambda: self.begun.kept, declared=lambda: rules.declared(),
        )  # fmt: skip

    def worker(self, mind: Mind, gate: Gate) -> Worker:
        assert isinstance(gate, GoalGate)
        runner: Any = GoalRerunner(self.hub, self.find, self.run_)
        loop = Loop(mind, gate, runner, self.hub, self.approvals.go_on, lambda: self.begun.where)
        harness = Harness(self.run_, gate, runner, lambda: self.begun.where)
        checker = Checker(self.run_, harness, Path(self.begun.workspace), lambda: ())
        driver = Driver(
            run=self.run_, loop=loop, checker=checker,
            undoing=Undoing(self.run_, harness, checker, self._restore),
            judge=None, machines=Nothing(), options=self.agent, final=self.final,
        )  # fmt: skip
        mind.settle = driver.settle
        runner.after_writing = driver.after_writing
        return driver

    async def _restore(self, step: int) -> str:
        """Files are not brought back: none were changed."""
        return ""
