"""Models that are not there, are something else, or answer what cannot be carried out."""

from __future__ import annotations

import http.server
import json
import socket
import threading
from collections.abc import Generator
from contextlib import contextmanager

import pytest

from interpreter.llm.script import Reply, ScriptCall
from interpreter.types.events import ActionFinished, ActionStarted, ModelFailed, NoteAdded

from .command import Place, needs_walls, played


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def kept(place: Place) -> None:
    """The task is in the log, to be gone on with."""
    assert any(isinstance(e, ModelFailed) for e in place.stored()) or place.stored()


def test_a_port_where_nothing_listens(place: Place) -> None:
    url = f"http://127.0.0.1:{free_port()}/v1"
    place.run("-y", "--api_base", url, "hello").says(6, url.removesuffix("/v1"), "Start", "--resume s_")
    kept(place)


def test_a_host_that_does_not_exist(place: Place) -> None:
    ran = place.run("-y", "--api_base", "http://no-such-host.invalid/v1", "hello")
    ran.says(6, "no-such-host.invalid", "--resume s_")


class Page(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        body = b"<!doctype html><html><title>Router login</title>\x1b[2J</html>" * 2000
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_POST = do_GET

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base names it
        pass


@contextmanager
def page() -> Generator[str]:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Page) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}/v1"
        server.shutdown()


def test_a_web_page_instead_of_an_api(place: Place) -> None:
    with page() as url:
        ran = place.run("-y", "--api_base", url, "-m", "qwen", "hello")
    ran.says(6, "web page", url, "--resume s_")
    assert b"\x1b" not in ran.out + ran.err
    assert len(ran.err) < 2000


FAULTS = {
    "html": "web page",
    "empty": "empty",
    "auth": "key",
    "unknown_model": "scripted",
    "server_error": "500",
    "garbage": "protocol",
    "cut": "broke off",
    "redirect": "example.invalid",
    "overflow": "context",
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_server_that_fails(place: Place, fault: str) -> None:
    reply = Reply(text="Some words.", fault=fault, after=1, times=9, retry_after=0.01)  # pyright: ignore[reportArgumentType]
    with played(place, reply):
        ran = place.ask("-y", "hello", "--output", "jsonl")
    assert ran.code == 6, ran.text
    (end,) = ran.of("turn_finished")
    assert FAULTS[fault] in end["text"]
    assert "\n" in end["text"], "a hint says what to do next"
    kept(place)


@needs_walls
def test_after_a_failure_the_session_goes_on(place: Place) -> None:
    with played(place, Reply(fault="html"), Reply(code="print(6 * 7)"), "It is 42."):
        assert place.ask("-y", "compute").code == 6
        ran = place.ask("-y", "--resume", "last", "again")
    ran.says(0, "It is 42.")
    assert [e.status for e in place.stored() if isinstance(e, ActionFinished)] == ["ok"]


def execute(arguments: str, name: str = "execute") -> Reply:
    return Reply(calls=(ScriptCall(name=name, arguments=arguments),))


GOOD = json.dumps({"language": "python", "code": "open('ran', 'w').write('42')"})
UNREADABLE = {
    "empty": "",
    "a number": "7",
    "true": "true",
    "not JSON": "please run the code",
    "cut off": GOOD[:-8],
    "cut off in an escape": GOOD[: GOOD.index("42")] + "\\u00",
    "no code": '{"language": "python"}',
    "code is null": '{"language": "python", "code": null}',
    "deep": "[" * 20_000,
    "only zeros": "\x00" * 100,
}


@needs_walls
@pytest.mark.parametrize("arguments", UNREADABLE.values(), ids=UNREADABLE.keys())
def test_arguments_that_cannot_be_read_run_nothing_and_are_told(place: Place, arguments: str) -> None:
    with played(place, execute(arguments), "I give up."):
        place.ask("-y", "go").says(0, "I give up.")
    assert not (place.work / "ran").exists()
    told = place.told()
    assert "execute" in told or "code" in told
    assert len(told) < 3000
    assert not [e for e in place.stored() if isinstance(e, ActionStarted)]


READABLE = {
    "as it should be": GOOD,
    "twice escaped": json.dumps(GOOD),
    "three times escaped": json.dumps(json.dumps(GOOD)),
    "in a fence": f"```json\n{GOOD}\n```",
    "with a tail": GOOD + "\n\n",
}


@needs_walls
@pytest.mark.parametrize("arguments", READABLE.values(), ids=READABLE.keys())
def test_arguments_that_can_be_mended_run_once(place: Place, arguments: str) -> None:
    with played(place, execute(arguments), "Done."):
        place.ask("-y", "go").says(0, "Done.")
    assert (place.work / "ran").read_text() == "42"
    assert len([e for e in place.stored() if isinstance(e, ActionStarted)]) == 1


@needs_walls
@pytest.mark.parametrize("name", ["launch_rockets", "", "python\x1b[2J", "x" * 5000, "auto_run", "../../execute"])
def test_a_tool_that_does_not_exist(place: Place, name: str) -> None:
    with played(place, execute('{"path": "/"}', name), "I see."):
        ran = place.ask("-y", "go")
    ran.says(0, "I see.")
    assert b"\x1b" not in ran.out + ran.err
    told = place.told()
    assert "execute" in told
    assert len(told) < 3000
    events = place.stored()
    assert not [e for e in events if isinstance(e, ActionStarted)]
    assert any(isinstance(e, NoteAdded) for e in events)


@needs_walls
@pytest.mark.parametrize(
    "language", ["cobol", "applescript", "brainfuck", "../../bin/sh", "python; rm -rf /", "\x1b[2J"]
)
def test_a_language_that_is_not_there(place: Place, language: str) -> None:
    with played(place, Reply(code="1", language=language), "Then not."):
        ran = place.ask("-y", "go")
    ran.says(0, "Then not.")
    assert b"\x1b" not in ran.out + ran.err
    told = place.told()
    assert "python" in told or "install" in told.lower() or "macOS" in told, told
    assert {e.status for e in place.stored() if isinstance(e, ActionFinished)} <= {"refused"}


@needs_walls
def test_an_answer_that_ends_within_the_code_runs_nothing(place: Place) -> None:
    half = Reply(text="```python\nopen('ran', 'w').write('first half')\nimport os", finish="length")
    with played(place, half, "I stop."):
        place.ask("-y", "go").says(0, "I stop.")
    assert not (place.work / "ran").exists()


@pytest.mark.parametrize("text", ["", " \n\n", "​‌", "\x00\x01"])
def test_an_answer_without_words_is_not_taken_for_an_end(place: Place, text: str) -> None:
    with played(place, *[Reply(text=text)] * 9):
        ran = place.ask("-y", "go")
    assert ran.code != 0, ran.text
    assert ran.err.strip()
    place.stored()


def test_no_model_anywhere(place: Place) -> None:
    """The usual ports may be taken on this machine; then its answer is not ours to judge."""
    for port in (8000, 11434, 1234, 8080):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                pytest.skip(f"something listens on port {port}")
    place.run("-y", "hello").says(6, "--api_base", "8000", "--resume s_")
