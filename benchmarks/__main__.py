"""The ceilings of the design, measured: `make bench`, or `python -m benchmarks [NAME ...]`.

Every figure stands beside its bare counterpart, taken in turn with it in the same run; medians are shown.
"""

from __future__ import annotations

import ast
import http.client
import json
import os
import shlex
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Literal, NamedTuple

import yaml

from interpreter.policy import load_policy, read_code
from interpreter.sandbox import Walls, run, workspace_profile
from interpreter.types.rules import Circumstances

from . import broker, long, machine, rewind, staged, table
from .server import Bare

COMMAND = [sys.executable, "-m", "interpreter"]
BARE = [sys.executable, "-c", "pass"]
RUNS = int(os.environ.get("BENCH_RUNS", "9"))


class Row(NamedTuple):
    what: str
    ours: str
    bare: str
    ratio: str
    ceiling: str
    holds: bool
    over: float = 0.0
    """Times the ceiling, where that is one of seconds; 0: it is none."""
    python: float = 0.0
    """Seconds that a bare Python took in the same run."""


def environment(home: Path) -> dict[str, str]:
    kept = {k: v for k, v in os.environ.items() if k not in ("PYTHONDONTWRITEBYTECODE", "VIRTUAL_ENV")}
    return kept | {"INTERPRETER_HOME": str(home / "i"), "HOME": str(home), "LC_ALL": "C.UTF-8", "NO_COLOR": "1"}


def timed(words: list[str], home: Path, cwd: Path | None = None) -> float:
    started = time.perf_counter()
    done = subprocess.run(words, env=environment(home), cwd=cwd or home, stdin=subprocess.DEVNULL, capture_output=True)
    took = time.perf_counter() - started
    if done.returncode != 0:
        raise SystemExit(f"{words} ended with {done.returncode}: {done.stderr.decode()[-2000:]}")
    return took


def in_turn(ours: Callable[[], float], bare: Callable[[], float]) -> tuple[float, float]:
    """Medians of both, run alternately after one warm-up of each."""
    ours(), bare()
    pairs = [(ours(), bare()) for _ in range(RUNS)]
    return statistics.median(a for a, _ in pairs), statistics.median(b for _, b in pairs)


def start(home: Path) -> list[Row]:
    rows: list[Row] = []
    probes = [
        ("interpreter --version", [*COMMAND, "--version"], 3.0),
        ("interpreter --help", [*COMMAND, "--help"], 3.0),
        ("import interpreter", [sys.executable, "-c", "import interpreter"], 1.5),
    ]
    for what, words, ceiling in probes:
        a, b = in_turn(lambda w=words: timed(w, home), lambda: timed(BARE, home))
        rows.append(ratio_row(what, a, b, ceiling))
    return rows


def ratio_row(what: str, a: float, b: float, ceiling: float) -> Row:
    shown = f"{a * 1e3:.0f} ms", f"python {b * 1e3:.0f} ms"
    return Row(what, *shown, f"{a / b:.1f} x", f"{ceiling:g} x", a / b <= ceiling)


def one_shot(home: Path) -> list[Row]:
    work = home / "work"
    work.mkdir()

    def ours() -> float:
        server = Bare([{"code": "print(6 * 7)"}, "It is 42."])
        took = timed([*COMMAND, "-y", "--api_base", server.url, "--model", "bare", "compute"], home, work)
        server.close()
        return took

    a, b = in_turn(ours, lambda: timed(BARE, home))
    row = Row(
        "one-shot, sandboxed, logged", f"{a:.3f} s", f"python {b * 1e3:.0f} ms", f"{a / b:.0f} x", "0.25 s", a <= 0.25,
        a / 0.25, b,
    )  # fmt: skip
    return [row, memory(home, work)]


def watched(replies: list[str | dict[str, str]], home: Path, work: Path) -> int:
    """The most memory that the command, its keeper and its kernel had together while they played `replies`; bytes."""
    server = Bare(replies)
    words = [*COMMAND, "-y", "--api_base", server.url, "--model", "bare", "work"]
    quiet = subprocess.DEVNULL
    process = subprocess.Popen(words, env=environment(home), cwd=work, stdin=quiet, stdout=quiet, stderr=quiet)
    most, keeper = 0, 0
    while process.poll() is None:
        keeper = keeper or next(iter(keepers(home)), 0)
        most = max(most, machine.tree_memory(process.pid, *([keeper] if keeper else [])))
        time.sleep(0.01)
    server.close()
    return most


