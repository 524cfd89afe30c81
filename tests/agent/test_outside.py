from __future__ import annotations

import asyncio
from pathlib import Path

import msgspec
import pytest

from interpreter.agent.foreign import Foreign
from interpreter.agent.outside import REGISTRIES, Outside, look
from interpreter.types.actions import Action, Completion, ErrorReport, OutputRef
from interpreter.types.base import code_sha256
from interpreter.types.events import Event, NoteAdded

PIP = "NewConnectionError: [Errno -3] Temporary failure in name resolution"
NONE = "ERROR: Could not find a version that satisfies the requirement six (from versions: none)"


class Heard:
    def __init__(self) -> None:
        self.notes: list[str] = []

    async def emit(self, event: Event, *more: Event) -> None:
        assert not more
        assert isinstance(event, NoteAdded) and not event.to_model
        self.notes.append(event.text)

    def hold(self, event: Event) -> None:
        raise AssertionError(event)

    def show(self, event: Event) -> None:
        raise AssertionError(event)


def asked(outside: Outside | Foreign, action: Action, completion: Completion) -> str:
    return asyncio.run(outside(action, completion))


def action(code: str) -> Action:
    return Action(id="a", language="shell", code=code, sha256=code_sha256(code))


def failed(path: Path, said: str) -> Completion:
    path.write_text(said)
    return Completion(
        execution="x", status="error", exit_status=1, output=OutputRef(path=str(path), size=len(said.encode()))
    )


@pytest.mark.parametrize(
    ("code", "said", "hosts"),
    [
        ("curl https://api.example.com/x", "curl: (6) Could not resolve host: api.example.com", ("api.example.com",)),
        ("git clone x", "fatal: unable to access 'https://git.example.org/x/': Could not resolve host: git.example.org",
         ("git.example.org",)),
        ("wget y", "wget: unable to resolve host address ‘y.example.com’", ("y.example.com",)),
        ("node a.js", "Error: getaddrinfo EAI_AGAIN api.example.com", ("api.example.com",)),
        ("npm install left-pad", "npm ERR! request to https://registry.npmjs.org/left-pad failed, reason: getaddrinfo "
         "EAI_AGAIN registry.npmjs.org", (REGISTRIES,)),
        ("pip install six", PIP, (REGISTRIES,)),
        ("python3 -m pip install six", NONE, (REGISTRIES,)),
        ("pip install -i http://127.0.0.1:80/simple six", NONE, ("127.0.0.1",)),
        ("pip install -i http://127.0.0.1:8080/simple six", NONE, ("127.0.0.1:8080",)),
        ("pip install -i https://pip.example.com/simple six", NONE, ("pip.example.com",)),
        ("python a.py", "HTTPSConnectionPool(host='api.example.com', port=8443): Max retries exceeded ... "
         "NewConnectionError", ("api.example.com:8443",)),
        ("go mod download", "dial tcp: lookup proxy.golang.org: Temporary failure in name resolution", (REGISTRIES,)),
        ("make test", "2 tests failed", ()),
        ("cat https://api.example.com/x", "No such file or directory", ()),
        ("curl http://user:secret@api.example.com/x", "Connection refused", ("api.example.com",)),
    ],
)  # fmt: skip
def test_the_hosts_that_a_program_missed(code: str, said: str, hosts: tuple[str, ...]) -> None:
    assert look(code, said) == (hosts, ())


@pytest.mark.parametrize(
    ("said", "grant"),
    [
        ("Cannot connect to the Docker daemon at unix:///var/run/docker.sock. Is the docker daemon running?", "docker"),
        ("failed to connect to the docker API at unix:///var/run/docker.sock", "docker"),
        ("fatal: Unable to create '/w/.git/index.lock': Read-only file system", "git"),
        ("error: could not lock config file .git/config: Read-only file system", "git"),
        ("git@github.com: Permission denied (publickey).", "ssh"),
        ("The connection to the server localhost:8080 was refused - is that the right host?", "kubectl"),
        ("Unable to locate credentials. You can configure credentials by running \"aws configure\".", "aws"),
        ("Please run 'az login' to setup account.", "az"),
    ],
)  # fmt: skip
def test_the_grant_that_a_program_missed(said: str, grant: str) -> None:
    assert look("make", said).grants == (grant,)


