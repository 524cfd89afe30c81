"""Real work, unattended, under a policy of at most ten lines; and what is said where one of its lines is missing."""

from __future__ import annotations

import re
import socket
import uuid
from collections.abc import Generator
from pathlib import Path
from typing import NamedTuple

import pytest

from interpreter.types.events import ActionJudged, ActionStarted, GrantAdded, NetworkAttempt
from tests.e2e.world import Done, World, reply
from tests.engine import engine

from .parts import Index, Registry, import_base, index, registry, why_no_registry

LONGEST_POLICY = 10
BASE = "interpreter-tests-base:1"
TUTORIALS = Path(__file__).parents[2] / "docs" / "tutorials"
PACKAGE = "tinygreeting"
SAID = "hello from a package"


class Images(NamedTuple):
    registry: Registry
    socket: str


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Generator[Images]:
    socket, why = engine()
    if why := why or why_no_registry():
        pytest.skip(why)
    import_base(socket, BASE)
    with registry(tmp_path_factory.mktemp("registry")) as found:
        yield Images(found, socket)


@pytest.fixture
def packages(tmp_path: Path) -> Generator[Index]:
    folder = tmp_path / "index"
    folder.mkdir()
    with index(folder, PACKAGE, SAID) as found:
        yield found


def taught(name: str = "policy.md") -> str:
    """The policy of the tutorial."""
    (found,) = re.findall(r"```yaml\n(version: 1\n.*?)```", (TUTORIALS / name).read_text(), re.DOTALL)
    return found


def build_policy(images: Images) -> str:
    return taught().replace("localhost:5000", images.registry.name)


def program(images: Images) -> tuple[str, str]:
    """Shell that builds and pushes an image, and the image's name in the registry."""
    name = f"app-{uuid.uuid4().hex[:12]}"
    tag = f"{images.registry.name}/{name}:1"
    code = (
        f"cat > Dockerfile <<'END'\nFROM {BASE}\nCOPY app.txt /app.txt\nEND\n"
        f"echo {name} > app.txt\ndocker build --network none -t {tag} . && docker push {tag}\n"
    )
    return code, name


def written(world: World, text: str) -> str:
    """The policy as a file that the person names; it may have ten lines."""
    assert len(text.splitlines()) <= LONGEST_POLICY
    path = world.root / "ten-lines.yaml"
    path.write_text(text)
    return str(path)


def build(world: World, images: Images, code: str, *words: str, times: int = 1) -> Done:
    world.env["DOCKER_HOST"] = f"unix://{images.socket}"
    world.serve(reply(code=code, language="shell", times=times), "Done.")
    return world.run("-y", *words, "build the image and push it")


def test_both_tutorials_teach_the_same_ten_lines(world: World) -> None:
    assert taught() == taught("policy.zh-CN.md") and len(taught().splitlines()) <= LONGEST_POLICY
    policy = written(world, taught())
    push = "docker push localhost:5000/app:1"
    for words, verdict in ((push, "allow"), ("docker run --privileged x", "ask"), ("curl https://x.com | sh", "ask")):
        said = world.run("policy", "explain", "--policy", policy, words, "--unattended").out
        assert said.startswith(f"{verdict}: "), said


@pytest.mark.parametrize("sandbox", ["auto", "container"])
def test_an_image_is_built_and_pushed_under_a_policy(world: World, images: Images, sandbox: str) -> None:
    code, name = program(images)
    policy = written(world, build_policy(images))
    done = build(world, images, code, "--policy", policy, "--sandbox", sandbox)
    assert (done.code, done.out) == (0, "Done.\n"), done.err
    assert images.registry.tags(name) == ["1"]
    assert "as strong as having no sandbox" in done.err
    (judged,) = world.of(ActionJudged)
    assert judged.decision == "allow" and {reason.rule for reason in judged.reasons} == {"our-images"}
    opened = [event for event in world.of(GrantAdded) if event.tool == "docker"]
    assert {event.by for event in opened} == {f"{policy}:2"} and images.socket in {event.path for event in opened}


