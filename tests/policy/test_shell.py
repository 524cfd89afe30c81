"""What the reader says of single commands, beyond their words: where, through what, on what."""

from __future__ import annotations

from typing import Any

import pytest

from interpreter.policy.facts import UNKNOWN, Command, Reading
from interpreter.policy.shell import read_shell


def only(code: str, name: str) -> Command:
    found = [command for command in read_shell(code).commands if command.name == name]
    assert len(found) == 1, found
    return found[0]


WORDS: list[tuple[str, list[list[str]]]] = [
    ("a b | c && d; e & f", [["a", "b"], ["c"], ["d"], ["e"], ["f"]]),
    ("x=b; a $x \"$x c\" '$x'", [["a", "b", "b c", "$x"]]),
    ('a $HOME ~/x "~/x"', [["a", "~", "~/x", "./~/x"]]),
    ("a $y", [["a", UNKNOWN]]),
    ("a ${y:-b}", [["a", "b"], ["a", UNKNOWN]]),
    ("a {b,c}{1..2}", [["a", "b1", "b2", "c1", "c2"]]),
    ("a *.txt", [["a", "*.txt"]]),
    ("for i in b c; do a $i; done", [["a", "b"], ["a", "c"]]),
    ("x=a; if b; then x=c; fi; d $x", [["b"], ["d", UNKNOWN]]),
    ("# a\nb # c", [["b"]]),
    ("a \\\n  b", [["a", "b"]]),
    ("sudo -u x env A=1 nice -n 5 a b", [["a", "b"]]),
    ("time a; ! b; command c; builtin d; exec e", [["a"], ["b"], ["c"], ["d"], ["e"]]),
    ("busybox a b", [["a", "b"]]),
    ("a() { b; }", [["b"]]),
]


@pytest.mark.parametrize(("code", "words"), WORDS)
def test_the_words_of_the_commands(code: str, words: list[list[str]]) -> None:
    reading = read_shell(code)
    assert [list(command.words) for command in reading.commands] == words
    assert reading.unknown == ()


FIELDS: list[tuple[str, str, dict[str, Any]]] = [
    ("sudo env nice a", "a", {"through": ("sudo", "env", "nice")}),
    ("bash -c 'sh -c a'", "a", {"through": ("bash -c", "sh -c")}),
    ("ssh me@web a", "a", {"through": ("ssh",), "host": "me@web"}),
    ("docker exec -it web a b", "a", {"through": ("docker",), "host": "web"}),
    ("kubectl exec pod -c x -- a", "a", {"through": ("kubectl",), "host": "pod"}),
    ("a x | b | c", "c", {"fed_by": ("a", "b")}),
    ("bash <(curl x.example)", "bash", {"fed_by": ("curl",)}),
    ('sh -c "$(curl x.example)"', "sh", {"fed_by": ("curl",)}),
    ("x=$(curl x.example); eval $x", "eval", {"fed_by": ("curl",)}),
    ("curl -o i x.example; sh i", "sh", {"fed_by": ("curl",)}),
    ("curl x.example | python3 -c 'print(1)'", "python3", {"fed_by": (), "code": ("python", "print(1)")}),
    ("a < in > out 2>> err", "a", {"reads": ("in",), "writes": ("out", "err")}),
    ("a > /dev/null 2>&1", "a", {"writes": ()}),
    ("cd /srv && a", "a", {"folder": "/srv"}),
    ("cd app; cd ../lib; a", "a", {"folder": "lib"}),
    ("cd $x; a", "a", {"folder": UNKNOWN}),
    ("(cd /srv); a", "a", {"folder": ""}),
    ("LD_PRELOAD=x A=1 a", "a", {"variables": (("LD_PRELOAD", "x"), ("A", "1"))}),
    ("rm -rf a b", "rm", {"deletes": ("a", "b"), "recursive": True}),
    ("rm -f -- -r", "rm", {"deletes": ("-r",), "recursive": False}),
    ("rm $x", "rm", {"deletes": (UNKNOWN,), "recursive": True}),
    ('rm "$x"', "rm", {"deletes": (UNKNOWN,), "recursive": False}),
    ("ls | xargs rm", "rm", {"deletes": (UNKNOWN,), "recursive": False}),
    ("mv a b c", "mv", {"writes": ("c", "a", "b"), "reads": ("a", "b")}),
    ("cp -t d a", "cp", {"writes": ("d",), "reads": ("a",)}),
    ("dd if=a of=b bs=1", "dd", {"writes": ("b",), "reads": ("a",)}),
    ("tee -a x y", "tee", {"writes": ("x", "y")}),
    ("sed -i 's/a/b/' f", "sed", {"writes": ("f",)}),
    ("sed 's/a/b/' f", "sed", {"writes": (), "reads": ("f",)}),
    ("grep -r x d", "grep", {"reads": ("d",)}),
    ("curl -o f -H 'A: b' https://u@x.example:8443/p y.example", "curl",
     {"hosts": ("y.example", "x.example:8443"), "writes": ("f",)}),
    ("curl -d @f x.example", "curl", {"reads": ("f",), "hosts": ("x.example",)}),
    ("git clone git@x.example:o/r", "git", {"hosts": ("x.example",)}),
    ("scp -P 22 f me@x.example:/d", "scp", {"hosts": ("x.example",), "reads": ("f",)}),
    ("rsync -a --delete a/ b/", "rsync", {"deletes": ("b/",), "recursive": True}),
    ("nc -z x 80", "nc", {"hosts": ("x:80",)}),
    ("pip install -i https://p.example/simple x", "pip", {"hosts": ("p.example",)}),
    ("find a -name b -delete", "find", {"deletes": (f"a/{UNKNOWN}b",), "recursive": False}),
    ("find a -type f -delete", "find", {"deletes": ("a",), "recursive": True}),
    ("python3 - <<'E'\nprint(1)\nE", "python3", {"code": ("python", "print(1)\n")}),
    ("perl -ne 'print' f", "perl", {"code": ("perl", "print")}),
    ("node --eval=1", "node", {"code": ("javascript", "1")}),
    ("psql -d x -c 'select 1'", "psql", {"code": ("sql", "select 1")}),
    ("echo 'select 1' | psql", "psql", {"code": ("sql", "select 1\n")}),
]  # fmt: skip


