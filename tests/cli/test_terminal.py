"""What a person sees and answers, on a real pseudo-terminal."""

from __future__ import annotations

import os
import shutil
import signal
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest

from .terminal import DRIVE, Terminal

ASKED = "a always"


@pytest.mark.parametrize(
    ("typed", "code", "seen"),
    [
        ("y\n", 0, "ran 15d9d7b7"),
        ("YES\n", 0, "ran 15d9d7b7"),
        ("是\n", 0, "ran 15d9d7b7"),
        ("ｙ\n", 0, "ran 15d9d7b7"),
        ("a\n", 0, "ran 15d9d7b7"),
        ("n\n", 3, "not run: you said no"),
        ("n use numpy instead\n", 3, "denied:use numpy instead"),
        ("不要，太慢了\n", 3, "denied:太慢了"),
        ("\x04", 130, "Interrupted."),
        ("\x03", 130, "Interrupted."),
    ],
)
def test_answers_to_code(tmp_path: Path, typed: str, code: int, seen: str) -> None:
    with Terminal.drive(["code"], tmp_path) as terminal:
        terminal.wait_for(ASKED)
        assert "print(math.pi)" in terminal.text
        assert f"Run this Python code (bubblewrap, in {tmp_path})?".replace(" ", "") in "".join(terminal.text.split())
        terminal.send(typed)
        assert terminal.finish() == code
        assert seen in terminal.text


@pytest.mark.parametrize("typed", ["\n", "maybe\n", "yy\n", "好像\n", "no-op\n"])
def test_an_unclear_answer_is_asked_again(tmp_path: Path, typed: str) -> None:
    with Terminal.drive(["code"], tmp_path) as terminal:
        terminal.wait_for(ASKED)
        terminal.send(typed)
        terminal.wait_for(ASKED, times=2)
        terminal.send("n\n")
        assert terminal.finish() == 3


def test_what_was_typed_before_the_question_is_no_answer(tmp_path: Path) -> None:
    with Terminal.drive(["code"], tmp_path) as terminal:
        terminal.send("y\n")
        terminal.wait_for(ASKED)
        time.sleep(0.3)
        assert terminal.child.isalive() and "ran 15d9d7b7" not in terminal.text
        terminal.send("n\n")
        assert terminal.finish() == 3


def editor(tmp_path: Path, body: str) -> dict[str, str]:
    script = tmp_path / "my editor"
    script.write_text(f"#!{sys.executable}\nimport sys\nfrom pathlib import Path\npath = Path(sys.argv[-1])\n{body}\n")
    script.chmod(0o755)
    return {"EDITOR": f"'{script}' --wait"}


def test_what_runs_is_what_was_edited(tmp_path: Path) -> None:
    env = editor(tmp_path, "assert path.suffix == '.py'; path.write_text(path.read_text() + '\\nprint(2)')")
    with Terminal.drive(["code"], tmp_path, env=env) as terminal:
        terminal.wait_for(ASKED)
        terminal.send("e\n")
        assert terminal.finish() == 0
        assert "Edited; this runs:" in terminal.text and "print(2)" in terminal.text
        assert "ran 15d9d7b7" not in terminal.text


@pytest.mark.parametrize("body", ["pass", "sys.exit(1)", "path.unlink()", "path.write_bytes(b'\\xff')"])
def test_an_editor_that_changes_nothing_leaves_the_question(tmp_path: Path, body: str) -> None:
    with Terminal.drive(["code"], tmp_path, env=editor(tmp_path, body)) as terminal:
        terminal.wait_for(ASKED)
        terminal.send("e\n")
        terminal.wait_for(ASKED, times=2)
        terminal.send("y\n")
        assert terminal.finish() == 0 and "ran 15d9d7b7" in terminal.text


def test_no_program_that_code_could_have_written_is_editor_or_pager(tmp_path: Path) -> None:
    planted = tmp_path / "node_modules" / ".bin"
    planted.mkdir(parents=True)
    for name in ("words", "less"):
        (planted / name).write_text(f"#!/bin/sh\ntouch '{tmp_path}/host-ran-{name}'\n")
        (planted / name).chmod(0o755)
    (tmp_path / "link").symlink_to(planted)
    search = f"{planted}:{tmp_path}/link:node_modules/.bin:{os.environ['PATH']}"
    with Terminal.drive(["code"], tmp_path, env={"PATH": search, "EDITOR": "words"}) as terminal:
        terminal.wait_for(ASKED)
        terminal.send("e\n")
        terminal.wait_for("The editor ended with 127; nothing was changed.")
        terminal.wait_for(ASKED, times=2)
        terminal.send("v\n")
        terminal.wait_for("print(math.pi)", times=2)
        terminal.send("q\n")
        terminal.wait_for(ASKED, times=3)
        terminal.send("n\n")
        assert terminal.finish() == 3
    assert not list(tmp_path.glob("host-ran-*"))


