"""The command lines that people know, as they type them."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys

import pytest

from . import snapshots
from .world import COMMAND, World, reply

MODEL = "Qwen3-4B-Instruct-2507"


def test_e01_api_base_and_model_begin_a_conversation(world: World) -> None:
    world.forks = False  # one of each way in begins without the zygote
    url = world.serve("Hello, what shall we do?", model=MODEL)
    with world.talk("--api_base", url, "--model", MODEL) as terminal:
        terminal.send("hello\r")
        terminal.wait_for("Hello, what shall we do?")
        terminal.wait_for("\n>", times=2)
        terminal.wait_for(f"{MODEL} · ")
        terminal.send("\x04")
        assert terminal.finish() == 0
        assert "The session is kept: interpreter --resume s_" in terminal.text
    assert world.told(0) == "hello"


def test_e02_short_flags(world: World) -> None:
    world.forks = False
    url = world.serve("Hi.", model=MODEL)
    done = world.run("-ab", url, "-m", MODEL, "say hi")
    assert (done.code, done.out, done.err) == (0, "Hi.\n", "")
    assert world.requests()[0]["model"] == MODEL


def test_e03_dashes_are_underscores_and_limits_reach_the_server(world: World) -> None:
    url = world.serve("Hi.", model=MODEL)
    flags = ("--api-base", url, "--model", MODEL, "--context_window", "32768", "--max_tokens", "4096", "-t", "0.5")
    done = world.run(*flags, "say hi")
    assert (done.code, done.out) == (0, "Hi.\n")
    asked = world.requests()[0]
    assert (asked["max_tokens"], asked["temperature"]) == (4096, 0.5)
    assert asked["messages"][0]["role"] == "system" and world.told(0) == "say hi"


def test_e04_a_heredoc_with_yes_in_several_lines_of_chinese(world: World) -> None:
    url = world.serve(reply("我来写。", "open('结果.txt', 'w').write('好')"), "写好了。", model=MODEL)
    task = "把“好”写进 结果.txt\n第二行：$HOME 和 'quotes'\n  third line"
    done = world.shell(f"interpreter -y --api_base {url} --model {MODEL} << 'EOF'\n{task}\nEOF\n")
    assert (done.code, done.out) == (0, "写好了。\n")
    assert world.told(0) == task
    assert (world.here / "结果.txt").read_text() == "好"


def test_e05_names_of_models_as_the_older_interface_writes_them(world: World) -> None:
    world.serve("Hi.", model=MODEL)
    assert world.run("-m", f"openai/{MODEL}", "say hi").out == "Hi.\n"
    assert world.requests()[0]["model"] == MODEL


@pytest.mark.parametrize("flag", ["--computer-use-vision", "--computer_use_vision", "--os"])
def test_e06_control_of_the_screen_is_not_there_yet(world: World, flag: str) -> None:
    done = world.run(flag)
    assert (done.code, done.out) == (2, "")
    assert "Control of the screen is not there yet." in done.err
    assert not list(world.data.iterdir())


def alone(world: World, script: str) -> subprocess.Popen[bytes]:
    """Run lines where nothing else listens: in a network namespace of their own."""
    if not (shutil.which("unshare") and shutil.which("ip")):
        pytest.skip("no unshare or ip here")
    argv = ["unshare", "--user", "--map-root-user", "--net", "/bin/sh", "-c", f"ip link set lo up || exit 99\n{script}"]
    if subprocess.run([*argv[:-1], "ip link set lo up"], capture_output=True, check=False).returncode:
        pytest.skip("no network namespaces for this user")
    return world.popen(argv)


def test_e07_no_model_anywhere(world: World) -> None:
    done = world.finish(alone(world, f"exec {COMMAND} 'say hi' </dev/null"))
    assert (done.code, done.out) == (6, "")
    assert "No model server answers on this machine (ports 8000, 11434, 1234, 8080)." in done.err
    assert "--api_base" in done.err and "vllm serve" in done.err


def test_e08_a_local_server_is_found(world: World) -> None:
    script = world.root / "script.json"
    script.write_text(json.dumps({"replies": ["Found."], "model": MODEL, "kind": "vllm"}))
    server = f"{sys.executable} -m interpreter.llm.scripted_server {script} --port 8000"
    # A fifo: its first line is the address, so the server listens.
    lines = f"mkfifo f; {server} > f & read url < f; {COMMAND} 'say hi' </dev/null; code=$?; kill $!; exit $code"
    done = world.finish(alone(world, lines))
    assert (done.code, done.out) == (0, "Found.\n")
    assert f"Found vllm at http://127.0.0.1:8000/v1, model {MODEL}." in done.err


def test_e09_the_answer_alone_is_on_standard_output(world: World) -> None:
    world.serve(reply("I compute it.", "x = 6\nprint(x * 7)"), reply("And one more.", "x * 7 + 1"), "42 and 43.")
    done = world.run("-y", "compute")
    assert (done.code, done.out) == (0, "42 and 43.\n")
    first = "I compute it.\n--- Python ---\nx = 6\nprint(x * 7)\n---\n42\n"
    assert done.err == first + "And one more.\n--- Python ---\nx * 7 + 1\n---\n43\n"


def test_e10_the_event_stream_of_a_task(world: World) -> None:
    world.serve(reply("I compute it.", "x = 6 * 7\nx"), reply("And further.", "print(x + 1)"), "42 and 43.")
    done = world.run("-y", "--output", "jsonl", "compute")
    assert done.code == 0 and done.err == ""
    snapshots.check("e10", done, world)


def test_e11_one_object_with_usage_and_cost(world: World) -> None:
    usage = {"prompt": 1000, "cached": 400, "completion": 100}
    world.serve(reply(code="print('x' * 3)", usage=usage), reply("Done.", usage=usage))
    prices = {"INTERPRETER_PRICES": "input=2,cached=1,output=10"}
    done = world.run("-y", "--output", "json", "compute", env=prices)
    result = done.result
    assert (done.code, done.err) == (0, "")
    assert (result["status"], result["exit_code"], result["answer"], result["message"]) == ("done", 0, "Done.", "")
    assert (result["steps"], result["requests"]) == (2, 2)
    assert result["usage"] == {"prompt": 2000, "cached": 800, "completion": 200, "reasoning": 0}
    assert result["cost"] == pytest.approx((1200 * 2 + 800 * 1 + 200 * 10) / 1e6)  # pyright: ignore[reportUnknownMemberType]
    (action,) = result["actions"]
    assert (action["status"], action["exit_status"], action["output"]) == ("ok", 0, "xxx")
    assert result["workspace"] == str(world.here) and result["session"] == world.session()


def test_e12_standard_input_is_the_data_of_a_task(world: World) -> None:
    world.serve("A table.")
    rows = "day,sum\n" + "".join(f"{n},{n}\n" for n in range(2000))
    done = world.run("-y", "what is it?", stdin=rows)
    assert (done.code, done.out) == (0, "A table.\n")
    told = world.told(0)
    assert told.startswith("what is it?\n\nThe data from standard input is in the file ")
    assert "day,sum\n0,0\n" in told and len(told) < 1500
    path = told.split("is in the file ")[1].split(" (")[0]
    world.serve(reply(code=f"print(len(open({path!r}).readlines()))"), "2001 lines.")
    done = world.run("-y", "--resume", "last", "--output", "json", "how many lines?")
    assert done.result["actions"][0]["output"] == "2001"


def test_e13_binary_data_is_kept_and_only_named(world: World) -> None:
    world.serve("A zip.")
    assert world.run("what is it?", stdin=b"PK\x00\x03" * 100).code == 0
    assert "(400 bytes). It is not text." in world.told(0)


@pytest.mark.parametrize("stdin", ["", " \n"])
def test_e14_an_empty_task_is_refused(world: World, stdin: str) -> None:
    done = world.run(stdin=stdin)
    assert (done.code, done.out) == (2, "") and "the task is empty" in done.err
