"""One working folder with a home of the tool, the real command in it, and what is seen of it from outside."""

from __future__ import annotations

import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from interpreter.kernels.link import ENDING
from interpreter.llm.script import Player, Reply, Script
from interpreter.llm.scripted_server import ScriptedServer

from . import work
from .faults import Fault

COMMAND = (sys.executable, "-P", "-m", "interpreter")
PATIENCE = 90.0
"""Seconds for one command; longer is a hang."""
GRACE = ENDING
"""Seconds in which processes have to be gone: a keeper brings its last save to an end, and that has a deadline."""
UNSET = ("VIRTUAL_ENV", "CONDA_PREFIX", "PYTHONDONTWRITEBYTECODE", "OPENAI_API_KEY", "LD_PRELOAD")


@dataclass
class Run:
    """What one command said, as far as it got."""

    code: int
    lines: list[dict[str, Any]]
    err: str
    struck: bool
    """Whether what was to happen has happened."""
    hung: bool = False
    asked: int = 0
    """Requests that the model got."""
    shown: list[dict[str, Any]] = field(default_factory=lambda: list[dict[str, Any]]())
    """Completions that a reader of standard output has seen: what was acknowledged."""

    def __post_init__(self) -> None:
        self.shown = [line for line in self.lines if line.get("type") == "action_finished"]


class Left(NamedTuple):
    """What a death left in the log."""

    named: int
    """The last step of which the model has spoken; it may be carried out without its saying it again."""
    closed: bool
    """No turn is open: going on needs a new task."""


