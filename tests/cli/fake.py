"""A session for tests of the front end: it keeps the contract of events and ops, and plays small scenes.

The scene is the first word of the task: `answer`, `code`, `forever`, `input`, `show`, `fail`.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Literal

from interpreter.config.settings import Settings
from interpreter.errors import ModelUnreachable, UsageError
from interpreter.session.hub import Hub
from interpreter.types.actions import Action, Completion, Display, ErrorReport, Observation
from interpreter.types.base import code_sha256
from interpreter.types.events import (
    ActionFinished,
    ActionProposed,
    ActionStarted,
    ApprovalRequested,
    ApprovalResolved,
    CodeDelta,
    ConversationUndone,
    Event,
    ModeChanged,
    ModelAnswered,
    ModelAsked,
    OutputChunk,
    ReasoningDelta,
    SessionClosed,
    Stored,
    TextDelta,
    TurnFinished,
    TurnStarted,
)
from interpreter.types.messages import ServerFacts, Usage
from interpreter.types.ops import Interrupt, Op, ResolveApproval, SetMode, SubmitInput, Undo
from interpreter.types.rules import Mode
from interpreter.types.turns import OpenLeft

CODE = "import math\nprint(math.pi)"


class NoLog:
    """The front end does not look at the log."""

    async def append(self, event: Event, /, *more: Event) -> list[Stored]:
        return []


class FakeSession:
    def __init__(self, settings: Settings, workspace: Path, resume: str | None) -> None:
        self.id = resume or "s_0123456789abcdef0123"
        self.workspace = workspace
        self.where = "bubblewrap, in " + str(workspace)
        self.pending: tuple[Action, ...] = ()
        self.left: OpenLeft | None = None
        self.guest: Literal["", "joined", "watching"] = ""
        self.busy = False
        self.staging = None
        self.mode: Mode = settings.agent.mode
        self.window = 8192
        self.facts = ServerFacts(api_base="http://127.0.0.1:1/v1", model="fake-4b")
        self._settings = settings
        self._hub = Hub(NoLog())
        self._answers: asyncio.Queue[ResolveApproval | None] = asyncio.Queue()
        self._turn: asyncio.Task[None] | None = None
        self._count = 0

    @property
    def scratch(self) -> Path:
        folder = self.workspace / ".scratch"
        folder.mkdir(exist_ok=True)
        return folder

    @property
    def auto(self) -> bool:
        return self.mode == "auto"

    def leave(self) -> None:
        self._answers.put_nowait(None)

    def watch(self) -> AsyncIterator[Event]:
        return self._hub.watch()

    async def send(self, op: Op) -> None:
        match op:
            case SubmitInput():
                if not op.text.strip():
                    raise UsageError("There is nothing to do: the task is empty.")
                self._count += 1
                self._turn = asyncio.get_running_loop().create_task(self._play(f"t{self._count}", op.text))
            case ResolveApproval():
                self._answers.put_nowait(op)
            case Interrupt():
                self._answers.put_nowait(None)
            case SetMode():
                self.mode = op.mode or ("auto" if op.auto else "ask")
                await self._hub.emit(ModeChanged(auto=self.auto, mode=self.mode))
            case Undo():
                await self._hub.emit(ConversationUndone(turn="t1"))
            case _:
                pass

    async def close(self, *, keep_kernels: bool | None = None) -> None:
        await self._hub.emit(SessionClosed(reason="parked" if keep_kernels else "closed"))

    async def _play(self, turn: str, text: str) -> None:
        emit, show = self._hub.emit, self._hub.show
        await emit(TurnStarted(turn=turn, text=text))
        await emit(ModelAsked(turn=turn, step=1, model="fake-4b", api_base="x", messages=2, size=100))
        scene, _space, rest = text.partition(" ")
        reason, code, answer = "done", 0, f"You said: {text}"
        if scene in ("code", "forever", "input", "show"):
            reason, code, answer = await self._code(turn, scene, rest)
        elif scene == "fail":
            reason, code, answer = "model", 6, "The model's server does not answer."
        else:
            show(ReasoningDelta(turn=turn, text="I think."))
            for word in ("## Result\n\n", "It is ", "**done** ", "好的。\n"):
                show(TextDelta(turn=turn, text=word))
            answer = "## Result\n\nIt is **done** 好的。\n" + answer
        await emit(ModelAnswered(turn=turn, step=1, text=answer, usage=Usage(prompt=10, completion=5)))
        usage = Usage(prompt=10, cached=4, completion=5)
        await emit(
            TurnFinished(
                turn=turn, reason=reason, exit_code=code, text=answer, steps=1, usage=usage, duration=0.5  # pyright: ignore[reportArgumentType]
            )
        )  # fmt: skip

    async def _code(self, turn: str, scene: str, rest: str) -> tuple[str, int, str]:
        emit, show = self._hub.emit, self._hub.show
        source = rest.encode().decode("unicode_escape") if rest else CODE
        action = Action(id="a_1", language="python", code=source, sha256=code_sha256(source))
        show(CodeDelta(turn=turn, index=0, text='{"language": "python", "code": "import ma'))
        said = "I will compute it."
        show(TextDelta(turn=turn, text=said))
        await emit(ModelAnswered(turn=turn, step=1, text=said, usage=Usage(prompt=10, completion=5)))
        await emit(ActionProposed(turn=turn, step=1, action=action))
        if not self.auto:
            if not self._settings.agent.can_ask:
                await self._finish("not_run", Observation(text="Not run.", shown=""))
                return "waiting", 4, f"To approve it and go on: interpreter --resume {self.id} -y"
            await emit(ApprovalRequested(approval="ap_1", kind="run", action="a_1", where=self.where))
            answer = await self._answers.get()
            if answer is None:
                await emit(ApprovalResolved(approval="ap_1", answer="cancelled", by="harness"))
                await self._finish("not_run", Observation(text="Not run.", shown=""))
                return "interrupted", 130, "Interrupted."
            edited = Action(id="a_1", language="python", code=answer.code, sha256=code_sha256(answer.code))
            changed = edited if answer.answer == "edit" else None
            action = changed or action
            await emit(
                ApprovalResolved(
                    approval="ap_1", answer=answer.answer, by="person", reason=answer.reason, action=changed
                )
            )
            if answer.answer == "no":
                await self._finish("denied", Observation(text="Not run.", shown=""))
                return "denied", 3, f"denied:{answer.reason}"
        await emit(ActionStarted(action="a_1", execution="x", kernel="python", language="python", sandbox="bwrap"))
        return await self._run(scene, action)

    async def _run(self, scene: str, action: Action) -> tuple[str, int, str]:
        emit, show = self._hub.emit, self._hub.show
        if scene == "forever":
            show(OutputChunk(action="a_1", stream="stdout", text="tick\n"))
            await self._answers.get()
            await self._finish("interrupted", Observation(text="stopped", shown="tick\n"), 1.0)
            return "interrupted", 130, "Interrupted."
        if scene == "input":
            await emit(
                ApprovalRequested(
                    approval="ap_2", kind="input", action="a_1", question="The program asks.", subject="Name: "
                )
            )
            answer = await self._answers.get()
            text = answer.text if answer else ""
            await emit(ApprovalResolved(approval="ap_2", answer="yes", by="person"))
            show(OutputChunk(action="a_1", stream="stdout", text=f"hello {text}\n"))
            await self._finish("ok", Observation(text="hello", shown="hello"))
            return "done", 0, "asked"
        if scene == "show":
            display = Display(mime="image/png", path="/nowhere/plot.png")
            done = Completion(
                execution="x", status="error", duration=0.2, displays=(display,),
                error=ErrorReport(name="KeyError", message="'date'", traceback="Traceback\nKeyError: 'date'"),
            )  # fmt: skip
            await emit(
                ActionFinished(
                    action="a_1", status="error", observation=Observation(text="", shown=""), completion=done
                )
            )
            return "failed", 1, "It failed."
        show(OutputChunk(action="a_1", stream="stdout", text="3.14159\n"))
        await self._finish("ok", Observation(text="3.14159", shown="3.14159\n"))
        return "done", 0, f"ran {action.sha256[:8]}"

    async def _finish(self, status: str, observation: Observation, duration: float = 0.1) -> None:
        ran = status not in ("denied", "not_run")
        done = Completion(execution="x", status=status, duration=duration) if ran else None  # pyright: ignore[reportArgumentType]
        await self._hub.emit(
            ActionFinished(action="a_1", status=status, observation=observation, completion=done)  # pyright: ignore[reportArgumentType]
        )


async def open_fake(settings: Settings, *, resume: str | None = None, workspace: Path | None = None) -> FakeSession:
    if settings.llm.model == "absent":
        raise ModelUnreachable("No model answers.", "Start one.")
    return FakeSession(settings, workspace or Path.cwd(), resume)