def memory(home: Path, work: Path) -> Row:
    most = watched([{"code": "import time; time.sleep(1)"}, "done"], home, work)
    bare = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    time.sleep(0.2)
    alone = machine.tree_memory(bare.pid)
    bare.communicate(b"\n")
    shown = f"{most / 1e6:.0f} MB", f"python {alone / 1e6:.0f} MB"
    return Row("memory of the whole process tree", *shown, f"{most / alone:.1f} x", "80 MB", most <= 80e6)


def keepers(home: Path) -> list[int]:
    """Keepers of this home that are no child of ours (they detach)."""
    found: list[int] = []
    for entry in Path("/proc").iterdir():
        try:
            line = (entry / "cmdline").read_bytes().decode("utf-8", "replace") if entry.name.isdigit() else ""
        except OSError:
            continue
        if "keeper" in line and str(home) in line:
            found.append(int(entry.name))
    return found


def turns(home: Path) -> list[Row]:
    """Gaps of several sessions together: eleven of one say more of that moment than of the program."""
    count = 205
    first: list[float] = []
    last: list[float] = []
    new: list[int] = []
    bodies: list[bytes] = []
    before = [timed(BARE, home) for _ in range(RUNS)]
    for session in range(3):
        server = Bare([*({"code": f"n = {i}"} for i in range(count)), "done"])
        work = home / f"turns-{session}"
        work.mkdir()
        timed([*COMMAND, "-y", "--max_steps", "400", "--api_base", server.url, "--model", "bare", "count"], home, work)
        gaps = [(a - b) * 1e3 for a, b in zip(server.asked[1:], server.answered, strict=False)]
        first, last, bodies = [*first, *gaps[1:11]], [*last, *gaps[189:200]], server.bodies
        new += [len(a) - shared(a, b) for a, b in zip(bodies[1:], bodies, strict=False)]
        server.close()
    python = statistics.median([*before, *(timed(BARE, home) for _ in range(RUNS))])
    pipe = round_trip()
    rows: list[Row] = []
    for what, part in (("between turns, 2 to 12", first), ("between turns, 190 to 200", last)):
        middle, worst = statistics.median(part), statistics.quantiles(part, n=20)[18]
        holds = middle <= 5 and worst <= 15
        rows.append(
            Row(f"{what}: median, 95th", f"{middle:.1f}, {worst:.1f} ms", f"python cell over a pipe {pipe:.2f} ms",
                f"{middle / pipe:.0f} x", "5, 15 ms", holds, max(middle / 5, worst / 15), python)
        )  # fmt: skip
    messages = 2 * statistics.median(len(json.dumps(m)) for m in json.loads(bodies[-1])["messages"][-2:])
    worst_new = max(new)
    rows.append(
        Row("bytes of a request not in the one before", f"{worst_new} at most", f"its two new messages {messages:.0f}",
            f"{worst_new / messages:.1f} x", "the new messages", worst_new <= 2 * messages)
    )  # fmt: skip
    return rows


def shared(a: bytes, b: bytes) -> int:
    """Bytes that two requests share at their beginning and at their end (what follows the messages)."""
    head = next((n for n, (x, y) in enumerate(zip(a, b, strict=False)) if x != y), min(len(a), len(b)))
    tail = next((n for n, (x, y) in enumerate(zip(reversed(a), reversed(b), strict=False)) if x != y), 0)
    return head + min(tail, len(b) - head)


def round_trip() -> float:
    """A cell in a bare Python over pipes, in ms."""
    code = "import sys\nfor line in sys.stdin:\n    exec(line); print(flush=True)"
    process = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.stdin is not None
    assert process.stdout is not None
    took: list[float] = []
    for n in range(200):
        started = time.perf_counter()
        process.stdin.write(b"n = %d\n" % n)
        process.stdin.flush()
        process.stdout.readline()
        took.append((time.perf_counter() - started) * 1e3)
    process.communicate()
    return statistics.median(took)


