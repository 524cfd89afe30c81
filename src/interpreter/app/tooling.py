"""The tools of one session: which are offered, what they are lent, and how code in kernels reaches them.

Loaded only where a session has tools.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol, cast

from ..agent.approvals import Approvals
from ..agent.executors import Executors
from ..agent.gate import Gate
from ..agent.inside import Inside
from ..agent.network import Network
from ..agent.ports import Emitter, Place
from ..agent.runner import Runner
from ..config.settings import Settings
from ..errors import InterpreterError, UsageError
from ..kernels.kernels import Kernels
from ..session.parts import Machines
from ..text.i18n import _
from ..tools.apart import Reader
from ..tools.builtin import TABLE, load
from ..tools.context import ToolContext, Web
from ..tools.definition import Tool
from ..tools.finding import FIND, MANY, finding_tools
from ..tools.loading import load_file
from ..tools.registry import USE, Registry
from ..tools.running import ToolRunner
from ..tools.walled import Interpreter, OneShot
from ..tools.web import GuardedWeb, Secret
from ..types.actions import Action
from ..types.base import new_id
from ..types.events import ActionFinished, ApprovalRequested, Event, NetworkAttempt
from ..types.messages import ToolSpec
from ..types.rules import NetworkRules
from ..types.tooling import TOOL, Declaration, read_call
from ..types.walls import Profile
from .ground import Ground
from .known import credential_values

ALL = "all"


class Brought(Protocol):
    """Tools of servers of others: `app.servers`."""

    notes: list[str]
    tools: list[Tool]

    def join(self, attempt: Callable[[NetworkAttempt], None]) -> None: ...

    async def close(self) -> None: ...


class Tooling:
    """Made with the session's ground, so that the first prompt can name the tools; joined to its agent later.

    Raises UsageError: a tool is named that there is not.
    """

    def __init__(self, ground: Ground, further: Sequence[Tool] = (), servers: Brought | None = None) -> None:
        """`further`: tools that others bring (skills, programs); they are offered, and those of `servers`."""
        self.settings, self._log = ground.settings, ground.log
        self.notes: list[str] = []
        """Sentences for the person: what is not offered, and why."""
        self._home, self._workspace = ground.store.home, str(ground.workspace)
        self.registry = Registry()
        for one in chosen(self.settings, self.notes):
            self.registry.add(one)
        written = (ground.walls.profile.workspace, *ground.walls.profile.writable, str(ground.scratch))
        own = (one for path in self.settings.tools.files for one in load_file(path, written))
        self._servers = servers
        self.notes += servers.notes if servers is not None else ()
        for one in (*own, *further, *(servers.tools if servers is not None else ())):
            self._add(one)
        if self.settings.agent.tools_only and not len(self.registry):
            raise UsageError(
                _("Without code and without tools the model can do nothing."),
                _("Name its tools: --tool read_file --tool http_request, or `tools:` in your configuration."),
            )
        self.hidden = 0
        """How many tools are not offered by their schemas, but found."""
        self._specs = self._offered()
        environment = ground.environment
        self._walled = OneShot(ground.walls, lambda: Interpreter(environment.python, environment.readable))
        self._apart = Reader(self._home, self.settings.walls.backend)
        self._runner = ToolRunner(self.registry, ground.log.folder / "run" / "calls", self._lend)
        self._profile: Callable[[], Profile] = lambda: ground.walls.profile
        self._http: Web | None = None
        self._approvals: Approvals | None = None
        self._inside: Inside | None = None

    def _add(self, one: Tool) -> None:
        if one.name in self.registry:
            raise UsageError(_("There are two tools called {name}.", name=one.name), _("Rename one of them."))
        self.registry.add(one)

    def _offered(self) -> tuple[ToolSpec, ...]:
        if len(self.registry) <= MANY:
            return self.registry.specs()
        self.hidden = len(self.registry)
        found = finding_tools(self.registry)
        for one in found:
            self.registry.add(one)
        return tuple(one.declaration.spec() for one in found)

    @property
    def specs(self) -> tuple[ToolSpec, ...]:
        """What goes with every request, beside the tools of a plain session."""
        return self._specs

    def declared(self) -> tuple[Declaration, ...]:
        """Every tool by its own name, without those by which others are found."""
        finders = (FIND, USE) if self.hidden else ()
        return tuple(one.declaration for one in self.registry if one.name not in finders)

    @property
    def names(self) -> tuple[str, ...]:
        """For the prompt: those that are offered by name and that code can import."""
        return tuple(one["name"] for one in self.registry.inside())

    def apply(self, event: Event) -> None:
        """A reading of the events."""
        if self._inside is not None:
            self._inside.apply(event)

    def reads(self, action: Action) -> bool:
        """Whether an action is a call that only reads: the files need not be kept before it."""
        if action.language != TOOL:
            return False
        try:
            called = read_call(action.code)
            return self.registry.find(called.tool).declaration.reads(called.arguments)
        except (ValueError, InterpreterError):
            return False

    def executor(self, kernels: Kernels) -> Executors:
        self._walled.stage = kernels.on_stage
        kernels.lend_tools()
        return Executors(kernels, self._runner)

    def join(
        self, gate: Gate, runner: Runner, emitter: Emitter, where: Place, approvals: Approvals, network: Network
    ) -> None:
        """The agent is there: code can call, and tools can ask."""
        profile = self._profile()
        self._http = GuardedWeb(
            rules_of(profile), network.ask, network.attempt, secrets=lambda: secrets_of(profile.rules)
        )
        self._approvals = approvals
        self._inside = Inside(self.registry, gate, runner, emitter, where, self._runner.take)
        runner.ask = self._inside.call
        if self._servers is not None:
            self._servers.join(network.attempt)

    def recall(self, calls: dict[str, ActionFinished | None], turn: str, step: int) -> None:
        if self._inside is not None:
            self._inside.recall(calls, turn, step)

    def machines(self, kernels: Kernels) -> Machines:
        return Both(kernels, self._runner, self._servers)

    def _lend(self, one: Tool, action: str) -> ToolContext:
        found = self.settings.tools.settings.get(one.settings, {})
        return ToolContext(
            workspace=self._workspace,
            session=self._log.id,
            action=action,
            home=self._home,
            settings=cast("Mapping[str, Any]", found) if isinstance(found, dict) else {},
            attended=self._approvals is not None and self._approvals.can_ask,
            walled=self._walled,
            apart=self._apart,
            http=self._http,
            human=Asking(self._approvals, action) if self._approvals is not None else None,
        )


class Both:
    """Kernels and tools, as the session stops and ends them."""

    def __init__(self, kernels: Kernels, tools: ToolRunner, servers: Brought | None) -> None:
        self._kernels, self._tools, self._servers = kernels, tools, servers

    async def interrupt(self) -> None:
        # Code that waits for a call is stopped before the call is: else it would go on with the call's failure.
        try:
            await self._kernels.interrupt()
        finally:
            await self._tools.interrupt()

    async def restart(self, language: str | None = None) -> None:
        await self._kernels.restart(language)

    async def park(self, seconds: float | None) -> None:
        await self._kernels.park(seconds)

    async def close(self, keep: bool = False) -> None:
        await self._tools.close()
        if self._servers is not None:
            await self._servers.close()
        await self._kernels.close(keep)


class Asking:
    """`tools.context.Human` over the session's approvals."""

    def __init__(self, approvals: Approvals, action: str) -> None:
        self._approvals, self._action = approvals, action

    async def ask(self, question: str, choices: Sequence[str] = (), *, seconds: float | None = None) -> str | None:
        if (waited := self._approvals.words.pop(self._action, "")) != "":
            return meant(waited, choices)
        if not self._approvals.can_ask:
            return None
        request = ApprovalRequested(
            approval=new_id("ap"),
            kind="input",
            action=self._action,
            question=_("The model asks you:"),
            subject="\n".join([question, *(f"{n}. {choice}" for n, choice in enumerate(choices, 1))]),
            deadline=None if seconds is None else time.time() + seconds,
        )
        answer, _edited = await self._approvals.ask(request)
        if answer is None or answer.answer == "no":
            return None
        return meant(answer.text, choices)


