"""Calls of tools by shell code: the function `interpreter-tool`, and the way between it and the host.

A call is written into a file without a name and told by a line over a pipe; its result comes back likewise. Everything
that runs in the shell could write there: whatever comes is a claim, bounded, and no more than an ordinary call.
"""

import fcntl
import json
import os
from typing import TYPE_CHECKING, Any, cast

from .calls import LARGEST, Calls
from .frames import Frame

if TYPE_CHECKING:
    from .kernel import Kernel

REQUEST, ANSWER, BELL, RING = 243, 244, 245, 242
"""Descriptors inside: what is asked, what is answered, the line that tells of a call, that which tells of its end."""
LINE = 1024
AT_ONCE = 4
NAME = "interpreter-tool"
# In a subshell, so that none of the person's variables and descriptors is touched. Calls that come together wait for
# one another; a line for one that has been killed is passed over.
FUNCTION = r"""
interpreter-tool() (
  \builtin set +eufxvC
  \builtin unalias -a
  case ${1-} in ''|*[!a-zA-Z0-9_-]*)
    \builtin echo 'usage: interpreter-tool NAME {"PARAMETER": "VALUE"}' >&2
    \builtin exit 2 ;;
  esac
  \exec 9<>/dev/fd/243 || \builtin exit 3
  ! \builtin type -P flock >/dev/null || \builtin command flock 9
  \builtin printf '%s' "${2-}" >/dev/fd/243
  call=$BASHPID.$RANDOM$RANDOM
  \builtin printf '\ncall %s %s\n' "$call" "$1" >&245
  while \builtin read -r -u 242 got status; do [[ $got != "$call" ]] || \builtin break; done
  [[ $got == "$call" ]] || { \builtin echo 'interpreter-tool: nobody answers' >&2; \builtin exit 3; }
  if ((status)); then \builtin command cat /dev/fd/244 >&2; else \builtin command cat /dev/fd/244; fi
  \builtin exit "$status"
)
"""
NOT_JSON = f"{NAME}: the second argument has to be a JSON object with the parameters by name."
IDLE = f"{NAME}: tools can be called while a shell cell runs, not after it"
MOST_OPEN = 16


class ShellTools:
    function = FUNCTION

    def __init__(self, kernel: "Kernel", request: int, answer: int) -> None:
        """`request`, `answer`: files without a name; the caller closes them."""
        self.calls = Calls(kernel, self._send)
        self._kernel = kernel
        self._loop, self._request, self._answer = kernel.loop, request, answer
        self._bell, self._bell_inside = os.pipe()
        self._ring_inside, self._ring = os.pipe()
        for fd in (self._bell, self._ring):
            os.set_blocking(fd, False)
            fcntl.fcntl(fd, fcntl.F_SETFD, fcntl.FD_CLOEXEC)
        self._buffer = b""
        self._count = 0
        self._open: dict[int, str] = {}
        """Calls that were not answered yet, by number: what the shell calls them."""

    def inside(self) -> dict[int, int]:
        return {REQUEST: self._request, ANSWER: self._answer, BELL: self._bell_inside, RING: self._ring_inside}

    def begin(self) -> None:
        """The shell has its descriptors."""
        os.close(self._bell_inside)
        os.close(self._ring_inside)
        self._loop.watch(self._bell, read=self._read)

    def end(self) -> None:
        self._loop.unwatch(self._bell)
        os.close(self._bell)
        os.close(self._ring)

    def _read(self) -> None:
        try:
            data = os.read(self._bell, 4 * LINE)
        except BlockingIOError:
            return
        if not data:
            self._loop.unwatch(self._bell)
            return
        *lines, rest = (self._buffer + data).split(b"\n")
        self._buffer = rest[-LINE:]
        # Calls wait for one another, so one comes at a time; of a flood only the end is looked at, and then others.
        for line in lines[-AT_ONCE:]:
            words = line[:LINE].decode("ascii", "replace").split(" ")
            if len(words) == 3 and words[0] == "call":
                self._ask(words[1], words[2])

    def _ask(self, call: str, name: str) -> None:
        if self._kernel.current is None:
            self._say(call, 3, IDLE)
            return
        data = os.pread(self._request, LARGEST + 1, 0)
        try:
            given: Any = json.loads(data.decode()) if data.strip() else {}
        except (ValueError, RecursionError):
            given = None
        if not isinstance(given, dict):
            self._say(call, 1, NOT_JSON)
            return
        self._count += 1
        self._open[self._count] = call
        if len(self._open) > MOST_OPEN:
            del self._open[min(self._open)]
        arguments = json.dumps({"args": [], "kwargs": given})
        self.calls.ask({"number": self._count, "name": name, "arguments": arguments})

    def _send(self, frame: Frame) -> None:
        call = self._open.pop(frame["number"], "")
        answer = cast("dict[str, Any]", json.loads(frame["text"]))
        if not answer.get("ok"):
            self._say(call, 1, f"{NAME}: {answer.get('error') or 'the call failed'}")
            return
        value = answer.get("value")
        self._say(call, 0, value if isinstance(value, str) else json.dumps(value, ensure_ascii=False))

    def _say(self, call: str, status: int, text: str) -> None:
        data = text.encode("utf-8", "replace")
        try:
            os.ftruncate(self._answer, 0)
            os.pwrite(self._answer, data if data.endswith(b"\n") or not data else data + b"\n", 0)
        except OSError:
            status = 3  # no memory is left for it
        try:
            os.write(self._ring, f"{call} {status}\n".encode("ascii", "replace"))
        except OSError:
            pass  # nobody has read for long, or nobody is left
