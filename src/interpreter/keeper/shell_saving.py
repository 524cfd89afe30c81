"""Checkpoints of a shell: it is asked what it holds, and a new one is given that.

The shell forks twice and the grandchild tells, so that nothing of it changes and it goes on at once. It writes into a
file without a name; what is made of that is made here, outside the walls.
"""

import os
import signal
import socket
import time
from collections.abc import Callable

from . import shell_records as records
from . import shell_state as state
from . import walls
from .frames import Frame
from .kernel import Kernel

MOST, ALL = 8 << 20, 32 << 20
"""Bytes of one variable and of all; a shell is no place for more."""
AT_ONCE = 64 << 10
"""Bytes of a dump that are read in the keeper itself; for more it forks."""
PATIENCE = 60
"""Seconds after which a process that was forked for a dump ends, whatever it waits for."""
FORGET = 30.0
"""Seconds after which a shell that never answered is asked again."""


class Question:
    """What the shell was asked, and for what."""

    def __init__(self, purpose: str, token: str = "", frame: Frame | None = None) -> None:
        self.purpose = purpose
        self.token = token or os.urandom(10).hex()
        self.frame = frame or {}
        self.most = min(self.frame.get("variable") or MOST, MOST)
        self.all = min(self.frame.get("total") or ALL, ALL)
        self.since = time.monotonic()
        self.socket: socket.socket | None = None

    def words(self) -> str:
        """Two subshells, and none of the person's functions and aliases between us and the shell's own words. What they
        are to be told as they are here, and not as they are in the background, the first one writes."""
        return (
            f"( _kept_set=$SHELLOPTS _kept_shopt=$BASHOPTS _kept_token={self.token} _kept_lost= "
            f"_kept_most={self.most} _kept_all={self.all}; \\builtin set +o posix; "
            "\\builtin declare -F >|/dev/fd/246; \\builtin mapfile -t _kept_functions </dev/fd/246; "
            "\\builtin trap -p >|/dev/fd/246; "
            f'( \\builtin . /dev/fd/247; \\builtin echo "saved {self.token}$_kept_lost" >&252 ) & )\n'
        )


