"""The parts of the views that can be tested without a terminal."""

from __future__ import annotations

import base64
import io
import json
import shutil
import struct
import time
import zlib
from pathlib import Path

import pyte
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from interpreter.app.pictures import sixel
from interpreter.cli.answers import understand
from interpreter.cli.layout import lay_out
from interpreter.cli.views import screen as screen_module
from interpreter.cli.views.images import picture, protocol
from interpreter.cli.views.screen import Screen
from interpreter.cli.views.stream import Blocks, code_in
from interpreter.cli.views.words import hidden_count, seconds
from interpreter.text.cut import width
from interpreter.types.actions import Action, Completion, Observation
from interpreter.types.base import code_sha256
from interpreter.types.events import (
    ActionFinished,
    ActionProposed,
    CodeDelta,
    Event,
    ModelAnswered,
    ModelAsked,
    ModelFailed,
    OutputChunk,
    Progress,
    ReasoningDelta,
    TextDelta,
    TurnFinished,
    TurnStarted,
)
from tests.bad.command import needs_walls

MARKDOWN = "# Title\n\nA paragraph\nof two lines.\n\n```python\nprint(1)\n\n\nprint(2)\n```\nAfter.\n\n- a\n- b\n"


@given(st.lists(st.integers(1, 7), min_size=1))
def test_blocks_do_not_depend_on_the_pieces(sizes: list[int]) -> None:
    blocks, at, found = Blocks(), 0, list[str]()
    for size in sizes * 60:
        found += blocks.feed(MARKDOWN[at : at + size])
        at += size
    found += blocks.feed(MARKDOWN[at:]) + blocks.finish()
    assert found == [
        "# Title",
        "A paragraph\nof two lines.",
        "```python\nprint(1)\n\n\nprint(2)\n```",
        "After.",
        "- a\n- b",
    ]


def test_a_fence_that_is_never_closed_is_one_block() -> None:
    blocks = Blocks()
    assert blocks.feed("```py\na\n\nb\n") == []
    assert blocks.pending == "```py\na\n\nb"
    (block,) = blocks.finish()
    assert block.code == "a\n\nb"


@given(st.text(max_size=60), st.integers(0, 400))
def test_code_of_a_half_written_call(code: str, cut: int) -> None:
    whole = json.dumps({"language": "python", "code": code})
    language, shown = code_in(whole[:cut])
    assert language in ("", "python")
    clean = code.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    assert clean.startswith(shown.encode("utf-16", "surrogatepass").decode("utf-16", "ignore").rstrip("\ufffd"))
    assert code_in(whole) == ("python", code)


def test_code_before_language_and_other_arguments() -> None:
    assert code_in('{"code": "a\\"b\\n", "language": "shell"}') == ("shell", 'a"b\n')
    assert code_in("") == ("", "") and code_in('{"q": 1}') == ("", "")


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("y", ("yes", "")), ("Yes.", ("yes", "")), (" 可以！", ("yes", "")), ("ＹＥＳ", ("yes", "")),
        ("n", ("no", "")), ("不", ("no", "")), ("no, use awk", ("no", "use awk")), ("n: later", ("no", "later")),
        ("否，先备份", ("no", "先备份")), ("e", ("edit", "")), ("修改", ("edit", "")), ("a", ("always", "")),
        ("总是", ("always", "")), ("", ("", "")), ("yes please", ("", "")), ("not now", ("", "")),
        ("不是", ("", "")), ("nope", ("", "")), ("y n", ("", "")),
    ],
)  # fmt: skip
def test_answers(line: str, expected: tuple[str, str]) -> None:
    assert understand(line) == expected


@given(st.text(alphabet=st.characters(whitelist_categories=("Lu", "Ll", "Lo", "Zs", "Po")), max_size=200))
def test_lines_fit_and_nothing_is_lost(text: str) -> None:
    lines = lay_out(text, 40)
    assert "".join("".join(lines).split()) == "".join(text.split())
    for line in lines:
        assert width(line) <= 42 or max(width(word) for word in line.split()) > 30


@pytest.mark.parametrize(("value", "text"), [(0.04, "0.0 s"), (9.96, "10.0 s"), (59.4, "59 s"), (185, "3:05")])
def test_durations(value: float, text: str) -> None:
    assert seconds(value) == text


def test_hidden_characters_are_counted_but_not_what_only_looks_like_their_name() -> None:
    assert hidden_count("print('<U+202E>')") == 0
    assert hidden_count("print('\u202e<U+202E>\u200b')") == 2


