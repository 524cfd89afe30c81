"""Dialect `bash`: one shell that keeps its directory, variables and functions.

Two shells run inside the walls. The outer one reads the driver and does nothing but start the inner one, again and
again, and tell how it ended. The inner one is interactive without job control, so that SIGINT takes it back to its top
from wherever it is; its commands come from us, a line at a time. The code lies in a file without a name, which the
shell sources: any size at once, its own line numbers, and an open quote ends with the file. Before each code, and when
it exits, the shell writes its state into a second such file, from which the next one goes on.

Descriptors inside: code, control (to us), dump, commands (from us). All that comes back is a claim.
"""

import os
import re
from typing import TYPE_CHECKING, Any

from .execution import Execution
from .frames import Frame, Sender
from .kernel import Kernel
from .loop import Loop

if TYPE_CHECKING:
    from .shell_saving import Saving
    from .shell_tools import ShellTools

LINE = 4096
"""Bytes of one line from the shell; a longer one breaks the protocol."""
ALWAYS_DUMP = 256 << 10
"""Bytes. A smaller state is written before every code, a larger one only before code that may end the shell."""
MAY_END = re.compile(rb"\b(?:exec|trap|kill|ulimit|logout|set)\b")
KEPT = {b"# exit\n": "kept", b"# start\n": "as before this code"}
"""How the dump ends, and what the next shell then has."""
TRIES = 5
"""Shells in a row that end before they are ready."""
OPEN_HEREDOC = re.compile(rb"here-document at line (\d+) delimited by end-of-file \(wanted [`'](.*)'\)")
PATIENCE = 4
"""Of the kernel's repeated requests to interrupt, every so many sends the signal again."""

STATE = (
    "\\builtin declare -p; \\builtin declare -f; \\builtin declare -F; \\builtin alias -p; \\builtin umask -p; "
    "\\builtin printf 'cd -- %q\\n' \"$PWD\"; \\builtin trap -p; \\builtin shopt -p; \\builtin set +o; "
)
WORDS = "\\builtin printf 'set --'; ((!$#)) || \\builtin printf ' %q' \"$@\"; \\builtin printf '\\n'"


class Shell:
    """What differs between shells: the words and numbers of the lines that we send."""

    fds = {"words": 248, "code": 251, "control": 252, "dump": 253, "commands": 254}
    state = {"state": 246, "teller": 247}
    """Further ones of a shell that can tell what it holds."""
    talks = False
    """Other words than ours may come from it."""

    def begin(self) -> str:
        # Of a shell that exits inside a function, the words would be those of the function.
        dump = f"{{ {STATE}((${{#FUNCNAME[@]}} > 1)) || {{ {WORDS}; }}; \\builtin printf '# exit\\n'; }} >|/dev/fd/253"
        quoted = dump.replace("'", "'\\''")
        quiet = f"PS1= PS2= PS4='+ '; unset HISTFILE MAILCHECK; trap '{quoted}' EXIT"
        return f"{quiet}\nprintf 'ready %s\\n' \"$BASH_VERSION\" >&252\n"

    def dump(self) -> str:
        return f"{{ {STATE}\\builtin printf '# start\\n'; }} >|/dev/fd/253; {{ {WORDS}; }} >|/dev/fd/248\n"

    def no_dump(self) -> str:
        return ": >|/dev/fd/253\n"

    def restore(self) -> str:
        return "\\. /dev/fd/248\n\\. /dev/fd/253\n"

    def check(self, token: str) -> str:
        return f"LC_ALL=C \"$BASH\" -n /dev/fd/251 2>|/dev/fd/253\nprintf 'checked {token}\\n' >&252\n"

    def run(self, token: str, last: int) -> str:
        # `return` in a sourced text is the one way to set $? without another process.
        before = f"\\. /dev/fd/0 <<<'return {last}' || " if last else ""
        return f"{before}\\. /dev/fd/251 0</dev/null 1>&249 2>&250 249>&- 250>&- 252>&-\n{self.mark(token)}"

    def mark(self, token: str) -> str:
        return f'\\builtin echo done {token} "$?" >&252\n'


