"""Long sessions: what a step costs after 100 and after 10,000 of them, and reading 1,000 and 100,000 events again.

Everything of the host is real but the model and the kernel: loop, gate, history, mind, hub, and the log on the disk.
"""

from __future__ import annotations

import asyncio
import os
import sqlite3
import statistics
import time
from collections.abc import AsyncGenerator
from itertools import islice, pairwise, takewhile
from pathlib import Path

from interpreter.agent.approvals import Approvals
from interpreter.agent.gate import Gate
from interpreter.agent.guards import Guards, Tally
from interpreter.agent.history import History
from interpreter.agent.loop import Loop
from interpreter.agent.mind import Mind
from interpreter.agent.options import AgentOptions
from interpreter.agent.prompt import tools
from interpreter.agent.runner import Runner, Watcher
from interpreter.agent.turns import Turn
from interpreter.llm.wire import Encoder
from interpreter.session.hub import Hub
from interpreter.session.past import ASIDE, read_past
from interpreter.store import Store
from interpreter.types.actions import Action, Completion, OutputRef, Permit
from interpreter.types.base import to_json
from interpreter.types.events import SessionStarted, TurnFinished, TurnStarted
from interpreter.types.languages import spellings
from interpreter.types.messages import Answer, ModelRequest, Piece, ServerFacts, ToolCall, Usage
from interpreter.types.rules import Circumstances, Verdict
from interpreter.types.walls import Limits

STEPS = int(os.environ.get("BENCH_STEPS", "10000"))
WINDOW, ANSWER = 8192, 4096
TURN = 50
"""Steps."""
EVENTS = 6
"""Of one step."""
Cells = tuple[str, str, str, str, str, bool]


class Model:
    """Answers at once, with one small step after another, as its wire would carry them."""

    def __init__(self) -> None:
        self.facts: ServerFacts | None = ServerFacts(api_base="x", model="m", context_window=WINDOW)
        self.asked: list[float] = []
        self._encoder = Encoder()

    async def connect(self) -> ServerFacts:
        assert self.facts is not None
        return self.facts

    async def stream(self, request: ModelRequest) -> AsyncGenerator[Piece, None]:
        self._encoder.body(request, {}, frozenset())
        self.asked.append(time.process_time())
        n = len(self.asked)
        if n % TURN == 0:
            yield Answer(text=f"Part {n} is read.")
            return
        code = f"part_{n} = table.read({n})\nprint(part_{n}.head(20))"
        arguments = to_json({"language": "python", "code": code}).decode()
        call = ToolCall(id=f"c{n}", name="execute", arguments=arguments)
        yield Answer(calls=(call,), finish="tool_calls", usage=Usage(completion=40))

    async def close(self) -> None:
        return None


class Kernel:
    """Has the result of everything ready."""

    async def execute(
        self, permit: Permit, action: Action, execution: str, sink: Watcher, limits: Limits
    ) -> Completion:
        return Completion(execution=execution, status="ok", result=f"{action.code[:9]} north 12.5 ok\n" * 20)

    async def reattach(self, execution: str, sink: Watcher) -> Completion:
        raise AssertionError("nothing is left running")

    async def collect(self, execution: str) -> None:
        return None

    def left_output(self, execution: str) -> OutputRef:
        return OutputRef()


class Yes:
    """Rules that allow everything: what they cost is measured elsewhere."""

    place = ""

    def judge(self, language: str, code: str, circumstances: Circumstances) -> Verdict:
        return Verdict(decision="allow")

    def narrow_rule(self, language: str, code: str, verdict: Verdict) -> tuple[str, tuple[str, ...]]:
        return "", ()

    def write(self, rule: str) -> None: ...

    def learn(self, rule: str) -> None: ...


