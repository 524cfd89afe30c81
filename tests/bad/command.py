"""The real command as a subprocess, against a server that plays a script, and what a person may never see of it."""

from __future__ import annotations

import asyncio
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Coroutine, Generator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from interpreter.agent.options import AgentOptions
from interpreter.app import open_session
from interpreter.config.settings import Settings, WallOptions
from interpreter.llm.script import Reply, Script
from interpreter.llm.scripted import ScriptedModel
from interpreter.llm.scripted_server import ScriptedServer
from interpreter.sandbox import report
from interpreter.store import Store
from interpreter.types.events import ActionFinished, ActionProposed, Event, TurnFinished, TurnStarted
from interpreter.types.walls import Limits
from tests import zygote
from tests.session.helpers import Talk

COMMAND = (sys.executable, "-P", "-m", "interpreter")
"""As the installed command starts: `-m` alone would put the working folder on Python's path."""
OURS = re.compile(rb'File "[^"\n]*/(?:(?:src|site-packages)/interpreter|asyncio)/')
"""A place in our own code, as a traceback names it; a program's own traceback has none."""
NO_WALLS = not any(found.works for found in report())
needs_walls = pytest.mark.skipif(NO_WALLS, reason="no sandbox works on this machine")
ROOT = os.geteuid() == 0


class Ran:
    """What a command said and how it ended."""

    def __init__(self, done: subprocess.CompletedProcess[bytes]) -> None:
        self.code = done.returncode
        self.out, self.err = done.stdout or b"", done.stderr or b""
        assert not OURS.search(self.out + self.err), self.text
        assert b"interpreter itself" not in self.out + self.err, self.text

    @property
    def text(self) -> str:
        return (self.out + self.err).decode("utf-8", "replace")

    @property
    def events(self) -> list[dict[str, Any]]:
        """With `--output jsonl`."""
        return [json.loads(line) for line in self.out.splitlines()]

    def of(self, kind: str) -> list[dict[str, Any]]:
        return [event for event in self.events if event["type"] == kind]

    def says(self, code: int, *sentences: str) -> None:
        """The exit code, and what stands on the screen: what happened, what was kept, what to do next."""
        assert self.code == code, self.text
        for sentence in sentences:
            assert sentence in self.text, self.text


RULES = """version: 1
disable: [reading-keys, what-runs-by-itself, shell-over-the-network, killing-everything]
rules:
- name: the-walls-alone
  decision: allow
  reason: The tests try what holds when no rule does.
  language: [python, shell]
  unknown: true
"""


def lift_rules(home: Path) -> None:
    """Let the rules of the tool's home `home` pass what the walls have to stop."""
    home.mkdir(mode=0o700, parents=True, exist_ok=True)
    (home / "policy.yaml").write_text(RULES)


class Place:
    """A working folder, a home of the tool, and perhaps a server."""

    def __init__(self, top: Path, *, work: str = "work", forks: bool = False) -> None:
        """`forks`: the zygote may start the command, without its imports."""
        self.top = top
        self.forks = forks
        self.work = top / work
        self.work.mkdir(parents=True, exist_ok=True)
        self.home = top / "home"
        self.url = ""
        self.env: dict[str, str] = os.environ | {"INTERPRETER_HOME": str(self.home)}

    def run(
        self,
        *words: str,
        stdin: bytes | None = None,
        cwd: Path | None = None,
        around: Sequence[str] = (),
        **environ: str,
    ) -> Ran:
        """`around`: words before the command, for a shell that closes its streams and the like."""
        run = zygote.run if self.forks else zygote.run_in_full
        argv = [*around, *COMMAND, *words]
        return Ran(run(argv, data=stdin, cwd=cwd or self.work, env=self.env | environ, timeout=90))

    def ask(self, *words: str, **more: Any) -> Ran:
        """With the model's address."""
        return self.run("--api_base", self.url, *words, **more)

    def told(self) -> str:
        """The newest message of the last request, as the model got it."""
        lines = [json.loads(line) for line in (self.top / "asked.jsonl").read_text().splitlines()]
        asked = [line["body"] for line in lines if line.get("path", "").endswith("completions")]
        return str(asked[-1]["messages"][-1]["content"])

    def stored(self) -> list[Event]:
        """The newest session's events, after looking at the chain and at the ends."""
        with Store.open(self.home) as store:
            return whole(store, store.find("last").id)


def whole(store: Store, session: str) -> list[Event]:
    """A session's events; its chain holds, and every action and every turn has its one end."""
    log = store.visit(session)
    assert log.verify().whole
    events = [entry.event for entry in log.events()]
    proposed = [e.action.id for e in events if isinstance(e, ActionProposed)]
    assert sorted(proposed) == sorted(e.action for e in events if isinstance(e, ActionFinished))
    begun = [e.turn for e in events if isinstance(e, TurnStarted)]
    assert begun == [e.turn for e in events if isinstance(e, TurnFinished)]
    return events


@contextmanager
def played(place: Place, *replies: Reply | str) -> Generator[ScriptedServer]:
    with ScriptedServer(Script(replies=replies), log=place.top / "asked.jsonl") as server:
        place.url = server.url
        yield server


def talk_of(
    story: Callable[[Talk], Coroutine[Any, Any, None]],
    replies: Sequence[Reply | str],
    workspace: Path,
    *,
    limits: Limits | None = None,
    resume: str | None = None,
    walls: WallOptions | None = None,
    **agent: Any,
) -> str:
    """Tell a story of one session in this process; returns the session's id."""
    given: dict[str, Any] = {"auto_run": True, "can_ask": False} | agent
    settings = Settings(agent=AgentOptions(**given), walls=walls or WallOptions(), limits=limits or Limits())

    async def told() -> str:
        model = ScriptedModel(list(replies))
        session = await open_session(settings, resume=resume, workspace=workspace, client=model)
        try:
            await story(Talk(session, model))
        finally:
            await session.close()
        return session.id

    return asyncio.run(asyncio.wait_for(told(), 80))


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path, forks=True)
