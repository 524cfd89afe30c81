"""Servers that mean no good, or are broken: each costs a sentence, no hang, no memory and no traceback."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import msgspec
import pytest

from interpreter.errors import MalformedAnswer, ModelError, ModelUnreachable, ServerFault
from interpreter.llm.faults import body_text, in_stream
from interpreter.llm.http import MAX_ANSWER, HttpModel
from interpreter.llm.plain import MAX_CHUNK, MAX_HEAD, unchunk
from interpreter.llm.sse import DataLines

from ..bounded import printed
from .raw import HEAD, WORD, against, answered

CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"


def test_a_size_below_zero_is_no_chunk() -> None:
    code = "from interpreter.llm.plain import unchunk\ntry: unchunk(bytearray(b'-6\\r\\n'))\n"
    assert printed(code + "except Exception as error: print(type(error).__name__)") == "ServerFault"


SIZES = [b"-6", b"+5", b"0x5", b"1_0", b"", b";x=1", b"z", b"0" * 20 + b"1", b"%X" % (MAX_CHUNK + 1)]


@pytest.mark.parametrize("size", SIZES)
def test_what_is_no_size_of_a_chunk(size: bytes) -> None:
    with pytest.raises(ServerFault, match="broke off"):
        unchunk(bytearray(size + b"\r\n"))


@pytest.mark.parametrize("begin", [b"", b"0\r\nX-Trailer: ", b"5\r\nabcde\r\n"])
def test_neither_size_nor_trailer_goes_on_for_ever(begin: bytes) -> None:
    assert unchunk(bytearray(begin + b"1" * 1000))[2] is False
    with pytest.raises(ServerFault, match="broke off"):
        unchunk(bytearray(begin + b"1" * (MAX_HEAD + 100)))


@pytest.mark.parametrize("size", [b"5", b" 5 ", b"005", b"5;" + b"x" * 1000])
def test_sizes_as_servers_write_them(size: bytes) -> None:
    assert unchunk(bytearray(size + b"\r\nabcde\r\n0\r\n\r\n"))[0] == [b"abcde"]


def test_a_length_of_thousands_of_digits_is_none() -> None:
    answer = answered(HEAD + b"Content-Length: " + b"9" * 5000 + b"\r\n\r\n" + WORD)[1]
    assert answer.text == "hi"


def test_a_status_of_thousands_of_digits_is_no_http() -> None:
    with pytest.raises(MalformedAnswer, match="not a web server"):
        answered(b"HTTP/1.1 " + b"9" * 5000 + b" OK\r\n\r\n")


def test_an_answer_that_is_always_still_to_come() -> None:
    with pytest.raises(MalformedAnswer, match="not a web server"):
        answered(b"HTTP/1.1 100 Continue\r\n\r\n" * 11, HEAD + b"\r\n", WORD)
    assert answered(b"HTTP/1.1 100 Continue\r\n\r\n" * 10, HEAD + b"\r\n", WORD)[1].text == "hi"


def test_what_is_wrong_behind_a_whole_answer_does_no_harm() -> None:
    body = WORD + b"data: [DONE]\n\n"
    assert answered(CHUNKED + b"%X\r\n%b\r\n" % (len(body), body), b"zz\r\n")[1].text == "hi"


def test_an_answer_without_end() -> None:
    piece = (b": " + b"p" * 1021 + b"\n") * 1024
    with pytest.raises(MalformedAnswer, match="more than 64 MB"):
        answered(HEAD + b"\r\n", *[piece] * (MAX_ANSWER // len(piece) + 2), WORD)


def dripping(listing: bool) -> Iterator[bytes]:
    yield b"HTTP/1.1 200 OK\r\nContent-Length: 40\r\n\r\n"
    yield from [b" "] * 39


def test_a_list_that_comes_drop_by_drop_is_not_waited_for() -> None:
    """Each drop comes within the time of one silence; all 40 would take 10 s."""

    async def use(model: HttpModel) -> ModelError:
        with pytest.raises(ModelError) as caught:
            await model.connect()
        return caught.value

    error = asyncio.run(against(dripping, use, 0.25, read_timeout=1.0, connect_timeout=1.0))
    assert type(error) is ModelUnreachable and "did not answer within 1 s" in error.message


def test_a_long_line_in_small_pieces_is_put_together_once() -> None:
    code = "from interpreter.llm.sse import DataLines\nlines = DataLines()\nfor _ in range(400_000):\n"
    code += "    lines.feed(b'data: ' + b'x' * 30)\nprint(len(lines.feed(b'\\n')[0]))"
    assert printed(code) == str(400_000 * 36 - len("data: "))


def test_a_line_without_end_in_pieces() -> None:
    lines = DataLines()
    assert lines.feed(b"data: 1\ndata: 2") == [b"1"]
    assert lines.feed(b"3") == [] and lines.feed(b"") == [] and lines.feed(b"4\n\nda") == [b"234"]
    assert lines.feed(b"ta: 5") == [] and lines.end() == [b"5"] and lines.end() == []
    with pytest.raises(MalformedAnswer, match="16 MB"):
        for _n in range(17):
            lines.feed(b"x" * (1 << 20))


@pytest.mark.parametrize("unit", ["<title>", "<title", "<", "<a "])
def test_a_page_of_beginnings_is_looked_through_once(unit: str) -> None:
    code = f"from interpreter.llm.faults import body_text\nprint(len(body_text({unit.encode()!r} * 600_000)))"
    assert int(printed(code)) < 500


@pytest.mark.parametrize(
    ("page", "words"),
    [
        (b"<html><head><TITLE lang=de>502 Bad\n Gateway</TITLE></head><body>x</body>", "502 Bad Gateway"),
        (b"<html><body><h1>Oops</h1>it <b>broke</b></body></html>", "Oops it broke"),
        (b"<p>" * 5000 + b"words", ""),
        (b" " * 3 + b"<style>" + b"x" * 20_000 + b"</style><title>Login</title>", "Login"),
    ],
)
def test_what_a_page_says(page: bytes, words: str) -> None:
    assert body_text(page) == words


@pytest.mark.parametrize("depth", [5, 100, *range(700, 1000, 20)])
def test_an_error_may_be_nested_as_deeply_as_it_likes(depth: int) -> None:
    for begin, end in ((b'{"error":', b"}"), (b"[", b"]"), (b'{"x":', b"}")):
        body = begin * depth + b'"words"' + end * depth
        assert isinstance(body_text(body), str)
        try:
            value = msgspec.json.decode(body)
        except RecursionError:
            continue
        error = in_stream(value)
        assert depth > 5 or "words" in error.message
