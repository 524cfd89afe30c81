"""Calls of tools by the code of one guest: passed to the host, one at a time, and answered when it has answered.

Without a host a call waits, as a request for input does: who comes back is told of it again.
"""

import json
from collections.abc import Callable
from typing import TYPE_CHECKING

from .frames import Frame

if TYPE_CHECKING:
    from .kernel import Kernel

LARGEST = 512 << 10
"""Bytes of one call."""
BUSY = "Another call of a tool has not been answered yet."
TOO_LARGE = "The call is too large."
NOBODY = "Nobody answers calls of tools here."


class Calls:
    def __init__(self, kernel: "Kernel", send: Callable[[Frame], None]) -> None:
        self._kernel, self._send = kernel, send
        self._count = 0

    def ask(self, frame: Frame) -> None:
        """What the guest asks for; every field of it is a claim."""
        execution = self._kernel.current
        number, name, arguments = frame.get("number"), frame.get("name"), frame.get("arguments")
        if execution is None or not isinstance(number, int):
            return
        if not (isinstance(name, str) and isinstance(arguments, str)) or len(name) + len(arguments) > LARGEST:
            self._refuse(number, TOO_LARGE)
        elif not execution.interactive:
            self._refuse(number, NOBODY)
        elif execution.asked:
            self._refuse(number, BUSY)
        else:
            if self._kernel.process:
                self._kernel.process.drain()
            execution.output.flush_live()
            self._count += 1
            event = {"event": "tool", "execution": execution.id, "call": self._count}
            execution.asked = {**event, "number": number, "name": name, "arguments": arguments}
            self._kernel.services.emit(execution.asked)

    def _refuse(self, number: int, why: str) -> None:
        self._answer(number, json.dumps({"ok": False, "error": why}))

    def _answer(self, number: int, text: str) -> None:
        if self._kernel.current:
            frame = {"op": "tool", "id": self._kernel.current.token, "number": number, "text": text}
            self._send(frame)

    def answered(self, execution: str, call: int, text: str) -> bool:
        """The host's answer; False where nobody waits for it any more."""
        current = self._kernel.current
        asked = current.asked if current and current.id == execution else None
        if not current or not asked or asked["event"] != "tool" or asked["call"] != call:
            return False
        current.asked = None
        self._answer(asked["number"], text)
        return True

    def interrupted(self) -> None:
        """The code was stopped while it waited: it waits no more."""
        current = self._kernel.current
        if current and current.asked and current.asked["event"] == "tool":
            current.asked = None
