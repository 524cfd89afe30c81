"""Installs by the real pip, in the real walls, from wheels and an index that the tests make themselves."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import io
import os
import subprocess
import sys
import tarfile
import threading
import zipfile
from collections.abc import Generator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Literal

import pytest

from interpreter.errors import SandboxUnavailable
from interpreter.kernels.environments import PythonEnvironment, base_python, find_environment
from interpreter.kernels.indexes import index_settings
from interpreter.kernels.install import (
    Installed,
    _Reading,  # pyright: ignore[reportPrivateUsage] - what a stranger may say
    install,
    installer_profile,
)
from interpreter.sandbox import choose
from interpreter.sandbox.bubblewrap import Bubblewrap
from interpreter.sandbox.choice import BACKENDS
from interpreter.types.events import Progress
from interpreter.types.walls import Profile

pytestmark = pytest.mark.anyio
Backend = Literal["bubblewrap", "landlock", "host"]
WALLED: tuple[Backend, ...] = ("bubblewrap", "landlock")


def wheel(folder: Path, name: str, version: str = "1.0", files: dict[str, str] | None = None, needs: str = "") -> Path:
    """A wheel as a package index has them; one module of the same name that knows its version, unless told."""
    content = {f"{name}.py": f"version = {version!r}\n"} if files is None else dict(files)
    info = f"{name}-{version}.dist-info"
    requires = f"Requires-Dist: {needs}\n" if needs else ""
    content[f"{info}/METADATA"] = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n{requires}"
    content[f"{info}/WHEEL"] = "Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
    rows: list[str] = []
    for path, text in content.items():
        digest = base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=").decode()
        rows.append(f"{path},sha256={digest},{len(text.encode())}")
    content[f"{info}/RECORD"] = "\n".join([*rows, f"{info}/RECORD,,"]) + "\n"
    folder.mkdir(parents=True, exist_ok=True)
    target = folder / f"{name}-{version}-py3-none-any.whl"
    with zipfile.ZipFile(target, "w") as archive:
        for path, text in content.items():
            archive.writestr(path, text)
    return target


class Place:
    """A project with an environment made for it, a folder of wheels, and a person's settings that name only these."""

    def __init__(self, root: Path, backend: Backend) -> None:
        self.backend: Backend = backend
        self.home = root / "tool home"
        self.wheels = root / "wheels"
        self.wheels.mkdir()
        self.workspace = root / "a project 数据"
        self.workspace.mkdir()
        self.person = root / "person"
        self.person.mkdir()
        self.environ = {
            "HOME": str(self.person), "PATH": os.defpath, "PIP_CONFIG_FILE": "/dev/null",
            "PIP_NO_INDEX": "1", "PIP_FIND_LINKS": self.wheels.as_uri(),
        }  # fmt: skip
        self.environment: PythonEnvironment = find_environment(self.workspace, self.home, {})
        self.seen: list[Progress] = []

    async def install(self, *requirements: str, timeout: float = 60) -> Installed:
        return await install(
            self.environment,
            requirements,
            home=self.home,
            environ=self.environ,
            progress=self.seen.append,
            backend=self.backend,
            timeout=timeout,
        )

    def index(self, url: str) -> None:
        self.environ |= {"PIP_INDEX_URL": url, "PIP_RETRIES": "0", "PIP_TIMEOUT": "5"}
        self.environ = {k: v for k, v in self.environ.items() if k not in ("PIP_NO_INDEX", "PIP_FIND_LINKS")}

    def run(self, code: str) -> str:
        command = [self.environment.python, "-c", code]
        return subprocess.run(
            command, capture_output=True, text=True, check=True, env=self.environment.env
        ).stdout.strip()


