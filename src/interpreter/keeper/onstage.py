"""Short programs of the host's on the stage of a session: how its tools see what kernels have written there.

They are born in walls like a kernel's process, in the same overlays, and what they print is a claim like all that
comes from inside. Standard library only.
"""

import base64
from collections.abc import Callable

from .frames import Frame
from .loop import Loop
from .process import Process, Reaper
from .stage import Stages

MOST_AT_A_TIME = 4
LARGEST = 8 << 20
"""Bytes of what one may print."""
LONGEST = 600.0
"""Seconds."""

Answer = Callable[[Frame], None]


class OnStage:
    def __init__(self, loop: Loop, reaper: Reaper, stages: Stages) -> None:
        self._loop, self._reaper, self._stages = loop, reaper, stages
        self._running: dict[int, Process] = {}
        self._count = 0

    def run(self, frame: Frame, answer: Answer) -> None:
        """Answers with `status` and `output` when it has ended; `late`, where that was after `seconds`."""
        launch = dict(frame["launch"])
        most, seconds = min(int(frame["most"]), LARGEST), min(float(frame["seconds"]), LONGEST)
        failed = {"ok": False, "error": "launch"}
        if len(self._running) >= MOST_AT_A_TIME:
            answer({**failed, "message": "too many programs look at the stage already"})
            return
        try:
            # No way out: whatever the session's code has, a look at files needs none.
            born = {**launch, "proxy": None, "entrance": self._stages.entrance(launch["stage"])}
            born["seccomp"] = base64.b64decode(launch.get("seccomp") or "")
        except OSError as error:
            answer({**failed, "error": "stage", "message": error.strerror or str(error)})
            return
        data, why, late = bytearray(), [""], [False]
        self._count += 1
        number = self._count

        def output(_stream: int, piece: memoryview) -> None:
            data.extend(piece[: max(0, most - len(data))])

        def started(error: str) -> None:
            why[0] = error

        def stop() -> None:
            late[0] = True
            self._running[number].kill()

        def ended(status: int) -> None:
            del self._running[number]
            timer.cancel()
            if why[0]:
                answer({**failed, "message": why[0]})
            else:
                text = base64.b64encode(data).decode()
                answer({"status": status, "output": text, "late": late[0]})

        timer = self._loop.later(seconds, stop)
        try:
            made = Process(self._loop, self._reaper, born, {}, output=output, started=started, ended=ended)
        except OSError as error:
            timer.cancel()
            answer({**failed, "message": str(error)})
            return
        self._running[number] = made
