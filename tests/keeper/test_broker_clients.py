"""Real programs behind real walls, through the broker that ends their TLS: each finds the way out and trusts it."""

from __future__ import annotations

import base64
import functools
import hashlib
import http.server
import io
import json
import os
import shutil
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Generator
from pathlib import Path
from typing import NamedTuple

import msgspec
import pytest

import interpreter
from interpreter.errors import SandboxUnavailable
from interpreter.sandbox import Walls, choose, run, workspace_profile
from interpreter.types.rules import Credential, NetworkRules
from interpreter.types.walls import Profile
from tests.keeper.brokerage import Echo, Server, certificates, serving

pytest.importorskip("cryptography", reason="the package cryptography is not installed")
pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the broker serves Linux's sandboxes")
VALUE = "tok_RealSecretValueThatNobodyInsideMaySee42"


class Files(http.server.SimpleHTTPRequestHandler):
    """A package index, a registry and a git server, all made of files; and an echo below /echo."""

    seen: list[dict[str, object]]
    protocol_version = "HTTP/1.1"
    answer, body = Echo.answer, Echo.body

    def do_GET(self) -> None:
        self.seen.append({"path": self.path, "authorization": self.headers.get("Authorization", "")})
        if self.path.startswith("/echo"):
            data = json.dumps({"authorization": self.headers.get("Authorization", "")}).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)
        else:
            super().do_GET()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 -- the name is the base class's
        del format, args


class Place(NamedTuple):
    walls: Walls
    server: Server
    workspace: Path

    def shell(self, script: str) -> str:
        done = run(self.walls.launch(["/bin/bash", "-ec", script]), timeout=100)
        assert done.returncode == 0, (done.stdout.decode()[-1500:], done.stderr.decode()[-3000:])
        return done.stdout.decode()

    @property
    def url(self) -> str:
        return f"https://pkg.example:{self.server.port}"