def works(backend: Backend) -> bool:
    try:
        choose(Profile(backend=backend))
    except SandboxUnavailable:
        return False
    return True


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(params=[*WALLED, "host"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    if not works(request.param):
        pytest.skip(f"{request.param} does not work here")
    return Place(tmp_path.resolve(), request.param)


@pytest.fixture(params=WALLED)
def walled(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    if not works(request.param):
        pytest.skip(f"{request.param} does not work here")
    return Place(tmp_path.resolve(), request.param)


@pytest.fixture
def bare(tmp_path: Path) -> Place:
    return Place(tmp_path.resolve(), "host")


async def test_a_wheel_and_what_it_needs(place: Place) -> None:
    wheel(place.wheels, "frobs", "2.5", needs="nobs")
    wheel(place.wheels, "nobs", "0.1")
    result = await place.install("frobs")
    assert (result.ok, result.reason, sorted(result.packages)) == (True, "", ["frobs 2.5", "nobs 0.1"])
    assert place.run("import frobs; print(frobs.version)") == "2.5"
    assert "frobs 2.5" in result.message
    assert "frobs 2.5" in result.for_model
    assert any("frobs" in progress.text for progress in place.seen)


async def test_once_is_enough_and_a_replaced_package_is_told(bare: Place) -> None:
    wheel(bare.wheels, "frobs", "1.0")
    wheel(bare.wheels, "frobs", "2.0")
    await bare.install("frobs==1.0")
    result = await bare.install("frobs")
    assert (result.ok, result.packages) == (True, ())
    result = await bare.install("frobs>=2")
    assert (result.packages, result.replaced) == (("frobs 2.0",), ("frobs",))
    assert "restart" in result.for_model
    assert bare.run("import frobs; print(frobs.version)") == "2.0"


async def test_a_living_python_finds_the_new_module(bare: Place) -> None:
    """It looks into its folder; that each of the walls lets the installer write there, the first test shows."""
    wheel(bare.wheels, "frobs", "2.5")
    code = (
        "import sys, importlib, importlib.util as u; print(u.find_spec('frobs'), flush=True); sys.stdin.readline();"
        "importlib.invalidate_caches(); import frobs; print(frobs.version)"
    )
    with subprocess.Popen(
        [bare.environment.python, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as living:
        assert living.stdout is not None and living.stdin is not None
        assert living.stdout.readline() == "None\n"
        assert (await bare.install("frobs")).ok
        living.stdin.write("\n")
        living.stdin.flush()
        assert living.stdout.readline() == "2.5\n"


async def test_an_environment_that_the_project_brings(walled: Place) -> None:
    wheel(walled.wheels, "frobs", "2.5")
    subprocess.run([base_python(), "-m", "venv", "--without-pip", str(walled.workspace / ".venv")], check=True)
    walled.environment = find_environment(walled.workspace, walled.home, {})
    assert walled.environment.kind == "project"
    assert (await walled.install("frobs")).ok
    assert (walled.workspace / f".venv/lib/{Path(walled.environment.site).parent.name}/site-packages/frobs.py").exists()
    assert [entry.name for entry in walled.workspace.iterdir()] == [".venv"]


async def test_a_package_that_does_not_exist(bare: Place) -> None:
    result = await bare.install("frobnicator9")
    assert (result.ok, result.reason) == (False, "unknown")
    assert "frobnicator9" in result.message
    assert result.hint and result.output
    assert "frobnicator9" in result.for_model


async def test_a_version_that_does_not_exist(bare: Place) -> None:
    wheel(bare.wheels, "frobs", "1.0")
    assert (await bare.install("frobs==9")).reason == "version"


async def test_versions_that_do_not_fit_together(bare: Place) -> None:
    wheel(bare.wheels, "frobs", needs="nobs>=2")
    wheel(bare.wheels, "wobs", needs="nobs<2")
    wheel(bare.wheels, "nobs", "1.0")
    wheel(bare.wheels, "nobs", "2.0")
    result = await bare.install("frobs", "wobs")
    assert result.reason == "conflict"
    assert "frobs, wobs" in result.message


async def test_sources_are_never_built(bare: Place, tmp_path: Path) -> None:
    """Not even without walls: building runs the package's own code."""
    trace = tmp_path / "built"
    setup = f"open({str(trace)!r}, 'w')\nfrom setuptools import setup\nsetup(name='frobs', version='1.0')\n".encode()
    with tarfile.open(bare.wheels / "frobs-1.0.tar.gz", "w:gz") as archive:
        for name, data in (("frobs-1.0/setup.py", setup), ("frobs-1.0/PKG-INFO", b"Name: frobs\nVersion: 1.0\n")):
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            archive.addfile(entry, io.BytesIO(data))
    assert (await bare.install("frobs")).reason == "unknown"
    assert not trace.exists()


@pytest.mark.parametrize(
    "requirement", ["--index-url=http://127.0.0.1:1/", "-r/etc/passwd", "./x", "http://127.0.0.1:1/x.whl"]
)
async def test_what_looks_like_an_option_is_not_taken_for_one(bare: Place, requirement: str) -> None:
    result = await bare.install(requirement)
    assert not result.ok
    assert "127.0.0.1" not in result.output or "Looking in indexes: http" not in result.output


def hostile(place: Place, secret: Path, trace: Path) -> None:
    """A package whose code runs at every start of its Python, also at the installer's next one."""
    read = f"try: answer = open({str(secret)!r}).read()\nexcept OSError as error: answer = 'none'\n"
    code = f"{read}for path in ({str(trace)!r}, {str(Path(place.environment.site, 'ran'))!r}):\n"
    code += "    try: open(path, 'w').write(answer)\n    except OSError: pass\n"
    wheel(place.wheels, "hostile", files={"hostile_start.py": code, "hostile.pth": "import hostile_start\n"})
    wheel(place.wheels, "frobs")


async def run_hostile(place: Place, tmp_path: Path) -> tuple[Path, str]:
    secret, trace = place.person / "id_rsa", tmp_path / "escaped"
    secret.write_text("secret")
    hostile(place, secret, trace)
    assert (await place.install("hostile")).ok
    assert (await place.install("frobs")).ok
    return trace, Path(place.environment.site, "ran").read_text()


async def test_code_that_a_package_brings_stays_inside(walled: Place, tmp_path: Path) -> None:
    trace, answer = await run_hostile(walled, tmp_path)
    assert not trace.exists()
    assert answer == "none"


async def test_without_walls_the_same_code_gets_out(bare: Place, tmp_path: Path) -> None:
    """The control: the test above can fail."""
    trace, answer = await run_hostile(bare, tmp_path)
    assert trace.exists()
    assert answer == "secret"


def test_the_installer_reaches_no_more_than_it_needs(bare: Place) -> None:
    settings = index_settings({**bare.environ, "AWS_SECRET_ACCESS_KEY": "x", "OPENAI_API_KEY": "x"})
    folder = bare.home / "cache"
    folder.mkdir(parents=True)
    profile = installer_profile(bare.environment, settings, folder, bare.home, "auto")
    assert profile.network == "proxy"
    assert set(profile.writable) == {bare.environment.prefix, str(bare.home / "cache" / "pip")}
    assert not [name for name in profile.environment if "KEY" in name]
    assert str(bare.workspace) not in (*profile.readable, *profile.writable)
    assert str(bare.person) not in profile.readable


class Index(BaseHTTPRequestHandler):
    """A package index over HTTP: one folder of wheels, a page that links elsewhere, a page that never ends."""

    wheels: Path
    hold: threading.Event
    port = 0

    def do_GET(self) -> None:
        name = self.path.strip("/").rpartition("/")[2]
        if self.path.startswith("/refuse/"):
            self.answer(401, b"no")
        elif self.path.startswith("/hang/"):
            self.hold.wait(60)
        elif self.path.startswith("/files/"):
            self.answer(200, (self.wheels / name).read_bytes(), "application/octet-stream")
        elif self.path.startswith("/elsewhere/"):
            self.answer(200, f'<a href="http://127.0.0.2:{self.port}/files/{name}-1.0-py3-none-any.whl">x</a>'.encode())
        else:
            found = sorted(self.wheels.glob(f"{name}-*.whl"))
            links = "".join(f'<a href="/files/{path.name}">{path.name}</a>' for path in found)
            self.answer(200 if found else 404, links.encode())

    def answer(self, status: int, body: bytes, kind: str = "text/html") -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name is the base class's
        pass


@pytest.fixture
def server(tmp_path: Path) -> Generator[str]:
    Index.wheels = tmp_path / "served"
    Index.hold = threading.Event()
    wheel(Index.wheels, "frobs", "2.5")
    with ThreadingHTTPServer(("127.0.0.1", 0), Index) as server:
        server.daemon_threads = True
        Index.port = server.server_port
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"http://user:pass-word@127.0.0.1:{server.server_port}"
        Index.hold.set()
        server.shutdown()
        thread.join()


async def test_an_index_in_a_private_network_that_the_person_named(walled: Place, server: str) -> None:
    walled.index(f"{server}/simple/")
    result = await walled.install("frobs")
    assert result.packages == ("frobs 2.5",), result.output
    assert "pass-word" not in result.output


async def test_no_other_private_address_is_reached(walled: Place, server: str) -> None:
    walled.index(f"{server}/elsewhere/")
    result = await walled.install("frobs")
    assert (result.ok, result.reason) == (False, "refused"), result.output


async def test_an_index_that_refuses(bare: Place, server: str) -> None:
    bare.index(f"{server}/refuse/")
    result = await bare.install("frobs")
    assert (result.ok, result.reason) == (False, "refused"), result.output
    assert "pass-word" not in f"{result.output}{result.message}{result.hint}{result.for_model}"


async def test_an_index_that_is_down(place: Place) -> None:
    place.index("http://127.0.0.1:9/simple/")
    result = await place.install("frobs")
    assert (result.ok, result.reason) == (False, "network"), result.output
    assert "index-url" in result.hint


def living(environment: PythonEnvironment) -> list[str]:
    found: list[str] = []
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = entry.read_bytes().decode("utf-8", "replace")
        except OSError:
            continue
        if environment.python in words:
            found.append(words)
    return found


async def test_a_time_limit_ends_it_with_everything_it_started(place: Place, server: str) -> None:
    place.index(f"{server}/hang/")
    place.environ["PIP_TIMEOUT"] = "100"
    result = await place.install("frobs", timeout=1.5)
    assert result.reason == "timeout"
    assert living(place.environment) == []


async def test_cancelling_ends_it_at_once(bare: Place, server: str) -> None:
    bare.index(f"{server}/hang/")
    bare.environ["PIP_TIMEOUT"] = "100"
    task = asyncio.create_task(bare.install("frobs"))
    while not living(bare.environment):
        await asyncio.sleep(0.02)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert living(bare.environment) == []
    assert list((bare.home / "cache/installs").iterdir()) == []


async def test_two_installs_into_one_environment_take_turns(bare: Place) -> None:
    for name in ("frobs", "nobs"):
        wheel(bare.wheels, name)
    results = await asyncio.gather(*(bare.install(name) for name in ("frobs", "nobs")))
    assert [result.ok for result in results] == [True] * 2
    assert any(progress.text.startswith("Waiting") for progress in bare.seen)


async def test_walls_that_cannot_be_put_up_are_said_and_nothing_runs(
    bare: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    wheel(bare.wheels, "frobs")
    monkeypatch.setitem(BACKENDS, "bubblewrap", Bubblewrap(folders=()))
    bare.backend = "bubblewrap"
    result = await bare.install("frobs")
    assert (result.ok, result.reason) == (False, "walls")
    assert "bubblewrap" in f"{result.message} {result.hint}"
    assert not Path(bare.environment.site, "frobs.py").exists()


async def test_an_environment_that_cannot_be_written(walled: Place) -> None:
    wheel(walled.wheels, "frobs")
    if os.geteuid() == 0:
        pytest.skip("root writes everywhere")
    Path(walled.environment.site).chmod(0o555)
    try:
        result = await walled.install("frobs")
    finally:
        Path(walled.environment.site).chmod(0o755)
    assert result.reason == "denied", result.output
    assert "venv" in result.hint


def test_pip_of_this_tool_is_there() -> None:
    assert subprocess.run([sys.executable, "-m", "pip", "--version"], capture_output=True, check=False).returncode == 0


def test_a_number_of_thousands_of_digits_is_no_progress() -> None:
    seen: list[Progress] = []
    reading = _Reading(seen.append)
    reading.feed(b"Progress 1 of 4\nProgress " + b"9" * 5000 + b" of 4\nProgress 4 of " + b"9" * 400 + b"\n")
    assert [one.done for one in seen] == [0.25]