class Saving:
    """Belongs to one shell. `send` writes lines to it; what it says of its state comes to `told`."""

    def __init__(self, kernel: Kernel, send: Callable[[str], None], dump: int, code: int) -> None:
        self._kernel = kernel
        self._send = send
        self._dump, self._code = dump, code
        self._born: state.Pieces | None = None
        """What the shell held before anything ran in it; None until it has told."""
        self._question: Question | None = None
        self._taken: records.Taken | None = None
        self.execution = ""
        """The token of the last one that ran."""
        self._made: dict[str, str] = {}
        """Of what is too large: the execution after which it was so for the first time."""

    def begin(self) -> None:
        self._ask(Question("born"))

    def save(self, frame: Frame) -> int:
        """Begin to save; the descriptor from which the records are read."""
        asked = self._question
        ours, theirs = self._pair()
        if self._born is None or (asked and time.monotonic() - asked.since < FORGET):
            records.fail(ours, frame["id"], "the shell has not yet told what it was asked before")
            ours.close()
        else:
            question = Question("save", frame["id"], frame)
            question.socket = ours
            self._ask(question)
        return theirs

    def restore(self, frame: Frame) -> int:
        """Take a state; the descriptor to which its records are written. Ends with what the new shell has of it."""
        ours, theirs = self._pair()
        self._taken = records.Taken(ours, frame["id"])
        self._kernel.loop.watch(ours.fileno(), read=self._take)
        return theirs

    def _pair(self) -> tuple[socket.socket, int]:
        """Ours, and the one that is handed to a child at once; here it is not needed for longer."""
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        ours.setblocking(False)
        self._kernel.loop.later(0.0, theirs.close)
        return ours, theirs.fileno()

    def end(self) -> None:
        """The shell is gone."""
        self._drop()
        self._close_taken()

    def told(self, token: str, lost: list[str]) -> None:
        """It has answered. An answer to a question that is not asked any more counts for nothing."""
        question = self._question
        if question is None or question.token != token:
            return
        if question.purpose == "save":
            self._made = {name: self._made.get(name, self.execution) for name in lost}
            self._tell(question)
            self._drop()
            return
        self._drop()
        try:
            pieces, _ = state.read(self._read(question), token)
        except state.Unreadable as error:
            self._kernel.services.log(f"{self._kernel.id}: what the shell told cannot be read: {error}")
            self._refuse(str(error))
            return
        if question.purpose == "born":
            self._born = pieces
            self._give()
        else:
            self._compare(pieces)

    # --- asking

    def _ask(self, question: Question) -> None:
        self._drop()
        self._question = question
        self._send(question.words())

    def _drop(self) -> None:
        if self._question and self._question.socket:
            self._question.socket.close()
        self._question = None

    def _read(self, question: Question) -> bytes:
        size = os.fstat(self._dump).st_size
        return os.pread(self._dump, min(size, 2 * question.all), 0)

    # --- saving

    def _tell(self, question: Question) -> None:
        if question.socket is None or self._born is None:
            return
        if os.fstat(self._dump).st_size <= AT_ONCE:
            records.tell(question.socket, question.frame, self._read(question), self._born, self._made)
            return
        pid = os.fork()
        if pid == 0:
            try:
                signal.set_wakeup_fd(-1)
                signal.signal(signal.SIGALRM, signal.SIG_DFL)
                signal.alarm(PATIENCE)
                walls.close_others({self._dump, question.socket.fileno()})
                question.socket.setblocking(True)
                records.tell(question.socket, question.frame, self._read(question), self._born, self._made)
            finally:
                os._exit(0)
        self._kernel.services.reaper.expect(pid, lambda status: None)

    # --- restoring

    def _take(self) -> None:
        if self._taken and self._taken.read():
            self._kernel.loop.unwatch(self._taken.socket.fileno())
            self._give()

    def _give(self) -> None:
        """As soon as the state and what the new shell was born with are both here."""
        taken = self._taken
        if taken is None or not taken.ended or self._born is None:
            return
        try:
            pieces = taken.pieces()
        except state.Unreadable as error:
            self._refuse(str(error))
            return
        os.ftruncate(self._code, 0)
        text = memoryview(state.compose(pieces, self._born))
        at = 0
        while at < len(text):
            at += os.pwrite(self._code, text[at:], at)
        self._send("\\. /dev/fd/251 </dev/null >/dev/null 2>&1\n")
        self._ask(Question("compare"))

    def _compare(self, pieces: state.Pieces) -> None:
        """What the new shell says that it holds is what it holds."""
        if self._taken is None or self._born is None:
            return
        wanted, there = self._taken.pieces(), state.own(pieces, self._born)
        other = sorted(key for key, text in wanted.items() if there.get(key) != text and key[0] != b"O")
        for kind, name in other:
            if kind == b"f" and (kind, name) in there:
                # Better none than another one.
                self._send(f"builtin unset -f -- {state.quoted(name).decode(errors='surrogateescape')}\n")
        missing = [
            {
                "name": state.called(*key),
                "type": state.TYPES[key[0]],
                "reason": "the new shell did not take it as it was",
            }
            for key in other
        ]
        self._report({"names": len(wanted) - len(other), "missing": missing})

    def _refuse(self, why: str) -> None:
        self._report({"names": 0, "missing": [], "error": why})

    def _report(self, report: Frame) -> None:
        if self._taken:
            token = self._taken.token
            self._close_taken()
            if self._kernel.checkpoints:
                self._kernel.checkpoints.taken({**report, "id": token})

    def _close_taken(self) -> None:
        if self._taken:
            self._kernel.loop.unwatch(self._taken.socket.fileno())
            self._taken.socket.close()
            self._taken = None
