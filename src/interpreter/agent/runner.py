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
from ..types.walls import Limits
from .approvals import Approvals
from .diagnose import diagnose
from .observe import Cap, observe
from .options import AgentOptions
from .paging import read_page
from .ports import Emitter

INLINE = 1 << 16
"""Bytes of an output that are read at once; more are read in a thread."""

Remedy = Callable[[Action, Completion], Awaitable[str]]
"""Looks at a failed completion; may put things right with the person's consent and says so in a sentence, else ""."""


class Executor(Protocol):
    """What the runner needs of `kernels.Kernels`."""

    async def execute(
        self, permit: Permit, action: Action, execution: str, sink: Watcher, limits: Limits
    ) -> Completion: ...

    async def reattach(self, execution: str, sink: Watcher) -> Completion: ...

    async def collect(self, execution: str) -> None: ...


class Outputs(Protocol):
    """What the runner needs of the store: a place where whole outputs stay."""

    def put_output(self, ref: OutputRef) -> OutputRef: ...


class Watcher:
    """What an execution says while it runs, turned into live events and questions."""

    def __init__(self, action: str, emitter: Emitter, approvals: Approvals) -> None:
        self._action, self._emitter, self._approvals = action, emitter, approvals
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
        if not self._approvals.can_ask:
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
    ) -> None:
        self._executor, self._outputs, self._emitter, self._approvals = executor, outputs, emitter, approvals
        self._options, self._limits, self._sandbox, self._cap = options, limits, sandbox, cap
        self._remedies, self._begin = remedies, begin
        self.kept: list[OutputRef] = []
        """Whole outputs of the session in order; the model knows the n-th as `out<n>`."""

    async def run(self, permit: Permit, action: Action) -> ActionFinished:
        """Carry out one permitted action and log its end.

        Raises:
            StoreError: before the intent was durable nothing was started; after it, the keeper keeps the completion.
            SandboxUnavailable: no walls; the action has its end.
        """
        execution = new_id("x")
        await self._emitter.emit(
            ActionStarted(
                action=action.id,
                execution=execution,
                kernel=action.language,
                language=action.language,
                sandbox=self._sandbox,
            )
        )
        limits = msgspec.structs.replace(self._limits, timeout=self._options.execution_timeout(action.language))
        watcher = self._watcher(action)
        work = self._executor.execute(permit, action, execution, watcher, limits)
        return await self._finish(action, execution, work, watcher)

    async def take_up(self, action: Action, execution: str) -> ActionFinished:
        """After a host's death: the completion of an execution that went on, or ended, without us."""
        watcher = self._watcher(action)
        return await self._finish(action, execution, self._executor.reattach(execution, watcher), watcher)

    def _watcher(self, action: Action) -> Watcher:
        if self._begin is not None:
            self._begin(action.id)
        return Watcher(action.id, self._emitter, self._approvals)

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
        remedied = [text for remedy in self._remedies if (text := await remedy(action, completion))]
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
