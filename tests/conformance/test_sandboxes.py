"""Every backend through the same probes, as root and as an ordinary user; what one of them lacks is named here.

`host` goes through them as well: a probe that does not come through there proves nothing, and is named too.
"""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from interpreter.errors import SandboxUnavailable
from interpreter.sandbox import Walls, choose
from interpreter.types.walls import Profile
from tests.engine import engine

from . import sandbox_probes
from .sandbox_world import PYTHON, World, probe_all, run_as, users, world_of

pytestmark = [
    pytest.mark.skipif(sys.platform != "linux", reason="these backends are Linux's"),
    pytest.mark.skipif(not os.path.exists(PYTHON), reason=f"the probes run under {PYTHON}"),
]

# What Landlock cannot do: it only forbids the opening of what its rules do not name.
LANDLOCK_LACKS = {
    "see_names_outside": "names can be asked for, contents not",
    "see_shared_temporary": "names can be asked for, contents not",
    "see_a_process": "the host's process table can be read",
    "write_git": "a path inside a writable folder cannot be taken out",
    "replace_git": "a path inside a writable folder cannot be taken out",
    "write_project_settings": "a path inside a writable folder cannot be taken out",
    "change_mode_outside": "modes and times are not watched",
}
# What does not even come through without walls, and for whom.
CONTROL_STOPPED: dict[str, set[str]] = {
    "keys_in_environment": {"root", "user"},  # the allow-list is there without walls, too
    "much_memory": {"root", "user"},  # limits are there without walls, too
    "many_processes": {"user"},
    "large_file": {"root", "user"},
    "many_files": {"root", "user"},
    "core_dumps": {"root", "user"},
    "write_system_setting": {"user"},
    "write_system_folder": {"user"},
    "read_shadow": {"user"},
    "read_closed_file_of_root": {"user"},
    "mount_something": {"user"},
    "capabilities": {"user"},
    "open_descriptors": {"root", "user"},  # closed without walls, too
}
# Depends on the machine and on who runs the tests: kernels without them, folders without setuid, containers.
MACHINE = {
    "other_socket_families",
    "tcp_fast_open",
    "gain_by_setuid",
    "new_user_namespace",
    "clone_with_a_namespace",
    "environment_of_the_harness",
}


def works_here(backend: str) -> str:
    try:
        choose(Profile(backend=backend))  # pyright: ignore[reportArgumentType] -- the parameters below are its names
    except SandboxUnavailable as error:
        return str(error)
    return ""


# One worker has all tests of a backend, so that each world is made and probed once.
BACKENDS = [
    pytest.param(name, marks=pytest.mark.xdist_group(f"walls {name}"))
    for name in ("bubblewrap", "container", "landlock")
]


@pytest.fixture(scope="module", params=BACKENDS)
def backend(request: pytest.FixtureRequest) -> Iterator[str]:
    with pytest.MonkeyPatch.context() as patch:
        if request.param == "container":
            socket, why = engine()
            if not socket:
                pytest.skip(why)
            patch.setenv("DOCKER_HOST", f"unix://{socket}")
        if why := works_here(request.param):
            pytest.skip(why)
        yield request.param


@pytest.fixture(scope="module", params=users(), ids=lambda uid: "root" if uid == 0 else "user")
def world(request: pytest.FixtureRequest, backend: str) -> Iterator[World]:
    assert backend
    with world_of(request.param) as made:
        yield made


@pytest.fixture(scope="module")
def found(world: World, backend: str) -> dict[str, str]:
    return probe_all(world, lambda: Walls(world.profile(backend)))


@pytest.fixture(scope="module")
def control() -> Iterator[dict[int, dict[str, str]]]:
    results: dict[int, dict[str, str]] = {}
    for uid in users():
        # A world of its own, because here the probes destroy things.
        with world_of(uid) as made:
            results[uid] = probe_all(made, lambda made=made: Walls(made.profile("host")))
    yield results


def has_identity(world: World, backend: Any) -> bool:
    """Whether root's programs are nobody of root's to the kernel, and so are counted."""
    return Walls(world.profile(backend)).launch(["/bin/true"]).identity is not None


@pytest.mark.parametrize("probe", sorted(sandbox_probes.PROBES))
def test_nothing_comes_through(found: dict[str, str], backend: str, world: World, probe: str) -> None:
    if probe == "many_processes" and world.uid == 0 and not has_identity(world, backend):
        pytest.skip("root is not counted by the kernel; the keeper's control group is what bounds it")
    if backend == "landlock" and probe in LANDLOCK_LACKS:
        assert found[probe] == "through", f"no longer lacking: {LANDLOCK_LACKS[probe]}"
        return
    assert found[probe].startswith("stopped"), found[probe]


@pytest.mark.xdist_group("walls host")
@pytest.mark.parametrize("probe", sorted(set(sandbox_probes.PROBES) - MACHINE))
@pytest.mark.parametrize("uid", users(), ids=lambda uid: "root" if uid == 0 else "user")
def test_the_probe_would_notice(control: dict[int, dict[str, str]], uid: int, probe: str) -> None:
    who = "root" if uid == 0 else "user"
    if who in CONTROL_STOPPED.get(probe, set()):
        assert control[uid][probe].startswith("stopped"), "take it off the list"
    else:
        assert control[uid][probe] == "through"