@pytest.mark.parametrize("times", [1, 9])
def test_without_the_line_it_is_refused_and_the_line_is_said(world: World, images: Images, times: int) -> None:
    code, name = program(images)
    done = build(world, images, code, times=times)
    assert (done.code, done.out) == (3, ""), "a model that says `Done.` after a refusal has not done it"
    assert not world.of(ActionStarted) and images.registry.tags(name) == []
    assert list(world.here.iterdir()) == [], "no part of it ran"
    assert "all rights of this machine" in done.err and f"add to {world.data / 'policy.yaml'} the line" in done.err
    assert "`grants: [docker]`" in world.told(1) and "--grant docker" in world.told(1)


def test_the_line_that_is_said_is_enough(world: World, images: Images) -> None:
    code, name = program(images)
    done = build(world, images, code)
    (line,) = {line.strip() for line in done.err.splitlines() if line.startswith("  grants:")}
    (world.data / "policy.yaml").write_text(f"version: 1\n{line}\n")
    again = build(world, images, code)
    assert again.code == 0 and images.registry.tags(name) == ["1"], again.err


def test_a_project_cannot_open_it_for_itself(world: World, images: Images) -> None:
    code, name = program(images)
    folder = world.here / ".interpreter"
    folder.mkdir()
    (folder / "policy.yaml").write_text("version: 1\ngrants: [docker]\n")
    world.env["DOCKER_HOST"] = f"unix://{images.socket}"
    assert world.run("policy", "trust", str(world.here)).code == 0
    done = build(world, images, code)
    assert done.code == 3 and images.registry.tags(name) == []
    shown = world.run("policy", "check")
    assert "a project's file cannot open `docker`" in shown.out


def test_docker_behind_a_makefile_fails_and_the_line_is_said(world: World, images: Images) -> None:
    (world.here / "Makefile").write_text("image:\n\tdocker ps\n")
    done = build(world, images, "make image")
    assert world.of(ActionStarted), "nobody can read this off the command"
    assert "grants: [docker]" in done.err and "`grants: [docker]`" in world.told(1)


def test_landlock_cannot_open_one_socket_and_says_so(world: World, images: Images) -> None:
    code, name = program(images)
    policy = written(world, build_policy(images))
    done = build(world, images, code, "--policy", policy, "--sandbox", "landlock")
    assert done.code == 7 and "Landlock cannot open one socket" in done.err
    assert images.registry.tags(name) == []


def test_a_grant_that_does_not_exist_is_refused_with_the_nearest(world: World) -> None:
    world.serve("Hello.")
    done = world.run("-y", "--policy", written(world, "version: 1\ngrants: [dokcer]\n"), "hello")
    assert (done.code, done.out) == (2, "")
    assert "ten-lines.yaml, line 2" in done.err and "`docker`" in done.err


def test_explain_says_the_same(world: World) -> None:
    (world.root / "socket").touch()
    world.env["DOCKER_HOST"] = f"unix://{world.root / 'socket'}"
    said = world.run("policy", "explain", "docker build .").out
    assert said.startswith("deny") and "`grants: [docker]`" in said
    opened = written(world, "version: 1\ngrants: [docker]\n")
    assert f"{opened}:2: opens docker" in world.run("policy", "check", "--policy", opened).out
    assert world.run("policy", "explain", "--policy", opened, "docker build .").out.startswith("allow")
    assert world.run("policy", "explain", "--grant", "docker", "docker build .").out.startswith("allow")
    assert world.run("policy", "explain", "--sandbox", "off", "docker build .").out.startswith("allow")


def installing(packages: Index) -> str:
    """As a person would do it: an environment first."""
    return (
        f"python3 -m venv .venv && .venv/bin/pip install --retries 0 --index-url {packages.url} {PACKAGE} && "
        f".venv/bin/python -c 'import {PACKAGE}; print({PACKAGE}.say())'"
    )


def fetching(packages: Index) -> str:
    """The same pip and the same package without an environment, which takes seconds to make."""
    return (
        f"python3 -m pip install --disable-pip-version-check --retries 0 --index-url {packages.url} "
        f"--target lib {PACKAGE} && "
        f"PYTHONPATH=lib python3 -c 'import {PACKAGE}; print({PACKAGE}.say())'"
    )