class PlainShell(Shell):
    """Any POSIX shell, where bash is missing: descriptors of one digit, and a smaller state.

    It forgets the lines that it has read when a text has a wrong syntax, so the end is asked for at its prompt, which
    comes to us together with its own complaints.
    """

    fds = {"code": 5, "control": 6, "dump": 7, "commands": 8, "words": 9}
    state = {}
    talks = True

    def begin(self) -> str:
        dump = self._state("exit").replace("'", "'\\''")
        return f"trap '{dump}' EXIT\nprintf 'ready sh\\n' >&6\n"

    def dump(self) -> str:
        return self._state("start") + "\n"

    def no_dump(self) -> str:
        return ": >|/dev/fd/7\n"

    def _state(self, when: str) -> str:
        lines = "set; export -p; alias | sed 's/^/alias /'; echo \"umask $(umask)\"; echo 'cd -- \"$PWD\"'"
        return f"{{ {lines}; echo '# {when}'; }} >|/dev/fd/7"

    def restore(self) -> str:
        return ". /dev/fd/7\n"

    def check(self, token: str) -> str:
        return f"sh -n /dev/fd/5 2>|/dev/fd/7\nprintf 'checked {token}\\n' >&6\n"

    def run(self, token: str, last: int) -> str:
        return ". /dev/fd/5 0</dev/null 1>&3 2>&4 3>&- 4>&- 6>&-\n"

    def mark(self, token: str) -> str:
        return f'echo done {token} "$?" >&6\n'


