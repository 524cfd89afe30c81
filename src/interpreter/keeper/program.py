"""Dialect `program`: no kernel process, one program for each execution.

The driver is a script for `sh`, which gets the code on a descriptor, puts it into a file of the walls' own temporary
folder, builds it where that is needed, and becomes the program. So the keeper writes nothing where walled code could
have laid a link. What the script puts into its display descriptor is shown, if the execution names its MIME type.
"""

import base64
import os

from .bash import close_feed, nameless, rewrite
from .execution import Execution
from .frames import Frame, Sender
from .kernel import Kernel

CODE, DISPLAY = 9, 8
"""Descriptors inside; of one digit, because a plain `sh` knows no others."""
MAX_DISPLAY = 64 << 20


class Program:
    """Keeps no state: every end of a program leaves the kernel ready for the next one."""

    def __init__(self, kernel: Kernel) -> None:
        self.kernel = kernel
        self._display = -1
        self._failure = ""

    def start(self) -> None:
        self.kernel.loop.later(0.0, lambda: self.kernel.ready(""))

    def execute(self, execution: Execution) -> None:
        if "\0" in execution.code:
            self.kernel.done("error", 2, {"error": {"name": "SyntaxError", "message": "code cannot hold NUL bytes"}})
            return
        loop = self.kernel.loop
        code = nameless("code")
        rewrite(code, execution.code.encode("utf-8", "surrogateescape"))
        self._display = nameless("display")
        self._failure = ""
        source, feed = os.pipe()
        os.set_blocking(feed, False)
        self.kernel.on_born = self._born
        self.kernel.spawn({0: source, CODE: code, DISPLAY: self._display})
        os.close(source)
        os.close(code)
        script = Sender(loop, feed, lambda: None)
        script.send(str(self.kernel.request.get("driver", "")).encode())
        script.finish(lambda: close_feed(loop, feed))

    def _born(self, error: str) -> None:
        self._failure = error

    def interrupt(self) -> None:
        if self.kernel.process:
            self.kernel.process.signal(2)

    def answer(self, text: str | None) -> None:
        """Programs read from /dev/null: nobody is ever asked."""

    def save(self, frame: Frame) -> int:
        return -1

    def restore(self, frame: Frame) -> int:
        return -1

    def exited(self, status: int) -> None:
        execution = self.kernel.current
        if execution is None:
            return
        self._show(execution)
        # Nothing is lost with a program, so nothing has to be started anew.
        execution.killed = False
        if self._failure:
            self.kernel.done("died", status, {"error": {"name": "LaunchFailed", "message": self._failure}})
        elif status and execution.reason == "interrupt":
            self.kernel.done("interrupted", status, {})
        else:
            self.kernel.done("error" if status else "ok", status, {})

    def _show(self, execution: Execution) -> None:
        mime = execution.request.get("display")
        size = os.fstat(self._display).st_size
        if isinstance(mime, str) and 0 < size <= MAX_DISPLAY:
            data = os.pread(self._display, size, 0)
            text = data.decode(errors="replace") if mime.startswith("text/") else base64.b64encode(data).decode()
            self.kernel.display({mime: text})
        os.close(self._display)