@pytest.mark.parametrize("plain", [False, True])
def test_hidden_characters_are_seen(tmp_path: Path, plain: bool) -> None:
    code = "code a = 1 #\\u202e\\u200b\\u2066\\rb\\x1b[2K"
    with Terminal.drive([code, *(["--plain"] if plain else [])], tmp_path) as terminal:
        terminal.wait_for(ASKED)
        for name in ("202E", "200B", "2066", "000D", "001B"):
            assert f"<U+{name}>" in terminal.text
        assert "hidden characters (5)" in terminal.text or plain
        terminal.send("n\n")
        assert terminal.finish() == 3


def test_a_program_asks_for_a_line(tmp_path: Path) -> None:
    with Terminal.drive(["-y", "input"], tmp_path) as terminal:
        terminal.wait_for("Name:")
        terminal.wait_for("\n>")
        terminal.send("王小明\n")
        assert terminal.finish() == 0 and "hello 王小明" in terminal.text


def test_ctrl_c_once_stops_what_runs(tmp_path: Path) -> None:
    with Terminal.drive(["-y", "forever"], tmp_path) as terminal:
        terminal.wait_for("tick")
        terminal.send("\x03")
        assert terminal.finish() == 130
        assert "Stopping what runs" in terminal.text and "stopped after" in terminal.text


def test_the_terminal_is_left_as_it_was(tmp_path: Path) -> None:
    command = f'trap : INT; "{sys.executable}" "{DRIVE}" -y forever; stty -a; echo END'
    with Terminal(["/bin/sh", "-c", command], tmp_path) as terminal:
        terminal.wait_for("tick")
        terminal.send("\x03")
        terminal.wait_for("END")
        assert " echo " in terminal.text and "-echo " not in terminal.text
        assert terminal.screen.cursor.hidden is False


@pytest.mark.parametrize("env", [{"NO_COLOR": "1"}, {"TERM": "dumb"}])
def test_plain_without_colours_and_moving_parts(tmp_path: Path, env: dict[str, str]) -> None:
    with Terminal.drive(["-y", "code"], tmp_path, env=env) as terminal:
        assert terminal.finish() == 0
        assert "\x1b" not in terminal.raw and "ran 15d9d7b7" in terminal.text


def test_markdown_reasoning_and_wide_characters(tmp_path: Path) -> None:
    with Terminal.drive(["answer"], tmp_path, columns=60) as terminal:
        assert terminal.finish() == 0
        assert "I think." in terminal.text and "It is done 好的。" in terminal.text
        assert "**" not in terminal.text and "##" not in terminal.text


def test_errors_and_files_of_a_failed_action(tmp_path: Path) -> None:
    with Terminal.drive(["-y", "show"], tmp_path) as terminal:
        assert terminal.finish() == 1
        for part in ("KeyError: 'date'", "image/png saved: /nowhere/plot.png", "failed, 0.2 s", "It failed."):
            assert part in terminal.text


def test_in_chinese(tmp_path: Path) -> None:
    with Terminal.drive(["--lang", "zh", "code"], tmp_path) as terminal:
        terminal.wait_for("运行")
        terminal.send("好\n")
        assert terminal.finish() == 0


def conversation(tmp_path: Path, *words: str) -> Terminal:
    terminal = Terminal.drive(list(words), tmp_path)
    terminal.wait_for("Ctrl-D leaves.")
    terminal.wait_for("\n>")
    return terminal


def test_a_conversation(tmp_path: Path) -> None:
    with conversation(tmp_path) as terminal:
        terminal.send("answer one\r")
        terminal.wait_for("\n>", times=2)
        terminal.send("code\r")
        terminal.wait_for(ASKED)
        terminal.send("y\n")
        terminal.wait_for("ran 15d9d7b7")
        terminal.wait_for("30 / 8192 tokens")
        assert terminal.leave() == 0
        assert "interpreter --resume s_0123456789abcdef0123" in terminal.text
    history = tmp_path / "home" / "history"
    assert stat.S_IMODE(history.stat().st_mode) == 0o600 and "+answer one" in history.read_text()


def test_a_line_that_is_typed_ahead_comes_next(tmp_path: Path) -> None:
    with conversation(tmp_path, "-y") as terminal:
        terminal.send("forever\r")
        terminal.wait_for("tick")
        terminal.send("answer ahead\r")
        time.sleep(0.2)
        assert "answer ahead" not in terminal.text
        os.kill(terminal.child.pid, signal.SIGINT)
        terminal.wait_for("> answer ahead")
        terminal.wait_for("It is done")
        assert terminal.leave() == 0


def test_an_interrupt_at_the_prompt_is_answered_at_once(tmp_path: Path) -> None:
    """As one that is pressed before the terminal has been told that it is a key."""
    with conversation(tmp_path) as terminal:
        os.kill(terminal.child.pid, signal.SIGINT)
        terminal.wait_for("Ctrl-C again or Ctrl-D leaves.")
        terminal.wait_for("\n>", times=2)
        os.kill(terminal.child.pid, signal.SIGINT)
        assert terminal.finish() == 0
        assert "interpreter --resume s_0123456789abcdef0123" in terminal.text


