"""One task as a subprocess: what goes to which stream, and the exit code."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from tests import zygote
from tests.zygote import DRIVE

HEAVY = (
    "rich",
    "prompt_toolkit",
    "pygments",
    "yaml",
    "argparse_",
    "interpreter.cli.repl",
    "interpreter.cli.views.screen",
)


def run(tmp_path: Path, *words: str, stdin: bytes | None = None, **environ: str) -> subprocess.CompletedProcess[bytes]:
    env = {k: v for k, v in os.environ.items() if not k.startswith("INTERPRETER_")}
    env |= {"INTERPRETER_HOME": str(tmp_path / "home"), "LC_ALL": "C.UTF-8"} | environ
    return zygote.run([sys.executable, DRIVE, *words], cwd=tmp_path, env=env, data=stdin)


def test_the_answer_alone_is_on_standard_output(tmp_path: Path) -> None:
    done = run(tmp_path, "-y", "code", DRIVE_MODULES=str(tmp_path / "modules"))
    assert (done.returncode, done.stdout) == (0, b"ran 15d9d7b7\n")
    assert done.stderr.decode() == ("I will compute it.\n--- Python ---\nimport math\nprint(math.pi)\n---\n3.14159\n")
    loaded = set((tmp_path / "modules").read_text().split())
    assert not loaded & set(HEAVY)


def test_nobody_there_and_no_yes_runs_nothing(tmp_path: Path) -> None:
    done = run(tmp_path, "code")
    assert done.returncode == 4 and done.stdout == b""
    assert b"interpreter --resume s_0123456789abcdef0123 -y" in done.stderr


def test_the_task_comes_from_a_heredoc(tmp_path: Path) -> None:
    done = run(tmp_path, "-y", "--api-base", "http://127.0.0.1:1/v1", stdin="answer 第一行\n第二行\n".encode())
    assert done.returncode == 0 and "You said: answer 第一行\n第二行\n".encode() in done.stdout


@pytest.mark.parametrize(
    ("data", "text"),
    [
        ("answer 你好".encode("gb18030"), "你好"),
        ("answer 你好".encode("utf-16"), "你好"),
        (b"\xef\xbb\xbfanswer \xe4\xbd\xa0", "You said: answer 你"),
    ],
)
def test_tasks_in_other_encodings(tmp_path: Path, data: bytes, text: str) -> None:
    assert text in run(tmp_path, stdin=data).stdout.decode()


@pytest.mark.parametrize("data", [b"\x00\x01\x02", b"\xff\xff\xff\xff\x80", b"x" * ((4 << 20) + 1)])
def test_what_is_no_task_is_refused(tmp_path: Path, data: bytes) -> None:
    done = run(tmp_path, stdin=data)
    assert done.returncode == 2 and b"Traceback" not in done.stderr and b"interpreter" in done.stderr


@pytest.mark.parametrize("data", [b"", b" \n"])
def test_an_empty_task_is_refused(tmp_path: Path, data: bytes) -> None:
    done = run(tmp_path, stdin=data)
    assert (done.returncode, done.stdout) == (2, b"") and b"the task is empty" in done.stderr


def test_standard_input_is_the_data_of_a_task(tmp_path: Path) -> None:
    rows = "day,sum\n" + "".join(f"{n},{n * n}\n" for n in range(2000))
    done = run(tmp_path, "answer what is this?", "--output", "json", stdin=rows.encode())
    answer = json.loads(done.stdout)["answer"]
    kept = tmp_path / ".scratch" / "stdin"
    assert kept.read_text() == rows
    assert f"is in the file {kept} ({len(rows)} bytes). It begins:\nday,sum\n0,0\n" in answer
    assert len(answer) < 1400


def test_binary_data_is_kept_and_only_named(tmp_path: Path) -> None:
    done = run(tmp_path, "answer", stdin=b"PK\x00\x03" * 100)
    assert b"(400 bytes). It is not text." in done.stdout
    assert (tmp_path / ".scratch" / "stdin").read_bytes() == b"PK\x00\x03" * 100


def test_empty_standard_input_is_no_data(tmp_path: Path) -> None:
    done = run(tmp_path, "answer me", stdin=b"")
    assert b"You said: answer me\n" in done.stdout


def test_json_is_one_object(tmp_path: Path) -> None:
    done = run(tmp_path, "-y", "show", "--output", "json")
    result = json.loads(done.stdout)
    assert done.returncode == 1 == result["exit_code"]
    assert result["status"] == "failed" and result["answer"] == "" and result["message"] == "It failed."
    assert result["session"] == "s_0123456789abcdef0123" and result["model"] == "fake-4b"
    assert result["usage"] == {"prompt": 10, "cached": 4, "completion": 5, "reasoning": 0}
    (action,) = result["actions"]
    assert action["error"] == {"name": "KeyError", "message": "'date'"}
    assert action["files"] == ["/nowhere/plot.png"] and action["status"] == "error"


def test_jsonl_is_every_event(tmp_path: Path) -> None:
    done = run(tmp_path, "-y", "code", "--output", "jsonl")
    kinds = [json.loads(line)["type"] for line in done.stdout.splitlines()]
    assert kinds == [
        "turn_started", "model_asked", "code_delta", "text_delta", "model_answered", "action_proposed",
        "action_started", "output_chunk", "action_finished", "model_answered", "turn_finished",
    ]  # fmt: skip


@pytest.mark.parametrize("output", ["json", "jsonl"])
def test_an_error_before_the_session_is_an_object_as_well(tmp_path: Path, output: str) -> None:
    done = run(tmp_path, "-m", "absent", "--output", output, "x")
    told = json.loads(done.stdout)
    assert done.returncode == 6 == told["exit_code"]
    assert (told["error"], told["message"], told["hint"]) == ("ModelUnreachable", "No model answers.", "Start one.")
    assert b"Error: No model answers.\nStart one.\n" in done.stderr


def test_a_wrong_configuration_is_told_in_either_form(tmp_path: Path) -> None:
    (tmp_path / ".interpreter").mkdir()
    (tmp_path / ".interpreter" / "config.yaml").write_text("modle: x\n")
    done = run(tmp_path, "answer", "--output", "json")
    assert done.returncode == 2 and json.loads(done.stdout)["error"] == "ConfigError"
    assert b"line 1" in run(tmp_path, "answer").stderr


def test_what_a_project_may_not_do_is_said(tmp_path: Path) -> None:
    (tmp_path / ".interpreter").mkdir()
    (tmp_path / ".interpreter" / "config.yaml").write_text("auto_run: true\n")
    done = run(tmp_path, "code")
    assert done.returncode == 4 and b"`auto_run` was ignored" in done.stderr


@pytest.mark.parametrize("flag", ["--os", "--computer-use-vision", "--computer_use_vision"])
def test_control_of_the_screen_is_not_there_yet(tmp_path: Path, flag: str) -> None:
    done = run(tmp_path, flag)
    assert done.returncode == 2 and b"not there yet" in done.stderr


def test_an_unknown_folder(tmp_path: Path) -> None:
    done = run(tmp_path, "answer", "--workspace", "nowhere")
    assert done.returncode == 2 and b"There is no folder" in done.stderr


def test_a_deleted_folder(tmp_path: Path) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    code = (
        f"import os, sys; os.chdir({str(gone)!r}); os.rmdir({str(gone)!r})\n"
        f"os.execv(sys.executable, [sys.executable, {DRIVE!r}, 'answer'])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, stdin=subprocess.DEVNULL, check=False)
    assert done.returncode == 2 and b"no longer exists" in done.stderr


def started(tmp_path: Path, *words: str) -> subprocess.Popen[bytes]:
    env = os.environ | {"INTERPRETER_HOME": str(tmp_path / "home"), "LC_ALL": "C.UTF-8"}
    return zygote.popen(
        [sys.executable, DRIVE, *words], cwd=tmp_path, env=env, stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip


def until(stream: Any, wanted: bytes) -> None:
    seen = b""
    while wanted not in seen:
        piece = os.read(stream.fileno(), 4096)
        assert piece, seen
        seen += piece


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_interrupts_and_leaves_in_order(tmp_path: Path, number: int) -> None:
    with started(tmp_path, "-y", "forever") as process:
        until(process.stderr, b"tick")
        process.send_signal(number)
        assert process.wait(20) == 130


def test_nobody_reads_any_more(tmp_path: Path) -> None:
    with started(tmp_path, "-y", "forever", "--output", "jsonl") as process:
        assert process.stdout is not None
        until(process.stdout, b"output_chunk")
        process.stdout.close()
        time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        assert process.wait(20) == 130
        assert process.stderr is not None and b"Traceback" not in process.stderr.read()


def test_standard_error_may_be_closed(tmp_path: Path) -> None:
    command = f'exec "{sys.executable}" "{DRIVE}" -y code 2>&-'
    env = os.environ | {"INTERPRETER_HOME": str(tmp_path / "home")}
    done = subprocess.run(
        ["/bin/sh", "-c", command], cwd=tmp_path, env=env, stdin=subprocess.DEVNULL, capture_output=True, check=False
    )
    assert (done.returncode, done.stdout) == (0, b"ran 15d9d7b7\n")


def test_an_open_pipe_without_data_is_explained(tmp_path: Path) -> None:
    reader, writer = os.pipe()
    env = os.environ | {"INTERPRETER_HOME": str(tmp_path / "home"), "LC_ALL": "C.UTF-8"}
    with zygote.popen(
        [sys.executable, DRIVE, "answer"], cwd=tmp_path, env=env, stdin=reader, stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:  # fmt: skip
        os.close(reader)
        until(process.stderr, b"Waiting for standard input")
        os.close(writer)
        assert process.wait(20) == 0
