"""A bare model's server for the benchmarks: answers from a list, and notes when it was asked and had answered."""

from __future__ import annotations

import contextlib
import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class Bare:
    """Serves `replies` in order: a string is said; a dict with `code` is a native call of execute."""

    def __init__(self, replies: list[str | dict[str, str]], *, tokens: int = 0, thinks: float = 0.0) -> None:
        """`thinks`: seconds before each answer."""
        self.replies = replies
        self.asked: list[float] = []
        self.answered: list[float] = []
        self.bodies: list[bytes] = []
        self.tokens, self.thinks = tokens, thinks
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}/v1"

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def chunks(self) -> list[bytes]:
        n = len(self.bodies) - 1
        reply: Any = self.replies[min(n, len(self.replies) - 1)]
        if self.tokens:
            deltas = [{"content": "word "} for _ in range(self.tokens)]
        elif isinstance(reply, str):
            deltas = [{"content": reply}]
        else:
            arguments = json.dumps({"language": reply.get("language", "python"), "code": reply["code"]})
            call = {
                "index": 0,
                "id": f"c{n}",
                "type": "function",
                "function": {"name": "execute", "arguments": arguments},
            }
            deltas = [{"tool_calls": [call]}]
        finish = "tool_calls" if isinstance(reply, dict) and not self.tokens else "stop"
        events = [{"choices": [{"index": 0, "delta": d, "finish_reason": None}]} for d in deltas]
        events.append({"choices": [{"index": 0, "delta": {}, "finish_reason": finish}]})
        usage = {"prompt_tokens": len(self.bodies[-1]) // 4, "completion_tokens": 9}
        events.append({"choices": [], "usage": usage})
        return [b"data: " + json.dumps(e).encode() + b"\n\n" for e in events] + [b"data: [DONE]\n\n"]

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        owner = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def log_message(self, *args: object) -> None:
                pass

            def do_GET(self) -> None:
                body = json.dumps({"object": "list", "data": [{"id": "bare", "max_model_len": 131072}]}).encode()
                self.send_response(200 if self.path.endswith("/models") else 404)
                self.send_header("content-type", "application/json")
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                owner.asked.append(time.perf_counter())
                owner.bodies.append(body)
                time.sleep(owner.thinks)
                data = b"".join(owner.chunks())
                self.send_response(200)
                self.send_header("content-type", "text/event-stream")
                self.send_header("content-length", str(len(data)))
                self.end_headers()
                with contextlib.suppress(OSError):  # a client that was killed hears no more
                    self.wfile.write(data)
                    self.wfile.flush()
                owner.answered.append(time.perf_counter())

        return Handler