def test_several_lines(tmp_path: Path) -> None:
    with conversation(tmp_path) as terminal:
        terminal.send('x = """not a block\r')
        terminal.wait_for("\n>", times=2)
        terminal.send('"""answer\rtwo\r"""\r')
        terminal.wait_for("\n>", times=3)
        terminal.send("answer\x1b\rthree\r")
        terminal.wait_for("\n>", times=4)
        terminal.send("\x1b[200~answer\nfour\nfive\x1b[201~\r")
        terminal.wait_for("\n>", times=5)
        assert terminal.leave() == 0
    lines = (tmp_path / "home" / "history").read_text()
    assert "+answer\n+three" in lines and "+answer\n+four\n+five" in lines


def test_commands(tmp_path: Path) -> None:
    with conversation(tmp_path) as terminal:
        commands = (
            ("%help", "Alt-Enter"),
            ("/tokens", "Last turn"),
            ("%auto", "Code runs without a question, as far as the rules allow it."),
            ("%auto off", "You are asked before code runs."),
            ("%auto perhaps", "Say on or off."),
            ("%verbose", "Requests and usage are shown."),
            ("%undo", "Taken back."),
            ("%undo x", "%undo takes a number"),
            ("%model", "fake-4b"),
            ("%tokns", "Did you mean %tokens?"),
            ("%load", "%load takes the path"),
            ("%sessions", "There are no sessions yet."),
            ("%save", "Error:"),
            ("%resume s_abc", "Error:"),
        )
        for number, (command, seen) in enumerate(commands, 1):
            terminal.wait_for("\n>", times=number)
            terminal.send(command + "\r")
            terminal.wait_for(seen)
        terminal.wait_for("\n>", times=len(commands) + 1)
        terminal.send("%exit\r")
        assert terminal.finish() == 0


def test_completion_of_commands_and_paths(tmp_path: Path) -> None:
    (tmp_path / "measurements.csv").write_text("x")
    with conversation(tmp_path) as terminal:
        terminal.send("%tok\t")
        terminal.wait_for("> %tokens")
        terminal.send("\r")
        terminal.wait_for("\n>", times=2)
        terminal.send("answer ./meas\t")
        terminal.wait_for("./measurements.csv")
        terminal.send("\r")
        terminal.wait_for("It is done")
        assert terminal.leave() == 0


def test_a_path_at_the_beginning_is_no_command(tmp_path: Path) -> None:
    with conversation(tmp_path) as terminal:
        terminal.send("/etc/hosts says what?\r")
        terminal.wait_for("It is done")
        assert terminal.leave() == 0


def test_ctrl_c_in_a_conversation(tmp_path: Path) -> None:
    with conversation(tmp_path, "-y") as terminal:
        terminal.send("forever\r")
        terminal.wait_for("tick")
        terminal.send("\x03")
        terminal.wait_for("stopped after")
        terminal.wait_for("\n>", times=2)
        terminal.send("half a line\x03")
        terminal.wait_for("Ctrl-C again or Ctrl-D leaves.\n>")
        terminal.send("answer\r")
        terminal.wait_for("It is done")
        terminal.wait_for("\n>", times=4)
        terminal.send("\x03")
        terminal.wait_for("Ctrl-C again or Ctrl-D leaves.", times=2)
        terminal.wait_for("\n>", times=5)
        terminal.send("\x03")
        assert terminal.finish() == 0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_at_the_prompt_leaves_in_order(tmp_path: Path, number: int) -> None:
    with conversation(tmp_path) as terminal:
        os.kill(terminal.child.pid, number)
        assert terminal.finish() == 130
        assert "Traceback" not in terminal.text


def test_the_host_without_walls_is_red(tmp_path: Path) -> None:
    with conversation(tmp_path, "--sandbox", "host") as terminal:
        terminal.wait_for(" host")
        row = max(y for y, line in enumerate(terminal.screen.display) if " host" in line)
        column = terminal.screen.display[row].index(" host") + 1
        assert terminal.screen.buffer[row][column].fg == "red"
        assert terminal.leave() == 0


@pytest.mark.skipif(shutil.which("tmux") is None, reason="tmux is not installed")
def test_under_tmux(tmp_path: Path) -> None:
    socket = str(tmp_path / "tmux")
    env = {k: v for k, v in os.environ.items() if k != "TMUX"} | {"INTERPRETER_HOME": str(tmp_path / "home")}
    tmux = ["tmux", "-f", "/dev/null", "-S", socket]
    command = f"LC_ALL=C.UTF-8 '{sys.executable}' '{DRIVE}' -y code; echo rc $?; sleep 60"
    subprocess.run([*tmux, "new-session", "-d", "-x", "80", "-y", "24", command], check=True, env=env, cwd=tmp_path)
    try:
        end = time.monotonic() + 20
        screen = ""
        while "rc 0" not in screen:
            assert time.monotonic() < end, screen
            time.sleep(0.1)
            done = subprocess.run([*tmux, "capture-pane", "-p"], capture_output=True, text=True, check=True)
            screen = done.stdout
        assert screen.count("print(math.pi)") == 1 and "ran 15d9d7b7" in screen
        assert "thinking" not in screen and "running" not in screen
    finally:
        subprocess.run([*tmux, "kill-server"], check=False)
