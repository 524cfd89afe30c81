"""How a run ends: exit codes, bounds, and going on."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from pathlib import Path

import pytest

from interpreter.types.events import ActionFinished

from . import snapshots
from .world import COMMAND, World, read_until, reply, until


def test_e50_failures_in_a_row_end_with_1(world: World) -> None:
    world.serve(*(reply(code=f"raise ValueError({n})") for n in range(9)))
    done = world.run("-y", "--output", "jsonl", "fail")
    assert done.code == 1 and len(world.requests()) == 4
    snapshots.check("e50", done, world)


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--modle", "x", "task"), "--model"),
        (("--sandbox", "brick", "task"), "bubblewrap"),
        (("--context_window", "many", "task"), "context_window"),
        (("--workspace", "nowhere", "task"), "There is no folder"),
        (("--output", "xml", "task"), "jsonl"),
    ],
)
def test_e51_wrong_usage_ends_with_2(world: World, words: tuple[str, ...], told: str) -> None:
    done = world.run(*words)
    assert (done.code, done.out) == (2, "") and told in done.err and len(done.err.splitlines()) <= 3


def test_e52_without_a_yes_nothing_runs_and_resume_goes_on(world: World) -> None:
    world.serve(reply("I make it.", "open('made', 'w').close()\nprint('ok')"))
    done = world.run("--output", "jsonl", "make a file")
    assert done.code == 4 and not (world.here / "made").exists()
    session = world.session()
    assert f"interpreter --resume {session} -y" in done.lines[-1]["text"]
    snapshots.check("e52a", done, world)
    world.serve("It is made.")
    again = world.run("--resume", session, "-y", "--output", "jsonl")
    assert again.code == 0 and (world.here / "made").exists()
    snapshots.check("e52b", again, world)


def test_e53_the_words_that_go_on_are_on_the_screen(world: World) -> None:
    world.serve(reply("I make it.", "open('made', 'w').close()"))
    done = world.run("make a file")
    words = f"interpreter --resume {world.session()} -y"
    assert (done.code, done.out) == (4, "") and words in done.err
    world.serve("It is made.")
    again = world.shell(f"{words} -ab {world.url} --context_window 65536")
    assert (again.code, again.out) == (0, "It is made.\n") and (world.here / "made").exists()
    assert again.err.count("The server serves this model with a context of 32768 tokens") == 1


def test_e54_steps_are_bounded(world: World) -> None:
    world.serve(*(reply(code=f"print({n})") for n in range(9)))
    done = world.run("-y", "--max_steps", "2", "--output", "jsonl", "count")
    assert done.code == 5 and len(world.requests()) == 2
    snapshots.check("e54", done, world)


def test_e55_tokens_and_cost_are_bounded(world: World) -> None:
    usage = {"prompt": 900, "completion": 200}
    world.serve(reply(code="print(1)", usage=usage, times=0))
    done = world.run("-y", "--max_total_tokens", "2000", "count")
    assert done.code == 5 and "The limit of 2000 tokens was reached." in done.err and len(world.requests()) == 2
    world.serve(reply(code="print(1)", usage=usage, times=0))
    done = world.run("-y", "--max_cost", "0.001", "count", env={"INTERPRETER_PRICES": "input=1,output=1"})
    assert done.code == 5 and "The cost limit of 0.001 was reached." in done.err and len(world.requests()) == 1


def test_e56_one_execution_is_bounded_in_time(world: World) -> None:
    world.serve(reply(code="import time\nprint('on')\ntime.sleep(600)"), "It took too long.")
    done = world.run("-y", "--timeout", "0.3", "--output", "json", "wait")
    (action,) = done.result["actions"]
    assert (done.code, action["status"]) == (0, "timeout") and "on" in action["output"]


def test_e57_no_sandbox_where_one_was_asked_for_ends_with_7(world: World) -> None:
    if shutil.which("unshare") is None or not Path("/proc/sys/user/max_user_namespaces").exists():
        pytest.skip("no user namespaces here")
    url = world.serve(reply(code="open('made', 'w')"), "Done.")
    forbid = "echo 0 > /proc/sys/user/max_user_namespaces"  # in a namespace of its own: as on a hardened machine
    line = f"{forbid} || exit 99; exec {COMMAND} -y --sandbox bubblewrap -ab {url} make </dev/null"
    done = world.finish(world.popen(["unshare", "--user", "--map-root-user", "/bin/sh", "-c", line]))
    if done.code == 99 or "unshare failed" in done.err:
        pytest.skip("no user namespaces for this user")
    assert (done.code, done.out) == (7, "") and "bubblewrap" in done.err
    assert not (world.here / "made").exists()


def test_e58_a_signal_interrupts_and_the_session_is_kept(world: World) -> None:
    world.serve(reply(code="kept = 41\nprint('on', flush=True)\nimport time\ntime.sleep(600)"), "Never.")
    process = world.start("-y", "wait")
    read_until(process, "\non\n", error=True)
    process.send_signal(signal.SIGINT)
    done = world.finish(process)
    assert done.code == 130 and "Interrupted." in done.err
    world.serve(reply(code="print(kept + 1)"), "42.")
    again = world.run("-y", "--resume", "last", "--output", "json", "go on")
    assert again.result["actions"][0]["output"] == "42"  # the same living kernel


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_e59_the_host_is_killed_while_code_runs_and_the_next_one_sees_its_end(world: World) -> None:
    go = world.here / "go"
    wait = "while not os.path.exists('go'): time.sleep(0.02)"
    code = f"import os, time\nprint('on', flush=True)\n{wait}\nx = 7\nprint('end')"
    world.serve(reply(code=code), "Never.")
    process = world.start("-y", "--output", "jsonl", "wait")
    read_until(process, '"on\\n"')
    process.kill()
    process.wait()
    go.touch()
    world.serve(reply(code="print(x)"), "Seven.")
    again = world.run("-y", "--resume", "last", "--output", "json", "and x?")
    assert again.code == 0 and again.result["answer"] == "Seven."
    outputs = [event.observation.text for event in world.of(ActionFinished)]
    assert "end" in outputs[0] and outputs[1] == "7"


def test_e60_the_host_and_its_keeper_are_killed_and_nothing_runs_twice(world: World) -> None:
    code = "open('ran', 'a').write('x')\nprint('on', flush=True)\nimport time\ntime.sleep(600)"
    world.serve(reply(code=code), "Never.")
    process = world.start("-y", "--output", "jsonl", "wait")
    read_until(process, '"on\\n"')
    process.kill()
    process.wait()
    for pid in world.keepers():
        os.kill(pid, signal.SIGKILL)
    until(lambda: not world.keepers(), "the keeper is gone")
    world.serve("I look first.")
    again = world.run("-y", "--resume", "last", "--output", "jsonl", "go on")
    assert again.code == 0 and (world.here / "ran").read_text() == "x"
    (resumed,) = [event for event in again.lines if event["type"] == "session_resumed"]
    assert len(resumed["unfinished"]) == 1 and resumed["gone"] == ["python"]
    assert "cut off" in str(world.requests()[0]["messages"])


def test_e61_two_processes_on_one_session(world: World) -> None:
    world.serve(reply(code="print('on', flush=True)\nimport time\ntime.sleep(600)"), "Never.")
    first = world.start("-y", "--output", "jsonl", "wait")
    read_until(first, '"on\\n"')
    second = world.run("--resume", "last", "me too")
    assert (second.code, second.out) == (2, "") and str(first.pid) in second.err


def test_e62_nobody_reads_the_answer_any_more(world: World) -> None:
    world.serve(reply("word " * 400, pace=0.01))
    process: subprocess.Popen[bytes] = world.start("--output", "jsonl", "write")
    read_until(process, "text_delta")
    assert process.stdout is not None and process.stderr is not None
    process.stdout.close()
    assert process.wait(60) in (130, 141)
    assert b"Traceback" not in process.stderr.read()


def test_e126_under_nohup_a_closed_terminal_changes_nothing(world: World) -> None:
    code = "import os, time\nprint('on', flush=True)\nwhile not os.path.exists('go'): time.sleep(0.02)\nprint('end')"
    url = world.serve(reply(code=code), "Done.")
    process = world.popen(["/bin/sh", "-c", f"trap '' HUP; exec {COMMAND} -y -ab {url} --output jsonl wait"])
    read_until(process, '"on\\n"')
    process.send_signal(signal.SIGHUP)
    (world.here / "go").touch()
    done = world.finish(process)
    assert done.code == 0 and world.told(1) == "on\nend"