@pytest.mark.parametrize(
    ("environ", "kind"),
    [
        ({"TERM": "xterm-kitty"}, "kitty"),
        ({"TERM": "xterm-256color", "KITTY_WINDOW_ID": "1"}, "kitty"),
        ({"TERM": "xterm-256color", "TERM_PROGRAM": "iTerm.app"}, "iterm2"),
        ({"TERM": "screen-256color", "TERM_PROGRAM": "iTerm.app"}, ""),
        ({"TERM": "xterm-kitty", "TMUX": "/tmp/x"}, ""),
        ({"TERM": "xterm-256color"}, ""),
        ({}, ""),
    ],
)
def test_which_terminals_draw(environ: dict[str, str], kind: str) -> None:
    assert protocol(environ) == kind


def test_pictures(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(bytes(range(256)) * 20)
    kitty = picture(str(path), "image/png", "kitty")
    chunks = [part.partition(";") for part in kitty.strip().removesuffix("\x1b\\").split("\x1b\\")]
    assert chunks[0][0] == "\x1b_Ga=T,f=100,q=2,m=1" and chunks[-1][0] == "\x1b_Gm=0"
    assert base64.b64decode("".join(part[2] for part in chunks)) == path.read_bytes()
    iterm = picture(str(path), "image/png", "iterm2")
    assert iterm.startswith("\x1b]1337;File=inline=1;size=5120;") and iterm.endswith("\a\n")
    assert picture(str(path), "text/html", "kitty") == ""
    assert picture(str(tmp_path / "none.png"), "image/png", "kitty") == ""
    assert picture(str(path), "image/png", "") == ""


@pytest.mark.skipif(shutil.which("img2sixel") is None, reason="img2sixel is not on this machine")
def test_a_picture_in_sixels() -> None:
    pixel = zlib.compress(b"\0\xff\0\0")
    parts = ((b"IHDR", struct.pack(">IIBBBBB", 1, 1, 8, 2, 0, 0, 0)), (b"IDAT", pixel), (b"IEND", b""))
    chunks = (struct.pack(">I", len(x)) + name + x + struct.pack(">I", zlib.crc32(name + x)) for name, x in parts)
    shown = sixel(shutil.which("img2sixel") or "", b"\x89PNG\r\n\x1a\n" + b"".join(chunks))
    assert shown.startswith("\x1bP") and shown.endswith("\x1b\\\n")
    assert sixel(shutil.which("img2sixel") or "", b"no picture") == ""


@needs_walls
def test_what_draws_a_picture_reaches_nothing(tmp_path: Path) -> None:
    """It is a program of others, and the picture is whatever code made: here it makes a shell do what it says."""
    (tmp_path / "secret").write_text("marrow")
    astray = f"cat '{tmp_path}/secret'; echo > '{tmp_path}/written'; echo seen; env"
    shown = sixel("/bin/sh", astray.encode())
    assert shown.startswith("seen\n") and "marrow" not in shown and str(tmp_path) not in shown
    assert not (tmp_path / "written").exists()
    assert sixel("/bin/sh", b"while :; do echo 0123456789012345678901234567890123456789; done") == ""
    assert sixel("/bin/sh", b"exit 1") == "" and sixel("/nowhere/img2sixel", b"seen") == ""


def drawn(*events: Event, verbose: bool = False) -> str:
    """What stands on a screen of 80 columns after these events; a file is no terminal, so nothing moves."""
    out = io.StringIO()
    screen = Screen(verbose=verbose, console=Console(file=out, width=80, highlight=False))
    for event in events:
        screen.show(event)
    screen.end()
    return out.getvalue()


def action(code: str, call_id: str = "") -> Action:
    return Action(id="a", language="python", code=code, sha256=code_sha256(code), call_id=call_id)


BEGIN = (TurnStarted(turn="t", text="x"), ModelAsked(turn="t", step=1, model="m", api_base="", messages=1, size=1))
END = TurnFinished(turn="t", reason="done", exit_code=0, text="done")


def test_code_in_the_text_is_drawn_once() -> None:
    text = "First:\n\n```python\nprint(41)\n```\n\nThen I will see."
    shown = drawn(
        *BEGIN,
        *(TextDelta(turn="t", text=char) for char in text),
        ModelAnswered(turn="t", step=1, text=text),
        ActionProposed(turn="t", step=1, action=action("print(41)\n")),
        END,
    )
    assert shown.count("print(41)") == 1
    assert shown.index("First:") < shown.index("print(41)") < shown.index("Then I will see.")


def test_two_actions_of_one_text() -> None:
    text = "One\n\n```python\na()\n```\n\nTwo\n\n```python\nb()\n```\n"
    shown = drawn(
        *BEGIN, TextDelta(turn="t", text=text), ModelAnswered(turn="t", step=1, text=text),
        ActionProposed(turn="t", step=1, action=action("a()")), ActionProposed(turn="t", step=1, action=action("b()")),
        END,
    )  # fmt: skip
    assert shown.count("a()") == 1 and shown.count("b()") == 1
    assert [shown.index(word) for word in ("One", "a()", "Two", "b()")] == sorted(
        shown.index(word) for word in ("One", "a()", "Two", "b()")
    )


def test_a_call_written_as_text_is_not_shown_twice() -> None:
    text = '<tool_call>\n{"name": "execute", "arguments": {"language": "python", "code": "c()"}}\n</tool_call>'
    shown = drawn(
        *BEGIN, TextDelta(turn="t", text=text), ModelAnswered(turn="t", step=1, text=text),
        ActionProposed(turn="t", step=1, action=action("c()")), END,
    )  # fmt: skip
    assert "tool_call" not in shown and shown.count("c()") == 1


def test_a_block_that_is_no_action_is_drawn_in_the_end() -> None:
    text = "Like this:\n\n```json\n{}\n```\n\nBye."
    shown = drawn(*BEGIN, TextDelta(turn="t", text=text), ModelAnswered(turn="t", step=1, text=text), END)
    assert "{}" in shown and "Bye." in shown


def test_an_answer_that_was_not_streamed_is_drawn() -> None:
    assert "whole answer" in drawn(*BEGIN, ModelAnswered(turn="t", step=1, text="whole answer"), END)
    assert "only at the end" in drawn(
        TurnStarted(turn="t", text="x"), TurnFinished(turn="t", reason="done", exit_code=0, text="only at the end")
    )


def test_what_a_program_draws_over_is_gone() -> None:
    chunks = ("10%\r", "50%\r", "100%\nnext", " line\n")
    shown = drawn(*BEGIN, *(OutputChunk(action="a", stream="stdout", text=text) for text in chunks), END)
    assert "100%" in shown and "50%" not in shown and "next line" in shown


def test_control_characters_of_a_model_are_written_out() -> None:
    shown = drawn(*BEGIN, ReasoningDelta(turn="t", text="a\x1b[2Jb\n"), TextDelta(turn="t", text="c\u202ed\n\n"), END)
    assert "\x1b[2J" not in shown and "<U+001B>" in shown and "<U+202E>" in shown


def test_markup_of_rich_in_texts_has_no_effect() -> None:
    done = Completion(execution="x", status="ok", result="[bold]r[/bold]")
    shown = drawn(
        *BEGIN, OutputChunk(action="a", stream="stdout", text="[red]o[/red] [/nothing]\n"),
        ActionFinished(action="a", status="ok", observation=Observation(text="", shown=""), completion=done),
        ModelFailed(turn="t", step=1, error="X", message="[/x] [link=y]z"), END, verbose=True,
    )  # fmt: skip
    for part in ("[red]o[/red] [/nothing]", "[bold]r[/bold]", "[/x] [link=y]z"):
        assert part in shown


def test_long_lines_of_code_and_output_are_not_cut() -> None:
    line = "x" * 300
    shown = drawn(*BEGIN, OutputChunk(action="a", stream="stdout", text=line + "\n"),
                  ActionProposed(turn="t", step=1, action=action("# " + line + "Z")), END)  # fmt: skip
    assert shown.count("x") >= 600 and "Z" in shown


def test_events_of_any_size_do_not_break_the_moving_part() -> None:
    out = io.StringIO()
    console = Console(file=out, width=40, height=10, force_terminal=True, highlight=False)
    screen = Screen(console=console)
    for event in (
        *BEGIN, CodeDelta(turn="t", index=0, text='{"code": "' + "a\\n" * 500),
        TextDelta(turn="t", text="word " * 2000), Progress(what="installing", done=0.5, text="3 of 6"),
        Progress(what="installing", done=1.0), ReasoningDelta(turn="t", text="思" * 3000),
    ):  # fmt: skip
        screen.show(event)
    lines = console.render_lines(screen, console.options, pad=False)
    assert len(lines) <= 7
    screen.end()


def test_what_moves_leaves_nothing_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    def slowly(value: float) -> str:
        time.sleep(0.001)  # other threads get in while a frame is made
        return seconds(value)

    monkeypatch.setattr(screen_module, "REFRESH", 0.0005)
    monkeypatch.setattr(screen_module.words, "seconds", slowly)
    monkeypatch.setenv("TERM", "xterm")
    file = io.StringIO()
    screen = Screen(console=Console(file=file, force_terminal=True, width=60, height=24, color_system=None))
    screen.show(TurnStarted(turn="t", text="go"))
    for number in range(120):
        screen.show(OutputChunk(action="a", stream="stdout", text=f"begin {number}"))
        screen.show(OutputChunk(action="a", stream="stdout", text=f" end {number}\n"))
    screen.end()
    terminal = pyte.HistoryScreen(60, 200, history=500)
    stream = pyte.Stream(terminal)
    stream.feed(file.getvalue().replace("\n", "\r\n"))
    shown = [line.rstrip() for line in terminal.display]
    assert [line for line in shown if line] == [f"begin {number} end {number}" for number in range(120)]
