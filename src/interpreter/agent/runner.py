"""From a permit to a finished action: intent, effect, completion."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Literal, Protocol

import msgspec

from ..errors import KernelError, LanguageMissing, SandboxUnavailable, StoreError
from ..kernels.output import read_head_tail
from ..llm.estimate import estimate_tokens
from ..text.clean import StreamCleaner
from ..text.i18n import _
from ..types.actions import Action, Completion, Display, Observation, OutputRef, Permit
from ..types.base import new_id
from ..types.events import ActionFinished, ActionStarted, ApprovalRequested, OutputChunk
from ..types.rewinding import SnapshotTaken
from ..types.tooling import TOOL
from ..types.walls import Limits
from .approvals import Approvals
from .diagnose import diagnose
from .observe import Cap, observe
from .options import AgentOptions
from .paging import read_page
from .ports import Emitter

INLINE = 1 << 16
"""Bytes of an output that are read at once; more are read in a thread."""

CUT_OFF = (
    "[The interpreter was cut off while this ran. It is not known how far it got, and it was not run again. "
    "Look at what is there before you go on.]"
)

Ask = Callable[[str, str, int, str, str], Awaitable[str]]
"""A call of a tool by code that runs: action, execution, number of the call, name, arguments as JSON. Gives JSON."""
NO_TOOLS = '{"ok":false,"error":"This session has no tools that code can call."}'
Remedy = Callable[[Action, Completion], Awaitable[str]]
"""Looks at a failed completion; may put things right with the person's consent and says so in a sentence, else ""."""


class Executor(Protocol):
    """What the runner needs of `kernels.Kernels`."""

    async def execute(
        self, permit: Permit, action: Action, execution: str, sink: Watcher, limits: Limits
    ) -> Completion: ...

    async def reattach(self, execution: str, sink: Watcher) -> Completion: ...

    async def collect(self, execution: str) -> None: ...

    def left_output(self, execution: str) -> OutputRef: ...


class Files(Protocol):
    """What the runner needs of `session.keeping`."""

    async def before(self, action: Action, permit: Permit) -> SnapshotTaken | None:
        """What is to be in the log before a step that may write: how the files are, or why that is not kept."""
        ...


class Outputs(Protocol):
    """What the runner needs of the store: a place where whole outputs stay."""

    def put_output(self, ref: OutputRef) -> OutputRef: ...


class Watcher:
    """What an execution says while it runs, turned into live events and questions."""

    def __init__(
        self, action: str, execution: str, emitter: Emitter, approvals: Approvals, ask: Ask | None = None
    ) -> None:
        self._action, self._execution, self._ask = action, execution, ask
        self._emitter, self._approvals = emitter, approvals
        self._cleaners = {"stdout": StreamCleaner(), "stderr": StreamCleaner()}

    def output(self, stream: str, data: bytes, skipped: int) -> None:
        self._show(stream, self._cleaners[stream].feed(data), skipped)

    def flush(self) -> None:
        """Show what the cleaners still hold: a last line without its end."""
        for stream, cleaner in self._cleaners.items():
            self._show(stream, cleaner.flush(), 0)

    def _show(self, stream: str, text: str, skipped: int) -> None:
        if text or skipped:
            name: Literal["stdout", "stderr"] = "stderr" if stream == "stderr" else "stdout"
            self._emitter.show(OutputChunk(action=self._action, stream=name, text=text, skipped=skipped))

    def display(self, display: Display) -> None:
        """Displays are shown with the completion that names them."""

    async def ask_input(self, prompt: str, secret: bool) -> str | None:
        """The line that the person types, or None: nobody is there, or they will not answer."""
        if not self._approvals.here:
            return None
        request = ApprovalRequested(
            approval=new_id("ap"),
            kind="input",
            action=self._action,
            question=_("The program asks for a line of input."),
            subject=prompt,
            secret=secret,
        )
        answer, _edited = await self._approvals.ask(request)
        return answer.text if answer is not None and answer.answer != "no" else None

    async def call_tool(self, number: int, name: str, arguments: str) -> str:
        """What the code's call of a tool gives, as JSON for its guest. Never raises for what the code has done."""
        if self._ask is None:
            return NO_TOOLS
        return await self._ask(self._action, self._execution, number, name, arguments)