class World:
    """Folders below `top` and a model's server. Not to be used by two threads."""

    def __init__(self, top: Path, faults: Path | None = None) -> None:
        self.top = top
        self.home, self.work = top / "home", top / "work"
        self.faults = faults or top.with_name(top.name + "-faults")
        """What the preloaded library says: outside, so that it is no part of what is looked at."""
        self.server = ScriptedServer(Script())
        self.server.__enter__()
        self.before: tuple[str, ...] = ()
        """Words before every command: what stands around it."""
        self.window = 32768
        """Tokens that the model says it has."""
        self.make()

    def make(self) -> None:
        for folder in (self.top, self.work, self.faults):
            folder.mkdir(parents=True, exist_ok=True)

    def clear(self) -> None:
        """A new home and a new working folder."""
        self.end()
        for folder in (self.home, self.work, self.faults):
            shutil.rmtree(folder, ignore_errors=True)
        self.make()

    def close(self) -> None:
        self.end()
        self.server.close()
        for folder in (self.top, self.faults):
            shutil.rmtree(folder, ignore_errors=True)

    # -- commands

    def environ(self, fault: Fault | None) -> dict[str, str]:
        kept = {
            name: value
            for name, value in os.environ.items()
            if name not in UNSET and not name.startswith(("INTERPRETER_", "XDG_")) and "proxy" not in name.lower()
        }
        given = {"INTERPRETER_HOME": str(self.home), "HOME": str(self.top), "LC_ALL": "C.UTF-8", "NO_COLOR": "1"}
        return kept | given | (fault.environ(self.faults, self.top) if fault else {})

    def start(self, words: Sequence[str], fault: Fault | None = None) -> subprocess.Popen[bytes]:
        (self.faults / "struck").unlink(missing_ok=True)
        return subprocess.Popen(
            [*self.before, *COMMAND, *words], cwd=self.work, env=self.environ(fault), stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip

    def command(
        self,
        *words: str,
        fault: Fault | None = None,
        meanwhile: Callable[[subprocess.Popen[bytes]], bool] | None = None,
    ) -> Run:
        """Run it to its end. `meanwhile` does something to it, and says whether it did."""
        asked = self.server.player.asked
        process = self.start(words, fault)
        did = meanwhile(process) if meanwhile else False
        try:
            out, err = process.communicate(timeout=PATIENCE)
            hung = False
        except subprocess.TimeoutExpired:
            process.kill()
            out, err = process.communicate()
            hung = True
        struck = did or (self.faults / "struck").exists()
        asked = self.server.player.asked - asked
        return Run(process.returncode, read_lines(out), err.decode("utf-8", "replace"), struck, hung, asked)

    def play(self, replies: Sequence[Reply]) -> None:
        """What the model says from now on."""
        script = Script(replies=tuple(replies), context_window=self.window)
        self.server.script = script
        self.server.player = Player(script)

    def asking(self, *words: str, auto: bool = True) -> tuple[str, ...]:
        """The words of a command: one task, unattended, every event as a line."""
        return (
            *(["-y"] if auto else []),
            "--output",
            "jsonl",
            "--api_base",
            self.server.url,
            "--model",
            "scripted",
            *words,
        )

    def ask(self, *words: str, auto: bool = True, **more: Any) -> Run:
        return self.command(*self.asking(*words, auto=auto), **more)

    def go_on(self, last: int = work.STEPS, fault: Fault | None = None) -> Run:
        """As a person does after a death: `--resume last`, or anew where nothing was begun."""
        left = self.left()
        if left is None:
            self.play(work.plan(1, last))
            return self.ask(work.TASK, fault=fault)
        self.play(work.after_a_death(left.named, last))
        return self.ask("--resume", "last", *(["Go on."] if left.closed else []), fault=fault)

    # -- what is there

    def left(self) -> Left | None:
        """What the log says of the newest session; None where it has none."""
        rows = self.logged("SELECT type, body FROM events ORDER BY session, seq")
        named = [int(n) for kind, body in rows if kind == "model_answered" for n in work.NUMBER.findall(text(body))]
        turns = [text(body) for kind, body in rows if kind in ("turn_started", "turn_finished")]
        closed = '"reason"' in turns[-1] and '"waiting"' not in turns[-1] if turns else True
        return Left(max(named, default=0), closed) if rows else None

    def sessions(self) -> list[str]:
        return [row[0] for row in self.logged("SELECT id FROM sessions WHERE key IN (SELECT session FROM events)")]

    def logged(self, query: str) -> list[Any]:
        """From a copy of the log: the command is the first that opens it after a death."""
        if not (self.home / "log.db").exists():
            return []
        copy = self.faults / "copy"
        shutil.rmtree(copy, ignore_errors=True)
        copy.mkdir()
        for file in self.home.glob("log.db*"):
            if file.suffix != ".db-shm":
                shutil.copyfile(file, copy / file.name)
        connection = sqlite3.connect(copy / "log.db")
        try:
            return connection.execute(query).fetchall()
        except sqlite3.OperationalError:
            return []
        finally:
            connection.close()

    def ledger(self) -> list[int]:
        file = self.work / "ledger"
        return [int(word) for word in file.read_text().split()] if file.exists() else []

    # -- processes

    def keeper(self) -> int:
        """The keeper that was started under a fault; 0: none yet."""
        try:
            pid = int((self.faults / "keeper.pid").read_text())
            words = Path(f"/proc/{pid}/cmdline").read_bytes()
        except (OSError, ValueError):
            return 0
        return pid if os.fsencode(self.top) in words else 0

    def processes(self) -> dict[int, str]:
        """Whatever runs for this world: keepers of its home, and what works in its folders."""
        found: dict[int, str] = {}
        mark = os.fsencode(self.top) + b"/"
        for entry in Path("/proc").glob("[0-9]*"):
            try:
                words = (entry / "cmdline").read_bytes()
                where = os.fsencode(os.readlink(entry / "cwd")) + b"/"
            except OSError:
                continue
            if words and (mark in words or where.startswith(mark)):
                found[int(entry.name)] = words.replace(b"\0", b" ").decode("utf-8", "replace")
        return found

    def gone(self, known: Sequence[str] | None = None) -> list[str]:
        """What still runs after the grace time.

        `known`: the sessions that the log has. The keeper of a session that never came to be is not meant: nothing has
        run, and it ends by itself within 20 s (tests/keeper shows it).
        """
        deadline = time.monotonic() + GRACE
        while (left := self._left(known)) and time.monotonic() < deadline:
            time.sleep(0.02)
        return left

    def _left(self, known: Sequence[str] | None) -> list[str]:
        found = self.processes()
        for pid, words in list(found.items()):
            if known is not None and "/keeper " in words and not any(session in words for session in known):
                for one in (pid, *below(pid)):
                    found.pop(one, None)
        return [words[:200] for words in found.values()]

    def end(self) -> None:
        """Kill what is left."""
        kill(self.processes())


def read_lines(out: bytes) -> list[dict[str, Any]]:
    """Whole lines; a death may have cut the last one short."""
    return [json.loads(line) for line in out.split(b"\n")[:-1] if line.startswith(b"{")]


def below(pid: int) -> list[int]:
    found: list[int] = []
    try:
        children = [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except OSError:
        return found
    for child in children:
        found += [*below(child), child]
    return found


def kill(pids: Iterable[int]) -> None:
    for pid in pids:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            pass


def text(body: bytes | str) -> str:
    return body.decode() if isinstance(body, bytes) else body