async def work(home: Path, steps: int) -> tuple[list[float], list[int]]:
    """Seconds of CPU until each request, and bytes of memory after a tenth of the steps and after all."""
    options = AgentOptions(auto_run=True, can_ask=False, max_steps=steps + 1, max_seconds=1e6, max_total_tokens=10**12)
    memory: list[int] = []
    with Store.open(home) as store:
        log = store.create("s_1", home)
        history = History()
        hub = Hub(log, (history.apply,))
        approvals = Approvals(hub, can_ask=False)
        model = Model()
        mind = Mind(
            model, history, hub, tools(("python",)), spellings(), context_window=WINDOW, max_tokens=ANSWER,
            temperature=None,
        )  # fmt: skip
        gate = Gate(options, approvals, hub, Yes(), Circumstances(walled=True))
        runner = Runner(Kernel(), log, hub, approvals, options, Limits(), sandbox="none", cap=mind.cap)

        async def never(_text: str) -> bool:
            return False

        loop = Loop(mind, gate, runner, hub, never, lambda: "")
        await hub.emit(
            SessionStarted(session="s_1", workspace="/w", sandbox="none", version="0", system="Do it. " * 90)
        )
        for n in range(steps // TURN + 1):
            tally = Tally()
            turn = Turn(f"t_{n}", tally, Guards(options, tally))
            await hub.emit(TurnStarted(turn=turn.id, text=f"Read the next parts of table {n}."))
            await loop.run(turn)
            await hub.emit(TurnFinished(turn=turn.id, reason="done", exit_code=0))
            if n in (steps // TURN // 10, steps // TURN):
                memory.append(resident())
        await mind.close()
    return model.asked, memory


def resident() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def gaps(moments: list[float], first: int) -> float:
    """Median of a hundred steps, in ms of CPU: a step waits for the disk, and on a busy machine for its turn."""
    part = moments[first : first + 101]
    return statistics.median(b - a for a, b in pairwise(part)) * 1e3


def bare_step(home: Path) -> float:
    """The same number of rows in a bare SQLite with the same syncs, in ms."""
    connection = sqlite3.connect(home / "bare.db", isolation_level=None)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("CREATE TABLE events (seq INTEGER PRIMARY KEY, body BLOB)")
    took: list[float] = []
    for _step in range(100):
        begun = time.process_time()
        for n in range(EVENTS):
            connection.execute(f"PRAGMA synchronous = {'FULL' if n >= EVENTS - 2 else 'NORMAL'}")
            connection.execute("INSERT INTO events (body) VALUES (?)", (b"x" * 500,))
        took.append(time.process_time() - begun)
    connection.close()
    return statistics.median(took) * 1e3


def steps(home: Path) -> list[Cells]:
    moments, memory = asyncio.run(work(home, STEPS))
    # A young session at the same moment of the machine as the old one's end.
    young, _memory = asyncio.run(work(home / "young", 250))
    bare = bare_step(home)
    early, late = gaps(young, 100), gaps(moments, STEPS - 102)
    grown = (memory[-1] - memory[0]) / 1e6
    return [
        ("a step after 100", f"{early:.2f} ms", f"its rows in SQLite {bare:.2f} ms", f"{early / bare:.1f} x", "", True),
        (f"a step after {STEPS:,}", f"{late:.2f} ms", f"its rows in SQLite {bare:.2f} ms", f"{late / bare:.1f} x",
         "1.25 x that after 100", late <= 1.25 * early),
        (f"  memory from {STEPS // 10:,} to {STEPS:,}", f"{grown:.1f} MB", "", "", "16 MB", grown <= 16),
    ]  # fmt: skip


def lengthen(home: Path, events: int) -> None:
    """Give the newest session so many events, by telling its own once more."""
    with Store.open(home) as store:
        log = store.visit(store.sessions()[0].id)
        known = [stored.event for stored in islice(log.events(2), 6_000)]
        while log.size < events:
            log.append_now(*known[: events - log.size])


def reading(home: Path, events: int, ceiling: float) -> Cells:
    """What a resume reads of the log before it can go on; the start of the program is measured by `resume`."""
    lengthen(home, events)
    with Store.open(home) as store:
        log = store.visit("s_1")
        begun = time.process_time()
        last = max((seq for seq, kind in log.milestones() if kind == "turn_started" and seq <= events), default=0)
        whole = log.size <= events
        found = log.events(without=ASIDE, until=last)
        read_past(found if whole else takewhile(lambda one: one.seq <= events, found), (History().apply,))
        ours = time.process_time() - begun
    connection = sqlite3.connect(home / "log.db")
    begun = time.process_time()
    connection.execute("SELECT seq, time, type, body, hash FROM events ORDER BY seq LIMIT ?", (events,)).fetchall()
    bare = time.process_time() - begun
    connection.close()
    shown = f"{ours:.3f} s", f"SQLite alone {bare:.3f} s"
    return (f"reading {events:,} events again", *shown, f"{ours / bare:.1f} x", f"{ceiling:g} s", ours <= ceiling)


def rows(home: Path) -> list[Cells]:
    return [*steps(home), reading(home, 1_000, 0.1), reading(home, 100_000, 0.8)]