def output(home: Path) -> list[Row]:
    size = 50_000_000
    code = f"import sys\nline = 'x' * 99 + chr(10)\nfor _ in range({size // 100}): sys.stdout.write(line)"
    work = home / "output"
    work.mkdir()

    def run(cell: str) -> tuple[float, Bare]:
        server = Bare([{"code": cell}, "done"])
        timed([*COMMAND, "-y", "--api_base", server.url, "--model", "bare", "print"], home, work)
        server.close()
        return server.asked[1] - server.answered[0], server

    run("pass")
    took, server = run(code)
    reached = len(json.loads(server.bodies[1])["messages"][-1]["content"])
    kept = sum(f.stat().st_size for f in (home / "i").rglob("*") if f.is_file() and f.stat().st_size >= size)
    begun = time.perf_counter()
    subprocess.run([sys.executable, "-c", code], stdout=subprocess.DEVNULL, check=True)
    bare = time.perf_counter() - begun
    quiet = watched([{"code": "import time; time.sleep(1)"}, "done"], home, work)
    loud = watched([{"code": code}, "done"], home, work)
    added = max(0, loud - quiet) / 1e6
    shown = f"{took:.2f} s", f"python to /dev/null {bare:.2f} s"
    return [
        Row("a cell that prints 50 MB", *shown, f"{took / bare:.1f} x", "1 s", took <= 1),
        Row("  memory added by it", f"{added:.0f} MB", f"a quiet cell {quiet / 1e6:.0f} MB", "", "30 MB", added < 30),
        Row("  reach the model", f"{reached / 1e3:.1f} kB", "", "", "10 kB", reached <= 10_000),
        Row("  on disk", f"{kept / 1e6:.0f} MB", "", "", "all 50 MB", kept >= size),
    ]


STREAM = """
import asyncio, resource, sys
from interpreter.llm.http import HttpModel
from interpreter.llm.options import ModelOptions
from interpreter.types.messages import Message, ModelRequest, TextPart

async def main():
    model = HttpModel(ModelOptions(api_base=sys.argv[1], model="bare"))
    request = ModelRequest(messages=(Message(role="user", parts=(TextPart(text="x"),)),))
    async for _ in model.stream(request): pass
    before = resource.getrusage(resource.RUSAGE_SELF)
    n = 0
    async for _ in model.stream(request): n += 1
    after = resource.getrusage(resource.RUSAGE_SELF)
    assert n >= 1000, n
    print(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    await model.close()

asyncio.run(main())
"""


def stream(home: Path) -> list[Row]:
    server = Bare([""], tokens=1000)

    def ours() -> float:
        done = subprocess.run(
            [sys.executable, "-c", STREAM, server.url], env=environment(home), capture_output=True, check=True
        )
        return float(done.stdout)

    def bare() -> float:
        read_stream(server)
        before = time.thread_time()
        read_stream(server)
        return time.thread_time() - before

    a, b = in_turn(ours, bare)
    server.close()
    shown = f"{a * 1e3:.1f} ms", f"standard library {b * 1e3:.1f} ms"
    return [Row("1,000 streamed tokens, CPU", *shown, f"{a / b:.1f} x", "12 ms", a <= 0.012)]


def read_stream(server: Bare) -> None:
    host = server.url.removeprefix("http://").removesuffix("/v1")
    connection = http.client.HTTPConnection(host)
    connection.request("POST", "/v1/chat/completions", b"{}", {"content-type": "application/json"})
    answer = connection.getresponse()
    for line in answer:
        if line.startswith(b"data: {"):
            json.loads(line[6:])
    connection.close()


def resume(home: Path) -> list[Row]:
    work = home / "resume"
    work.mkdir()
    server = Bare([*({"code": f"n = {i}"} for i in range(166)), "done"])
    timed([*COMMAND, "-y", "--max_steps", "400", "--api_base", server.url, "--model", "bare", "count"], home, work)
    server.close()

    def ours() -> float:
        last = Bare(["still here"])
        begun = time.perf_counter()
        timed([*COMMAND, "-y", "--resume", "last", "--api_base", last.url, "--model", "bare", "go on"], home, work)
        took = last.asked[0] - begun
        last.close()
        return took

    found: list[Row] = []
    for events, ceiling in ((1_000, 0.3), (100_000, 1.0)):
        long.lengthen(home / "i", events)
        a, b = in_turn(ours, lambda: timed(BARE, home))
        shown = f"{a:.2f} s", f"python {b * 1e3:.0f} ms", f"{a / b:.0f} x", f"{ceiling} s"
        what = f"resume of {events:,} events, to the request"
        found.append(Row(what, *shown, a <= ceiling, a / ceiling, b))
    return found