def test_the_person_is_told_once_and_the_model_each_time(tmp_path: Path) -> None:
    heard = Heard()
    outside = Outside(heard, closed=True, grants=(), place="/home/me/policy.yaml")
    for _ in range(2):
        told = asked(outside, action("pip install six"), failed(tmp_path / "out", PIP))
        assert '"@package-registries" below network: allow:' in told and "--allow-host" in told
    (note,) = heard.notes
    assert 'network: {allow: ["@package-registries"]}' in note and "/home/me/policy.yaml" in note


def test_what_is_open_and_what_went_well_is_not_spoken_of(tmp_path: Path) -> None:
    heard = Heard()
    said = "Cannot connect to the Docker daemon at unix:///x"
    granted = Outside(heard, closed=False, grants=("docker",), place="p")
    assert asked(granted, action("make"), failed(tmp_path / "a", said)) == ""
    assert asked(granted, action("pip install six"), failed(tmp_path / "a", PIP)) == "", "the broker tells of these"
    fine = Completion(execution="x", status="ok", exit_status=0)
    assert asked(Outside(heard, closed=True, grants=(), place="p"), action("make"), fine) == ""
    assert heard.notes == []


def test_loopback_inside_is_the_sandbox_itself(tmp_path: Path) -> None:
    heard = Heard()
    outside = Outside(heard, closed=False, grants=(), place="p")
    told = asked(outside, action("curl http://127.0.0.1:9000/"), failed(tmp_path / "o", "Connection refused"))
    assert "the sandbox itself" in told and '"127.0.0.1:9000"' in told
    assert "the sandbox itself" in heard.notes[0]


def test_an_error_of_python_counts_as_what_was_said() -> None:
    report = ErrorReport(name="DockerException", message="Error while fetching server API version: 2", traceback="")
    completion = Completion(execution="x", status="error", error=report)
    outside = Outside(Heard(), closed=True, grants=(), place="p")
    assert "`grants: [docker]`" in asked(outside, action("docker.from_env()"), completion)


def test_a_file_of_another_owner_in_a_stage_is_said_once_and_to_the_model_each_time(tmp_path: Path) -> None:
    heard = Heard()
    foreign = Foreign(heard)
    for said in ("sh: 1: cannot create theirs: Value too large for defined data type", "Error: EOVERFLOW: open"):
        assert "write a copy under another name" in asked(foreign, action("x"), failed(tmp_path / "out", said))
    report = ErrorReport(name="OSError", message="[Errno 75] Value too large for defined data type: 'theirs'")
    python = Completion(execution="x", status="error", error=report)
    assert "belongs to an owner or group" in asked(foreign, action("x"), python)
    assert heard.notes == [
        "In a staged session the code cannot change files of other owners: give them to you, or work without --stage."
    ]
    assert asked(foreign, action("x"), failed(tmp_path / "out", "Permission denied")) == ""
    assert asked(foreign, action("x"), Completion(execution="x", status="ok", exit_status=0)) == ""


@pytest.mark.timeout(30)
@pytest.mark.parametrize(
    ("code", "said", "told"),
    [
        ("pip " + "-pip " * 200_000, NONE, False),
        ("pip " * 250_000, NONE, False),
        ("pip" + " " * 1_000_000, NONE, False),
        ("https://a@" * 100_000, NONE, True),
        ("pip install six", ".git/" * 80_000, True),
    ],
)
def test_a_long_line_of_commands_or_folders_is_looked_at_in_a_moment(
    code: str, said: str, told: bool, tmp_path: Path
) -> None:
    outside = Outside(Heard(), closed=True, grants=(), place="policy.yaml")
    completion = failed(tmp_path / "out", "Connection refused")
    completion = msgspec.structs.replace(completion, error=ErrorReport(name="E", message=said))
    assert bool(asked(outside, action(code), completion)) == told


def test_installers_are_known_behind_their_options() -> None:
    assert look("pip --no-cache-dir " + "-q " * 19 + "install six", NONE).hosts == (REGISTRIES,)
    assert look("x = 1\n" * 10_000 + "pip install six", NONE).hosts == (REGISTRIES,)
