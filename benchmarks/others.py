"""The same scripted model and the same kill -9 in turn 10, here and in other programs: how many turns and which
variables are there after a resume.

usage: python -m benchmarks.others [--gptme COMMAND] [--codex COMMAND]     (what is not named is left out)

Each turn adds 1 to the variable `x`. Turn 10 does so and sleeps; then the program is killed with all that it
has started.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, NamedTuple

from tests.chaos.world import below, kill

TURNS = 10
DONE = re.compile(r"turn (\d+) has x (\d+)")
SEEN = re.compile(r"now x is (\w+)")


def python(n: int) -> str:
    line = f"x = {n}" if n == 1 else "x = x + 1"
    last = "\nopen('ten', 'w').close()\nimport time\ntime.sleep(20)" if n == TURNS else ""
    return f"{line}\nprint('turn', {n}, 'has x', x){last}"


def shell(n: int) -> str:
    last = "; touch ten; sleep 20" if n == TURNS else ""
    return f"export x=$(({n - 1} + 1)); echo turn {n} has x $x{last}"


LOOK = {"python": "print('now x is', globals().get('x', 'gone'))", "shell": "echo now x is ${x:-gone}"}


class Model:
    """Says the turn that follows from what the request holds; after `again` it looks at `x` once."""

    def __init__(self, say: Callable[[str], list[dict[str, Any]]], language: str) -> None:
        self.again = False
        self.kept: set[int] = set()
        self.x = ""
        self._say, self._language = say, language
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}/v1"

    def answer(self, body: str) -> list[dict[str, Any]]:
        done = {int(n) for n, _x in DONE.findall(body)}
        if not self.again:
            return self._say(python(max(done, default=0) + 1) if self._language == "python" else
                             shell(max(done, default=0) + 1))  # fmt: skip
        self.kept |= done
        if seen := SEEN.findall(body):
            self.x = seen[-1]
            return self._say("")
        return self._say(LOOK[self._language])

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        owner = self

        class Handler(BaseHTTPRequestHandler):
            def log_message(self, *args: object) -> None:
                pass

            def do_GET(self) -> None:
                self.reply(json.dumps({"object": "list", "data": [{"id": "bare"}]}).encode(), "application/json")

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"])).decode()
                events = owner.answer(body)
                names = [f"event: {one['type']}\n" if "type" in one else "" for one in events]
                lines = [f"{name}data: {json.dumps(one)}\n\n" for name, one in zip(names, events, strict=True)]
                self.reply("".join([*lines, "data: [DONE]\n\n"]).encode(), "text/event-stream")

            def reply(self, data: bytes, kind: str) -> None:
                self.send_response(200)
                self.send_header("content-type", kind)
                self.send_header("content-length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

        return Handler


def chat(delta: dict[str, Any], finish: str) -> list[dict[str, Any]]:
    return [{"choices": [{"index": 0, "delta": delta, "finish_reason": None}]},
            {"choices": [{"index": 0, "delta": {}, "finish_reason": finish}]}]  # fmt: skip


def calls(code: str) -> list[dict[str, Any]]:
    """A native call of `execute`, as this program takes it."""
    if not code:
        return chat({"content": "done"}, "stop")
    arguments = json.dumps({"language": "python", "code": code})
    call = {"index": 0, "id": f"c{time.time_ns()}", "type": "function"}
    return chat({"tool_calls": [{**call, "function": {"name": "execute", "arguments": arguments}}]}, "tool_calls")


def fences(code: str) -> list[dict[str, Any]]:
    """A block in the text, as gptme takes it."""
    return chat({"content": f"```ipython\n{code}\n```" if code else "done"}, "stop")


def responses(code: str) -> list[dict[str, Any]]:
    """The API of responses, which Codex wants."""
    name = f"r{time.time_ns()}"
    item: dict[str, Any] = {"type": "message", "id": name, "role": "assistant",
                            "content": [{"type": "output_text", "text": "done"}]}  # fmt: skip
    if code:
        arguments = json.dumps({"cmd": code, "yield_time_ms": 30000})
        item = {"type": "function_call", "id": name, "call_id": name, "name": "exec_command", "arguments": arguments}
    usage = {"input_tokens": 1, "output_tokens": 1, "total_tokens": 2}
    return [{"type": "response.created", "response": {"id": name}},
            {"type": "response.output_item.done", "output_index": 0, "item": item},
            {"type": "response.completed", "response": {"id": name, "usage": usage}}]  # fmt: skip


class Program(NamedTuple):
    name: str
    say: Callable[[str], list[dict[str, Any]]]
    language: str
    begin: list[str]
    again: list[str]
    keeper: bool = False
    """What outlives the host dies with it."""


def programs(given: argparse.Namespace) -> list[Program]:
    ours = [sys.executable, "-m", "interpreter", "-y", "--model", "bare", "--api_base", "URL"]
    found = [
        Program("reinterpreter, its host killed", calls, "python", [*ours, "count"], [*ours, "--resume", "last"]),
        Program("reinterpreter, all killed", calls, "python", [*ours, "count"], [*ours, "--resume", "last"], True),
    ]
    if given.gptme:
        words = [given.gptme, "-n", "--no-confirm", "-m", "local/bare", "-t", "ipython,shell", "--name", "count"]
        found.append(Program("gptme", fences, "python", [*words, "count"], [*words, "-r", "go on"]))
    if given.codex:
        free = "--dangerously-bypass-approvals-and-sandbox"
        words = [given.codex, "exec", "--skip-git-repo-check", free]
        found.append(Program("codex", responses, "shell", [*words, "count"], [*words, "resume", "--last", "go on"]))
    return found


def tried(program: Program, home: Path) -> tuple[int, str]:
    """Turns that the resumed model reads, and what `x` is."""
    model = Model(program.say, program.language)
    work = home / "work"
    work.mkdir()
    (home / ".codex").mkdir()
    (home / ".codex" / "config.toml").write_text(
        f'model = "bare"\nmodel_provider = "bare"\n[model_providers.bare]\nname = "bare"\nbase_url = "{model.url}"\n'
        'wire_api = "responses"\n'
    )
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("XDG_", "INTERPRETER_"))}
    env = kept | {"HOME": str(home), "INTERPRETER_HOME": str(home / "i"), "OPENAI_BASE_URL": model.url,
                  "OPENAI_API_KEY": "none"}  # fmt: skip
    with (home / "log").open("wb") as log:
        first = subprocess.Popen([model.url if word == "URL" else word for word in program.begin], cwd=work, env=env,
                                 stdin=subprocess.DEVNULL, stdout=log, stderr=log)  # fmt: skip
        deadline = time.monotonic() + 120
        while not (work / "ten").exists() and time.monotonic() < deadline and first.poll() is None:
            time.sleep(0.05)
        time.sleep(2)
        kill([*below(first.pid), first.pid] if program.name not in ("reinterpreter, its host killed",) else [first.pid])
        if program.keeper:
            keepers(home)
        first.wait()
        model.again = True
        again = [model.url if word == "URL" else word for word in program.again]
        resumed = subprocess.Popen(again, cwd=work, env=env, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        deadline = time.monotonic() + 120
        while not model.x and time.monotonic() < deadline and resumed.poll() is None:
            if program.name == "reinterpreter, its host killed":
                (work / "ten").unlink(missing_ok=True)
            time.sleep(0.05)
        kill([*below(resumed.pid), resumed.pid])
        resumed.wait()
        keepers(home)
    model.close()
    return len(model.kept), model.x or "not told"


def keepers(home: Path) -> None:
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            line = entry.read_bytes()
        except OSError:
            continue
        if b"/keeper\0" in line and os.fsencode(home) in line:
            kill([*below(int(entry.parent.name)), int(entry.parent.name)])


def main(argv: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.others", description=__doc__)
    parser.add_argument("--gptme", help="the command of gptme")
    parser.add_argument("--codex", help="the command of Codex CLI")
    for program in programs(parser.parse_args(argv)):
        with tempfile.TemporaryDirectory(prefix="others-", ignore_cleanup_errors=True) as folder:
            turns, x = tried(program, Path(folder).resolve())
            print(f"{program.name:34} turns kept: {turns:2}   x after the resume: {x}", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
