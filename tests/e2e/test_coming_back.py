"""The host is killed at any moment, and `--resume last` goes on with the turn: the real command, real kernels."""

from __future__ import annotations

import json
import os
import signal
import subprocess

import pytest

from interpreter.types.events import (
    ActionFinished,
    ActionProposed,
    ActionStarted,
    ModelAsked,
    SessionClosed,
    SessionResumed,
    TurnFinished,
    TurnStarted,
)
from tests.cli.terminal import Terminal

from .world import World, read_until, reply, until

GATE = "import os, time\nwhile not os.path.exists('go'): time.sleep(0.02)\n"


def killed(process: subprocess.Popen[bytes]) -> None:
    process.kill()
    process.wait()


def one_turn(world: World) -> None:
    """Everything happened in one turn, each action and the turn itself with one end."""
    events = world.events()
    assert sum(isinstance(event, TurnStarted) for event in events) == 1
    (end,) = [event for event in events if isinstance(event, TurnFinished)]
    assert end.reason == "done"
    proposals = [event.action.id for event in events if isinstance(event, ActionProposed)]
    assert sorted(proposals) == sorted(event.action for event in events if isinstance(event, ActionFinished))
    assert len(set(proposals)) == len(proposals)


def test_killed_while_a_step_runs_and_the_same_turn_goes_on(world: World) -> None:
    code = f"print('before', flush=True)\nx = 7\n{GATE}print('after')"
    world.serve(reply(code=code), "Never.")
    process = world.start("-y", "--output", "jsonl", "wait")
    read_until(process, '"before\\n"')
    killed(process)
    world.serve(reply(code="print(x)"), "Seven.")
    again = world.start("-y", "--resume", "last", "--output", "jsonl")
    read_until(again, '"before\\n"')  # what was printed meanwhile is shown, and then it is watched
    (world.here / "go").touch()
    done = world.finish(again)
    assert done.code == 0 and "Seven." in done.out
    outputs = [event.observation.text for event in world.of(ActionFinished)]
    assert outputs == ["before\nafter", "7"] and world.told(0) == "before\nafter"
    one_turn(world)


def test_killed_and_the_step_ends_before_anybody_comes_back(world: World) -> None:
    world.serve(reply(code=f"print('on', flush=True)\n{GATE}open('ended', 'a').write('x')\nprint('end')"), "Never.")
    process = world.start("-y", "--output", "jsonl", "wait")
    read_until(process, '"on\\n"')
    killed(process)
    (world.here / "go").touch()
    until((world.here / "ended").exists, "the step ends without its host")
    world.serve("It ended.")
    done = world.run("-y", "--resume", "last")
    assert (done.code, done.out) == (0, "It ended.\n") and "end" in done.err
    assert (world.here / "ended").read_text() == "x" and world.told(0) == "on\nend"
    one_turn(world)


def test_killed_while_the_model_speaks(world: World) -> None:
    world.serve(reply("word " * 400, pace=0.01))
    process = world.start("-y", "--output", "jsonl", "speak")
    read_until(process, "text_delta")
    killed(process)
    world.serve("Spoken.")
    done = world.run("-y", "--resume", "last")
    assert (done.code, done.out) == (0, "Spoken.\n")
    assert [event.step for event in world.of(ModelAsked)] == [1, 2]
    one_turn(world)


def test_everything_dies_in_a_step_and_it_is_not_run_again(world: World) -> None:
    code = "open('ran', 'a').write('x')\nprint('halfway', flush=True)\n" + GATE
    world.serve(reply(code=code), "Never.")
    process = world.start("-y", "--output", "jsonl", "wait")
    read_until(process, '"halfway\\n"')
    killed(process)
    for pid in world.keepers():
        os.kill(pid, signal.SIGKILL)
    until(lambda: not world.keepers(), "the keeper is gone")
    world.serve("I look first.")
    done = world.run("-y", "--resume", "last")
    assert (done.code, done.out, (world.here / "ran").read_text()) == (0, "I look first.\n", "x")
    (finished,) = world.of(ActionFinished)
    assert finished.status == "lost" and finished.completion is not None
    assert "halfway" in finished.observation.text and "cut off while this ran" in str(world.requests()[0]["messages"])
    (resumed,) = world.of(SessionResumed)
    assert resumed.unfinished == (finished.action,) and resumed.gone == ("python",)
    one_turn(world)


def test_killed_while_a_question_is_open_and_asked_again(world: World) -> None:
    world.serve(reply(code="open('made', 'w').close()"), "Never.")
    with world.terminal("make") as terminal:
        terminal.wait_for("y yes")
        terminal.child.kill(signal.SIGKILL)
        terminal.child.wait()
    world.serve("Made.")
    with world.terminal("--resume", "last") as terminal:
        terminal.wait_for("Going on with what was cut off: make")
        terminal.wait_for("y yes")
        assert not (world.here / "made").exists()
        terminal.send("y\n")
        terminal.wait_for("Made.")
        terminal.leave()
    assert (world.here / "made").exists() and len(world.of(ActionStarted)) == 1
    one_turn(world)


def test_what_was_interrupted_is_not_gone_on_with(world: World) -> None:
    world.serve(reply(code="print('on', flush=True)\nimport time\ntime.sleep(600)"), "Never.")
    process = world.start("-y", "--output", "jsonl", "wait")
    read_until(process, '"on\\n"')
    process.send_signal(signal.SIGINT)
    assert world.finish(process).code == 130
    done = world.run("-y", "--resume", "last")
    assert done.code == 2 and "nothing to do" in done.err