class Bash:
    """A reply counts only with the token of the running execution, which the shell learns with its code."""

    def __init__(self, kernel: Kernel) -> None:
        self.kernel = kernel
        argv: list[str] = kernel.launch["argv"]
        self._shell = PlainShell() if os.path.basename(argv[-1]) == "sh" else Shell()
        self._code = nameless("code")
        self._dump = nameless("dump")
        self._words = nameless("words")
        self._files = [self._code, self._dump, self._words]
        self._saving: Saving | None = None
        self.tools: ShellTools | None = None
        self._commands: Sender | None = None
        self._control = -1
        self._feed = -1
        self._buffer = b""
        self._token = ""
        self._stale = ""
        """Of the execution before: a shell that ended with it leaves its last line to the next one."""
        self._last = 0
        self._tries = 0
        self._asked = 0
        self._dumped = 0

    def start(self) -> None:
        loop = self.kernel.loop
        control, control_inner = os.pipe()
        commands_inner, self._feed = os.pipe()
        source, driver_feed = os.pipe()
        self._control = control
        for fd in (control, self._feed, driver_feed):
            os.set_blocking(fd, False)
        fds = self._shell.fds
        inner = {0: source, fds["code"]: self._code, fds["control"]: control_inner}
        inner |= {fds["dump"]: self._dump, fds["words"]: self._words}
        parts: dict[str, str] = self.kernel.request.get("parts") or {}
        told = {}
        if self.kernel.checkpoints and "state" in parts:
            told = {number: nameless(name) for name, number in self._shell.state.items()}
            self._files += told.values()
        if "tools" in parts:
            # A shell that no tools are lent to does not pay for them.
            from .shell_tools import ShellTools

            self._files += (request := nameless("request")), (answer := nameless("answer"))
            self.tools = ShellTools(self.kernel, request, answer)
            inner |= self.tools.inside()
        self.kernel.spawn(inner | told | {fds["commands"]: commands_inner})
        if self.tools:
            self.tools.begin()
        for fd in (source, control_inner, commands_inner):
            os.close(fd)
        driver = Sender(loop, driver_feed, lambda: None)
        driver.send(str(self.kernel.request.get("driver", "")).encode())
        driver.finish(lambda: close_feed(loop, driver_feed))
        self._commands = Sender(loop, self._feed, lambda: None)
        self._send(self._begin())
        if told:
            self._begin_saving(parts["state"], *told.values())
        loop.watch(control, read=self._read)

    def _begin(self) -> str:
        return (self.tools.function if self.tools else "") + self._shell.begin()

    def _begin_saving(self, source: str, dump: int, teller: int) -> None:
        # Only now: no session without a shell pays for it, and no shell waits for it.
        from .shell_saving import Saving

        rewrite(teller, source.encode())
        self._saving = Saving(self.kernel, self._send, dump, self._code)
        self._saving.begin()

    def save(self, frame: Frame) -> int:
        return self._saving.save(frame) if self._saving else -1

    def restore(self, frame: Frame) -> int:
        return self._saving.restore(frame) if self._saving else -1

    def execute(self, execution: Execution) -> None:
        code = execution.code.encode("utf-8", "surrogateescape")
        self._token = ""
        if b"\0" in code:
            error = {"name": "SyntaxError", "message": "shell code cannot hold NUL bytes"}
            self.kernel.done("error", 2, {"error": error})
            return
        self._token = execution.token
        if self._saving:
            self._saving.execution = execution.token
        self._asked = 0
        rewrite(self._code, code)
        if b"<<" in code:
            self._send(self._shell.check(self._token))
        else:
            self._run(code)

    def _run(self, code: bytes) -> None:
        if self._dumped <= ALWAYS_DUMP or MAY_END.search(code):
            self._send(self._shell.dump())
        else:
            self._send(self._shell.no_dump())
        self._send(self._shell.run(self._token, self._last))

    def interrupt(self) -> None:
        # A child may need a moment to clean up, and a second signal would take it away.
        if self.tools:
            self.tools.calls.interrupted()
        if self._asked % PATIENCE == 0 and self.kernel.process:
            self.kernel.process.signal(2)
        self._asked += 1

    def answer(self, text: str | None) -> None:
        """Programs of a shell read from /dev/null: nobody is ever asked."""

    def exited(self, status: int) -> None:
        if self._control >= 0:
            for fd in (self._control, self._feed):
                self.kernel.loop.unwatch(fd)
                os.close(fd)
            if self._saving:
                self._saving.end()
            if self.tools:
                self.tools.end()
            for fd in self._files:
                os.close(fd)
            self._control = -1
            self._commands = None
        self.kernel.died(status)

    def _send(self, lines: str) -> None:
        if self._commands:
            # Names of functions may be no text.
            self._commands.send(lines.encode("utf-8", "surrogateescape"))

    def _read(self) -> None:
        try:
            data = os.read(self._control, 65536)
        except BlockingIOError:
            return
        if not data:
            self.kernel.loop.unwatch(self._control)
            self.kernel.kill("the shell closed its control channel")
            return
        self._buffer += data
        while b"\n" in self._buffer and self._control >= 0:
            line, _, self._buffer = self._buffer.partition(b"\n")
            self._take(line.decode("ascii", "replace").split(" "))
        if len(self._buffer) > LINE:
            self.kernel.violation("a line without an end")

    def _take(self, words: list[str]) -> None:
        match words:
            case ["ready", version]:
                self._ready(version)
            case ["exit", status] if status.isdecimal():
                self._ended(int(status) & 255)
            case ["checked", token] if token == self._token:
                self._checked()
            case ["done", token, status] if token == self._token and status.isdecimal():
                self._last = int(status) & 255
                self._finish(self._last, {})
            case ["done", token, *_] if token == self._stale:
                pass
            case ["saved", token, *lost] if self._saving:
                self._saving.told(token, lost)
            case ["prompt"] if self._shell.talks:
                if self._token:
                    self._send(self._shell.mark(self._token))
            case _ if not self._shell.talks:
                self.kernel.violation(f"the shell said {' '.join(words)[:80]!r}")
            case _:
                pass

    def _ready(self, version: str) -> None:
        self._tries = 0
        if self.kernel.state == "starting":
            self.kernel.ready(version)
        else:
            self.kernel.ready_again()

    def _checked(self) -> None:
        found = OPEN_HEREDOC.search(os.pread(self._dump, 65536, 0))
        if found is None:
            self._run(os.pread(self._code, os.fstat(self._code).st_size, 0))
            return
        line, word = int(found[1]), found[2].decode(errors="replace")
        message = f"the here-document that begins on line {line} never ends: no line is just {word}"
        self._last = 2
        self._finish(2, {"error": {"name": "SyntaxError", "message": message, "line": line}})

    def _finish(self, status: int, report: dict[str, Any]) -> None:
        self._stale, self._token = self._token, ""
        self._dumped = os.fstat(self._dump).st_size or self._dumped
        self.kernel.done("error" if status else "ok", status, report)

    def _ended(self, status: int) -> None:
        """The inner shell is gone, the next one comes up and takes over what the last one wrote."""
        self._tries += 1
        if self._tries > TRIES:
            self.kernel.kill("the shell ends as soon as it starts")
            return
        size = os.fstat(self._dump).st_size
        tail = os.pread(self._dump, 16, max(0, size - 16))
        kept = (
            "kept" if tail.endswith(b"# exit\n") else "as before this code" if tail.endswith(b"# start\n") else "lost"
        )
        # The shell that ended may have left half a line, perhaps with an open quote.
        self._send('#"\n' + (self._shell.restore() if kept != "lost" else "") + self._begin())
        self._last = 0
        if self._token and self.kernel.current:
            self.kernel.current.killed = kept == "lost"
            self._finish(status, {"context": {"shell": f"it exited and was started again; its state is {kept}"}})


def nameless(name: str) -> int:
    """A file that no path leads to."""
    if hasattr(os, "memfd_create"):
        return os.memfd_create(name, os.MFD_CLOEXEC)
    path = f"{name}-{os.urandom(8).hex()}"
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    os.unlink(path)
    return fd


def rewrite(fd: int, data: bytes) -> None:
    """Replace what the file holds, and begin at its beginning."""
    os.ftruncate(fd, 0)
    os.lseek(fd, 0, os.SEEK_SET)
    view = memoryview(data)
    while view:
        view = view[os.write(fd, view) :]
    os.lseek(fd, 0, os.SEEK_SET)


def close_feed(loop: Loop, fd: int) -> None:
    """Everything was written to `fd`, or nobody reads it."""
    loop.unwatch(fd)
    os.close(fd)
