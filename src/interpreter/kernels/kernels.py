"""All kernels of one session, over its keeper."""

from __future__ import annotations

import asyncio
import base64
import contextlib
from collections import deque
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import Any

import msgspec

from ..aio import Tasks
from ..errors import KernelDied, KernelError
from ..policy.permits import Permits
from ..text.clean import clean_text
from ..text.i18n import _
from ..types.actions import Action, Completion, Display, OutputRef, Permit
from ..types.base import new_id
from ..types.events import KernelEvent
from ..types.walls import Launch, Limits
from .checkpoints import CheckpointEvent, Saves, wanted
from .claims import answered, attempt_of, cleaned, judged
from .contracts import Hello, KernelOptions, NetworkWatch, Restored, Running, Sink, Walls
from .link import Link, Refusal, connect, lost, not_started, on_stage
from .output import EARLY, left_output, replay
from .runtimes import FRESH, Runtimes

LAST_SAVE = 2.0
"""Seconds that the end waits for the last checkpoint; the keeper completes it in any case, and then ends."""


class Kernels:
    """Opens the keeper, starts kernels as they are needed, runs permitted code in them.

    Raises only KernelErrors (and SandboxUnavailable, which `walls` raises). One execution per language at a time.
    """

    def __init__(
        self,
        run_dir: Path,
        walls: Walls,
        options: KernelOptions,
        on_event: Callable[[KernelEvent | CheckpointEvent], Awaitable[None] | None],
    ) -> None:
        self._run_dir, self._walls, self._options, self._on_event = run_dir, walls, options, on_event
        self._link: Link | None = None
        self._tasks = Tasks()
        self._opening = asyncio.Lock()
        self._connecting = asyncio.Lock()
        self._starting: dict[str, asyncio.Lock] = {}
        self._living: dict[str, str] = {}
        """Language to kernel id."""
        self._lost: dict[str, bool] = {}
        """Languages whose kernel is gone; True: it ended by itself, nobody wanted its state gone."""
        self.revive: Callable[[str], Awaitable[object]] | None = None
        """Gives the next kernel of a language the state of the one that ended by itself; set by whoever can."""
        self._reasons: dict[str, str] = {}
        """Why a language's last kernel ended."""
        # Landlock with seccomp allows no sockets at all, which Jupyter kernels need.
        found = self._runtimes = Runtimes(options, sockets=walls.describe() != "landlock")
        self.available, self.missing, self.lend_tools = found.available, found.missing, found.lend_tools
        self._saves = Saves(on_event)
        self._sinks: dict[str, Sink] = {}
        self._waiting: dict[str, asyncio.Future[Completion]] = {}
        self._ended: dict[str, Completion] = {}
        """Ended and not yet asked for."""
        self._running: dict[str, Running] = {}
        self._early: dict[str, deque[tuple[str, bytes, int]]] = {}
        """What running executions of before print while nobody watches them yet."""
        self._permits = Permits()
        self._closed = False
        self.network: NetworkWatch | None = None
        """Answers; until it is set nothing unknown is let through."""

    # --- life

    async def open(self) -> Hello:
        """Start or reconnect the keeper. Raises KeeperLost."""
        self._closed = False
        async with self._opening:
            if self._closed:
                raise lost()
            link, answer, fresh = await connect(
                self._run_dir, self._take, self._lost_link, seconds=self._options.startup
            )
            self._link = link
        hello = msgspec.convert({**answer, "fresh": fresh}, Hello)
        before, self._living = self._living, {k.language: k.id for k in hello.kernels if k.state != "dead"}
        for language, kernel in before.items():
            if self._living.get(language) != kernel:
                self._lost[language] = True
                self._tell(language, kernel, "died", "the keeper ended")
        self._ended.update({c.execution: cleaned(c) for c in hello.completions})
        self._running = {r.execution: r for r in hello.running}
        for event in hello.checkpoints:
            self._take(event)
        return hello

    async def close(self, keep: bool = False) -> None:
        """End the keeper and all kernels; with `keep` only let go of them."""
        self._closed = True
        async with self._opening:  # one that is being opened is closed as well
            link, self._link = self._link, None
        if link:
            if not keep:
                saving = False
                with contextlib.suppress(KernelError):
                    saving = bool((await link.ask("close")).get("saving"))
                if await link.end(LAST_SAVE if saving else self._options.startup) or not saving:
                    for language, kernel in self._living.items():
                        self._tell(language, kernel, "closed")
                    self._living.clear()
            link.close()
        await self._tasks.close()

    @property
    def any_alive(self) -> bool:
        """Whether a kernel lives, also one that was let go of and is parked."""
        return bool(self._living)

    async def park(self, seconds: float | None) -> None:
        """How long the keeper lives on without us; None: for ever. Counts from the moment that we are gone."""
        await (await self._connected()).ask("park", seconds=seconds)

    async def _connected(self) -> Link:
        async with self._connecting:  # a second connection would replace the first
            if self._link is None and not self._closed:
                await self.open()
            if self._link is None:
                raise lost()
            return self._link

    # --- kernels

    async def prewarm(self, language: str, asked: asyncio.Event | None = None) -> None:
        """Begin a kernel that will soon be needed; `asked` is set once its start is on its way to the keeper."""
        await self._kernel(self._runtimes.find(language).language, asked)

    async def restart(self, language: str | None = None, *, wanted: bool = True) -> None:
        """End the kernel of a language, or all; the next execution gets a new one, with its state if not `wanted`."""
        link = await self._connected()
        for name in [self._runtimes.find(language).language] if language else list(self._living):
            if kernel := self._living.pop(name, None):
                self._lost[name] = not wanted
                with contextlib.suppress(Refusal):
                    await link.ask("stop", kernel=kernel)

    async def unstage(self) -> tuple[str, ...]:
        """End every kernel of a staged session; their languages, when nothing writes to its stage any more."""
        ended, self._living = tuple(self._living), {}
        self._lost.update(dict.fromkeys(ended, False))
        await (await self._connected()).ask("unstage")
        return ended

    async def on_stage(self, launch: Launch, seconds: float, most: int) -> tuple[int, bytes]:
        return await on_stage(await self._connected(), launch, seconds, most)

    async def grant(self, path: str, source: str) -> bool:
        """Show `source` as `path`, read-only, in every living kernel. False: one cannot, and all were ended for it."""
        link = await self._connected()
        for language, kernel in list(self._living.items()):
            if self._runtimes.find(language).dialect == "program":
                # It has no state to lose, and the next one is born with the path.
                del self._living[language]
                await link.ask("stop", kernel=kernel)
        try:
            for kernel in list(self._living.values()):
                await link.ask("grant", kernel=kernel, path=path, source=source, access="read")
        except Refusal:
            await self.restart(wanted=False)
            return False
        return True

    async def _kernel(self, language: str, asked: asyncio.Event | None = None) -> str:
        async with self._starting.setdefault(language, asyncio.Lock()):
            link = await self._connected()
            if kernel := self._living.get(language):
                return kernel
            if language.startswith(FRESH) or not self._lost.get(language) or self.revive is None:
                return await self._start(link, language, asked=asked)
            self._lost[language] = False
        await self.revive(language)
        return await self._kernel(language, asked)

    async def _start(self, link: Link, language: str, restore: str = "", asked: asyncio.Event | None = None) -> str:
        runtime = self._runtimes.find(language)
        launch = self._walls.launch(runtime.argv, readable=runtime.readable, env=runtime.env)
        kernel = new_id("k")
        self._living[language] = kernel
        if restore:
            self._saves.expect(kernel)
        try:
            born = link.post(
                "start",
                kernel=kernel,
                language=language,
                dialect=runtime.dialect,
                launch=launch,
                driver=runtime.driver,
                parts=runtime.parts,
                **(wanted(self._options, restore) if runtime.saves else {}),
            )
            if asked:
                asked.set()
            await born
        except Refusal as error:
            self._living.pop(language, None)
            raise not_started(language, error) from error
        what = "restarted" if language in self._lost and not restore else "started"
        self._lost.pop(language, None)
        self._tell(language, kernel, what)
        return kernel

    async def restore(self, language: str, manifest: str, *older: str) -> Restored:
        """A new kernel, in place of the living one, with the state of a checkpoint, or else of the next in turn.

        What is executed meanwhile waits for it. Raises KernelError: they are damaged, or there is no kernel.
        """
        language = self._runtimes.find(language).language
        async with self._starting.setdefault(language, asyncio.Lock()):
            again = partial(self._restore, await self._connected(), language)
            return await self._saves.first((manifest, *older), again)

    async def _restore(self, link: Link, language: str, manifest: str) -> Restored:
        if kernel := self._living.pop(language, None):
            with contextlib.suppress(Refusal):
                await link.ask("stop", kernel=kernel)
        return await self._saves.restored(language, await self._start(link, language, manifest))

    def _tell(self, language: str, kernel: str, what: Any, reason: str = "") -> None:
        if not language.startswith(FRESH):  # nothing is lost with it
            sandbox = self._walls.describe()
            self._on_event(KernelEvent(language=language, kernel=kernel, what=what, reason=reason, sandbox=sandbox))

    # --- executions

    async def execute(self, permit: Permit, action: Action, execution: str, sink: Sink, limits: Limits) -> Completion:
        """Run what the permit allows, once.

        Raises PermitRefused, LanguageMissing, KeeperLost, and KernelError when nothing could be run.
        """
        self._permits.check(permit, action)
        runtime = self._runtimes.find(FRESH * (action.purpose != "") + action.language)
        kernel = await self._kernel(runtime.language)
        asked = {"execution": execution, "code": action.code, "limits": limits, "interactive": True}
        request = {**runtime.extra, **asked, "grace": self._options.grace}
        done = self._expect(execution, sink)
        try:
            await self._begin(runtime.language, kernel, request)
            return await done
        finally:
            self._forget(execution)

    async def _begin(self, language: str, kernel: str, request: dict[str, Any]) -> None:
        """A kernel that ended between two executions is replaced once; its loss is told by its event."""
        for last in (False, True):
            try:
                await (await self._connected()).ask("execute", kernel=kernel, **request)
                return
            except Refusal as error:
                if error.kind != "gone":
                    raise
                if last:
                    reason = self._reasons.get(language, error.reason)
                    raise KernelDied(
                        _(
                            "The {language} kernel ends as soon as it is started: {reason}",
                            language=language,
                            reason=reason,
                        ),
                        _("Nothing was run. `interpreter doctor` shows what is missing."),
                    ) from error
            if self._living.get(language) == kernel:
                del self._living[language]
            self._lost[language] = True
            kernel = await self._kernel(language)

    def _expect(self, execution: str, sink: Sink) -> asyncio.Future[Completion]:
        self._sinks[execution] = sink
        self._waiting[execution] = asyncio.get_running_loop().create_future()
        return self._waiting[execution]

    def _forget(self, execution: str) -> None:
        self._sinks.pop(execution, None)
        self._waiting.pop(execution, None)
        self._running.pop(execution, None)

    async def reattach(self, execution: str, sink: Sink) -> Completion:
        """The completion of an execution that was begun before: at once when it has ended, else when it ends.

        What it printed meanwhile is shown first. Status `lost` when the keeper knows nothing of it.
        """
        await self._connected()
        if execution in self._ended:
            completion = self._ended.pop(execution)
            replay(completion.output, sink)
            return completion
        running = self._running.get(execution)
        if running is None:
            return Completion(execution=execution, status="lost")
        done = self._expect(execution, sink)
        try:
            replay(OutputRef(path=str(self._output_path(execution)), size=running.size), sink)
            for printed in self._early.pop(execution, ()):
                sink.output(*printed)
            if running.asked:
                self._take(running.asked)
            return await done
        finally:
            self._forget(execution)

    def left_output(self, execution: str) -> OutputRef:
        """What an execution had printed whose keeper is gone; empty where nothing is left of it."""
        return left_output(self._output_path(execution))

    def _output_path(self, execution: str) -> Path:
        return self._run_dir / "outputs" / f"{execution}.out"

    async def collect(self, execution: str) -> None:
        """The completion is in the log: the keeper may forget it. Nobody waits until it has."""
        self._ended.pop(execution, None)
        if self._link is not None:
            self._link.tell("collect", execution=execution)

    async def collect_checkpoint(self, manifest: str) -> None:
        """It is in the log: the keeper need not tell it again."""
        await (await self._connected()).ask("collect", manifest=manifest)

    async def interrupt(self) -> None:
        """Stop whatever runs now; returns when the keeper has been told. Nothing running: nothing happens."""
        if self._link:
            for kernel in list(self._living.values()):
                with contextlib.suppress(Refusal):
                    await self._link.ask("interrupt", kernel=kernel, grace=self._options.grace)

    # --- what comes from the keeper

    def _take(self, event: dict[str, Any]) -> None:
        match event["event"]:
            case "output":
                printed = event["stream"], base64.b64decode(event["data"]), event["skipped"]
                if sink := self._sinks.get(event["execution"]):
                    sink.output(*printed)
                elif event["execution"] in self._running:
                    self._early.setdefault(event["execution"], deque(maxlen=EARLY)).append(printed)
            case "display":
                if sink := self._sinks.get(event["execution"]):
                    sink.display(msgspec.convert(event, Display))
            case "input" | "tool":
                if sink := self._sinks.get(event["execution"]):
                    self._tasks.start(self._reply(answered(sink, event)))
            case "done":
                completion = cleaned(msgspec.convert(event["completion"], Completion))
                waiting = self._waiting.get(completion.execution)
                if waiting and not waiting.done():
                    waiting.set_result(completion)
                else:
                    self._ended[completion.execution] = completion
            case "died":
                self._died(event["kernel"], clean_text(event["reason"]))
            case "checkpoint" | "checkpoint_missed" | "restored":
                self._saves.take(event)
            case "network":
                self._tasks.start(self._reply(judged(self.network, event)))
            case kind:
                if kind == "attempt" and self.network:
                    self.network.attempt(attempt_of(event))

    async def _reply(self, answer: Awaitable[dict[str, Any]]) -> None:
        """Tell the keeper what was asked for from inside. Nobody waits for it any more: then it is no use."""
        fields = await answer
        with contextlib.suppress(KernelError):
            await (await self._connected()).ask(**fields)

    def _died(self, kernel: str, reason: str) -> None:
        self._saves.resolve(kernel, {"error": reason})
        for language, name in list(self._living.items()):
            if name == kernel:
                del self._living[language]
                self._lost[language] = True
                self._reasons[language] = reason
                self._tell(language, kernel, "died", reason)

    def _lost_link(self) -> None:
        self._link = None
        self._saves.lost(lost())
        for waiting in self._waiting.values():
            if not waiting.done():
                waiting.set_exception(lost())