CLEAN = """import csv
open('times', 'a').write('c')
rows = [row for row in csv.DictReader(open('sales.csv')) if row['amount']]
with open('clean.csv', 'w', newline='') as file:
    out = csv.DictWriter(file, ['region', 'amount'])
    out.writeheader()
    out.writerows(rows)"""
CONVERT = """import json
json.dump(rows, open('sales.json', 'w'))"""
GROUP = (
    """total = {}
for row in rows: total[row['region']] = total.get(row['region'], 0) + int(row['amount'])
open('by_region.csv', 'w').write(''.join(f'{name},{n}\\n' for name, n in sorted(total.items())))
print('grouped', flush=True)
"""
    + GATE
)
PLOT = """assert len(rows) == 3
bars = [line.split(',') for line in open('by_region.csv')]
open('plot.svg', 'w').write(f'<svg>{bars}</svg>')"""


def test_the_sales_table_is_not_cleaned_again(world: World) -> None:
    """The machine dies at the third step; after the resume only the plot is missing."""
    (world.here / "sales.csv").write_text("region,amount\nnorth,3\nsouth,\nsouth,4\nnorth,5\n")
    world.serve(*(reply(code=code, delay=1.0) for code in (CLEAN, CONVERT, GROUP)), "Never.")  # models take their time
    process = world.start(
        "-y", "--output", "jsonl", "Clean sales.csv, convert it to JSON, group by region and plot it."
    )
    read_until(process, '"grouped\\n"')
    killed(process)
    for pid in world.keepers():
        os.kill(pid, signal.SIGKILL)
    until(lambda: not world.keepers(), "the keeper is gone")
    world.serve(reply(code=PLOT), "The plot is in plot.svg.")
    done = world.run("-y", "--resume", "last")
    assert (done.code, done.out) == (0, "The plot is in plot.svg.\n") and "AssertionError" not in done.err
    assert "Step 3 (Python) was cut off: total = {}" in done.err
    told = str(world.requests()[0]["messages"][-1]["content"])
    for line in (
        "Asked: Clean sales.csv, convert it to JSON, group by region and plot it.",
        "- step 1 (python), ok: open('times', 'a').write('c') -> times, clean.csv",
        "- step 2 (python), ok: json.dump(rows, open('sales.json', 'w')) -> sales.json",
        "Changed since it began: by_region.csv.",
        "There: the python variables as after step 2:",
        "Do not do again what is done",
    ):
        assert line in told, told
    assert (world.here / "times").read_text() == "c" and "north" in (world.here / "plot.svg").read_text()
    one_turn(world)


def hang_up(terminal: Terminal) -> None:
    """The terminal goes away: its other end is closed, and the system tells the programs in it."""
    null = os.open(os.devnull, os.O_RDWR)
    os.dup2(null, terminal.child.child_fd)
    os.close(null)


def ended(world: World) -> bool:
    return bool(world.of(SessionClosed))


def test_the_terminal_goes_away_and_the_turn_goes_on(world: World) -> None:
    world.serve(reply(code=f"print('on', flush=True)\nx = 7\n{GATE}print('end')"), reply(code="print(x)"), "Done.")
    terminal = world.terminal("-y", "wait")
    terminal.wait_for("\non\n")
    hang_up(terminal)
    (world.here / "go").touch()
    until(lambda: ended(world), "the session ends by itself")
    one_turn(world)
    assert [event.observation.text for event in world.of(ActionFinished)] == ["on\nend", "7"]
    assert world.keepers()  # what the kernels hold is there for who comes back
    world.serve(reply(code="print(x + 1)"), "Eight.")
    assert world.run("-y", "--resume", "last", "--output", "json", "and?").result["actions"][0]["output"] == "8"


@pytest.mark.parametrize("mode", ["ask", "auto"])
def test_without_a_terminal_a_question_stays_open(world: World, mode: str) -> None:
    """ask: it stands on the screen when the terminal goes away; auto: it comes later."""
    asks = reply(code="open('made', 'w').close()")
    if mode == "ask":
        world.serve(asks, "Never.")
        terminal = world.terminal("make")
        terminal.wait_for("y yes")
        hang_up(terminal)
    else:
        rule = "{name: touching, decision: ask, reason: to be asked, command: touch **, match: [touch made]}"
        (world.data / "policy.yaml").write_text(f"version: 1\nrules: [{rule}]\n")
        world.serve(
            reply(code=f"print('on', flush=True)\n{GATE}"), reply(code="touch made", language="shell"), "Never."
        )
        terminal = world.terminal("-y", "make")
        terminal.wait_for("\non\n")
        hang_up(terminal)
        (world.here / "go").touch()
    until(lambda: ended(world), "the session ends by itself")
    (end,) = world.of(TurnFinished)
    assert (end.reason, end.exit_code) == ("waiting", 4) and not (world.here / "made").exists()
    (asked,) = json.loads(world.run("approvals", "list", "--json").out)
    assert world.run("approvals", "approve", asked["approval"]).code == 0
    world.serve("Made.")
    assert world.run(*(("-y",) if mode == "auto" else ()), "--resume", "last").out == "Made.\n"
    assert (world.here / "made").exists()


def test_the_terminal_goes_away_at_the_prompt(world: World) -> None:
    world.serve(reply(code="x = 7"), "Set.")
    terminal = world.talk("-y")
    terminal.send("set x\r")
    terminal.wait_for("Set.")
    terminal.wait_for("\n>", times=2)
    hang_up(terminal)
    until(lambda: ended(world), "the session is closed in order")
    assert [event.reason for event in world.of(SessionClosed)] == ["parked"] and world.keepers()
