"""Servers that are down, wrong, broken or full: each a sentence that says what to do, the session kept, exit 6."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
from typing import Any

from . import snapshots
from .world import Done, World, read_until, reply, until


def failing(world: World, name: str, *words: str) -> Done:
    """A run that ends with 6 and leaves a session that can be resumed."""
    done = world.run("-y", "--output", "jsonl", *words, "compute")
    assert done.code == 6
    end = done.lines[-1]
    assert (end["type"], end["reason"], end["exit_code"]) == ("turn_finished", "model", 6)
    snapshots.check(name, done, world)
    world.serve("It goes on.")
    again = world.run("-y", "--resume", "last", "go on")
    assert (again.code, again.out) == (0, "It goes on.\n")
    return done


def message(done: Done) -> str:
    return str(done.lines[-1]["text"])


def test_e35_nothing_listens_on_that_port(world: World) -> None:
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))  # taken, and not listening
        world.url = f"http://127.0.0.1:{held.getsockname()[1]}/v1"
        done = failing(world, "e35")
    assert "127.0.0.1" in message(done)


def test_e36_a_web_page_instead_of_an_api(world: World) -> None:
    (world.root / "site").mkdir()
    (world.root / "site" / "index.html").write_text("<html><title>Welcome</title></html>")
    argv = [
        sys.executable,
        "-u",
        "-m",
        "http.server",
        "0",
        "--bind",
        "127.0.0.1",
        "--directory",
        str(world.root / "site"),
    ]
    site = world.popen(argv)
    assert site.stdout is not None
    world.url = site.stdout.readline().decode().split("(")[1].split("/)")[0]
    failing(world, "e36")


def test_e37_a_page_instead_of_an_answer(world: World) -> None:
    world.serve({"fault": "html"})
    assert "web page" in message(failing(world, "e37"))


def test_e38_an_empty_body(world: World) -> None:
    world.serve({"fault": "empty"})
    failing(world, "e38")


def test_e39_a_stream_that_breaks_off_shows_nothing_twice(world: World) -> None:
    world.serve(reply("I compute it, and then the line goes dead.", fault="break", after=4), "Never asked for.")
    done = failing(world, "e39")
    (failed,) = [event for event in done.lines if event["type"] == "model_failed"]
    shown = "".join(event["text"] for event in done.lines if event["type"] == "text_delta")
    assert failed["partial"] == shown == "I compute it, and"


def test_e40_an_error_inside_the_stream(world: World) -> None:
    world.serve(reply("I compute it.", "print(6 * 7)", fault="error_in_stream", after=3))
    done = failing(world, "e40")
    assert not [event for event in done.lines if event["type"] == "action_proposed"]


def test_e41_rate_limited_for_a_moment(world: World) -> None:
    world.serve({"fault": "rate_limited", "retry_after": 0.05}, "Hello.")
    done = world.run("--output", "jsonl", "say hi")
    assert done.code == 0
    (answered,) = [event for event in done.lines if event["type"] == "model_answered"]
    assert answered["retries"] == 1
    snapshots.check("e41", done, world)


def test_e42_rate_limited_for_good(world: World) -> None:
    world.serve({"fault": "rate_limited", "retry_after": 0.05, "times": 0})
    failing(world, "e42")


def test_e43_the_context_is_exceeded_and_nothing_can_be_left_out(world: World) -> None:
    world.serve({"fault": "overflow", "times": 0})
    failing(world, "e43")


def test_e44_the_context_is_exceeded_and_older_outputs_give_way(world: World) -> None:
    outputs = [reply(code=f"for n in range(2000): print('line', n, {turn})") for turn in range(4)]
    world.serve(*outputs, {"fault": "overflow"}, "It was long.")
    done = world.run("-y", "--output", "jsonl", "print much")
    assert done.code == 0
    assert [event["type"] for event in done.lines].count("compacted") >= 1
    sizes = [len(json.dumps(request["messages"])) for request in world.requests()]
    assert len(sizes) == 6 and sizes[5] < sizes[4]


def test_e45_an_unknown_model_lists_those_that_are_there(world: World) -> None:
    world.serve("Never.", model="qwen3-4b", models=["qwen3-4b", "phi-4"])
    done = world.run("-m", "gpt-9", "say hi")
    assert (done.code, done.out) == (6, "")
    assert "gpt-9" in done.err and "qwen3-4b" in done.err and "phi-4" in done.err
    assert world.requests() == []


def test_e46_a_key_that_is_refused_is_not_shown(world: World) -> None:
    world.serve("Never.", api_key="sk-right")
    done = failing(world, "e46", "-ak", "sk-wrong-0123456789")
    assert "sk-wrong" not in done.out + done.err


def test_e47_a_server_that_loads_its_model(world: World) -> None:
    world.serve({"fault": "server_error", "status": 503, "message": "Loading model", "times": 2}, "Hello.")
    done = world.run("say hi")
    assert (done.code, done.out) == (0, "Hello.\n")


def test_e48_an_error_before_the_session_is_an_object_as_well(world: World) -> None:
    done = world.run("--output", "json", "--resume", "s_0123456789abcdef0123", "go on")
    told = done.result
    assert done.code == 2 == told["exit_code"]
    assert (told["type"], told["error"]) == ("error", "SessionUnknown") and told["message"] in done.err


def hung_up(world: World) -> bool:
    lines: list[dict[str, Any]] = [json.loads(line) for line in world.log.read_text().splitlines()]
    return any(line.get("hung_up") for line in lines)


def test_e49_ctrl_c_while_the_model_writes_ends_the_request(world: World) -> None:
    world.serve(reply("word " * 2000, pace=0.05))
    process: subprocess.Popen[bytes] = world.start("--output", "jsonl", "write a book")
    read_until(process, "text_delta")
    process.send_signal(signal.SIGINT)
    done = world.finish(process)
    assert done.code == 130 and '"reason":"interrupted"' in done.out
    until(lambda: hung_up(world), "the server sees that its client has gone")
