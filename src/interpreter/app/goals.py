"""A session that works towards a goal, composed of the parts of a plain one and those of `goals`."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple, cast

import msgspec

from ..agent.approvals import Approvals
from ..agent.gate import Gate
from ..agent.loop import Loop
from ..agent.mind import Mind
from ..agent.runner import Runner
from ..config.settings import Settings
from ..errors import InterpreterError, UsageError
from ..goals import prompt
from ..goals.book import Book
from ..goals.brought import read_checks
from ..goals.checks import PROMETHEUS, Checker
from ..goals.drive import Driver
from ..goals.gate import GoalGate
from ..goals.harness import Harness
from ..goals.judge import Judge
from ..goals.pause import Pauses
from ..goals.run import Run
from ..goals.runner import GoalRunner
from ..goals.task import Loaded, load_task, settled, task_of_words, with_checks
from ..goals.undo import Undoing
from ..llm.client import ModelClient
from ..llm.http import HttpModel
from ..session.parts import Worker
from ..session.service import Session
from ..skills.check import CHECKS
from ..skills.find import files_of, read_file
from ..text.i18n import _
from ..types.events import Event
from ..types.goals import Check, GoalStarted, Task
from ..types.messages import ServerFacts, ToolSpec
from ..types.ops import Rewind
from .compose import Composer
from .ground import Ground
from .loading import open_session
from .opening import goal_of
from .skilled import skills_for

PROGRAMS = (b".sh", b".py", b".js", b".mjs", b".ts", b".rb", b".pl", b"Makefile", b".toml", b".cfg", b".ini")
"""Ends of the names of files that may decide what a check says."""


class Goal(NamedTuple):
    """What a goal run is opened with."""

    task: Task | None = None
    """None: it is taken up again, and its log holds it."""
    ceilings: Mapping[str, Any] = {}
    """Other ceilings than the log says, because the person said so now."""
    policy: tuple[str, ...] = ()
    """Rules that hold besides in this session, each as YAML of one list item."""
    undo: bool = False
    """Only take back what was done; no model is needed."""
    judge: ModelClient | None = None
    """The second model; None: the one that the task names, on the same server."""


class Silent(Mind):
    """Asks nobody."""

    async def connect(self) -> ServerFacts:
        return self.facts


class GoalComposer(Composer):
    runs = GoalRunner

    def __init__(self, ground: Ground, client: ModelClient | None, goal: Goal | None) -> None:
        self.goal = goal or Goal()
        self.book = Book()
        if self.goal.undo:
            self.thinks = Silent
        else:
            ground.settings = with_tools(ground.settings, self.goal.task or goal_of(ground.log))
        super().__init__(ground, client)
        self.run = Run(self.book, self.hub)
        self._judge: ModelClient | None = None

    def readers(self) -> tuple[Callable[[Event], None], ...]:
        return (self.book.apply,)

    async def begin(self) -> Session:
        assert self.goal.task is not None
        self.book.task = self.goal.task
        self.own_rules = self.goal.policy
        for rule in self.goal.policy:
            self.rules.learn(rule)
        session = await super().begin()
        await self.hub.emit(GoalStarted(task=self.goal.task))
        return session

    async def resume(self) -> Session:
        await asyncio.to_thread(lambda: self.book.read(self.log.events()))
        task = self.run.task
        ceilings = msgspec.structs.replace(task.ceilings, **self.goal.ceilings)
        session = await super().resume()
        if ceilings != task.ceilings:
            self.book.neared.clear()
            await self.hub.emit(GoalStarted(task=msgspec.structs.replace(task, ceilings=ceilings)))
        return session

    def system(self, context: str) -> str:
        return f"{super().system(context)}\n\n{prompt.rules(self.run.task)}"

    def asked_for(self) -> str:
        return ""  # it is asked for when the checks have passed

    def tools(self) -> tuple[ToolSpec, ...]:
        return prompt.tools(super().tools(), self.run.task)

    def gate(self, approvals: Approvals) -> Gate:
        return GoalGate(
            self.settings.agent,
            approvals,
            self.hub,
            self.rules,
            self.circumstances(),
            run=self.run,
            workspace=self.workspace,
            kept=lambda: self.settings.snapshots.enabled,
            declared=lambda: self.rules.declared(),
        )

    def worker(self, mind: Mind, gate: Gate, runner: Runner, approvals: Approvals) -> Worker:
        assert isinstance(gate, GoalGate) and isinstance(runner, GoalRunner)
        agent = self.settings.agent
        pauses = Pauses(self.run, approvals, agent, agent.mode)
        loop = Loop(mind, gate, runner, self.hub, pauses.go_on, lambda: self.where)
        harness = Harness(self.run, gate, runner, lambda: self.where)
        checker = Checker(self.run, harness, self.workspace, self._changed)
        driver = Driver(
            run=self.run,
            loop=loop,
            checker=checker,
            undoing=Undoing(self.run, harness, checker, self._restore),
            judge=self._second(),
            machines=self.kernels,
            options=agent,
            pauses=pauses,
            undo_only=self.goal.undo,
            final=self._final,
        )
        mind.settle = driver.settle
        runner.goal, runner.after_writing, runner.left = self.run, driver.after_writing, driver.left
        return driver

    def _second(self) -> Judge | None:
        name = self.run.task.judge
        if not name:
            return None
        llm = msgspec.structs.replace(self.settings.llm, model=name)
        self._judge = self.goal.judge or HttpModel(llm)
        return Judge(self.run, self._judge)

    def _changed(self) -> list[str]:
        """Paths of the workspace that differ from how the run began; none where that is not known."""
        if not self.book.first_tree:
            return []
        try:
            found = self.files.open().changes(self.book.first_tree)
        except InterpreterError:
            return []
        # What the run has made is what it is there for; what was there before, or decides, is worth a word.
        return [
            change.path.decode("utf-8", "surrogateescape")
            for change in found
            if change.before is not None or change.path.endswith(PROGRAMS)
        ]

    async def _restore(self, step: int) -> str:
        try:
            await self._rewinding().carry_out(Rewind(step=step, files=True), (), beyond=False)
        except InterpreterError as error:
            return str(error)
        return ""

    async def _settle(self) -> None:
        if self._judge is not None:
            await self._judge.close()
        await super()._settle()


def plan_run(
    words: str, settings: Settings, *, values: Mapping[str, str], verify: tuple[str, ...], judge: str,
    ceilings: Mapping[str, Any],
) -> tuple[Goal, str]:  # fmt: skip
    """What a run is given, and the profile that its task file names.

    Args:
        words: the goal, or the path of a task file (one word that ends with .yaml or .yml).
        ceilings: those of the command line.

    Raises ConfigError, UsageError.
    """
    loaded = Loaded(Task(goal=""), {})
    if is_file(words):
        loaded = load_task(Path(words), values)
        task = with_checks(loaded.task, verify)
    else:
        if values:
            raise UsageError(
                _("--set is for the variables of a task file."), _("Write the value into the goal itself.")
            )
        task = task_of_words(words, verify)
    agent = settings.agent
    standing = {
        "steps": agent.max_steps, "seconds": agent.max_seconds, "tokens": agent.max_total_tokens, "cost": agent.max_cost
    }  # fmt: skip
    if agent.tools_only and not task.checks:
        raise UsageError(
            _("With --tools-only the model cannot state checks of its own."),
            _("Give at least one: --verify COMMAND, or `checks:` in a task file."),
        )
    task = settled(task, loaded.ceilings, standing, ceilings)
    return Goal(msgspec.structs.replace(task, judge=judge or task.judge), policy=loaded.policy), loaded.profile


def is_file(words: str) -> bool:
    return words.endswith((".yaml", ".yml")) and not any(char.isspace() for char in words.strip())


async def open_goal(
    settings: Settings, goal: Goal, *, resume: str | None = None, workspace: Path | None = None
) -> Session:
    """Raises as `open_session`; UsageError for a session without a goal."""
    settings, goal = with_skills(settings, goal, workspace or Path.cwd())
    session = await open_session(settings, resume=resume, workspace=workspace, goal=goal)
    if not isinstance(session.parts.loop, Driver):
        await session.close()
        raise UsageError(_("The session {id} has no goal.", id=session.id), _("Go on with it: interpreter --resume"))
    return session


def with_tools(settings: Settings, task: Task | None) -> Settings:
    """With the tools that the task names, and the one that its checks of metrics need. Raises UsageError."""
    if task is None:
        return settings
    names = [*settings.tools.offered, *task.tools]
    asking = [check.name for check in (*task.checks, *task.health) if check.metric is not None and not check.metric.url]
    if asking:
        names.append(PROMETHEUS)
        found: Any = settings.tools.settings.get(PROMETHEUS)
        if not isinstance(found, dict) or not cast("dict[str, Any]", found).get("url"):
            raise UsageError(
                _("The check `{name}` asks your Prometheus server, and none is configured.", name=asking[0]),
                _("Name it in your configuration (tool_settings: prometheus: url), or give the check a `url`."),
            )
    return msgspec.structs.replace(
        settings, tools=msgspec.structs.replace(settings.tools, offered=tuple(dict.fromkeys(names)))
    )


def with_skills(settings: Settings, goal: Goal, workspace: Path) -> tuple[Settings, Goal]:
    """A new run is told of the built-in skills as well, takes the one that its words call for where none is named, and
    has the checks that the person's own skills bring. Raises ConfigError, SkillError.
    """
    if goal.task is None or goal.undo:
        return settings, goal
    if settings.skills.use:
        checks = {check.name: check for check in goal.task.checks}
        for check in checks_of(settings.skills.use, workspace):
            checks.setdefault(check.name, check)
        goal = goal._replace(task=msgspec.structs.replace(goal.task, checks=tuple(checks.values())))
    skills = msgspec.structs.replace(settings.skills, choose=not settings.skills.use)
    if "skills_offered" not in settings.origins:
        skills = msgspec.structs.replace(skills, offer="all")
    return msgspec.structs.replace(settings, skills=skills), goal


def checks_of(names: Iterable[str], workspace: Path) -> tuple[Check, ...]:
    """Those of a project's skills are left out: a check counts as the person's own word."""
    found = skills_for(workspace)
    checks: list[Check] = []
    for skill in [found.named(name) for name in dict.fromkeys(names)]:
        if skill.origin != "project" and CHECKS in files_of(skill):
            text = read_file(skill, CHECKS).decode("utf-8", "replace")
            checks += read_checks(Path(skill.folder) / CHECKS, text)
    return tuple(checks)


def first_words(session: Session, goal: Goal) -> str:
    """What the next turn is begun with; empty: it goes on where it was left.

    Raises UsageError where the goal has its end.
    """
    if goal.undo:
        return "Undo everything that this run has done."
    if goal.task is not None:
        return prompt.opening(goal.task)
    driver = session.parts.loop
    assert isinstance(driver, Driver)
    if driver.closed:
        raise UsageError(
            _("The goal of session {id} has its end.", id=session.id),
            _("Begin another run, or take this one back: interpreter undo {id}", id=session.id),
        )
    left = session.left
    return "" if session.pending or (left is not None and left.goes_on) else "Go on with the goal."
