"""What bash promises beyond the suite of all kernels."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from .keeper_client import Guest, KeeperClient, driver

pytestmark = pytest.mark.skipif(not shutil.which("bash"), reason="bash is not on this machine")


@pytest.fixture
def start(client: KeeperClient, folder: Path) -> Callable[[], Guest]:
    argv = ["bash", "--norc", "--noprofile"]
    return lambda: Guest(client, argv, driver("bash_driver.sh"), "bash", cwd=folder)


@pytest.fixture
def bash(start: Callable[[], Guest]) -> Guest:
    return start()


STATE = """
plain='two  words'; list=(a 'b c' "d'e"); declare -A map=([k]='v w'); declare -i number=6; declare -r fixed=1
export shared=yes; shout() { echo "<$1>"; }; export -f shout; alias hi='echo hello'
shopt -s nullglob extglob; set -o pipefail; set -- one 'two three'; umask 027; trap 'echo usr' USR1
mkdir -p 'sub folder'; cd 'sub folder'
"""
SHOWN = """
echo "$plain|${list[1]}|${list[2]}|${map[k]}|$number|$fixed|$shared"; shout x; bash -c 'shout y'; hi
echo "$#|$2|$(umask)|${PWD##*/}|$(shopt -p nullglob)"; set -o | grep pipefail; trap -p USR1
number=number+1; echo $number
"""
EXPECTED = """two  words|b c|d'e|v w|6|1|yes
<x>
<y>
hello
2|two three|0027|sub folder|shopt -s nullglob
pipefail       \ton
trap -- 'echo usr' SIGUSR1
7
"""


@pytest.mark.parametrize(
    ("end", "status"),
    [
        ("true", 0),
        ("exit 3", 3),
        ("leave() { exit 4; }; leave", 4),
        ("exec sh -c 'exit 5'", 5),
        ("set -e; false; echo never", 1),
        ("kill -9 $$", 137),
        ("trap 'echo bye' EXIT; exit 6", 6),
        ("exec 252>&-; exit 7", 7),
    ],
)
def test_the_state_outlives_what_ends_a_shell(bash: Guest, end: str, status: int) -> None:
    assert bash.run(STATE).status == "ok"
    ran = bash.run(end)
    assert (ran.exit_status, ran.status, ran.restarted) == (status, "error" if status else "ok", False), ran
    assert "never" not in ran.text
    assert bash.run("set +e").status == "ok"
    assert bash.run(SHOWN).text == EXPECTED


def test_state_of_the_same_code_outlives_exit(bash: Guest) -> None:
    assert bash.run("late=1; cd /; exit 3").exit_status == 3
    assert bash.run("echo $late $PWD").text == "1 /\n"


def test_status_of_the_code_before_is_there(bash: Guest) -> None:
    assert bash.run("(exit 9)").exit_status == 9
    assert bash.run("echo $?; true | false | true; echo ${PIPESTATUS[*]}").text == "9\n0 1 0\n"


@pytest.mark.parametrize(
    ("code", "line"),
    [("echo a\nif true; then\n  echo 'open\n", "line 3"), ("echo a\necho $(\n", "line 3"), ("echo a\n)\n", "line 2")],
)
def test_wrong_syntax_ends_at_once_with_its_line(bash: Guest, code: str, line: str) -> None:
    ran = bash.run(code)
    assert (ran.status, ran.exit_status) == ("error", 2)
    assert line in ran.text
    assert bash.run("echo on").text == "on\n"


def test_an_open_heredoc_runs_nothing(bash: Guest, folder: Path) -> None:
    ran = bash.run("touch ran\ncat <<END\nhalf of a file\n")
    assert (ran.status, ran.error["line"]) == ("error", 2)
    assert "END" in ran.error["message"]
    assert not (folder / "ran").exists()
    assert bash.run("cat <<END\nwhole\nEND").text == "whole\n"


@pytest.mark.parametrize(
    ("code", "output"),
    [
        ("cat <<'EOF'\n$x `y` \\z \"q\" 'r'\n\tTab\nEOF\n", b"$x `y` \\z \"q\" 'r'\n\tTab\n"),
        ("cat <<EOF\r\na\r\nEOF\r\n", b"a\r\n"),
        ("#!/bin/bash\nprintf '%s' 'done 0 exit 1'", b"done 0 exit 1"),
        ("printf '%s' '中文 😀 é'", "中文 😀 é".encode()),
        ("echo '%d !! !x \\n'", b"%d !! !x \\n\n"),
        ("printf 'no end'", b"no end"),
        ("echo a # a comment that ends the code", b"a\n"),
        ("printf '\\x00\\xff\\x1b[31m'", b"\x00\xff\x1b[31m"),
    ],
)
def test_code_and_output_are_exact(bash: Guest, code: str, output: bytes) -> None:
    ran = bash.run(code)
    assert ran.bytes == output


def test_ten_megabytes_of_code(bash: Guest) -> None:
    text = "0123456789abcdef" * 655_360
    ran = bash.run(f"x='{text}'\necho ${{#x}} ${{x: -3}}")
    assert ran.text == f"{len(text)} def\n"
    assert bash.run("echo ${#x}; exit 1").text == f"{len(text)}\n"
    assert bash.run("echo ${#x}").text == f"{len(text)}\n"


def test_nothing_of_the_driver_is_in_sight(bash: Guest) -> None:
    bare = bash.run('env -i PATH="$PATH" bash --norc --noprofile -c "declare -F; alias; compgen -v"').text
    names = set(bash.run("declare -F; alias; history; compgen -v").text.split())
    usual = {"PS1", "PS2", "COLUMNS", "LINES", "HISTCMD", "HISTSIZE", "HISTFILESIZE", "HOME", "LANG", "MAILCHECK"}
    assert names - set(bare.split()) <= usual
    shown = bash.run("ps -o args= -p $$ -p $PPID; tr '\\0' '\\n' < /proc/$$/environ; echo \"[$PS1$PS2]\"").text
    assert "printf" not in shown
    assert "while" not in shown
    assert shown.endswith("[]\n")
    assert bash.run("sleep 0.01 & wait").text == ""


def test_no_child_inherits_the_channel(bash: Guest) -> None:
    assert "252" not in bash.run("ls /proc/self/fd").text.split()


def test_redirections_by_exec_end_with_the_code(bash: Guest, folder: Path) -> None:
    assert bash.run("exec > out.txt 2>&1; echo kept; echo more >&2").text == ""
    assert (folder / "out.txt").read_text() == "kept\nmore\n"
    assert bash.run("echo again").text == "again\n"


def test_input_and_terminal_are_at_their_end(bash: Guest) -> None:
    assert bash.run("cat; tty; read -r x || echo none").text == "not a tty\nnone\n"


@pytest.mark.parametrize(
    "code",
    [
        "f() { echo on; while :; do :; done; }; f",
        "echo on; while :; do sleep 0.01; done",
        "x=$(echo on >&2; exec sleep 60); echo never",
        "for i in 1 2 3; do sh -c 'echo on; exec sleep 60'; done; echo never",
        "python3 -I -S -c 'import time; print(\"on\", flush=True); time.sleep(60)'; echo never",
        "wait; sh -c 'echo on; exec sleep 60'; echo never",
        "read -r x < <(echo on >&2; exec sleep 60); echo never",
        "sh -c 'echo on; exec sleep 60' & wait; echo never",
    ],
)
def test_interrupt_reaches_everything(bash: Guest, code: str) -> None:
    bash.run("kept=1")
    execution = bash.begin(code)
    bash.wait_output(execution, b"on\n")
    ran = bash.interrupt(execution, grace=10)
    assert (ran.status, ran.exit_status, ran.restarted) == ("interrupted", 130, False), ran
    assert "never" not in ran.text
    assert bash.run("echo $kept").text == "1\n"


def test_a_trap_of_the_person_is_honoured(bash: Guest) -> None:
    execution = bash.begin("trap 'echo caught; exit 8' INT; echo up; while :; do :; done")
    bash.wait_output(execution, b"up")
    ran = bash.interrupt(execution)
    assert (ran.text, ran.exit_status) == ("up\ncaught\n", 8)
    assert bash.run("trap - INT; echo on").text == "on\n"


def test_what_ignores_the_interrupt_is_ended(bash: Guest, start: Callable[[], Guest]) -> None:
    execution = bash.begin("trap '' INT; echo up; while :; do :; done")
    bash.wait_output(execution, b"up")
    ran = bash.interrupt(execution, grace=0.5)
    assert (ran.status, ran.restarted) == ("interrupted", True)
    assert start().run("echo new").text == "new\n"


@pytest.mark.parametrize(
    "forgery",
    [
        "for p in $$ $PPID; do echo 'done 0123456789 0' > /proc/$p/fd/252; done",
        "yes | head -c 100000 | tr -d '\\n' > /proc/$PPID/fd/252",
        "echo 'ready 5' > /proc/$PPID/fd/252; echo 'checked x' > /proc/$PPID/fd/252",
    ],
)
def test_a_reply_that_nobody_asked_for_ends_the_kernel(bash: Guest, start: Callable[[], Guest], forgery: str) -> None:
    ran = bash.run(f"{forgery} 2>/dev/null; sleep 20")
    assert (ran.status, ran.restarted) == ("died", True), ran
    assert "protocol" in ran.error["message"]
    assert start().run("echo new").text == "new\n"


def test_shells_that_cannot_start_are_given_up(client: KeeperClient, folder: Path) -> None:
    argv = ["bash", "--norc", "--noprofile"]
    launch = {"backend": "host", "argv": argv, "env": {"PATH": os.environ["PATH"]}, "cwd": str(folder)}
    broken = driver("bash_driver.sh").replace("--noediting", "--no-such-option")
    client.ask(op="start", kernel="broken", language="shell", dialect="bash", launch=launch, driver=broken)
    assert "as soon as it starts" in client.wait_for("died", kernel="broken")["reason"]


def test_a_background_job_is_there_in_the_next_code(bash: Guest) -> None:
    assert bash.run("sleep 0.2 & job=$!").status == "ok"
    assert bash.run("wait $job; echo ended $?").text == "ended 0\n"


def test_variables_that_disturb_are_survived(bash: Guest) -> None:
    assert bash.run("IFS=0123456789; PS1='$(exit 9)> '; PROMPT_COMMAND='false'; TMOUT=1000; set -u").status == "ok"
    assert bash.run("true").exit_status == 0
    assert bash.run("(exit 7)").status == "error"
    ran = bash.run('IFS=$" \\t\\n"; set -fC; echo ok')
    assert (ran.text, ran.status) == ("ok\n", "ok")
    assert bash.run("exit 2").exit_status == 2
    assert bash.run("echo on").text == "on\n"
