"""All kernels of one session, over its keeper."""

from __future__ import annotations

import asyncio
import base64
import contextlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from ..aio import Tasks
from ..errors import KernelDied, KernelError, LanguageMissing, PermitRefused
from ..text.clean import clean_text
from ..text.i18n import _
from ..types.actions import Action, Completion, Display, Permit
from ..types.base import code_sha256, new_id
from ..types.events import KernelEvent
from ..types.languages import LANGUAGES
from ..types.walls import Limits
from .claims import attempt_of, cleaned
from .contracts import Hello, KernelOptions, NetworkWatch, Running, Sink, Walls
from .link import Link, Refusal, connect, lost
from .runtimes import Runtime, find_runtime


class Kernels:
    """Opens the keeper, starts kernels as they are needed, runs permitted code in them.

    Raises only KernelErrors (and SandboxUnavailable, which `walls` raises). One execution per language at a time.
    """

    def __init__(
        self, run_dir: Path, walls: Walls, options: KernelOptions, on_event: Callable[[KernelEvent], None]
    ) -> None:
        self._run_dir = run_dir
        self._walls = walls
        self._options = options
        self._on_event = on_event
        self._link: Link | None = None
        self._tasks = Tasks()
        self._opening = asyncio.Lock()
        self._connecting = asyncio.Lock()
        self._starting: dict[str, asyncio.Lock] = {}
        self._living: dict[str, str] = {}
        """Language to kernel id."""
        self._lost: set[str] = set()
        """Languages that had a kernel which is gone."""
        self._reasons: dict[str, str] = {}
        """Why a language's last kernel ended."""
        self._runtimes: dict[str, Runtime] = {}
        self._sinks: dict[str, Sink] = {}
        self._waiting: dict[str, asyncio.Future[Completion]] = {}
        self._ended: dict[str, Completion] = {}
        """Ended and not yet asked for."""
        self._running: dict[str, Running] = {}
        self._used: set[str] = set()
        """Actions whose permit was used."""
        self._closed = False
        self.network: NetworkWatch | None = None
        """Set by whoever can answer; until then nothing unknown is let through."""

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
                self._lost.add(language)
                self._tell(language, kernel, "died", "the keeper ended")
        self._ended.update({c.execution: cleaned(c) for c in hello.completions})
        self._running = {r.execution: r for r in hello.running}
        return hello

    async def close(self, keep: bool = False) -> None:
        """End the keeper and all kernels; with `keep` only let go of them."""
        self._closed = True
        async with self._opening:  # one that is being opened is closed as well
            link, self._link = self._link, None
        if link:
            if not keep:
                with contextlib.suppress(KernelError):
                    await link.ask("close")
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(self._options.startup):
                        await link.ended
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
            if self._link is None:
                if self._closed:
                    raise lost()
                await self.open()
            if self._link is None:
                raise lost()
            return self._link

    # --- kernels

    async def prewarm(self, language: str) -> None:
        """Begin a kernel that will soon be needed."""
        await self._kernel(self._runtime(language).language)

    async def restart(self, language: str | None = None) -> None:
        """End the kernel of a language, or all; the next execution gets a new one."""
        link = await self._connected()
        for name in [self._runtime(language).language] if language else list(self._living):
            kernel = self._living.pop(name, None)
            if kernel:
                self._lost.add(name)
                with contextlib.suppress(Refusal):
                    await link.ask("stop", kernel=kernel)

    async def grant(self, path: str, source: str) -> bool:
        """Make `source` appear as `path`, read-only, in every living kernel; False: one of them cannot take it, and
        all have been ended, so that the next ones are born with it."""
        link = await self._connected()
        for language, kernel in list(self._living.items()):
            if self._runtime(language).dialect == "program":
                # It has no state to lose, and the next one is born with the path.
                del self._living[language]
                await link.ask("stop", kernel=kernel)
        try:
            for kernel in list(self._living.values()):
                await link.ask("grant", kernel=kernel, path=path, source=source, access="read")
        except Refusal:
            await self.restart()
            return False
        return True

    async def _kernel(self, language: str) -> str:
        async with self._starting.setdefault(language, asyncio.Lock()):
            link = await self._connected()
            if kernel := self._living.get(language):
                return kernel
            runtime = self._runtime(language)
            launch = self._walls.launch(runtime.argv, readable=runtime.readable, env=runtime.env)
            kernel = new_id("k")
            self._living[language] = kernel
            try:
                await link.ask(
                    "start",
                    kernel=kernel,
                    language=language,
                    dialect=runtime.dialect,
                    launch=launch,
                    driver=runtime.driver,
                    parts=runtime.parts,
                )
            except Refusal as error:
                self._living.pop(language, None)
                raise KernelError(
                    _("The {language} kernel could not be started: {reason}", language=language, reason=error.reason),
                    _("`interpreter doctor` shows what is missing."),
                ) from error
            what = "restarted" if language in self._lost else "started"
            self._lost.discard(language)
            self._tell(language, kernel, what)
            return kernel

    def _runtime(self, language: str) -> Runtime:
        if language not in self._runtimes:
            # Landlock with seccomp allows no sockets at all, which Jupyter kernels need.
            sockets = self._walls.describe() != "landlock"
            self._runtimes[language] = find_runtime(language, self._options, sockets=sockets)
        return self._runtimes[language]

    def _tell(self, language: str, kernel: str, what: Any, reason: str = "") -> None:
        self._on_event(
            KernelEvent(language=language, kernel=kernel, what=what, reason=reason, sandbox=self._walls.describe())
        )

    # --- executions

    async def execute(self, permit: Permit, action: Action, execution: str, sink: Sink, limits: Limits) -> Completion:
        """Run what the permit allows, once.

        Raises PermitRefused, LanguageMissing, KeeperLost, and KernelError when nothing could be run.
        """
        self._check(permit, action)
        runtime = self._runtime(action.language)
        kernel = await self._kernel(runtime.language)
        request = {
            **runtime.extra,
            "execution": execution,
            "code": action.code,
            "limits": limits,
            "interactive": True,
            "grace": self._options.grace,
        }
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
                await self._ask_execute(kernel, request)
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
            self._lost.add(language)
            kernel = await self._kernel(language)

    async def _ask_execute(self, kernel: str, request: dict[str, Any]) -> None:
        link = await self._connected()
        await link.ask("execute", kernel=kernel, **request)

    def _check(self, permit: Permit, action: Action) -> None:
        belongs = permit.action == action.id and permit.language == action.language
        if not belongs or permit.sha256 != action.sha256 or code_sha256(action.code) != permit.sha256:
            raise PermitRefused(_("This code is not the code that was allowed."), _("Nothing was run."))
        if permit.action in self._used:
            raise PermitRefused(_("This permission was used before."), _("Nothing was run a second time."))
        self._used.add(permit.action)

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

        Status `lost` when the keeper knows nothing of it.
        """
        await self._connected()
        if execution in self._ended:
            return self._ended.pop(execution)
        running = self._running.get(execution)
        if running is None:
            return Completion(execution=execution, status="lost")
        done = self._expect(execution, sink)
        try:
            if running.asked:
                self._take(running.asked)
            return await done
        finally:
            self._forget(execution)

    async def collect(self, execution: str) -> None:
        """The completion is in the log: the keeper may forget it."""
        self._ended.pop(execution, None)
        await (await self._connected()).ask("collect", execution=execution)

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
                if sink := self._sinks.get(event["execution"]):
                    sink.output(event["stream"], base64.b64decode(event["data"]), event["skipped"])
            case "display":
                if sink := self._sinks.get(event["execution"]):
                    sink.display(msgspec.convert(event, Display))
            case "input":
                if sink := self._sinks.get(event["execution"]):
                    self._tasks.start(self._answer(sink, event))
            case "done":
                completion = cleaned(msgspec.convert(event["completion"], Completion))
                waiting = self._waiting.get(completion.execution)
                if waiting and not waiting.done():
                    waiting.set_result(completion)
                else:
                    self._ended[completion.execution] = completion
            case "attempt":
                if self.network:
                    self.network.attempt(attempt_of(event))
            case "network":
                self._tasks.start(self._judge(event))
            case "died":
                self._died(event["kernel"], clean_text(event["reason"]))
            case _:
                pass

    async def _answer(self, sink: Sink, event: dict[str, Any]) -> None:
        try:
            text = await sink.ask_input(clean_text(event["prompt"]), event["secret"])
        except InterruptedError:
            text = None
        with contextlib.suppress(KernelError):
            await (await self._connected()).ask("input", execution=event["execution"], text=text)

    async def _judge(self, event: dict[str, Any]) -> None:
        """A broker asks for a host; everything in the event began inside the walls."""
        allow, by = False, "nobody can be asked"
        if self.network:
            host, method = clean_text(str(event["host"]))[:255], clean_text(str(event["method"]))[:16]
            allow, by = await self.network.ask(host, int(event["port"]), method)
        with contextlib.suppress(KernelError):
            await (await self._connected()).ask("network", question=event["question"], allow=allow, by=by)

    def _died(self, kernel: str, reason: str) -> None:
        for language, name in list(self._living.items()):
            if name == kernel:
                del self._living[language]
                self._lost.add(language)
                self._reasons[language] = reason
                self._tell(language, kernel, "died", reason)

    def _lost_link(self) -> None:
        self._link = None
        for waiting in self._waiting.values():
            if not waiting.done():
                waiting.set_exception(lost())

    def available(self) -> dict[str, str]:
        """Languages that can be run here, and with what program."""
        found: dict[str, str] = {}
        for language in LANGUAGES:
            with contextlib.suppress(LanguageMissing):
                runtime = self._runtime(language.name)
                found[language.name] = runtime.argv[0] if runtime.dialect != "program" else language.title
        return found

    def missing(self, language: str) -> str:
        """What to install for a language that cannot be run; empty when it can."""
        try:
            self._runtime(language)
        except LanguageMissing as error:
            return str(error)
        return ""
