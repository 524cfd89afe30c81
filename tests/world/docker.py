"""A few calls of the Docker Engine API over its socket: what a kubelet asks of its runtime."""

from __future__ import annotations

import http.client
import json
import socket
from typing import Any
from urllib.parse import quote

PATIENCE = 60


class Failed(Exception):
    """What the engine said instead of doing it."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class Local(http.client.HTTPConnection):
    def __init__(self, path: str) -> None:
        super().__init__("localhost", timeout=PATIENCE)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(PATIENCE)
        self.sock.connect(self._path)


class Docker:
    def __init__(self, path: str) -> None:
        self._path = path

    def ask(self, method: str, path: str, body: Any = None) -> bytes:
        """Raises Failed."""
        connection = Local(self._path)
        try:
            data = None if body is None else json.dumps(body)
            connection.request(method, f"/v1.41{path}", data, {"Content-Type": "application/json"} if data else {})
            answer = connection.getresponse()
            content = answer.read()
        finally:
            connection.close()
        if answer.status >= 400:
            raise Failed(answer.status, said(content))
        return content

    def limits_memory(self) -> bool:
        return bool(json.loads(self.ask("GET", "/info"))["MemoryLimit"])

    def has(self, image: str) -> bool:
        try:
            self.ask("GET", f"/images/{quote(image, safe='/:@')}/json")
        except Failed:
            return False
        return True

    def pull(self, image: str) -> None:
        """Raises Failed with the registry's words."""
        name, _colon, tag = image.rpartition(":") if ":" in image.rpartition("/")[2] else (image, "", "latest")
        told = self.ask("POST", f"/images/create?fromImage={quote(name, safe='')}&tag={quote(tag)}")
        for line in told.decode().splitlines():
            if error := json.loads(line).get("error"):
                raise Failed(500, error)

    def create(self, name: str, settings: dict[str, Any]) -> str:
        return json.loads(self.ask("POST", f"/containers/create?name={name}", settings))["Id"]

    def start(self, container: str) -> None:
        self.ask("POST", f"/containers/{container}/start")

    def state(self, container: str) -> dict[str, Any]:
        return json.loads(self.ask("GET", f"/containers/{container}/json"))["State"]

    def stop(self, container: str, seconds: float) -> None:
        """SIGTERM, and SIGKILL after so long."""
        self.ask("POST", f"/containers/{container}/stop?t={round(seconds)}")

    def kill(self, container: str) -> None:
        self.ask("POST", f"/containers/{container}/kill")

    def remove(self, container: str) -> None:
        self.ask("DELETE", f"/containers/{container}?force=true&v=true")

    def named(self, label: str) -> list[str]:
        """Every container with this label."""
        wanted = quote(json.dumps({"label": [label]}))
        return [one["Id"] for one in json.loads(self.ask("GET", f"/containers/json?all=true&filters={wanted}"))]

    def logs(self, container: str, *, tail: str = "all", times: bool = False, since: int = 0) -> bytes:
        """Both outputs, in order."""
        words = f"stdout=true&stderr=true&tail={tail}&timestamps={str(times).lower()}&since={since}"
        data, found = self.ask("GET", f"/containers/{container}/logs?{words}"), b""
        while data:
            size = int.from_bytes(data[4:8], "big")
            found += data[8 : 8 + size]
            data = data[8 + size :]
        return found

    def run(self, container: str, command: list[str]) -> int:
        """The exit status of a command inside."""
        made = json.loads(self.ask("POST", f"/containers/{container}/exec", {"Cmd": command, "AttachStdout": True}))
        self.ask("POST", f"/exec/{made['Id']}/start", {"Detach": False})
        return int(json.loads(self.ask("GET", f"/exec/{made['Id']}/json"))["ExitCode"])


def said(content: bytes) -> str:
    try:
        return str(json.loads(content)["message"])
    except (ValueError, KeyError, TypeError):
        return content.decode("utf-8", "replace")
