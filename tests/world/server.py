"""The API over TLS: who asks, what is answered, and watches that stay open."""

from __future__ import annotations

import json
import ssl
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple

from .api import Api
from .kinds import discovery
from .protobuf import decoded
from .requests import Asked, Refused, forbidden, missing, parts_of, taken_apart, wanted
from .store import Object, Store
from .tables import table
from .users import User

LONGEST_WATCH = 60.0
"""Seconds after which a watch ends, as the real server's do later; clients begin a new one."""


class Line(NamedTuple):
    """One request of the server's own record."""

    user: str
    verb: str
    path: str
    code: int


Logs = Callable[[Asked, Object], bytes]
"""The log of a pod. Raises Refused."""


class Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def __init__(self, store: Store, users: dict[str, User], logs: Logs, context: ssl.SSLContext) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.store, self.users, self.logs, self.api = store, users, logs, Api(store)
        self.record: list[Line] = []
        self.closing = threading.Event()
        self._context = context

    def finish_request(self, request: Any, client_address: Any) -> None:
        """TLS begins in the thread of the connection, so that a client that says nothing holds up nobody."""
        request.settimeout(LONGEST_WATCH)
        try:
            secure = self._context.wrap_socket(request, server_side=True)
        except OSError:
            return
        try:
            super().finish_request(secure, client_address)  # type: ignore[arg-type]
        except OSError:
            pass
        finally:
            secure.close()


def understood(data: bytes, content: str) -> Any:
    try:
        if "protobuf" in content:
            return decoded(data)
        return json.loads(data) if data else None
    except (ValueError, KeyError, IndexError) as error:
        raise Refused(415, "UnsupportedMediaType", f"the body cannot be read here ({content}): {error}") from None


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1
    server: Server  # type: ignore[assignment]

    def do_GET(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        data = self.rfile.read(length)
        code = 200
        asked: Asked | None = None
        try:
            user = self.server.users.get((self.headers.get("Authorization") or "").removeprefix("Bearer "))
            if user is None:
                raise Refused(401, "Unauthorized", "Unauthorized")
            body = understood(data, self.headers.get("Content-Type") or "")
            asked = taken_apart(self.command, self.path, body, self.headers.get("Content-Type") or "",
                                self.headers.get("Accept") or "", user)  # fmt: skip
            answer = discovery(parts_of(asked.path)) if asked.method == "GET" else None
            if answer is None and asked.kind is not None and asked.part == "log":
                answer = self._log(asked)
            elif answer is None and asked.kind is not None and asked.verb == "watch":
                self._watch(asked)
                return
            elif answer is None:
                answer = self.server.api.answer(asked)
                code = 201 if asked.method == "POST" else 200
        except Refused as refused:
            code, answer = refused.code, refused.status
        if asked is not None:
            verb = asked.verb if asked.kind is not None else asked.method.lower()
            self.server.record.append(Line(asked.user.name, verb, asked.path, code))
        self._send(code, answer)

    do_POST = do_PUT = do_PATCH = do_DELETE = do_GET

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 -- the name is the base class's
        pass

    def _send(self, code: int, answer: Any) -> None:
        plain = isinstance(answer, str | bytes)
        text = answer if plain else json.dumps(answer)
        body: bytes = text.encode() if isinstance(text, str) else text
        self.send_response(code)
        self.send_header("Content-Type", "text/plain" if plain else "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
        self.wfile.flush()

    def _log(self, asked: Asked) -> bytes:
        if not asked.user.may("get", asked.space):
            raise forbidden(asked)
        pod = self.server.store.get("pods", asked.space, asked.name)
        if pod is None:
            raise missing(asked.of, asked.name)
        return self.server.logs(asked, pod)

    def _watch(self, asked: Asked) -> None:
        if not asked.user.may("watch", asked.space):
            raise forbidden(asked)
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        self.wfile.flush()
        store, plural, holds = self.server.store, asked.of.plural, wanted(asked.query)
        number = int(asked.query.get("resourceVersion") or 0)
        end = time.monotonic() + min(float(asked.query.get("timeoutSeconds") or LONGEST_WATCH), LONGEST_WATCH)
        try:
            while (left := end - time.monotonic()) > 0 and not self.server.closing.is_set():
                with store.changed:
                    changes = store.since(plural, number)
                    if not changes:
                        number = store.number
                        store.changed.wait(min(left, 1))
                        continue
                for change in changes:
                    number = change.number
                    inside = asked.space in ("", change.object["metadata"].get("namespace", ""))
                    if inside and holds(change.object):
                        self._event(change.what, change.object, asked)
            self.wfile.write(b"0\r\n\r\n")
        except OSError:
            self.close_connection = True

    def _event(self, what: str, found: Object, asked: Asked) -> None:
        shown = found
        if asked.as_table:
            shown = table(asked.of.plural, [found], found["metadata"]["resourceVersion"])
        line = json.dumps({"type": what, "object": shown}).encode() + b"\n"
        self.wfile.write(f"{len(line):x}\r\n".encode() + line + b"\r\n")
        self.wfile.flush()