class Runner:
    def __init__(
        self,
        executor: Executor,
        outputs: Outputs,
        emitter: Emitter,
        approvals: Approvals,
        options: AgentOptions,
        limits: Limits,
        *,
        sandbox: str,
        cap: Callable[[], Cap],
        remedies: tuple[Remedy, ...] = (),
        begin: Callable[[str], None] | None = None,
        files: Files | None = None,
    ) -> None:
        self._executor, self._outputs, self._emitter, self._approvals = executor, outputs, emitter, approvals
        self._options, self._limits, self._sandbox, self._cap = options, limits, sandbox, cap
        self._remedies, self._begin, self._files = remedies, begin, files
        self.ask: Ask | None = None
        """Who answers calls of tools by code that runs; None: this session has none."""
        self.kept: list[OutputRef] = []
        """Whole outputs of the session in order; the model knows the n-th as `out<n>`."""

    async def run(self, permit: Permit, action: Action) -> ActionFinished:
        """Carry out one permitted action and log its end.

        Raises:
            StoreError: before the intent was durable nothing was started; after it, the keeper keeps the completion.
            SandboxUnavailable: no walls; the action has its end.
        """
        alone = not action.parent  # what belongs to another action is covered by what is done around that
        taken = await self._files.before(action, permit) if alone and self._files is not None else None
        execution = new_id("x")
        started = ActionStarted(
            action=action.id,
            execution=execution,
            kernel=action.language,
            language=action.language,
            sandbox=self._sandbox if action.language != TOOL else "",
            parent=action.parent,
        )
        await self._emitter.emit(*((taken, started) if taken is not None else (started,)))
        limits = msgspec.structs.replace(self._limits, timeout=self.seconds(action))
        watcher = self._watcher(action, execution)
        work = self._executor.execute(permit, action, execution, watcher, limits)
        return await self._finish(action, execution, work, watcher)

    def seconds(self, action: Action) -> float | None:
        """How long it may run; None: without bound."""
        return self._options.execution_timeout(action.language)

    async def take_up(self, action: Action, execution: str) -> ActionFinished:
        """After a host's death: the completion of an execution that went on, or ended, without us."""
        watcher = self._watcher(action, execution)
        return await self._finish(action, execution, self._executor.reattach(execution, watcher), watcher)

    async def lose(self, action: Action, execution: str) -> ActionFinished:
        """After everything died: nobody knows how far this got, and it is never run again by itself."""
        ref = await asyncio.to_thread(self._executor.left_output, execution)
        if not ref.size:
            return await self._end(action, "lost", Observation(text=CUT_OFF, shown=""))
        completion = await self._keep(Completion(execution=execution, status="lost", output=ref))
        output = await asyncio.to_thread(self._read, completion.output, f"out{len(self.kept)}")
        text = f"{CUT_OFF}\nUntil then it had printed:\n{output}"
        return await self._end(action, "lost", Observation(text=text, shown=output.rstrip("\n")), completion)

    def _watcher(self, action: Action, execution: str) -> Watcher:
        if self._begin is not None and not action.parent:
            self._begin(action.id)
        return Watcher(action.id, execution, self._emitter, self._approvals, self.ask)

    async def _finish(
        self, action: Action, execution: str, work: Awaitable[Completion], watcher: Watcher
    ) -> ActionFinished:
        try:
            completion = await work
            watcher.flush()
        except LanguageMissing as error:
            return await self._end(action, "refused", Observation(text=f"Not run. {error}", shown=str(error)))
        except SandboxUnavailable as error:
            await self._end(action, "refused", Observation(text=f"Not run. {error}", shown=str(error)))
            raise
        except KernelError as error:
            text = f"Not run, or not to its end: the interpreter's own machinery failed, not your code. {error.message}"
            return await self._end(action, "lost", Observation(text=text, shown=str(error)))
        completion = await self._keep(completion)
        number = len(self.kept)
        small = completion.output.size < INLINE
        name = f"out{number}"
        output = (
            self._read(completion.output, name)
            if small
            else await asyncio.to_thread(self._read, completion.output, name)
        )
        facts = diagnose(completion, output)
        remedies = () if action.parent else self._remedies
        remedied = [text for remedy in remedies if (text := await remedy(action, completion))]
        observation = observe(completion, output, self._cap().characters, (*facts, *remedied))
        finished = await self._end(action, completion.status, observation, completion)
        await self._executor.collect(execution)
        return finished

    def _read(self, ref: OutputRef, name: str) -> str:
        """The output as the model reads it: text of many digits or of Chinese takes more tokens, so less of it."""
        cap = self._cap()
        text = read_head_tail(ref, cap.characters, name)
        if cap.tokens is not None and (tokens := estimate_tokens(text)) > cap.tokens:
            text = read_head_tail(ref, cap.characters * cap.tokens // tokens, name)
        return text

    async def _keep(self, completion: Completion) -> Completion:
        """Move the whole output to where it stays; a full disk leaves it where the keeper wrote it."""
        ref = completion.output
        if ref.path:
            try:
                small = ref.size < INLINE
                ref = self._outputs.put_output(ref) if small else await asyncio.to_thread(self._outputs.put_output, ref)
            except StoreError:
                ref = completion.output
        self.kept.append(ref)
        return msgspec.structs.replace(completion, output=ref)

    async def _end(
        self, action: Action, status: str, observation: Observation, completion: Completion | None = None
    ) -> ActionFinished:
        event = ActionFinished(action=action.id, status=status, observation=observation, completion=completion)  # pyright: ignore[reportArgumentType]  # completion states are a subset
        await self._emitter.emit(event)
        return event

    async def page(self, action: Action, arguments: str) -> ActionFinished:
        """Answer `read_output`: a stretch of a kept output. Reads only what the session itself stored."""
        text = await asyncio.to_thread(read_page, self.kept, arguments, self._cap().characters)
        return await self._end(action, "ok", Observation(text=text, shown=""))
