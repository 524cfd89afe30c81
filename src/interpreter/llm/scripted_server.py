"""A model's server that plays a script over real HTTP: chat completions as server-sent events, and `/v1/models`.

usage: python -m interpreter.llm.scripted_server SCRIPT.yaml [--host 127.0.0.1] [--port 0] [--log FILE.jsonl]
"""

from __future__ import annotations

import argparse
import contextlib
import socket
import struct
import sys
import threading
import time
from collections.abc import Generator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import msgspec

from interpreter.errors import InterpreterError
from interpreter.types.messages import Piece, ToolCall

from .script import Player, Reply, Script, finish_of, load_script, pieces, said, usage_of
from .scripted_wire import HTML, MESSAGE, STATUS, model_card, names, newest, overflow, refusal, usage_body, whole, wire

encode = msgspec.json.encode


class Seen(msgspec.Struct, omit_defaults=True):
    """A request as the server saw it."""

    n: int
    """1-based."""
    path: str
    size: int
    """Bytes of the body."""
    new: int
    """Bytes after the longest common beginning with the chat request before."""
    body: Any
    headers: dict[str, str]
    time: float
    """Unix seconds when the request was complete."""
    hung_up: bool = False
    """The client left before the end."""
    raw: bytes = b""


class ScriptedServer:
    """The server in a thread of its own; a context manager.

    Args:
        script: what it plays.
        host, port: where it listens; port 0 takes a free one.
        log: a file that gets one JSON line per request (its key is left out), and one when a client hangs up.
    """

    def __init__(self, script: Script, host: str = "127.0.0.1", port: int = 0, log: Path | None = None) -> None:
        self.player = Player(script)
        self.script = script
        self.seen: list[Seen] = []
        self.connections = 0
        self._log = log
        self._lock = threading.Lock()
        self._last = b""
        self._http = Listener((host, port), Handler)
        self._http.owner = self
        self._thread = threading.Thread(target=self._http.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)

    @property
    def url(self) -> str:
        """The api_base, with `/v1`."""
        host, port = self._http.server_address[:2]
        name = f"[{host!s}]" if ":" in str(host) else str(host)
        return f"http://{name}:{port}/v1"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def serve(self) -> None:
        """Serve in this thread until interrupted."""
        self._http.serve_forever()

    def close(self) -> None:
        if self._thread.is_alive():
            self._http.shutdown()
            self._thread.join()
        self._http.server_close()

    def note(self, path: str, raw: bytes, body: Any, headers: dict[str, str]) -> Seen:
        with self._lock:
            seen = Seen(
                n=len(self.seen) + 1,
                path=path,
                size=len(raw),
                new=len(raw) - common(self._last, raw),
                body=body,
                headers=headers,
                time=time.time(),
                raw=raw,
            )
            self._last = raw
            self.seen.append(seen)
        self._write(msgspec.structs.replace(seen, raw=b""))
        return seen

    def hung_up(self, seen: Seen) -> None:
        seen.hung_up = True
        self._write({"n": seen.n, "hung_up": True})

    def _write(self, line: object) -> None:
        if self._log is not None:
            with self._lock, self._log.open("ab") as file:
                file.write(encode(line) + b"\n")


def common(old: bytes, new: bytes) -> int:
    """Length of the longest common beginning."""
    low, high = 0, min(len(old), len(new))
    a, b = memoryview(old), memoryview(new)
    while low < high:
        middle = (low + high + 1) // 2
        if a[low:middle] == b[low:middle]:
            low = middle
        else:
            high = middle - 1
    return low


