"""A session's events as they come from a real conversation: two turns, a repair, an image, an undone turn."""

from __future__ import annotations

from pathlib import Path

import msgspec

from interpreter.store import SessionLog
from interpreter.types.actions import Completion, Display, ErrorReport, Observation, OutputRef
from interpreter.types.events import (
    ActionFinished,
    ActionProposed,
    ActionStarted,
    ApprovalResolved,
    ConversationUndone,
    Event,
    ModelAnswered,
    NoteAdded,
    TurnFinished,
)
from tests.store.samples import action, done, started, turn

PNG = b"\x89PNG\r\n\x1a\n" + b"\x00" * 40
FENCED = "Let me look.\n\n```python\nprint(open('x').read())\n```\nThen I go on."


def ran(name: str, output: OutputRef, error: ErrorReport | None = None, **rest: object) -> ActionFinished:
    completion = Completion(execution=f"x_{name}", status="error" if error else "ok", output=output, error=error)
    completion = msgspec.structs.replace(completion, **rest)
    return ActionFinished(
        action=name,
        status="error" if error else "ok",
        observation=Observation(text=f"observed {name}", shown=f"observed {name}"),
        completion=completion,
    )


def answered(number: int, text: str) -> ModelAnswered:
    return ModelAnswered(turn=f"t_{number}", step=1, text=text)


def proposed(number: int, code: str, name: str, language: str = "python", call: str = "") -> ActionProposed:
    return ActionProposed(turn=f"t_{number}", step=1, action=action(code, name, language, call))


def begun(name: str) -> ActionStarted:
    return ActionStarted(action=name, execution=f"x_{name}", kernel="k_1", language="python", sandbox="host")


def conversation(log: SessionLog) -> list[Event]:
    text = log.put_bytes(b"\x1b[1mprinted\x1b[0m password=hunter2\n", ".out")
    image = log.put_bytes(PNG, ".png")
    shown = Display(mime="image/png", path=image.path, text="<Figure>", size=image.size)
    failed = ErrorReport(name="FileNotFoundError", message="x", traceback="Traceback ...\nFileNotFoundError: x", line=1)
    return [
        started(log.id),
        turn(1, "Read x.\nThen plot it. My token=abcd1234 is here."),
        answered(1, FENCED),
        proposed(1, "print(open('x').read())", "a_1"),
        begun("a_1"),
        ran("a_1", OutputRef(), failed),
        NoteAdded(text="Try another way."),
        answered(1, ""),
        proposed(1, "print('printed')", "a_2", call="call_1"),
        ApprovalResolved(approval="p_1", answer="edit", by="person", action=action("print('edited')", "a_2")),
        begun("a_2"),
        ran("a_2", text, None, result="42", displays=(shown,)),
        NoteAdded(text="and hurry", source="person"),
        proposed(1, "ls *.png", "a_3", "shell", "call_2"),
        ran("a_3", OutputRef()),
        answered(1, "Here it is."),
        done(1, "Here it is."),
        turn(2, "Forget this"),
        answered(2, "Forgotten words"),
        proposed(2, "1/0", "a_4", call="call_3"),
        ran("a_4", OutputRef()),
        done(2),
        ConversationUndone(turn="t_2"),
        turn(3, "And now?"),
        TurnFinished(turn="t_3", reason="model", exit_code=6, text="The server is gone."),
    ]


def image_path(log: SessionLog) -> Path:
    return next((log.folder / "blobs").glob("*.png"))
