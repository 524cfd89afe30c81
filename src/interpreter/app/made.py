"""What a session is made of, in the order in which the parts need one another."""

from __future__ import annotations

import importlib
import os
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import msgspec

from ..agent.foreign import Foreign
from ..agent.history import History
from ..agent.mind import Mind
from ..agent.outside import Outside
from ..agent.prompt import tools
from ..errors import KernelError, StoreError
from ..kernels.checkpoints import CheckpointEvent
from ..kernels.install import Installed, install
from ..llm.client import ModelClient
from ..llm.http import HttpModel
from ..sandbox.stage import staged
from ..sandbox.system import within
from ..sandbox.watch import Watch
from ..session.hub import Hub
from ..session.keeping import FileKeeper
from ..session.redaction import cleaned
from ..text.i18n import _
from ..types.events import CheckpointSaved, Event, KernelEvent, NoteAdded
from ..types.languages import spellings
from ..types.messages import ToolSpec
from ..types.rules import Circumstances
from ..types.tooling import Access, Declaration
from .context import told_of
from .ground import Ground
from .quarantine import Quarantine

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..agent.shape import AnswerCheck, Shape
    from ..recording.recorder import Recorder
    from ..tools.definition import Tool
    from .servers import Servers
    from .staged import Staged
    from .telemetry import Watching
    from .telling import Telling
    from .tooling import Tooling


