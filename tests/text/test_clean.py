from __future__ import annotations

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from interpreter.text.clean import LINE_CAP, SWALLOW_CAP, LineCleaner, StreamCleaner, clean_text, plain, reveal

CASES = {
    "nothing to do": ("plain\ttext\n中文 é 🙂\n", "plain\ttext\n中文 é 🙂\n"),
    "no newline at the end": ("a\nb", "a\nb"),
    "colours": ("\x1b[31mred\x1b[0m \x1b[1;38;5;200mbold\x1b[m\n", "red bold\n"),
    "eight-bit sequence": ("\x9b31mred\x9b0m\n", "red\n"),
    "a title, ended by BEL": ("\x1b]0;title\x07text\n", "text\n"),
    "a title, ended by ST": ("\x1b]2;title\x1b\\text\n", "text\n"),
    "a link": ("\x1b]8;;http://x.y/\x1b\\here\x1b]8;;\x1b\\\n", "here\n"),
    "a title without an end stops at the line": ("\x1b]0;title\nnext\n", "\nnext\n"),
    "an image": ("a\x1b_Gf=100;AAAA\x1b\\b\x1bPq#0;2\n#1\x1b\\c\n", "abc\n"),
    "screen's title": ("\x1bkbash\x1b\\$ ls\n", "$ ls\n"),
    "cursor moves and modes": ("\x1b[2J\x1b[H\x1b[?25la\x1b7\x1b8\x1b(B\x1b=\x1b>b\x1bM\n", "ab\n"),
    "bell and NUL": ("a\x07b\x00c\n", "abc\n"),
    "carriage return": ("10%\r50%\r100%\n", "100%\n"),
    "carriage return, shorter": ("loading\rdone\n", "doneing\n"),
    "erased to the end": ("loading\r\x1b[Kdone\n", "done\n"),
    "erased line": ("loading\x1b[2K\rdone\n", "done   \n"),
    "windows ends": ("a\r\nb\r\n", "a\nb\n"),
    "backspaces": ("abc\b\bX\n", "aXc\n"),
    "bold by overstriking": ("N\bNA\bAM\bM\n", "NAM\n"),
    "a spinner": ("|\b/\b-\b\\\bdone\n", "done\n"),
    "form feed": ("a\fb\vc\n", "a\nb\nc\n"),
    "bidi made visible": ("x = '\u202e'\u2066\n", "x = '<U+202E>'<U+2066>\n"),
    "tags made visible": ("a\U000e0041b\n", "a<U+E0041>b\n"),
    "joined emoji stay": ("👩\u200d💻\n", "👩\u200d💻\n"),
    "escape at the end": ("a\x1b", "a"),
    "half a sequence at the end": ("a\x1b[3", "a"),
}


@pytest.mark.parametrize(("text", "expected"), CASES.values(), ids=CASES.keys())
def test_what_a_terminal_would_show(text: str, expected: str) -> None:
    assert clean_text(text) == expected
    for size in (1, 2, 3, 7):
        lines, stream = LineCleaner(), StreamCleaner()
        pieces = [text[at : at + size] for at in range(0, len(text), size)]
        assert "".join(map(lines.feed, pieces)) + lines.flush() == expected
        assert shown("".join(map(stream.feed, pieces)) + stream.flush()) == [e.rstrip() for e in expected.split("\n")]
        bytewise = LineCleaner()
        data = text.encode()
        assert "".join(bytewise.feed(data[n : n + 1]) for n in range(len(data))) + bytewise.flush() == expected


def shown(stream: str) -> list[str]:
    """What a view that knows nothing but carriage returns and newlines has on its screen."""
    screen: list[str] = []
    for line in stream.split("\n"):
        current = ""
        for part in line.split("\r"):
            current = part + current[len(part) :]
        screen.append(current.rstrip())
    return screen


