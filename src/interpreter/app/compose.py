"""A session, composed of its parts."""

from __future__ import annotations

import asyncio
import importlib
from typing import Any

from .. import __version__
from ..agent.approvals import Approvals
from ..agent.firstlook import FirstLook
from ..agent.gate import Gate
from ..agent.grants import Grants
from ..agent.loop import Loop
from ..agent.mind import Mind
from ..agent.network import Network
from ..agent.observe import Cap
from ..agent.prompt import system_prompt
from ..agent.remedies import MissingModules
from ..agent.runner import Runner
from ..agent.turns import End, Turn
from ..errors import InterpreterError
from ..session.elsewhere import Elsewhere
from ..session.parts import Parts, Preparation, Worker
from ..session.service import Session
from ..skills.options import SkillOptions
from ..store.who import who
from ..types.actions import Action, Completion
from ..types.events import GrantAdded, NoteAdded, SessionStarted, TurnStarted
from .context import told_of
from .made import Made
from .walled import WalledGrants

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from ..recording.recorder import Recorder
    from ..session.rewinding import Rewinding
    from .skilled import Skilled, Start


class Composer(Made):
    """Begins a session, or takes one up again, with the parts that were made."""

    runs: type[Runner] = Runner

    async def begin(self) -> Session:
        """A new session."""
        begun = self._start()
        self.context = begun[0]
        system = self.system(begun[0])
        self.watch()
        self._prewarm()
        await self.hub.emit(
            SessionStarted(
                session=self.log.id,
                workspace=str(self.workspace),
                sandbox=f"{self.walls.describe()}/{self.walls.profile.name}",
                version=__version__,
                system=system,
                **who()._asdict(),
            )
        )
        await self.open_grants()
        session = self.session()
        tooled = self.tooling.notes if self.tooling is not None else ()
        for note in (self.environment.note, *begun[1], *self.notes, *tooled):
            if note:
                await session.note(note)
        return session

    def _of_tools(self) -> dict[str, Any]:
        """What the prompt says about tools: nothing in a plain session."""
        if self.tooling is None:
            return {}
        only = self.settings.agent.tools_only
        return {"tools": self.tooling.names, "hidden": self.tooling.hidden, "only": only}

    def system(self, context: str) -> str:
        """What the model is told before anything else. `context`: of skills, and of the project."""
        return system_prompt(
            self.settings.agent,
            workspace=str(self.workspace),
            sandbox=self.walls.describe(),
            network=self.walls.profile.network,
            languages=self.languages,
            access=self.walls.profile.access,
            staged=self.ground.stage is not None,
            answer=self.asked_for(),
            context=context,
            **self._of_tools(),
        )

    def asked_for(self) -> str:
        """What the model is told from the beginning about its final answer."""
        return self.shape.told() if self.shape is not None else ""

    async def resume(self) -> Session:
        """The session as its log tells it. What that needs is loaded here: a new session has no past."""
        session: Session = await importlib.import_module(".returning", __package__).come_back(self)
        return session

    def watch(self) -> None:
        for check in self.checks:
            check.begin()

    async def open_grants(self) -> None:
        """Put into the log what the grants by name open; they hold for this run of the session."""
        for tool, paths in self.opened.paths.items():
            said = tool in self.settings.walls.grants
            by = self.settings.origins.get("grants", "") if said else self.settings.walls.granted.get(tool, "")
            for path in paths or (str(self.workspace / ".git"),):
                await self.hub.emit(GrantAdded(path=path, access="read" if paths else "write", by=by, tool=tool))

    def _prewarm(self) -> None:
        async def contact() -> None:
            try:
                await self.client.connect()
            except InterpreterError:
                return  # told by the turn that needs it

        self.tasks.start(contact())

        # Where somebody types there is time; a run of one task is done before the other readers are loaded.
        languages = ("python", "shell", "javascript") if self.settings.agent.here else ("python",)

        async def rules() -> None:
            try:
                await asyncio.to_thread(self.rules.warm, languages)
            except InterpreterError:
                return  # told by the first verdict

        self.tasks.start(rules())

    def session(self) -> Session:
        settings, agent = self.settings, self.settings.agent
        approvals = self._approvals()
        gate = self.gate(approvals)
        mind = self._mind()
        self.kernels.revive = self._tell_revived
        network = self.kernels.network = Network(self.hub, approvals, self.tasks, self.rules.allow_host)
        tooling = self.tooling
        runner = self.runs(
            self.kernels if tooling is None else tooling.executor(self.kernels),
            self.log,
            self.hub,
            approvals,
            agent,
            settings.limits,
            sandbox=self.walls.describe(),
            cap=lambda: Cap(settings.max_output, None) if settings.max_output else mind.cap(),
            remedies=(
                MissingModules(self._install, approvals, agent.install),
                *self.checks,
                network.notes,
                *self._outside(),
                self._after_death,
            ),
            begin=network.begin,
            files=self.files,
        )
        if tooling is not None:
            tooling.join(gate, runner, self.hub, lambda: self.where, approvals, network)
        self.files.planning = lambda: gate.mode == "plan"
        parts = Parts(
            log=self.log,
            workspace=self.workspace,
            scratch=self.scratch,
            where=self.where,
            hub=self.hub,
            approvals=approvals,
            gate=gate,
            mind=mind,
            runner=runner,
            loop=self.worker(mind, gate, runner, approvals),
            machines=self.kernels if tooling is None else tooling.machines(self.kernels),
            staging=self.staging,
            options=agent,
            final=self._final,
            prepare=self._preparation(approvals, gate, runner, mind),
            rewinding=self._rewinding,
            settle=self._settle,
            release=self.ground.release,
            offered=self.offered,
            recall=tooling.recall if tooling is not None else lambda _calls, _turn, _step: None,
        )
        return Session(parts)

    def _approvals(self) -> Approvals:
        agent = self.settings.agent
        approvals = Approvals(
            self.hub,
            can_ask=agent.can_ask,
            timeout=agent.approval_timeout,
            away=agent.away,
            elsewhere=Elsewhere(self.log, self.hub),
        )
        if self.telling is not None:
            self.telling.here = lambda: approvals.here
        return approvals

    def gate(self, approvals: Approvals) -> Gate:
        return Gate(self.settings.agent, approvals, self.hub, self.rules, self.circumstances())

    def worker(self, mind: Mind, gate: Gate, runner: Runner, approvals: Approvals) -> Worker:
        return Loop(mind, gate, runner, self.hub, approvals.go_on, lambda: self.where)

    def _start(self) -> tuple[str, tuple[str, ...]]:
        """A fragment of the prompt, and sentences for the person: skills, and what the project says to assistants."""
        options = self.settings.skills
        if not told_of(options, self.workspace):
            return "", ()
        # Most folders have neither, and reading YAML costs a start 20 ms.
        start: Start = importlib.import_module(".skilled", __package__).start(options, self.workspace, self.scratch)
        return start.text, start.said

    def _preparation(self, approvals: Approvals, gate: Gate, runner: Runner, mind: Mind) -> Preparation:
        first = [self.settings.skills]
        """They are for the first turn alone."""
        grants = Grants(WalledGrants(self.walls, self.kernels), approvals, self.hub)

        async def prepare(begin: TurnStarted, turn: Turn) -> End | None:
            await grants.offer(begin.text)
            options = first.pop() if first else SkillOptions()
            names = (*options.use, *begin.skills)
            if not names and not options.choose:
                return None
            look = FirstLook(gate, runner, self.hub, lambda: self.where)
            module = importlib.import_module(".skilled", __package__)
            skilled: Skilled = module.Skilled(
                self.workspace, self.scratch, self.hub, look, lambda: mind.cap().characters, self.rules.tighten
            )
            return await skilled.begin(turn, begin.text, names, choose=options.choose)

        return prepare

    async def _after_death(self, action: Action, completion: Completion) -> str:
        return await self._revive(action.language) if completion.restarted else ""

    async def _tell_revived(self, language: str) -> None:
        if text := await self._revive(language):
            await self.hub.emit(NoteAdded(text=text))

    async def _revive(self, language: str) -> str:
        # Hardly any kernel ends by itself.
        module = importlib.import_module(".reviving", __package__)
        text: str = await module.Reviving(self.kernels, self.log, self.hub, self.tasks).revive(language)
        return text

    def _rewinding(self) -> Rewinding:
        # Hardly any session is taken back, so what reads its course and its code's effects is loaded when it is.
        made: type[Rewinding] = importlib.import_module("..session.rewinding", __package__).Rewinding
        staged = self.ground.stage is not None
        return made(self.log, self.hub, self.kernels, self.files, self.workspace, self.kernels.restore, staged=staged)

    async def _settle(self) -> None:
        await self.tasks.drain()
        for check in self.checks:
            await check.last(alive=self.kernels.any_alive)
        await self.files.last(self.hub)
        self.files.close()
        if self.recorder is not None:
            await self._recorded(self.recorder)
        if self.telemetry is not None:
            await self.telemetry.close()

    async def _recorded(self, recorder: Recorder) -> None:
        put: Callable[[Recorder, str], str] = importlib.import_module(".recorders", __package__).put
        if told := put(recorder, self.settings.record):
            await self.hub.emit(NoteAdded(text=told, to_model=False))

    async def abandon(self) -> None:
        """Undo what was begun when a session could not be opened."""
        await self.tasks.close()
        await self.client.close()
        await self.ground.abandon()
