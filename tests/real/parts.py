"""Real parts for work under a policy: a registry of images, a base image, an index of packages."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import shutil
import subprocess
import tarfile
import time
import urllib.error
import urllib.request
import zipfile
from collections.abc import Generator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from socket import create_server
from threading import Thread
from typing import Any, NamedTuple

PATIENCE = 30
BUSYBOX = Path("/bin/busybox")


class Registry(NamedTuple):
    name: str
    """As it stands in the name of an image: `localhost:PORT`."""

    def tags(self, image: str) -> list[str]:
        """What was pushed under this name."""
        try:
            with urllib.request.urlopen(f"http://{self.name}/v2/{image}/tags/list", timeout=PATIENCE) as answer:
                return json.load(answer)["tags"]
        except urllib.error.HTTPError as error:
            error.close()
            assert error.code == 404, error
            return []


@contextmanager
def registry(folder: Path) -> Generator[Registry]:
    """`docker-registry` on a free port of 127.0.0.1."""
    with create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    settings = folder / "registry.yml"
    settings.write_text(
        "version: 0.1\nlog: {level: error, accesslog: {disabled: true}}\n"
        f"storage: {{filesystem: {{rootdirectory: {folder / 'images'}}}}}\nhttp: {{addr: '127.0.0.1:{port}'}}\n"
    )
    with open(folder / "registry.log", "wb") as log:
        process = subprocess.Popen(["docker-registry", "serve", str(settings)], stdout=log, stderr=log)
    try:
        end = time.monotonic() + PATIENCE
        while not answers(f"http://127.0.0.1:{port}/v2/"):
            assert process.poll() is None and time.monotonic() < end, (folder / "registry.log").read_text()
            time.sleep(0.02)
        yield Registry(f"localhost:{port}")
    finally:
        process.terminate()
        process.wait()


def answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=PATIENCE):
            return True
    except OSError:
        return False


def why_no_registry() -> str:
    """Empty where one can be started."""
    if shutil.which("docker-registry") is None:
        return "docker-registry is not installed"
    return ""


def import_base(socket: str, name: str) -> None:
    """An image with one file in it; a build on it runs nothing, so that it may be any file."""
    content = BUSYBOX.read_bytes() if BUSYBOX.exists() else b"nothing"
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w") as tar:
        entry = tarfile.TarInfo("bin/sh")
        entry.size, entry.mode = len(content), 0o755
        tar.addfile(entry, io.BytesIO(content))
    command = ["docker", "-H", f"unix://{socket}", "import", "-", name]
    subprocess.run(command, input=data.getvalue(), capture_output=True, check=True, timeout=PATIENCE)


def make_wheel(folder: Path, name: str, said: str) -> Path:
    """A package of one module, whose `say()` returns `said`."""
    info = f"{name}-1.0.dist-info"
    files = {
        f"{name}/__init__.py": f"def say():\n    return {said!r}\n",
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    rows = [f"{path},sha256={digest(text.encode())},{len(text.encode())}" for path, text in files.items()]
    files[f"{info}/RECORD"] = "\n".join([*rows, f"{info}/RECORD,,", ""])
    wheel = folder / f"{name}-1.0-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        for path, text in files.items():
            archive.writestr(path, text)
    return wheel


def digest(data: bytes) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()


class Index(NamedTuple):
    port: int
    asked: list[str]
    """Paths, in order."""

    @property
    def host(self) -> str:
        return f"127.0.0.1:{self.port}"

    @property
    def url(self) -> str:
        return f"http://{self.host}/simple"


@contextmanager
def index(folder: Path, name: str, said: str) -> Generator[Index]:
    """A package index on 127.0.0.1 that holds one package."""
    place = folder / "simple" / name
    place.mkdir(parents=True)
    wheel = make_wheel(place, name, said)
    (place / "index.html").write_text(f'<a href="{wheel.name}">{wheel.name}</a>')
    asked: list[str] = []

    class Handler(SimpleHTTPRequestHandler):
        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 -- the name is the base class's
            asked.append(self.path)

    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=str(folder))) as server:
        thread = Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield Index(server.server_address[1], asked)
        finally:
            server.shutdown()
            thread.join()