def wheel(folder: Path) -> None:
    name = "tinything-1.0-py3-none-any.whl"
    with zipfile.ZipFile(folder / name, "w") as file:
        file.writestr("tinything.py", "answer = 42\n")
        file.writestr("tinything-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: tinything\nVersion: 1.0\n")
        file.writestr(
            "tinything-1.0.dist-info/WHEEL",
            "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        )
        file.writestr("tinything-1.0.dist-info/RECORD", "tinything.py,,\ntinything-1.0.dist-info/RECORD,,\n")
    page = folder / "simple" / "tinything"
    page.mkdir(parents=True)
    (page / "index.html").write_text(f'<a href="/{name}">{name}</a>')


def package(folder: Path, url: str) -> None:
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w:gz") as file:
        for name, text in (
            ("package/package.json", '{"name":"tinything","version":"1.0.0","main":"index.js"}'),
            ("package/index.js", "module.exports = 42;\n"),
        ):
            entry = tarfile.TarInfo(name)
            entry.size = len(text)
            file.addfile(entry, io.BytesIO(text.encode()))
    (folder / "tinything-1.0.0.tgz").write_bytes(data.getvalue())
    digest = base64.b64encode(hashlib.sha512(data.getvalue()).digest()).decode()
    dist = {"tarball": f"{url}/tinything-1.0.0.tgz", "integrity": f"sha512-{digest}"}
    version = {"name": "tinything", "version": "1.0.0", "dist": dist}
    told = {"name": "tinything", "dist-tags": {"latest": "1.0.0"}, "versions": {"1.0.0": version}}
    (folder / "tinything").write_text(json.dumps(told))


def repository(folder: Path) -> None:
    def git(*words: str) -> None:
        subprocess.run(["git", "-C", str(folder / "work"), *words], check=True, capture_output=True)

    (folder / "work").mkdir()
    git("init", "-q", "-b", "main")
    (folder / "work" / "file.txt").write_text("from git\n")
    git("add", ".")
    git("-c", "user.name=a", "-c", "user.email=a@b.c", "commit", "-qm", "one")
    git("clone", "-q", "--bare", ".", str(folder / "repo.git"))
    subprocess.run(["git", "-C", str(folder / "repo.git"), "update-server-info"], check=True)


@pytest.fixture(params=["bubblewrap", "landlock"])
def place(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Generator[Place]:
    try:
        choose(Profile(backend=request.param))
    except SandboxUnavailable as error:
        pytest.skip(error.message)
    for name in ("ws", "home", "files", "certificates"):
        (tmp_path / name).mkdir()
    outside = certificates(tmp_path / "certificates")
    monkeypatch.setenv("SSL_CERT_FILE", str(outside.root))
    monkeypatch.setenv("THE_TOKEN", VALUE)
    for name in ("https_proxy", "HTTPS_PROXY", "http_proxy", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
        monkeypatch.delenv(name, raising=False)
    kind = type(
        "Here", (Files,), {"__init__": functools.partialmethod(Files.__init__, directory=str(tmp_path / "files"))}
    )
    with serving(outside.make("pkg.example"), kind) as server:
        wheel(tmp_path / "files")
        package(tmp_path / "files", f"https://pkg.example:{server.port}")
        if shutil.which("git"):
            repository(tmp_path / "files")
        profile = workspace_profile(
            tmp_path / "ws",
            tmp_path / "home" / "s",
            home=tmp_path / "home",
            backend=request.param,
            network="proxy",
            # What is installed there may be a link to sources elsewhere; pip looks at all of it.
            readable=(sys.prefix, sys.base_prefix, str(Path(interpreter.__file__).parents[1])),
            environ={"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8"},
        )
        token = Credential(variable="PKG_TOKEN", host="pkg.example", source="env:THE_TOKEN")
        rules = NetworkRules(allow=("pkg.example",), read_only=True, credentials=(token,))
        walls = Walls(
            msgspec.structs.replace(profile, rules=rules),
            network_log=tmp_path / "home" / "network.jsonl",
            way=tmp_path / "home" / "way",
            names={"pkg.example": "127.0.0.1"},
        )
        yield Place(walls, server, tmp_path / "ws")


def needs(*programs: str) -> None:
    for program in programs:
        if shutil.which(program) is None:
            pytest.skip(f"{program} is not installed")


def test_a_credential_is_used_and_never_seen(place: Place) -> None:
    needs("curl")
    said = place.shell(
        f'echo "$PKG_TOKEN"; env | sort; curl -sS -m 30 -H "Authorization: Bearer $PKG_TOKEN" {place.url}/echo'
    )
    assert VALUE not in said and place.server.seen[-1]["authorization"] == f"Bearer {VALUE}"
    assert said.splitlines()[0] in said.splitlines()[-1], "what comes back is the placeholder again"
    told = json.dumps({**msgspec.to_builtins(place.walls.profile)})
    assert VALUE not in told


def test_curl_and_wget(place: Place) -> None:
    needs("curl", "wget")
    said = place.shell(
        f"curl -sS -m 30 {place.url}/tinything | head -c 20;"
        f" wget -q -T 30 -t 1 -O - {place.url}/tinything | head -c 20;"
        f" curl -sS -m 30 -X DELETE {place.url}/tinything || true"
    )
    assert said.count('{"name": "tinything"') == 2 and "only GET and HEAD" in said


def test_python_and_its_libraries(place: Place) -> None:
    code = f"""
import urllib.request
print("urllib", urllib.request.urlopen("{place.url}/tinything", timeout=30).status)
from pip._vendor import requests
print("requests", requests.get("{place.url}/tinything", timeout=30).status_code)
import httpx
print("httpx", httpx.get("{place.url}/tinything", timeout=30).status_code)
"""
    (place.workspace / "try.py").write_text(code)
    said = place.shell(f"{sys.executable} try.py")
    assert said.split() == ["urllib", "200", "requests", "200", "httpx", "200"]


def test_pip(place: Place) -> None:
    said = place.shell(
        f"{sys.executable} -m pip install --no-cache-dir --disable-pip-version-check --root-user-action=ignore -q"
        f" --index-url {place.url}/simple --target here tinything 2>&1;"
        f" cd here && {sys.executable} -c 'import tinything; print(tinything.answer)'"
    )
    assert said.split()[-1] == "42", said


def test_git(place: Place) -> None:
    needs("git")
    assert place.shell(f"git clone -q {place.url}/repo.git cloned && cat cloned/file.txt") == "from git\n"


def test_npm(place: Place) -> None:
    needs("node", "npm")
    place.shell(
        f"npm init -y > /dev/null; npm install --no-audit --no-fund --loglevel error --registry {place.url}/ tinything"
    )
    assert place.shell("node -p 'require(\"tinything\")'") == "42\n"


def test_node_of_its_own(place: Place) -> None:
    needs("node")
    (place.workspace / "try.mjs").write_text(
        """
import https from "node:https";
import http from "node:http";
const url = process.argv[2];
console.log("fetch", (await fetch(url)).status);
const get = (options) => new Promise((done, fail) => {
  https.get(url, options, (answer) => {
    answer.resume();
    answer.on("end", () => done(answer.statusCode));
  }).on("error", fail);
});
console.log("https", await get({}));
console.log("agent", await get({ agent: new https.Agent({ keepAlive: false }) }));
const refused = await new Promise((done) => {
  http.get("http://nobody.example/", () => done("reached")).on("error", (e) => done(e.code));
});
console.log("refused", refused);
"""
    )
    said = place.shell(f"node try.mjs {place.url}/tinything").split()
    assert said == ["fetch", "200", "https", "200", "agent", "200", "refused", "ERR_PROXY_REFUSED"]


def test_what_walled_code_can_read_of_it(place: Place) -> None:
    said = place.shell(
        'ls "$(dirname "$SSL_CERT_FILE")"; grep -rl "PRIVATE KEY" "$(dirname "$SSL_CERT_FILE")" || echo none'
    )
    assert said.split()[-1] == "none" and "bundle.pem" in said
    assert place.shell('echo x > "$SSL_CERT_FILE" 2>/dev/null || echo closed') == "closed\n"
