"""A host that is killed: plays a script in a session and kills somebody when the log takes its n-th event.

usage: python -m tests.bad.victim WORKSPACE WHOM before|after N [SESSION]

With SESSION it takes that one up again and is killed while it does.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Iterable
from pathlib import Path

from interpreter.agent.options import AgentOptions
from interpreter.app import open_session
from interpreter.config.settings import Settings
from interpreter.llm.script import Reply
from interpreter.llm.scripted import ScriptedModel
from interpreter.store.log import SessionLog
from interpreter.types.events import Event, Stored, TurnFinished
from interpreter.types.ops import SubmitInput


def effect(name: str) -> str:
    """Code whose every run leaves a line behind, at once."""
    return (
        "import os, time\n"
        "file = os.open('effects', os.O_WRONLY | os.O_CREAT | os.O_APPEND)\n"
        f"os.write(file, b'{name}\\n')\n"
        "time.sleep(0.05)\n"
        f"print('{name}')"
    )


NAMES = ("one", "two", "three", "four")
TWO = f"```python\n{effect('two')}\n```\nand\n```python\n{effect('three')}\n```"
REPLIES: tuple[Reply | str, ...] = (
    Reply(code=effect("one")),
    Reply(text=TWO),
    Reply(code="echo four >> effects; echo four", language="shell"),
    "all done",
)


def processes_of(run_dir: Path) -> tuple[list[int], list[int]]:
    """(keeper, everything below it): of the session whose keeper serves `run_dir`."""
    keeper: list[int] = []
    parents: dict[int, int] = {}
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            words = (entry / "cmdline").read_bytes().split(b"\0")
            parents[int(entry.name)] = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
        except (OSError, ValueError, IndexError):
            continue
        if os.fsencode(run_dir) in words and any(word.endswith(b"/keeper") for word in words):
            keeper.append(int(entry.name))
    below: list[int] = []
    wanted = set(keeper)
    while found := {pid for pid, parent in parents.items() if parent in wanted} - set(below):
        below += found
        wanted = found
    return keeper, below


def kill(pids: Iterable[int]) -> None:
    for pid in pids:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            pass


def strike(log: SessionLog, whom: str, stored: int, given: int) -> None:
    """`stored`: events that the log has confirmed; `given`: those that it was handed."""
    keeper, below = processes_of(log.folder / "run")
    struck = {"keeper": keeper, "kernel": below}.get(whom, keeper + below)
    print("struck", len(struck), stored, given, flush=True)
    if whom in ("kernel", "all"):
        kill(below)
    if whom in ("keeper", "all"):
        kill(keeper)
    if whom in ("host", "all"):
        kill([os.getpid()])


async def main(workspace: Path, whom: str, when: str, number: int, resume: str = "") -> None:
    honest = SessionLog.append
    count = confirmed = given = 0

    async def append(self: SessionLog, event: Event, *more: Event) -> list[Stored]:
        nonlocal count, confirmed, given
        count += 1
        own = count  # others are stored meanwhile
        if own == number and when == "before":
            strike(self, whom, confirmed, given)
        given += 1 + len(more)
        stored = await honest(self, event, *more)
        confirmed += 1 + len(more)
        if own == number and when == "after":
            strike(self, whom, confirmed, given)
        return stored

    SessionLog.append = append
    settings = Settings(agent=AgentOptions(auto_run=True, can_ask=False))
    model = ScriptedModel(["all done"] if resume else list(REPLIES))
    session = await open_session(settings, resume=resume or None, workspace=workspace, client=model)
    watch = session.watch()
    await session.send(SubmitInput(text="do four things"))
    async for event in watch:
        if isinstance(event, TurnFinished):
            break
    await session.close()


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), sys.argv[2], sys.argv[3], int(sys.argv[4]), *sys.argv[5:]))