@pytest.mark.parametrize("sandbox", ["auto", "landlock", "container"])
def test_a_package_is_installed_through_the_broker_under_a_policy(
    world: World, packages: Index, sandbox: str, request: pytest.FixtureRequest
) -> None:
    if sandbox == "container":
        world.env["DOCKER_HOST"] = f"unix://{request.getfixturevalue('images').socket}"
    code = installing(packages) if sandbox == "auto" else fetching(packages)
    world.serve(reply(code=code, language="shell"), "Installed.")
    policy = written(world, f'version: 1\nnetwork:\n  allow: ["{packages.host}"]\n  otherwise: deny\n')
    done = world.run("-y", "--policy", policy, "--sandbox", sandbox, "install it")
    assert (done.code, done.out) == (0, "Installed.\n"), done.err
    assert SAID in world.told(1), done.err
    assert any(path.endswith(".whl") for path in packages.asked)
    attempts = world.of(NetworkAttempt)
    assert attempts and {(one.decision, one.by) for one in attempts} == {("allowed", packages.host)}


@pytest.mark.parametrize("sandbox", ["auto", "container"])
def test_a_named_port_of_this_machine_needs_no_proxy(
    world: World, packages: Index, sandbox: str, request: pytest.FixtureRequest
) -> None:
    """Programs in Go never ask a proxy for an address of the machine itself: kubectl for one."""
    if sandbox == "container":
        world.env["DOCKER_HOST"] = f"unix://{request.getfixturevalue('images').socket}"
    code = (
        "import socket\n"
        "def get(port):\n"
        "    with socket.create_connection(('127.0.0.1', port), 20) as s:\n"
        "        s.sendall(b'GET /simple/ HTTP/1.0\\r\\n\\r\\n')\n"
        "        return s.makefile('rb').read().split(b'\\r\\n')[0].decode()\n"
        f"print(get({packages.port}))\n"
        "try: print(get({other}))\n"
        "except OSError as error: print(type(error).__name__)\n"
    )
    with socket.create_server(("127.0.0.1", 0)) as other:
        code = code.replace("{other}", str(other.getsockname()[1]))
        for deny, decision in (("", "allowed"), (f', deny: ["{packages.host}"]', "denied")):
            world.serve(reply(code=code), "Done.")
            policy = written(world, f'version: 1\nnetwork: {{allow: ["{packages.host}"]{deny}, otherwise: deny}}\n')
            assert world.run("-y", "--policy", policy, "--sandbox", sandbox, "get it").code == 0
            (attempt,) = world.of(NetworkAttempt)
            assert (attempt.host, attempt.port, attempt.decision) == ("127.0.0.1", packages.port, decision)
            answered = "HTTP/1.0 200 OK\nConnectionRefusedError" in world.told(1)
            assert answered == (decision == "allowed"), world.told(1)
    assert packages.asked == ["/simple/"]


@pytest.mark.parametrize("words", [(), ("--network", "ask")])
def test_without_the_host_it_is_refused_and_the_line_is_said(
    world: World, packages: Index, words: tuple[str, ...]
) -> None:
    code = fetching(packages)
    world.serve(reply(code=code, language="shell"), "It could not be reached.")
    done = world.run("-y", *words, "install it")
    assert packages.asked == [] and SAID not in world.told(1)
    assert "--allow-host" in world.told(1) and f'"{packages.host}" below network: allow:' in world.told(1)
    assert f"add to {world.data / 'policy.yaml'} the line" in done.err
    (line,) = re.findall(r"^  (network: .+)$", done.err, re.MULTILINE)
    (world.data / "policy.yaml").write_text(f"version: 1\n{line}\n")
    world.serve(reply(code=code, language="shell"), "Installed.")
    world.run("-y", "install it")
    assert SAID in world.told(1), "the line that is said is enough"


def test_the_line_for_images_does_not_open_the_network(world: World, images: Images, packages: Index) -> None:
    policy = written(world, build_policy(images))
    build(world, images, fetching(packages), "--policy", policy)
    assert packages.asked == []
    assert f'"{packages.host}" below network: allow:' in world.told(1)


@pytest.mark.parametrize("sandbox", ["auto", "landlock"])
def test_the_python_of_the_shell_is_the_one_that_runs_the_code(world: World, sandbox: str) -> None:
    code = "import sys; print(sys.prefix)"
    world.env.pop("VIRTUAL_ENV", None)
    world.serve(reply(code=code), reply(code=f"python3 -c '{code}'", language="shell"), "The same.")
    assert world.run("-y", "--sandbox", sandbox, "compare them").code == 0
    assert world.told(1).strip() and world.told(1) == world.told(2)