def meant(line: str, choices: Sequence[str]) -> str:
    """The answer; a number stands for a choice."""
    line = line.strip()
    chosen = int(line) if re.fullmatch(r"[0-9]{1,2}", line) else 0
    return choices[chosen - 1] if 0 < chosen <= len(choices) else line


def chosen(settings: Settings, notes: list[str]) -> list[Tool]:
    """The built-in tools that are named, but those whose settings are not there. Raises UsageError."""
    words = [name.strip() for word in settings.tools.offered for name in word.split(",") if name.strip()]
    every = ALL in words
    names = list(dict.fromkeys((*(TABLE if every else ()), *(word for word in words if word != ALL))))
    found: list[Tool] = []
    for name in names:
        if name not in TABLE:
            raise UsageError(
                _("There is no tool {name}.", name=name), _("The tools are: {names}.", names=", ".join(TABLE))
            )
        one = load(name)
        table = settings.tools.settings.get(one.settings, {})
        lacking = [key for key in one.needs if not (isinstance(table, dict) and cast("dict[str, Any]", table).get(key))]
        if not lacking:
            found.append(one)
        elif name in words:
            where = f"tool_settings: {one.settings}: {lacking[0]}"
            notes.append(_("The tool {name} is not offered: it needs `{where}`.", name=name, where=where))
    return found


def rules_of(profile: Profile) -> NetworkRules | None:
    """Which hosts tools may reach: the same that code may. Without walls every host is open to code, so to tools."""
    if profile.network == "closed":
        return None
    if profile.network == "host":
        return NetworkRules(allow=("*", "127.0.0.0/8", "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "::1"))
    return profile.rules


def secrets_of(rules: NetworkRules) -> tuple[Secret, ...]:
    """The policy's credentials with their values; one that cannot be read stays as it is written."""
    found: list[Secret] = []
    for one in rules.credentials:
        if value := next(iter(credential_values((one,))), ""):
            found.append(Secret(one.variable, one.host, value))
    return tuple(found)