class Made:
    """The parts of one session that live as long as it does."""

    thinks: type[Mind] = Mind

    def __init__(self, ground: Ground, client: ModelClient | None) -> None:
        self.ground = ground
        self.settings, self.store, self.log, self.tasks = ground.settings, ground.store, ground.log, ground.tasks
        self.walls, self.kernels, self.rules, self.opened = ground.walls, ground.kernels, ground.rules, ground.opened
        self.workspace, self.scratch, self.environment = ground.workspace, ground.scratch, ground.environment
        self.history = History(vision=self.settings.agent.vision)
        self.files = self._files()
        self.tooling = self._tooling()
        self.context = ""
        """What the prompt says of skills and of the project."""
        self.recorder = self._recorder()
        self.own_rules: tuple[str, ...] = ()
        """Rules that hold in this session besides, each as YAML of one list item."""
        self.notes: list[str] = []
        """Sentences for the person about what was made, or was not."""
        self.telemetry = self._telemetry()
        self.telling = self._telling()
        others = (self.tooling, self.recorder, self.telemetry, self.telling)
        further = tuple(one.apply for one in others if one is not None)
        readings = (self.history.apply, self.files.apply, *further, *self.readers())
        self.hub = Hub(self.log, readings, partial(cleaned, ground.redactor))
        self.checks = self._checks()
        self.client = self._model(client or HttpModel(self.settings.llm))
        self.shape = self._shape()
        self.languages = tuple(self.kernels.available())
        self.staging = self._staging()
        ground.listen(self._kernel_event)

    def readers(self) -> tuple[Callable[[Event], None], ...]:
        """Further readings of the log, kept up to date."""
        return ()

    def _files(self) -> FileKeeper:
        """Keeps the workspace before each step; where it is only read there is nothing to keep."""
        options = self.settings.snapshots
        if self.walls.profile.access == "read":
            options = msgspec.structs.replace(options, enabled=False)
        return FileKeeper(self.store.home, self.workspace, self.log.id, options, self.tasks)

    def _brought(self) -> tuple[Tool, ...]:
        """The tools of the person's own skills that this session is begun with."""
        names = self.settings.skills.use
        if not names:
            return ()
        profile = self.walls.profile
        written = (profile.workspace, *profile.writable)
        return importlib.import_module(".skilltool", __package__).brought(names, self.workspace, written)

    def _of_skills(self) -> tuple[Tool, ...]:
        """Where there are skills, the tool that reads them; a session without code has no other way to them."""
        if not self.settings.skills.use and not told_of(self.settings.skills, self.workspace):
            return ()
        return (importlib.import_module(".skilltool", __package__).reader(self.workspace),)

    def _shape(self) -> Shape | None:
        path = self.settings.agent.output_schema
        # Only a run whose answer is checked pays for it.
        return importlib.import_module("..agent.shape", __package__).Shape(path) if path else None

    def _final(self) -> AnswerCheck | None:
        if self.shape is None:
            return None
        return importlib.import_module("..agent.shape", __package__).AnswerCheck(self.shape)

    def _tooling(self) -> Tooling | None:
        options = self.settings.tools
        brought = self._brought()
        if not (options.offered or options.files or options.servers or self.settings.agent.tools_only or brought):
            return None
        servers = self._servers() if options.servers else None
        # Only a session with tools pays for them.
        made: Tooling = importlib.import_module(".tooling", __package__).Tooling(
            self.ground, (*self._of_skills(), *brought), servers
        )
        self.files.reading = made.reads
        self.rules.declared = made.registry.declared
        return made

    def _servers(self) -> Servers:
        module = importlib.import_module(".servers", __package__)
        settings, workspace, home = self.settings, self.workspace, self.store.home

        def place() -> Any:
            profile = self.walls.profile
            # Behind a stage nothing but kernels sees what is staged, and nothing may go round it.
            network = self.rules.network()
            return module.Place(
                settings, workspace, home, network.deny, profile.access == "read" or profile.stage != "",
                credentials=network.credentials, folder=self.ground.log.folder,
            )  # fmt: skip

        made: Servers = module.Servers(settings.tools.servers, place, home, self.ground.redactor.add)
        return made

    def _recorder(self) -> Recorder | None:
        if not self.settings.record:
            return None
        # Only a run that is recorded pays for it.
        module = importlib.import_module(".recorders", __package__)
        recorder: Recorder = module.begin(self)
        return recorder

    def _telemetry(self) -> Watching | None:
        named = self.settings.telemetry.endpoint
        if not named and not os.environ.get("OTEL_EXPORTER_OTLP_ENDPOINT"):
            return None
        if os.environ.get("OTEL_SDK_DISABLED", "").lower() == "true":
            return None
        # Only a session that somebody collects from pays for it.
        watching: Watching | str = importlib.import_module(".telemetry", __package__).watch(self, named)
        if isinstance(watching, str):
            self.notes.append(watching)
            return None
        return watching

    def _telling(self) -> Telling | None:
        if not self.settings.links.notify:
            return None
        # Only a person who wants to be told of questions pays for it.
        made: Telling = importlib.import_module(".telling", __package__).Telling(self)
        return made

    def _model(self, client: ModelClient) -> ModelClient:
        """The model, behind the cache and the recording where these are wanted."""
        llm = self.settings.llm
        if self.settings.cache:
            cached = importlib.import_module("..llm.cache", __package__).CachedModel
            more = {"body": llm.extra_body, "temperature": llm.temperature, "max_tokens": llm.max_tokens}
            client = cached(client, self.store.home / "answers", more)
        if self.recorder is not None:
            client = importlib.import_module("..recording.recorder", __package__).RecordedModel(client, self.recorder)
        return client

    def _staging(self) -> Staged | None:
        if self.ground.stage is None:
            return None
        # Only a staged session pays for it.
        module = importlib.import_module(".staged", __package__)
        restore = module.restorer(self.kernels, self.log, self.hub, self.tasks)
        place, end = str(self.workspace), self.kernels.unstage
        return module.Staged(self.ground.stage, place, self.hub.emit, end, self.walls, restore)

    def _checks(self) -> tuple[Quarantine, ...]:
        """The look after each step; there is none without walls, nor where a commit looks at everything."""
        if self.walls.describe() == "host" or self.ground.stage is not None:
            return ()
        walled = self.walls.backend.holds()["protected"]
        watch = Watch(self.walls.profile, self.log.folder / "quarantine", walled=walled, git=self.opened.git)
        return (Quarantine(watch, self.hub, self.tasks),)

    @property
    def where(self) -> str:
        name = self.walls.describe()
        if name == "host":
            return _("no sandbox, in {path}", path=self.workspace)
        if self.ground.stage is not None:
            return _("sandbox ({name}), staged over {path}", name=name, path=self.workspace)
        return _("sandbox ({name}), in {path}", name=name, path=self.workspace)

    def _kernel_event(self, event: KernelEvent | CheckpointEvent) -> Awaitable[None]:
        return self.tasks.start(self._record(event))

    async def _record(self, event: KernelEvent | CheckpointEvent) -> None:
        try:
            await self.hub.emit(event)
        except StoreError:
            self.hub.show(event)  # the log is full or closed already; who needs it is told by an action's end
            return
        if isinstance(event, CheckpointSaved):
            with suppress(KernelError):
                await self.kernels.collect_checkpoint(event.manifest)

    def circumstances(self) -> Circumstances:
        """Where rules see the code: the rest is known when it is judged."""
        walled = self.walls.describe() != "host"
        grants = tuple(self.opened.paths)
        return Circumstances(walled=walled, workspace=str(self.workspace), home=str(Path.home()), grants=grants)

    def _outside(self) -> tuple[Outside | Foreign, ...]:
        """Which line opens what was missed, and what a stage cannot hold; without walls there is neither."""
        profile = self.walls.profile
        if self.walls.describe() == "host":
            return ()
        closed = profile.network == "closed"
        outside = Outside(self.hub, closed=closed, grants=tuple(self.opened.paths), place=self.rules.place)
        return (outside, Foreign(self.hub)) if self.ground.stage is not None else (outside,)

    def tools(self) -> tuple[ToolSpec, ...]:
        """What the model is offered."""
        return (*tools(self.languages, only=self.settings.agent.tools_only), *self._further())

    def offered(self) -> tuple[Declaration, ...]:
        """The same for a caller that is a program: no tool has to be found first."""
        plain = tools(self.languages, only=self.settings.agent.tools_only)
        further = self.tooling.declared() if self.tooling is not None else ()
        return (*(as_declared(one) for one in plain), *further)

    def _mind(self) -> Mind:
        llm = self.settings.llm
        return self.thinks(
            self.client,
            self.history,
            self.hub,
            self.tools(),
            {spelling: name for spelling, name in spellings().items() if name in self.languages},
            context_window=llm.context_window,
            max_tokens=llm.max_tokens,
            temperature=llm.temperature,
            summaries=self.settings.agent.summary == "model",
            book=self.tooling.registry if self.tooling is not None else None,
        )

    def _further(self) -> tuple[ToolSpec, ...]:
        return self.tooling.specs if self.tooling is not None else ()

    async def _install(self, requirements: Sequence[str]) -> Installed:
        """Install, and say in a line what came of it."""
        result = await self._installed(requirements)
        await self.hub.emit(NoteAdded(text=f"{result.message} {result.hint}".strip(), to_model=False))
        return result

    async def _installed(self, requirements: Sequence[str]) -> Installed:
        tops = staged(self.walls.profile)
        if any(within(os.path.realpath(path), tops) for path in self.environment.writable_by_installer):
            return Installed(
                ok=False,
                reason="refused",
                message=_("Nothing was installed: the Python environment lies in the staged folder."),
                hint=_("Install it yourself, or name an environment elsewhere with --python."),
                for_model="Packages cannot be installed here: the environment lies in the staged folder.",
            )
        return await install(
            self.environment,
            requirements,
            home=self.store.home,
            environ=os.environ,
            progress=self.hub.show,
            backend=self.settings.walls.backend,
        )


def as_declared(one: ToolSpec) -> Declaration:
    """One of the two tools of a plain session: paging in what was printed only reads."""
    access: Access = "write" if one.name == "execute" else "read"
    return Declaration(name=one.name, description=one.description, parameters=one.parameters, access=access)