@pytest.mark.parametrize("work", sorted(sandbox_probes.WORKS))
def test_what_must_work_works(found: dict[str, str], work: str) -> None:
    assert found[f"works: {work}"] == "through"


def test_nothing_outside_has_changed(found: dict[str, str], backend: str, world: World) -> None:
    assert found
    assert sorted(os.listdir(world.outside)) == ["file", "remove-me", "rename-me"]
    assert (world.outside / "file").read_text(encoding="utf-8") == "content\n"
    assert sorted(os.listdir(world.workspace.parent)) == [".bashrc", ".ssh", ".tool", "工作 folder"]
    assert sorted(os.listdir(world.workspace)) == [".git", ".interpreter", "made 文件"]
    if backend == "bubblewrap":
        assert (world.workspace / ".git" / "config").read_text(encoding="utf-8") == "[core]\n"


def test_a_read_only_workspace(world: World, backend: str) -> None:
    folder = world.top / "read only"
    folder.mkdir(mode=0o555, exist_ok=True)
    os.chown(folder, world.uid, world.uid)
    fixed = world._replace(workspace=folder)
    done = run_as(world.uid, lambda: Walls(fixed.profile(backend)).launch(["/bin/sh", "-c", "pwd; : > f"]))
    assert done.stdout == f"{folder}\n"
    assert "ermission denied" in done.stderr and done.status != 0


def test_a_workspace_that_is_gone(world: World, backend: str) -> None:
    folder = world.top / "going"
    folder.mkdir()
    os.chown(folder, world.uid, world.uid)
    walls = Walls(world._replace(workspace=folder).profile(backend))
    folder.rmdir()
    with pytest.raises(SandboxUnavailable, match="is gone"):
        walls.launch(["/bin/true"])
    assert not folder.exists()


def test_a_workspace_that_goes_while_it_runs(world: World, backend: str) -> None:
    folder = world.top / "going"
    folder.mkdir()
    os.chown(folder, world.uid, world.uid)
    script = 'rmdir "$PWD"/../going 2>&1; echo still here'
    done = run_as(
        world.uid,
        lambda: Walls(world._replace(workspace=folder).profile(backend)).launch(["/bin/sh", "-c", script]),
    )
    assert done.status == 0 and "still here" in done.stdout
    folder.rmdir()


def test_exit_status_and_signals_are_told(world: World, backend: str) -> None:
    done = run_as(world.uid, lambda: Walls(world.profile(backend)).launch(["/bin/sh", "-c", "exit 37"]))
    assert done.status == 37
    done = run_as(world.uid, lambda: Walls(world.profile(backend)).launch(["/bin/sh", "-c", "kill -9 $$"]))
    assert done.status in (-9, 137)


def test_a_program_that_is_not_there(world: World, backend: str) -> None:
    done = run_as(world.uid, lambda: Walls(world.profile(backend)).launch(["/bin/no-such-program"]))
    assert done.status != 0 and "no-such-program" in done.stderr + done.stdout


def test_a_link_made_by_a_program_opens_nothing(world: World, backend: str) -> None:
    """Where a first kernel leaves a link in place of something that the next one is to read."""
    link = world.workspace / "env"
    link.symlink_to(world.workspace.parent / ".ssh")
    try:
        done = run_as(
            world.uid,
            lambda: Walls(world.profile(backend, readable=[str(link)])).launch(
                ["/bin/cat", str(link / "id_rsa"), str(world.workspace.parent / ".ssh" / "id_rsa")]
            ),
        )
    finally:
        link.unlink()
    assert "SECRET" not in done.stdout and done.status != 0


def test_the_scratch_is_no_way_out_for_the_next_kernel(world: World, backend: str) -> None:
    """A kernel replaces the folders that the tool made for it by links to elsewhere."""
    ways = f'cd; cd ..; rm -rf home; ln -s "{world.outside}" home; rm -rf "$TMPDIR"; ln -s "{world.outside}" "$TMPDIR"'
    run_as(world.uid, lambda: Walls(world.profile(backend)).launch(["/bin/sh", "-c", ways]))
    script = 'echo x > "$HOME/planted"; echo x > "$TMPDIR/planted"; echo x > /tmp/planted; true'
    run_as(world.uid, lambda: Walls(world.profile(backend)).launch(["/bin/sh", "-c", script]))
    assert not (world.outside / "planted").exists()
    home = Path(world.scratch) / "home"
    if home.is_symlink():
        home.unlink()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root makes a device")
def test_a_device_appears_where_it_is_named_and_only_there(world: World, backend: str) -> None:
    device = Path(f"/dev/interpreter-probe-{os.getpid()}")
    os.mknod(device, 0o600 | stat.S_IFCHR, os.makedev(1, 5))  # another /dev/zero
    device.chmod(0o666)
    command = ["/bin/sh", "-c", f"head -c 3 '{device}' | wc -c"]
    plain = world.profile(backend)
    named = msgspec.structs.replace(plain, devices=(str(device),))
    try:
        assert run_as(world.uid, lambda: Walls(plain).launch(command)).stdout.strip() == "0"
        assert run_as(world.uid, lambda: Walls(named).launch(command)).stdout.strip() == "3"
    finally:
        device.unlink()
