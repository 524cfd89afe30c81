"""Tools called from shell and Node code: the same gate and log as from Python, and nothing of the guest is trusted."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from interpreter.llm.scripted import Reply
from interpreter.tools.options import ToolOptions
from interpreter.types.events import ActionFinished, ActionProposed, ActionStarted, Event
from interpreter.types.ops import Interrupt, Op
from tests.session.helpers import Talk, run

from .test_session import FILES, WAITING, home, told

__all__ = ["home"]
node = pytest.mark.skipif(shutil.which("node") is None, reason="Node.js is not here")


def shell(code: str) -> Reply:
    return Reply(code=code, language="shell")


def texts(talk: Talk) -> list[str]:
    """The outputs of the cells, without those of the calls in them."""
    outer = {event.action.id for event in talk.of(ActionProposed) if not event.action.parent}
    return [event.observation.text for event in talk.of(ActionFinished) if event.action in outer]


def test_shell_code_calls_a_tool_as_an_action_of_its_own(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("one\n")
    code = """
shopt -s expand_aliases; alias cat=false; set -eu; cat() { echo mine; }
interpreter-tool read_file '{"path": "a.txt"}'
got=$(interpreter-tool read_file '{"path": "a.txt"}')
echo "got ${got:0:10}"
set +e
interpreter-tool read_file '{"path": "/nowhere"}' | tr a-z A-Z; echo "${PIPESTATUS[0]}"
interpreter-tool no_such 2>/dev/null || echo "no such: $?"
interpreter-tool read_file '["a.txt"]'
interpreter-tool 'read file'; echo "usage: $?"
for n in 1 2 3; do interpreter-tool read_file '{"path": "a.txt"}' >part$n & done; wait
cmp part1 part2 && cmp part2 part3 && echo "all three: $(wc -c <part3)"
"""
    again = 'interpreter-tool read_file \'{"path": "a.txt"}\'; declare -F interpreter-tool'

    def check(talk: Talk) -> None:
        first, _exit, after = texts(talk)
        assert first.startswith("     1  one\n[end of the file]\ngot      1  on\n"), first
        for part in ("\n1\n", "no such: 1", "No such file", "has to be a JSON object", "usage: 2", "all three: 30"):
            assert part in first, (part, first)
        assert after == "     1  one\n[end of the file]\ninterpreter-tool"
        outer, *inner = [event.action for event in talk.of(ActionProposed)]
        assert {one.language for one in inner if one.parent == outer.id} == {"tool"}
        assert len([one for one in inner if one.parent == outer.id]) == 6
        started = {event.action for event in talk.of(ActionStarted)}
        assert {event.action for event in talk.of(ActionFinished)} >= started

    told([shell(code), shell("exit 3"), shell(again), "Done."], tmp_path, check, tools=FILES)


def test_what_a_shell_writes_there_is_a_claim(tmp_path: Path) -> None:
    """An attack: noise, floods, forged answers, calls for nobody; the keeper lives, and refuses."""
    (tmp_path / "a.txt").write_text("one\n")
    code = r"""
head -c 3000000 /dev/zero >&245
printf 'call\ncall a\ncall a b c\n\xff\xfe call x\n' >&245
for n in {1..3000}; do echo "call x$n read_file"; done >&245
printf '{"path": ' >/dev/fd/243; echo 'call broken read_file' >&245
head -c 1000000 /dev/zero | tr '\0' '[' >/dev/fd/243; echo 'call deep read_file' >&245
echo 'call 1 read_file' >&245; sleep 1
interpreter-tool read_file '{"path": "a.txt"}'
(sleep 0.4; interpreter-tool read_file '{"path": "a.txt"}' >late 2>&1; echo $? >>late) &
"""

    def check(talk: Talk) -> None:
        first, second, third = texts(talk)
        assert first.endswith("     1  one\n[end of the file]"), first
        assert second == "interpreter-tool: tools can be called while a shell cell runs, not after it\n3"
        assert third == "     1  one\n[end of the file]"
        assert not any(event.status == "died" for event in talk.of(ActionFinished))

    later = Reply(code="import time\ntime.sleep(1.5)\nprint(open('late').read())")
    last = shell('interpreter-tool read_file \'{"path": "a.txt"}\'')
    told([shell(code), later, last, "Done."], tmp_path, check, tools=FILES)


NODE = """
const { read_file, ToolError } = require('interpreter_tools');
console.log(await read_file('a.txt'));
const { search_files } = await import('interpreter_tools');
import tools from 'interpreter_tools';
const both = await Promise.all([tools.read_file({ path: 'a.txt' }), read_file({ path: 'a.txt', lines: 1 })]);
console.log(both.length, both[0] === both[1]);
for (const call of [() => read_file('/nowhere'), () => tools.no_such(), () => read_file(1, 2, 3, 4)]) {
  try { await call(); } catch (error) { console.log(error instanceof ToolError, String(error)); }
}
read_file('a.txt');
"""


@node
def test_node_code_calls_a_tool_as_an_action_of_its_own(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("one\n")

    def check(talk: Talk) -> None:
        first, second = texts(talk)
        assert first.startswith("     1  one\n[end of the file]\n2 true\n"), first
        assert first.count("true ToolError: ") == 3 and "No such file" in first and "takes at most 3" in first
        assert second.endswith("again      1  one\n[end of the file]"), second
        outer, *inner = [event.action for event in talk.of(ActionProposed)]
        assert len([one for one in inner if one.parent == outer.id]) >= 5

    more = "console.log('again', await require('interpreter_tools').read_file('a.txt'))"
    replies = [Reply(code=NODE, language="javascript"), Reply(code=more, language="javascript"), "Done."]
    told(replies, tmp_path, check, tools=FILES)


@pytest.mark.parametrize("language", ["shell", pytest.param("javascript", marks=node)])
def test_a_call_that_is_interrupted_leaves_the_kernel_well(tmp_path: Path, language: str) -> None:
    (here := tmp_path / "work").mkdir()
    (hang := tmp_path / "hang.py").write_text(WAITING)
    code, more = {
        "shell": ("interpreter-tool wait_long; echo on", "echo well"),
        "javascript": ("await require('interpreter_tools').wait_long()", "console.log('well')"),
    }[language]

    def on(event: Event) -> Op | None:
        return Interrupt() if isinstance(event, ActionStarted) and event.parent else None

    async def story(talk: Talk) -> None:
        await talk.turn("go", on=on)
        assert {event.status for event in talk.of(ActionFinished)} == {"interrupted"}
        await talk.turn("on")
        assert talk.of(ActionFinished)[-1].observation.text == "well"

    replies = [Reply(code=code, language=language), Reply(code=more, language=language), "Done."]
    run(story, replies, here, tools=ToolOptions(files=(str(hang),)))
