"""A session, composed of its parts."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from .. import __version__
from ..agent.approvals import Approvals
from ..agent.gate import Gate
from ..agent.grants import Grants
from ..agent.history import History
from ..agent.loop import Loop
from ..agent.mind import Mind
from ..agent.network import Network
from ..agent.observe import Cap
from ..agent.outside import Outside
from ..agent.prompt import system_prompt, tools
from ..agent.remedies import MissingModules
from ..agent.runner import Runner
from ..aio import Tasks
from ..config.settings import Settings
from ..errors import InterpreterError, KernelError, SandboxUnavailable, StoreError, UsageError
from ..kernels.contracts import KernelOptions
from ..kernels.environments import find_environment
from ..kernels.install import Installed, install
from ..kernels.kernels import Kernels
from ..llm.client import ModelClient
from ..llm.http import HttpModel
from ..sandbox import Walls, open_grants, resolve, safe_workspace, shape, workspace_profile
from ..sandbox.watch import Watch
from ..session.elsewhere import Elsewhere
from ..session.hub import Hub
from ..session.redaction import cleaned
from ..session.resume import read_past, take_up
from ..session.service import Parts, Session
from ..store import SessionLog, Store, default_home
from ..store.who import who
from ..text.i18n import _
from ..text.redact import Redactor
from ..types.base import new_id
from ..types.events import GrantAdded, KernelEvent, SessionStarted
from ..types.languages import spellings
from ..types.rules import Circumstances
from ..types.walls import Profile
from .granted import with_grants
from .known import credential_values, secrets_of
from .meeting import Meeting
from .network import network_of, with_network
from .quarantine import Quarantine
from .rulebook import open_rules
from .walled import WalledGrants


async def open_session(
    settings: Settings,
    *,
    resume: str | None = None,
    workspace: Path | None = None,
    client: ModelClient | None = None,
    begun: str = "",
) -> Session:
    """Open a new session, or take one up again.

    Args:
        settings: what was set.
        resume: an id, the beginning of one, or `last`.
        workspace: where to work; None: the current folder, or a new one where that is the home folder or `/`.
        client: the model; None: the server that the settings name, or one found on this machine.
        begun: the id of a new session whose keeper `session.early` has started.

    Raises:
        SessionUnknown, SessionBusy, StoreError: the log.
        SandboxUnavailable: no walls where walls were asked for.
        UsageError: the working folder cannot be used.
    """
    chosen = workspace is not None
    store = Store.open(default_home(), settings.audit_key)
    try:
        if store.seals is not None:
            store.seals.ready()
        store.masks = redactor = Redactor(secrets_of(settings))
        if resume:
            info = store.find(resume)
            log = store.resume(info.id)
            workspace = workspace or Path(info.workspace)
        else:
            workspace = workspace or safe_workspace(Path.cwd())
            log = store.create(begun or new_id("s"), workspace)
    except BaseException:
        store.close()
        raise
    try:
        settings = with_grants(settings, workspace)
        composer = Composer(settings, store, log, workspace, client, redactor)
    except BaseException:
        log.close()
        store.close()
        raise
    composer.chosen = chosen
    try:
        return await (composer.resume() if resume else composer.begin())
    except BaseException:
        await composer.abandon()
        raise


class Composer:
    """Makes the parts in the order in which they need one another."""

    def __init__(
        self,
        settings: Settings,
        store: Store,
        log: SessionLog,
        workspace: Path,
        client: ModelClient | None,
        redactor: Redactor,
    ) -> None:
        self.settings, self.store, self.log = settings, store, log
        self.chosen = False
        """Whether the person named the working folder; else it has to be the one that the session began in."""
        self.history = History(vision=settings.agent.vision)
        self.redactor = redactor
        self.hub = Hub(log, (self.history.apply,), partial(cleaned, redactor))
        self.tasks = Tasks()
        self.home = store.home
        self.environment = find_environment(workspace, self.home, os.environ, base=settings.walls.python)
        self.scratch = log.folder / "scratch"
        self.opened = open_grants((*settings.walls.grants, *settings.walls.granted), os.environ)
        self.rules = open_rules(settings, workspace, log.folder)
        self.walls = Walls(self._profile(workspace), network_log=log.folder / "network.jsonl", way=log.folder / "way")
        self.workspace = Path(self.walls.profile.workspace)
        redactor.add(*credential_values(self.walls.profile.rules.credentials))
        self.checks = self._checks()
        self.client = client or HttpModel(settings.llm)
        run_dir = log.folder / "run"
        options = KernelOptions(python=self.environment.python, readable=self.environment.readable)
        self.kernels = Kernels(run_dir, self.walls, options, self._kernel_event)
        self.languages = tuple(self.kernels.available())

    def _checks(self) -> tuple[Quarantine, ...]:
        """The look after each step; without walls there is none."""
        if self.walls.describe() == "host":
            return ()
        walled = self.walls.backend.holds()["protected"]
        watch = Watch(self.walls.profile, self.log.folder / "quarantine", walled=walled, git=self.opened.git)
        return (Quarantine(watch, self.hub, self.tasks),)

    def _profile(self, workspace: Path) -> Profile:
        walls = self.settings.walls
        chosen = resolve(walls.profile, walls.profiles)
        network = network_of(self.settings, chosen, self.rules.network(), self.opened.hosts)
        profile = workspace_profile(
            workspace,
            self.scratch,
            home=self.home,
            env=self.environment.env,
            network=network[0],
            limits=self.settings.limits,
            backend=walls.backend,
            final=False,
        )
        shaped = shape(
            profile,
            chosen,
            self.opened,
            environ=os.environ,
            readable=walls.readable,
            writable=walls.writable,
            hidden=walls.hidden,
            read_only=walls.read_only,
        )
        return with_network(shaped, network)

    @property
    def where(self) -> str:
        name = self.walls.describe()
        if name == "host":
            return _("no sandbox, in {path}", path=self.workspace)
        return _("sandbox ({name}), in {path}", name=name, path=self.workspace)

    def _kernel_event(self, event: KernelEvent) -> None:
        self.tasks.start(self._record(event))

    async def _record(self, event: KernelEvent) -> None:
        try:
            await self.hub.emit(event)
        except StoreError:
            self.hub.show(event)  # the log is full or closed already; who needs it is told by an action's end

    async def begin(self) -> Session:
        """A new session."""
        system = system_prompt(
            self.settings.agent,
            workspace=str(self.workspace),
            sandbox=self.walls.describe(),
            network=self.walls.profile.network,
            languages=self.languages,
            access=self.walls.profile.access,
        )
        self._watch()
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
        await self._open_grants()
        session, _runner, _gate = self._session()
        if self.environment.note:
            await session.note(self.environment.note)
        return session

    async def resume(self) -> Session:
        """The session as its log tells it; its living kernels, if the keeper still holds them."""
        past = read_past((stored.event for stored in self.log.events()), (self.history.apply,))
        if past.started is not None and not self.chosen and past.started.workspace != str(self.workspace):
            raise UsageError(
                _("The folder of this session, {path}, leads to {other} now.", path=past.started.workspace,
                  other=self.workspace),
                _("Everything is kept. If you want to go on there, name it: --workspace {other}", other=self.workspace),
            )  # fmt: skip
        for grant in past.grants:
            if not grant.tool and Path(grant.path).exists():
                self.walls.grant(grant.path, grant.access)
        self._watch()
        await self._open_grants()
        meeting = Meeting(await self.kernels.open())
        session, runner, gate = self._session()
        runner.kept.extend(past.outputs)
        session.turns.extend(past.turns)

        async def recovery() -> None:
            session.pending, earlier = await take_up(past, meeting, self.hub, runner)
            gate.recall(earlier)

        if any(past.executions.get(action) in meeting.running for action in past.proposed):
            session.recover(recovery())
        else:
            await recovery()
        return session

    def _watch(self) -> None:
        for check in self.checks:
            check.begin()

    async def _open_grants(self) -> None:
        """Put into the log what the grants by name open; they hold for this run of the session."""
        for tool, paths in self.opened.paths.items():
            said = tool in self.settings.walls.grants
            by = self.settings.origins.get("grants", "") if said else self.settings.walls.granted.get(tool, "")
            for path in paths or (str(self.workspace / ".git"),):
                await self.hub.emit(GrantAdded(path=path, access="read" if paths else "write", by=by, tool=tool))

    def _prewarm(self) -> None:
        async def warm() -> None:
            try:
                await self.kernels.prewarm("python")
            except (KernelError, SandboxUnavailable):
                return  # told when code is to run

        self.tasks.start(warm())

        async def contact() -> None:
            try:
                await self.client.connect()
            except InterpreterError:
                return  # told by the turn that needs it

        self.tasks.start(contact())

        # Where somebody types there is time; a run of one task is done before the other readers are loaded.
        languages = ("python", "shell", "javascript") if self.settings.agent.can_ask else ("python",)

        async def rules() -> None:
            try:
                await asyncio.to_thread(self.rules.warm, languages)
            except InterpreterError:
                return  # told by the first verdict

        self.tasks.start(rules())

    def _session(self) -> tuple[Session, Runner, Gate]:
        settings, agent = self.settings, self.settings.agent
        approvals = Approvals(
            self.hub,
            can_ask=agent.can_ask,
            timeout=agent.approval_timeout,
            elsewhere=Elsewhere(self.log, self.hub),
        )
        gate = Gate(agent, approvals, self.hub, self.rules, self._circumstances())
        mind = self._mind()
        network = self.kernels.network = Network(self.hub, approvals, self.tasks, self.rules.allow_host)
        runner = Runner(
            self.kernels,
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
            ),
            begin=network.begin,
        )
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
            loop=Loop(mind, gate, runner, self.hub, approvals.go_on, lambda: self.where),
            machines=self.kernels,
            options=agent,
            prepare=Grants(WalledGrants(self.walls, self.kernels), approvals, self.hub).offer,
            settle=self._settle,
            release=self._release,
        )
        return Session(parts), runner, gate

    def _circumstances(self) -> Circumstances:
        """Where rules see the code: the rest is known when it is judged."""
        walled = self.walls.describe() != "host"
        grants = tuple(self.opened.paths)
        return Circumstances(walled=walled, workspace=str(self.workspace), home=str(Path.home()), grants=grants)

    def _outside(self) -> tuple[Outside, ...]:
        """Which line opens what was missed; without walls there is none."""
        profile = self.walls.profile
        if self.walls.describe() == "host":
            return ()
        closed = profile.network == "closed"
        return (Outside(self.hub, closed=closed, grants=tuple(self.opened.paths), place=self.rules.place),)

    def _mind(self) -> Mind:
        llm = self.settings.llm
        return Mind(
            self.client,
            self.history,
            self.hub,
            tools(self.languages),
            {spelling: name for spelling, name in spellings().items() if name in self.languages},
            context_window=llm.context_window,
            max_tokens=llm.max_tokens,
            temperature=llm.temperature,
        )

    async def _install(self, requirements: Sequence[str]) -> Installed:
        return await install(
            self.environment,
            requirements,
            home=self.home,
            environ=os.environ,
            progress=self.hub.show,
            backend=self.settings.walls.backend,
        )

    async def _settle(self) -> None:
        await self.tasks.drain()
        for check in self.checks:
            await check.last(alive=self.kernels.any_alive)

    def _release(self) -> None:
        self.log.close()
        self.store.close()

    async def abandon(self) -> None:
        """Undo what was begun when a session could not be opened."""
        await self.tasks.close()
        await self.kernels.close()
        await self.client.close()
        self._release()