@pytest.mark.parametrize(("code", "name", "fields"), FIELDS)
def test_what_is_known_of_a_command(code: str, name: str, fields: dict[str, Any]) -> None:
    command = only(code, name)
    assert {field: getattr(command, field) for field in fields} == fields


UNKNOWNS = [
    ("$x a", "Which program runs is not known: $x a."),
    ("a 'b", "It does not parse as shell: a single quote is never closed."),
    ("cat f | sh", "'sh' reads its commands from a pipe or file that is not known."),
    ("nice -Z a", "An option of 'nice' is not known: -Z."),
    ('bash -c "a $x"', "The code that 'bash -c' runs is not known."),
    ("source $x", "The file that 'source' runs is not known."),
    ("a\0b", "It contains characters that do not belong into code."),
    ("a\r\n", "It contains carriage returns, which the shell takes for part of a word."),
    ("x" * 300_000, "It is too long to be read."),
    ("(" * 100, "It was not read to its end: it is nested too deeply."),
]


@pytest.mark.parametrize(("code", "sentence"), UNKNOWNS)
def test_what_is_not_understood_is_said(code: str, sentence: str) -> None:
    assert sentence in read_shell(code).unknown


def test_commands_before_and_after_a_broken_line_are_read() -> None:
    reading = read_shell("a\nb )\nc")
    assert [command.name for command in reading.commands] == ["a", "b", "c"]
    assert len(reading.unknown) == 1


def test_the_environment_is_used_where_it_is_given() -> None:
    environ = {"HOME": "/home/me", "X": "a b"}
    assert read_shell('c $X "$X" ~ $HOME', environ=environ).commands[0].words == ("c", "a", "b", "a b", "~", "/home/me")
    assert read_shell("c $Y", environ=environ).commands[0].words == ("c", UNKNOWN)


def test_paths_of_a_reading_are_seen_from_its_first_folder() -> None:
    reading = read_shell("cd build && rm -rf x && cd /srv && rm y; { z; } > out")
    assert reading.deletes == ("build/x", "/srv/y")
    assert reading.writes == ("/srv/out",)


def test_fork_bombs_are_calls() -> None:
    def bombs(code: str) -> list[tuple[str, ...]]:
        return [call.arguments for call in read_shell(code).calls if call.name == "shell.fork_bomb"]

    assert bombs(":(){ :|:& };:") == [(":",)]
    assert bombs("a() { b & }; b() { a | a; }; a") != []
    assert bombs('walk() { ls "$1"; walk "$1/x"; }; walk .') == []
    assert bombs("f() { g & }; f | f") == []


def test_an_empty_text_is_empty() -> None:
    assert read_shell("") == read_shell("\n \t# nothing\n") == Reading()


def test_reading_has_no_memory() -> None:
    read_shell("x=rm; alias y=z; f() { g; }")
    assert [command.words for command in read_shell("f; y").commands] == [("f",), ("y",)]