def walls(home: Path) -> list[Row]:
    """What the strongest sandbox of this machine adds to the start of a program, carried out as the keeper does."""
    (home / "work").mkdir()

    def started(backend: Literal["auto", "host"]) -> Callable[[], float]:
        profile = workspace_profile(home / "work", home / "s", home=home / "i", backend=backend)
        made = Walls(profile)

        def once() -> float:
            begun = time.perf_counter()
            # Making the launch is part of it; the interpreter is the system's, which every sandbox shows.
            done = run(made.launch(["/usr/bin/python3", "-I", "-S", "-c", "pass"]), timeout=20)
            if done.returncode:
                raise SystemExit(f"it did not start: {done.stderr.decode()}")
            return time.perf_counter() - begun

        return once

    a, b = in_turn(started("auto"), started("host"))
    python = statistics.median(timed(BARE, home) for _ in range(RUNS))
    more = f"{(a - b) * 1e3:.1f} ms more"
    shown = f"{a * 1e3:.0f} ms", f"no walls {b * 1e3:.0f} ms"
    return [Row("start of a kernel inside walls", *shown, more, "15 ms more", a - b <= 0.015, (a - b) / 0.015, python)]


def verdicts(_home: Path) -> list[Row]:
    """What the rules take to judge code, reading included, over the corpora of the tests; beside `ast` and `shlex`."""
    folder = Path(__file__).resolve().parents[1] / "tests" / "policy" / "corpus"
    codes = [("shell", line) for group in yaml.safe_load((folder / "everyday.yaml").read_text(encoding="utf-8"))
             for line in group.get("lines", "").splitlines() if line.strip()]  # fmt: skip
    for language in ("python", "javascript"):
        found = yaml.safe_load((folder / f"{language}.yaml").read_text(encoding="utf-8"))
        codes += [(language, code) for code in found["everyday"]]
    policy = load_policy()
    policy.warm()
    where = Circumstances(workspace="/home/me/work", home="/home/me", mode="auto")
    ours, bare = list[float](), list[float]()
    for _round in range(3):
        for language, code in codes:
            read_code.cache_clear()
            begun = time.perf_counter()
            policy.judge(language, code, where)
            between = time.perf_counter()
            try:
                ast.parse(code) if language == "python" else shlex.split(code)
            except (SyntaxError, ValueError):
                pass
            ours.append(between - begun)
            bare.append(time.perf_counter() - between)
    a, b = statistics.median(ours[len(codes) :]), statistics.median(bare[len(codes) :])
    shown = f"{a * 1e3:.2f} ms", f"split {b * 1e3:.2f} ms"
    return [Row(f"a policy verdict, over {len(codes)} programs", *shown, f"{a / b:.1f} x", "1 ms", a <= 0.001)]


PARTS: dict[str, Callable[[Path], list[Row]]] = {
    "start": start, "one_shot": one_shot, "turns": turns, "output": output, "stream": stream, "resume": resume,
    "walls": walls, "verdicts": verdicts, "network": lambda _home: [Row(*cells) for cells in broker.rows()],
    "rewind": lambda folder: [Row(*cells) for cells in rewind.rows(folder)],
    "long": lambda folder: [Row(*cells) for cells in long.rows(folder)],
    "table": lambda home: [Row(*cells) for cells in table.rows(home)],
    "staged": lambda folder: [Row(*cells) for cells in staged.rows(folder)],
}  # fmt: skip


def main(names: list[str]) -> int:
    rows: list[Row] = []
    for name in names or list(PARTS):
        with tempfile.TemporaryDirectory(prefix="bench-") as folder:
            rows += PARTS[name](Path(folder))
    widths = [max(len(str(row[n])) for row in rows) for n in range(5)]
    verdicts = [machine.verdict(row.holds, row.over, machine.slowness(row.python)) for row in rows]
    for row, said in zip(rows, verdicts, strict=True):
        cells = "  ".join(str(cell).ljust(width) for cell, width in zip(row, widths, strict=False))
        print(f"{cells}  {said}")
    return int("MISSED" in verdicts)


if __name__ == "__main__":
    threading.excepthook = lambda _args: None  # a client that hangs up ends its handler's thread
    sys.exit(main(sys.argv[1:]))
