"""Staged walls: as root and as an ordinary user, what programs write lands aside, in all that is theirs to write."""

from __future__ import annotations

import encodings.ascii
import os
import shutil
import sys
from pathlib import Path

import msgspec
import pytest

from interpreter.errors import SandboxUnavailable
from interpreter.keeper import walls as keeper_walls
from interpreter.keeper.stage import open_stage
from interpreter.sandbox import Walls
from interpreter.sandbox.stage import staged
from interpreter.types.walls import Profile, layers_of
from tests.conformance.sandbox_world import World, run_as, users, world_of
from tests.staging.ground import tree

pytestmark = pytest.mark.skipif(sys.platform != "linux" or shutil.which("bwrap") is None, reason="needs bubblewrap")
assert encodings.ascii  # loaded before a fork becomes a user that cannot read this Python
SCRIPT = (
    "echo two >> a; mv d e; echo n > new; rm b; mkdir -p x/y; chmod 755 a; ln -s a l; echo > ../extra/made;"
    "echo bad >> .git/config; mv .git moved; cat .git/config; id -u; echo t > /tmp/t; echo s > $HOME/s"
)


def profile_of(world: World, name: str = "bubblewrap") -> Profile:
    extra = world.workspace.parent / "extra"
    profile = world.profile(name)
    return msgspec.structs.replace(
        profile, stage=str(world.home / "s" / "stage" / "1"), writable=(*profile.writable, str(extra))
    )


@pytest.mark.parametrize("uid", users())
def test_writes_land_aside(uid: int, monkeypatch: pytest.MonkeyPatch) -> None:
    apply = keeper_walls.apply

    def staged_apply(launch: dict[str, object], keep: set[int]) -> None:
        launch["entrance"] = open_stage(launch["stage"])  # pyright: ignore[reportArgumentType]  # as the keeper has it
        apply(launch, keep)

    monkeypatch.setattr(keeper_walls, "apply", staged_apply)
    with world_of(uid) as world:
        extra = world.workspace.parent / "extra"
        extra.mkdir()
        for name in ("a", "b", "d/x"):
            path = world.workspace / name
            path.parent.mkdir(exist_ok=True)
            path.write_text("one\n")
        for path in (extra, *world.workspace.rglob("*")):
            os.lchown(path, uid, uid)
        before = tree(world.workspace), tree(extra)
        done = run_as(uid, lambda: Walls(profile_of(world)).launch(["/bin/sh", "-c", SCRIPT]))
        assert done.stdout.split()[-1] == str(uid), done
        assert "Read-only" in done.stderr and "[core]" in done.stdout and "bad" not in done.stdout
        assert (tree(world.workspace), tree(extra)) == before
        stage = profile_of(world).stage
        upper = Path(layers_of(stage, str(world.workspace))) / "upper"
        assert {path.name for path in upper.iterdir()} == {"a", "b", "d", "e", "l", "new", "x"}
        assert {path.lstat().st_uid for path in upper.rglob("*")} == {uid}
        assert (Path(layers_of(stage, str(extra))) / "upper" / "made").exists()
        assert (world.scratch / "home" / "s").exists()


def test_it_is_refused_where_it_cannot_be(tmp_path: Path) -> None:
    for name in ("landlock", "container", "host"):
        with pytest.raises(SandboxUnavailable) as refused:
            Walls(Profile(workspace=str(tmp_path), backend=name, stage=str(tmp_path / "s" / "stage" / "1")))
        assert refused.value.exit_code == 7 and "--stage" in refused.value.hint
    inside = Profile(workspace=str(tmp_path), backend="bubblewrap", stage=str(tmp_path / "home" / "s" / "1"))
    with pytest.raises(SandboxUnavailable):
        Walls(inside).launch(["true"])
    assert staged(Profile(workspace=str(tmp_path))) == ()


def test_a_file_system_inside_is_refused_by_name() -> None:
    with pytest.raises(OSError, match="/dev/shm"):
        open_stage({"folders": [["/dev", "/nowhere"]], "identity": None})
