"""One person's machine for one case: a home, a workspace, a scripted server, and the real command,
which a zygote may have started (`tests.zygote`).

Everything that is started here is ended by `close`, with its process group; the keepers by the folder they work in.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import pexpect

from interpreter.llm.script import load_script
from interpreter.llm.scripted_server import ScriptedServer
from interpreter.store import Store
from interpreter.types.events import Event
from tests import zygote
from tests.cli.terminal import Terminal
from tests.zygote import COMMAND as COMMAND

LONGEST = 60.0
"""Seconds until a case counts as hung; none of them waits that long."""
TOOLS = Path(sys.executable).parent
Piece = dict[str, Any]
E = TypeVar("E")


class Done(NamedTuple):
    code: int
    out: str
    err: str

    @property
    def lines(self) -> list[dict[str, Any]]:
        """Standard output of `--output jsonl`."""
        return [json.loads(line) for line in self.out.splitlines()]

    @property
    def result(self) -> dict[str, Any]:
        """Standard output of `--output json`."""
        return json.loads(self.out)


def reply(text: str = "", code: str = "", language: str = "python", **more: Any) -> dict[str, Any]:
    """A reply of the script; a mapping, because the server reads it from a file as a person would write it."""
    said = {"text": text, "code": code, "language": language if code else "", **more}
    return {name: value for name, value in said.items() if value != ""}


class World:
    def __init__(self, root: Path) -> None:
        self.root = root
        self.home, self.data, self.here = root / "home", root / "data", root / "work"
        for folder in (self.home, self.data, self.here):
            folder.mkdir(mode=0o700)
        kept = {name: value for name, value in os.environ.items() if name not in ("TMUX", "PIP_CONFIG_FILE")}
        self.env = {
            **{name: value for name, value in kept.items() if not name.startswith(("INTERPRETER_", "XDG_", "PIP_"))},
            "HOME": str(self.home),
            "INTERPRETER_HOME": str(self.data),
            "XDG_CACHE_HOME": os.environ["XDG_CACHE_HOME"],  # what walls this machine can build is tried once
            "PATH": os.pathsep.join([str(TOOLS), os.environ.get("PATH", os.defpath)]),
            "LC_ALL": "C.UTF-8",
            "TERM": "dumb",
        }
        self.url = ""
        self.forks = True
        """Whether the zygote may start the command, without its imports."""
        self._servers = ExitStack()
        self._started: list[subprocess.Popen[Any]] = []
        self._terminals: list[Terminal] = []
        self._logs: list[Path] = []

    def serve(self, *replies: Piece | str, **script: Any) -> str:
        """A real HTTP server that plays these replies; its address, which the command is then given."""
        number = len(self._logs)
        path, log = self.root / f"script{number}.yaml", self.root / f"requests{number}.jsonl"
        path.write_text(json.dumps({"replies": list(replies), **script}, ensure_ascii=False))  # JSON is YAML
        self.url = self._servers.enter_context(ScriptedServer(load_script(path), log=log)).url
        self._logs.append(log)
        return self.url

    @property
    def log(self) -> Path:
        """Of the newest server's requests."""
        return self._logs[-1]

    def requests(self) -> list[dict[str, Any]]:
        """The chat requests that the newest server got, in order."""
        log = self.log
        lines = [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []
        return [line["body"] for line in lines if line.get("path", "").endswith("/chat/completions")]

    def told(self, request: int = -1) -> str:
        """What the model read as the newest message of a request."""
        content = self.requests()[request]["messages"][-1]["content"]
        return content if isinstance(content, str) else json.dumps(content)

    def words(self, words: Sequence[str]) -> list[str]:
        """A whole command line; with the address of the server where the case does not say one."""
        named = {"-ab", "--api_base", "--api-base"} & set(words)
        managing = ("sessions", "config", "doctor", "approvals", "attach", "detach", "stage", "skills", "mcp")
        manages = words[:1] and words[0] in managing
        address = ["-ab", self.url] if self.url and not named and not manages else []
        return [COMMAND, *words, *address]

    def run(
        self, *words: str, stdin: bytes | str | None = None, cwd: Path | None = None,
        env: Mapping[str, str] | None = None,
    ) -> Done:  # fmt: skip
        """Run the command to its end."""
        return self.finish(self.start(*words, cwd=cwd, env=env, piped=stdin is not None), stdin)

    def start(
        self, *words: str, cwd: Path | None = None, env: Mapping[str, str] | None = None, piped: bool = False
    ) -> subprocess.Popen[bytes]:
        return self.popen(self.words(words), cwd=cwd, env=env, piped=piped)

    def shell(self, script: str) -> Done:
        """Lines as they are typed, by a real shell."""
        return self.finish(self.popen(["/bin/bash", "-c", script]))

    def popen(
        self, argv: Sequence[str], *, cwd: Path | None = None, env: Mapping[str, str] | None = None,
        piped: bool = False,
    ) -> subprocess.Popen[bytes]:  # fmt: skip
        start: Callable[..., subprocess.Popen[bytes]] = zygote.popen if self.forks else subprocess.Popen[bytes]
        process = start(
            argv, cwd=cwd or self.here, env={**self.env, **(env or {})}, start_new_session=True,
            stdin=subprocess.PIPE if piped else subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip
        self._started.append(process)
        return process

    @staticmethod
    def finish(process: subprocess.Popen[bytes], stdin: bytes | str | None = None) -> Done:
        data = stdin.encode() if isinstance(stdin, str) else stdin
        out, err = process.communicate(data, timeout=LONGEST)
        assert b"Traceback (most recent call last)" not in err or b"<cell" in err, err.decode()
        return Done(process.returncode, out.decode(), err.decode())

    def terminal(
        self, *words: str, cwd: Path | None = None, env: Mapping[str, str] | None = None, **more: Any
    ) -> Terminal:
        """The command on a pseudo-terminal."""
        environ = {**self.env, "TERM": "xterm-256color", **(env or {})}
        terminal = Terminal(self.words(words), cwd or self.here, env=environ, forks=self.forks, **more)
        self._terminals.append(terminal)
        return terminal

    def talk(self, *words: str, **more: Any) -> Terminal:
        """A conversation, at its first prompt."""
        terminal = self.terminal(*words, **more)
        terminal.wait_for("Ctrl-D leaves.", LONGEST)
        terminal.wait_for("\n>", LONGEST)
        return terminal

    def events(self, session: str = "last") -> list[Event]:
        """The log of a session, whose chain of hashes must hold."""
        with Store.open(self.data) as store:
            log = store.visit(store.find(session).id)
            assert log.verify().whole
            return [entry.event for entry in log.events()]

    def of(self, kind: type[E]) -> list[E]:
        """The newest session's events of one kind."""
        return [event for event in self.events() if isinstance(event, kind)]

    def session(self) -> str:
        with Store.open(self.data) as store:
            return store.find("last").id

    def keepers(self) -> list[int]:
        """Keepers of this world that live."""
        found: list[int] = []
        for entry in Path("/proc").glob("[0-9]*/cmdline"):
            with suppress(OSError):
                words = entry.read_bytes().decode("utf-8", "replace").split("\0")
                if any(word.endswith("/keeper") for word in words) and any(str(self.root) in word for word in words):
                    found.append(int(entry.parent.name))
        return found

    def close(self) -> None:
        for terminal in self._terminals:
            with suppress(pexpect.ExceptionPexpect, OSError):
                terminal.child.close(force=True)
        for process in self._started:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            for stream in (process.stdin, process.stdout, process.stderr):
                if stream is not None:
                    with suppress(OSError):
                        stream.close()
        for pid in self.keepers():
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self._servers.close()
        shutil.rmtree(self.data, ignore_errors=True)


def until(holds: Callable[[], bool], what: str) -> None:
    """Wait for something that shows only in the world outside."""
    end = time.monotonic() + LONGEST
    while not holds():
        assert time.monotonic() < end, f"it did not come to this: {what}"
        time.sleep(0.02)


def read_until(process: subprocess.Popen[bytes], wanted: str, *, error: bool = False) -> str:
    """Read standard output (or standard error) up to these words."""
    stream = process.stderr if error else process.stdout
    assert stream is not None
    seen = b""
    while wanted.encode() not in seen:
        piece = os.read(stream.fileno(), 65536)
        assert piece, f"{wanted!r} is not in:\n{seen.decode()}"
        seen += piece
    return seen.decode()