class Listener(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    owner: ScriptedServer

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that hangs up is no error of the server."""
        if not isinstance(sys.exc_info()[1], OSError):
            super().handle_error(request, client_address)  # pyright: ignore[reportArgumentType]


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_version = "scripted"
    wbufsize = 65536
    server: Listener  # pyright: ignore[reportIncompatibleVariableOverride]

    def setup(self) -> None:
        super().setup()
        self.connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.server.owner.connections += 1

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        """Nothing is printed per request; `--log` has them."""

    # -- what is asked for

    def do_GET(self) -> None:
        script = self.server.owner.script
        if script.api_key and self.headers.get("Authorization") != f"Bearer {script.api_key}":
            self.error(401, MESSAGE["auth"], "invalid_api_key")
        elif self.path == "/v1/models":
            self.send_json(200, {"object": "list", "data": [model_card(script, m) for m in names(script)]})
        elif self.path == "/props" and script.kind == "llama.cpp":
            self.send_json(200, {"default_generation_settings": {"n_ctx": script.context_window}})
        elif self.path == "/api/v0/models" and script.kind == "lmstudio":
            card = {"id": script.model, "state": "loaded", "loaded_context_length": script.context_window}
            self.send_json(200, {"object": "list", "data": [card]})
        elif self.path == "/api/ps" and script.kind == "ollama":
            card = {"name": script.model, "model": script.model, "context_length": script.context_window}
            self.send_json(200, {"models": [card]})
        elif self.path == "/" and script.kind == "ollama":
            self.send(200, b"Ollama is running", "text/plain")
        else:
            self.error(404, f"Not found: {self.path}", "not_found")

    def do_POST(self) -> None:
        owner = self.server.owner
        raw = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        try:
            body: Any = msgspec.json.decode(raw)
        except msgspec.DecodeError:
            self.error(400, "The body is not JSON.", "bad_request")
            return
        if self.path == "/api/show" and owner.script.kind == "ollama":
            window = owner.script.context_window
            self.send_json(200, {"parameters": f"num_ctx {window}", "model_info": {"scripted.context_length": 262144}})
        elif self.path.rstrip("/").endswith("/chat/completions"):
            told = {k.lower(): v for k, v in self.headers.items() if k.lower() != "authorization"}
            self.chat(body, owner.note(self.path, raw, body, told))
        else:
            self.error(404, f"Not found: {self.path}", "not_found")

    def chat(self, body: dict[str, Any], seen: Seen) -> None:
        owner, script = self.server.owner, self.server.owner.script
        if script.api_key and self.headers.get("Authorization") != f"Bearer {script.api_key}":
            self.error(401, MESSAGE["auth"], "invalid_api_key")
            return
        if refused := refusal(script, body):
            self.error(400, refused, "BadRequestError")
            return
        reply = owner.player.next(newest(body))
        if reply is None:
            self.error(400, owner.player.exhausted(), "script_exhausted")
            return
        if reply.delay:
            time.sleep(reply.delay)
        try:
            if not self.play_fault(reply):
                self.play(reply, body, seen)
        except OSError:
            self.close_connection = True
            owner.hung_up(seen)

    # -- what is answered

    def play_fault(self, reply: Reply) -> bool:
        """Answer with a fault that needs no stream; False where the reply has none."""
        fault = reply.fault or ""
        if fault == "unreachable":
            self.reset()
        elif fault == "html":
            self.send(reply.status or 200, HTML, "text/html")
        elif fault == "empty":
            self.send(reply.status or 200, b"", "text/event-stream")
        elif fault == "redirect":
            self.send(reply.status or 302, b"", "text/html", {"Location": "https://example.invalid/login"})
        elif fault in STATUS:
            after = {} if reply.retry_after is None else {"Retry-After": f"{reply.retry_after:g}"}
            self.error(reply.status or STATUS[fault], reply.message or MESSAGE.get(fault, ""), fault, after)
        else:
            return False
        return True

    def play(self, reply: Reply, body: dict[str, Any], seen: Seen) -> None:
        tools = bool(body.get("tools"))
        text, calls = said(reply, tools, seen.n)
        found = pieces(reply, tools, seen.n)
        wanted: dict[str, Any] = body.get("stream_options") or {}
        usage = usage_of(reply, seen.size, len(found)) if wanted.get("include_usage") else None
        usage = None if "no_usage" in reply.quirks else usage
        told = None if usage is None else usage_body(msgspec.to_builtins(usage))
        head = {"id": f"chatcmpl-{seen.n}", "created": int(time.time()), "model": body.get("model") or ""}
        if not body.get("stream") or "whole_body" in reply.quirks:
            self.send_json(200, {**head, **whole(reply, text, calls), "usage": told})
            return
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream; charset=utf-8")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        head["object"] = "chat.completion.chunk"
        # A fault of the stream comes after the finish reason where `after` is beyond the last piece.
        events = self.events(reply, head, found, calls, told)
        with contextlib.closing(events):
            for event in events:
                data = b"data: " + event + b"\n\n"
                self.wfile.write(b"%x\r\n%b\r\n" % (len(data), data))
                if reply.pace:
                    self.wfile.flush()
                    time.sleep(reply.pace)
        if not self.close_connection:
            self.wfile.write(b"0\r\n\r\n")
        self.wfile.flush()

    def events(
        self, reply: Reply, head: dict[str, Any], found: list[Piece], calls: tuple[ToolCall, ...], usage: Any
    ) -> Generator[bytes, None, None]:
        """The data of each event, up to the reply's fault."""
        deltas = [{"role": "assistant", "content": ""}, *wire(reply, found, calls)]
        for n, delta in enumerate(deltas):
            if n == reply.after + 1 and (yield from self.stream_fault(reply)):
                return
            yield encode({**head, "choices": [{"index": 0, "delta": delta, "finish_reason": None}]})
        if reply.after + 1 >= len(deltas) and (yield from self.stream_fault(reply)):
            return
        last: dict[str, Any] = {"index": 0, "delta": {}, "finish_reason": finish_of(reply, calls)}
        yield encode({**head, "choices": [last]})
        if usage is not None:
            yield encode({**head, "choices": [], "usage": usage})
        if reply.fault != "no_done":
            yield b"[DONE]"

    def stream_fault(self, reply: Reply) -> Generator[bytes, None, bool]:
        """Play a fault in mid-stream; returns True when the stream is over."""
        if reply.fault == "garbage":
            yield b'{"choices": [{"delta": {"content": "half a'
        elif reply.fault == "error_in_stream":
            message = reply.message or "EngineCore died."
            yield encode({"error": {"message": message, "type": "InternalServerError", "code": reply.status or 500}})
            yield b"[DONE]"
        elif reply.fault == "break":
            self.wfile.flush()
            self.reset()
        elif reply.fault == "cut":
            pass
        elif reply.fault == "hang":
            self.wfile.flush()
            self.connection.recv(1)
            raise ConnectionAbortedError
        else:
            return False
        return True

    def reset(self) -> None:
        """Break the connection with a TCP reset."""
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close_connection = True
        self.connection.close()

    def error(self, status: int, message: str, code: str, headers: dict[str, str] | None = None) -> None:
        if code == "overflow":
            status_body = overflow(self.server.owner.script, message)
        else:
            status_body = {"error": {"message": message, "type": code, "code": code}}
        self.send(status, encode(status_body), "application/json", headers)

    def send_json(self, status: int, body: object) -> None:
        self.send(status, encode(body), "application/json")

    def send(self, status: int, body: bytes, kind: str, headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)
        self.wfile.flush()


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m interpreter.llm.scripted_server", description=__doc__)
    parser.add_argument("script", help="YAML or JSON file, see docs/scripted.md")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--log", type=Path, help="write every request to this file, one JSON line each")
    given = parser.parse_args(argv)
    try:
        server = ScriptedServer(load_script(given.script), given.host, given.port, given.log)
    except (InterpreterError, OSError) as error:
        sys.stderr.write(f"{error}\n")
        return 2
    sys.stdout.write(f"{server.url}\n")
    sys.stdout.flush()
    with contextlib.suppress(KeyboardInterrupt):
        server.serve()
    server.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
