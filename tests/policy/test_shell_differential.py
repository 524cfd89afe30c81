"""Random programs, run in a real bash and read: whatever really ran must be in the reading, or the reading must say
that something is unknown."""

from __future__ import annotations

import os
from pathlib import Path
from random import Random

import pytest

from interpreter.policy.shell import read_shell

from .programs import Programs
from .stubs import Stubs, missing

PROGRAMS = int(os.environ.get("SHELL_PROGRAMS", "150"))
"""How many; a longer run is `SHELL_PROGRAMS=20000 pytest -k differential --timeout 0`."""


@pytest.fixture
def stubs(tmp_path: Path) -> Stubs:
    return Stubs(tmp_path)


def test_all_that_really_ran_was_read(stubs: Stubs) -> None:
    certain = calls = 0
    for seed in range(PROGRAMS):
        code = Programs(Random(seed)).code()
        reading = read_shell(code, environ=stubs.environ)
        if reading.unknown:
            continue
        ran = stubs.run(code)
        certain += 1
        calls += len(ran)
        assert missing(ran, reading.commands) == [], f"seed {seed}: {code!r}"
    # A reader that says "unknown" to everything would pass; this one may not.
    assert certain > PROGRAMS * 0.6
    assert calls > PROGRAMS * 0.8


def test_the_comparison_finds_what_a_reading_lacks(stubs: Stubs) -> None:
    ran = stubs.run("p1 a; sh -c 'p2 b'")
    assert ran == [["p1", "a"], ["p2", "b"]]
    whole = read_shell("p1 a; sh -c 'p2 b'").commands
    assert missing(ran, whole) == []
    assert missing(ran, tuple(one for one in whole if one.name != "p2")) == [["p2", "b"]]
    assert missing([["p1", "c"]], whole) == [["p1", "c"]]


HARD = [
    "cat <<EOF\n`p1 in a document`\nEOF",
    "cat <<A <<B\n$(p1 a)\nA\n$(p2 b)\nB\np3 c",
    "echo $(cat <<E\n$(p1)\nE\n)",
    "echo `echo \\`p1 deep\\``",
    "p1 a\\\nb c\\\n d",
    "p1 'a\\\nb'",
    "case x in x) p1 ;& y) p2 ;; esac; p3",
    "p1 $(case x in x) p2;; esac)",
    "((1)) && p1; ((p2)); $((0)) p3; p4",
    "echo $((p1); (p2))",
    "if p1; then p2; elif p3; then p4; fi",
    "for f in p1 p2; do $f; done; $f again",
    "x=p1; f() { x=p2; }; f; $x",
    "x=p1; (x=p2); $x",
    "x=p1; echo a | x=p2; $x",
    "x=p1; true && x=p2; $x",
    "for i in 1 2; do $y; y=p1; done",
    "while $y || p2; do y=p1; [ -z $z ] || break; z=1; done",
    "f() { $1 in; }; f p1; f p2",
    "f() { local x=p1; $x; }; x=p2; f; $x",
    "set -- p1 a b; shift; p2 $1",
    "x=(p1 a 'b c'); \"${x[@]}\"; ${x[0]} ${x[2]}",
    "IFS=:; x=p1:a; $x",
    "p1 {a,b}{1,2} x{1..3..2} {p2,}",
    "eval 'eval \"p1 a\"'; eval p2 \\; p3",
    "sh -c 'echo {a,b}; p1 {a,b}'",
    "sh -c '((p1))'; sh -c '[[ -n x && p2 ]]'",
    "trap 'p1 at the end' EXIT; p2",
    "echo p1 > f; . ./f; bash f; sh < f",
    "echo 'p1 $1' > f; bash f x",
    "printf '%s\\n' p1 p2 | while read c; do $c; done",
    "echo p1 | (read c; $c)",
    "xargs -n1 p1 <<< 'a b'; echo a | xargs -I% p2 %-%",
    "env A=p1 sh -c '$A a'; A=p2 bash -c '$A'",
    "A=p1; sh -c '$A lost'; export A; sh -c '$A kept'",
    "bash -c 'p1 $0 $1 \"$@\"' a b c",
    "coproc p1 a; wait",
    "p1 <(p2 a) >(p3 b); wait",
    "p1 \"${nope:-$(p2 '}')}\" ${nope:+$(p3)}",
    'p1 "a$(p2 "b $(p3 "c")")"',
    "p1 $'a\\'b' \"a\\\"b\" a\\'b",
    "p1 a#b #c\np2",
    "! p1 | p2; time -p p3; { p4; } 2>&1",
    "shopt -s expand_aliases\nalias a='p1 x; p2'\na y",
    "f() { p1; } > out; f; f 2>&1 | p2",
    "command p1; command -v p2; builtin eval p3; exec p4",
    "unset x; ${x-p1} a; ${x:=p2} b; $x c",
    "x=abc; p1 ${x#a} ${x%c} ${x/b/X} ${x:1:1} ${x^^} ${#x} ${x//b}",
    "timeout 5 nice -n 3 env -u X stdbuf -oL setsid -w p1 a",
    "find . -maxdepth 0 -exec p1 {} \\; -exec p2 {} +",
    "until p1; do :; done; select x in a; do p2; break; done < /dev/null",
    "p1 & p2 && p3 || p4; wait",
    '[[ a == a && -n $(p1) ]]; [ -n "$(p2)" ]',
    "{ p1; p2; } | { cat; p3; }",
    "f() { f() { p1; }; f; }; f",
    "x=p1; f() { $x; if [ $x = p1 ]; then x=p2; f; fi; }; f",
    'f() { [ $# -gt 1 ] && { shift; f "$@"; } || p1 "$1"; }; f a b',
    'function f { p1 "$#" "$*"; }; f a \'b c\'',
]


@pytest.mark.parametrize("code", HARD)
def test_a_hard_case_is_read_as_bash_runs_it(stubs: Stubs, code: str) -> None:
    reading = read_shell(code, environ=stubs.environ)
    ran = stubs.run(code)
    assert reading.unknown or missing(ran, reading.commands) == [], (ran, reading.commands)