@example("\x9b\x1b]\x07K", 1)
@settings(max_examples=300, deadline=None)
@given(st.text(alphabet="ab \t\n\r\b\x1b[]02;mKP\\\x07\x9b\u202e中", max_size=60), st.integers(1, 9))
def test_pieces_make_no_difference_and_nothing_dangerous_is_left(text: str, size: int) -> None:
    pieces = [text[at : at + size] for at in range(0, len(text), size)]
    whole, parts, live = clean_text(text), LineCleaner(), StreamCleaner()
    assert "".join(map(parts.feed, pieces)) + parts.flush() == whole
    assert plain(whole)
    assert shown("".join(map(live.feed, pieces)) + live.flush()) == [line.rstrip() for line in whole.split("\n")]


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=200))
def test_any_bytes_become_harmless_text(data: bytes) -> None:
    cleaner, live = LineCleaner(), StreamCleaner()
    assert plain(cleaner.feed(data) + cleaner.flush())
    assert plain((live.feed(data) + live.flush()).replace("\r", ""))
    assert plain(clean_text(data))


def test_a_stream_is_given_at_once_and_overwritten_lines_begin_again() -> None:
    cleaner = StreamCleaner()
    assert cleaner.feed(b"name: ") == "name: "
    assert cleaner.feed("用".encode()[:2]) == ""
    assert cleaner.feed("用".encode()[2:] + b"\n") == "用\n"
    assert [cleaner.feed(piece) for piece in (b"10%", b"\r20%", b"\r30%\r40%", b"\rok \n")] == [
        "10%",
        "\r20%",
        "\r40%",
        "\rok \n",
    ]


def test_a_line_without_an_end_is_let_go() -> None:
    cleaner = LineCleaner()
    given = "".join(cleaner.feed("x" * 1000) for _again in range(200))
    assert 100_000 < len(given) < 200_000 <= len(given) + LINE_CAP
    assert given + cleaner.flush() == "x" * 200_000


def test_a_control_string_without_an_end_does_not_hide_the_rest_for_ever() -> None:
    cleaner = LineCleaner()
    cleaner.feed("\x1bP")
    for _again in range(SWALLOW_CAP // 4096 + 1):
        cleaner.feed("z" * 4095 + "\n")
    assert cleaner.feed("visible\n").endswith("visible\n")


def test_many_frames_of_a_progress_bar_are_one_line() -> None:
    cleaner = LineCleaner()
    for _again in range(100):
        assert cleaner.feed("\r 50% |#####     |" * 1000) == ""
    assert cleaner.feed("\rfinished\x1b[K\n") == "finished\n"


@pytest.mark.timeout(40)
@pytest.mark.parametrize(("move", "end"), [("\bx", "x"), ("\b\x1b[K", ""), ("\x1b[2K\bx", "x")])
def test_moves_on_a_long_line_take_a_time_that_grows_with_their_number(move: str, end: str) -> None:
    """An attack: with each move the whole line was copied."""
    line = "\U0001f600" + "a" * 600_000
    assert clean_text(line + move * 130_000).endswith(end)
    cleaner = LineCleaner()
    cleaner.feed("\U0001f600" + "a" * 60_000)
    for _again in range(4):
        cleaner.feed(move * 200_000)
    assert cleaner.flush().endswith(end)


def test_broken_utf_8_is_replaced() -> None:
    assert clean_text(b"caf\xe9 ok, more plain words\n") == "caf\ufffd ok, more plain words\n"


def test_code_is_revealed() -> None:
    code = "a = '\u200b\u202e\u00ad\ufeff'\t# x\x1b[2K\rsafe()\r\nb\U000e0041\x00\n"
    assert reveal(code) == (
        "a = '<U+200B><U+202E><U+00AD><U+FEFF>'\t# x<U+001B>[2K<U+000D>safe()\r\nb<U+E0041><U+0000>\n"
    )
    assert reveal("print('中文 é 🙂')\n") == "print('中文 é 🙂')\n"
