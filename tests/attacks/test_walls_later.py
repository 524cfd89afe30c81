"""What is left in a project to run later, outside: walled off, or found after the step, taken away and told.

Each plant is made inside in a project of its own; then somebody works there with the real git, shell and so on. Where a
program is not here (an editor, an assistant), what stands for it runs what the file that it would read says.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from interpreter.sandbox import Walls, shape
from interpreter.sandbox.choice import BACKENDS
from interpreter.sandbox.grants import Opened
from interpreter.sandbox.profiles import resolve
from interpreter.sandbox.watch import Taken, Watch
from interpreter.types.walls import Profile
from tests.conformance.sandbox_world import PYTHON, World, run_as, users, world_of
from tests.conformance.test_sandboxes import works_here
from tests.engine import engine

from .field import grouped, identity
from .inside.plants import PLANTS
from .open_ways import RUNS_LATER

pytestmark = [
    pytest.mark.skipif(sys.platform != "linux", reason="these backends are Linux's"),
    pytest.mark.skipif(not os.path.exists(PYTHON), reason=f"the attacks run under {PYTHON}"),
    pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed"),
]
SOURCE = (Path(__file__).parent / "inside" / "plants.py").read_text(encoding="utf-8")


class Trigger(NamedTuple):
    """How somebody sets it off; `where` and `home` are below the project."""

    command: tuple[str, ...]
    where: str = "."
    home: bool = False
    """Whether the project is that person's home."""
    own: bool = False
    """Run by the user of the tests, whose Python has the tool in it."""


STATUS = Trigger(("git", "status"))
TRIGGERS = dict.fromkeys(PLANTS, STATUS) | {
    "hook": Trigger(("git", "checkout", "-q", "-b", "new")),
    "hooks_elsewhere": Trigger(("git", "checkout", "-q", "-b", "new")),
    "filter_of_content": Trigger(("git", "diff", "--stat")),
    "repository_within": Trigger(("git", "status"), "sub"),
    "pointer_within": Trigger(("git", "status"), "sub"),
    "bare_repository_within": Trigger(("git", "status"), "sub"),
    "settings_of_a_module": Trigger(("git", "status"), "sub"),
    "settings_of_the_shell": Trigger(("bash", "-ic", "true"), home=True),
    "settings_of_the_login": Trigger(("bash", "-lc", "true"), home=True),
    "variables_of_the_folder": Trigger(("sh", "-c", ". ./.envrc")),
    "module_beside_the_tool": Trigger((sys.executable, "-m", "interpreter", "config", "show"), own=True),
    "module_of_the_tools_name": Trigger((sys.executable, "-m", "interpreter", "--version"), own=True),
    "recipe_of_the_project": Trigger(("make",)),
    "program_of_the_project": Trigger(("./run.sh",)),
    "tests_of_the_project": Trigger((PYTHON, "-c", "import conftest")),
}
READ = {
    "settings_of_vim": ".vimrc",
    "settings_of_r": ".Rprofile",
    "settings_of_the_debugger": ".gdbinit",
    "tasks_of_the_editor": ".vscode/tasks.json",
    "start_of_another_editor": ".idea/startup.xml",
    "hooks_of_an_assistant": ".claude/settings.json",
    "servers_of_an_assistant": ".mcp.json",
    "settings_of_this_tool": ".interpreter/config.yaml",
    "hooks_of_a_helper": ".husky/pre-commit",
}
"""What a program reads that is not run here: that it would find the file counts as having run it."""


class Projects:
    """One for each plant, all of them open to one program."""

    def __init__(self, world: World, marks: Path) -> None:
        self.world, self.marks, self.top = world, marks, world.top / "projects"
        pattern = world.top / "pattern"
        pattern.mkdir()
        (pattern / "file").write_text("1\n", encoding="utf-8")
        for words in (("init", "-q"), ("add", "."), ("commit", "-qm", "x")):
            name = ("-c", "user.name=a", "-c", "user.email=a@b", "-c", "commit.gpgsign=false")
            subprocess.run(["git", *name, *words], cwd=pattern, check=True, capture_output=True)
        for plant in PLANTS:
            shutil.copytree(pattern, self.top / plant, ignore=shutil.ignore_patterns("*.sample"))
        for folder, _, names in os.walk(self.top):
            for one in [".", *names]:
                os.lchown(os.path.join(folder, one), world.uid, world.uid)
        self.settings = (pattern / ".git" / "config").read_bytes()
        time.sleep(0.06)  # what was there before is older than the session

    def orders(self) -> str:
        told = [
            {"plant": name, "folder": str(self.top / name), "payload": f"touch {self.marks / name}"} for name in PLANTS
        ]
        return json.dumps(told)

    def profile(self, backend: str) -> Profile:
        made = self.world.profile(backend, final=False)
        folders = tuple(str(self.top / name) for name in PLANTS)
        return shape(made, resolve("", {}), Opened(), writable=folders, environ={})

    def somebody_works(self) -> set[str]:
        """In each project; returns the plants that ran."""
        for name in PLANTS:
            if name in READ:
                if (self.top / name / READ[name]).exists():
                    (self.marks / name).touch()
                continue
            self.set_off(name, TRIGGERS[name])
        return {path.name for path in self.marks.iterdir()}

    def set_off(self, name: str, trigger: Trigger) -> None:
        project = self.top / name
        home = project if trigger.home else self.marks
        env = {"PATH": "/usr/bin:/bin", "HOME": str(home), "GIT_CONFIG_NOSYSTEM": "1"}
        env |= {"INTERPRETER_HOME": str(self.world.top / "own"), "PYTHONDONTWRITEBYTECODE": "1"}
        who = identity(os.geteuid() if trigger.own else self.world.uid)
        where = project / trigger.where
        if trigger.own or where.is_dir():
            subprocess.run(trigger.command, cwd=where, env=env, capture_output=True, timeout=30, check=False, **who)


@contextlib.contextmanager
def projects_of(uid: int) -> Generator[Projects]:
    marks = Path(tempfile.mkdtemp(prefix="marks-", dir="/var/tmp"))
    marks.chmod(0o777)
    try:
        with world_of(uid) as world:
            yield Projects(world, marks)
    finally:
        shutil.rmtree(marks, ignore_errors=True)


def plant_all(projects: Projects, profile: Profile | None) -> None:
    """Inside the walls of a profile, or without any."""
    arguments = [PYTHON, "-I", "-c", SOURCE, projects.orders()]
    if profile is not None:
        done = run_as(projects.world.uid, lambda: Walls(profile).launch(arguments))
        assert done.status == 0, done
        return
    env = {"PATH": "/usr/bin:/bin", "HOME": str(projects.marks)}
    who = identity(projects.world.uid)
    subprocess.run(arguments, env=env, cwd=projects.top, check=True, capture_output=True, timeout=60, **who)


@pytest.fixture(scope="module", params=grouped("walls later", ["bubblewrap", "container", "landlock"]))
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


class After(NamedTuple):
    projects: Projects
    ran: set[str]
    taken: list[Taken]


@pytest.fixture(scope="module", params=users(), ids=lambda uid: "root" if uid == 0 else "user")
def after(request: pytest.FixtureRequest, backend: str) -> Iterator[After]:
    """Planted behind walls, looked after, and then somebody has worked there."""
    with projects_of(request.param) as projects:
        profile = projects.profile(backend)
        walled = BACKENDS[backend].holds()["protected"]
        watch = Watch(profile, projects.world.home / "quarantine", walled=walled)
        watch.begin()
        plant_all(projects, profile)
        taken = watch.check(whole=True)
        yield After(projects, projects.somebody_works(), taken)


def test_what_was_left_behind_does_not_run(after: After) -> None:
    assert after.ran == set(RUNS_LATER)


def test_what_was_taken_is_kept_and_told(after: After) -> None:
    assert after.taken
    for taken in after.taken:
        assert taken.reason and (taken.restored or os.path.lexists(taken.kept)), taken


def test_the_settings_of_git_are_what_they_were(after: After) -> None:
    changed = [
        name
        for name in PLANTS
        if (after.projects.top / name / ".git" / "config").read_bytes() != after.projects.settings
    ]
    assert changed == []


@pytest.mark.parametrize("uid", users(), ids=lambda uid: "root" if uid == 0 else "user")
def test_without_walls_and_watch_everything_runs(uid: int) -> None:
    with projects_of(uid) as projects:
        plant_all(projects, None)
        ran = projects.somebody_works()
        assert ran == set(PLANTS) - {"module_beside_the_tool"}
        # There the wall is in the tool itself; without it, whatever is imported first is the planted one.
        projects.set_off("module_beside_the_tool", Trigger((PYTHON, "-c", "import json")))
        assert (projects.marks / "module_beside_the_tool").exists()


def test_without_the_watch_what_is_only_detected_runs() -> None:
    if why := works_here("bubblewrap"):
        pytest.skip(why)
    with projects_of(users()[-1]) as projects:
        plant_all(projects, projects.profile("bubblewrap"))
        ran = projects.somebody_works()
    assert {"repository_within", "pointer_within", "settings_of_the_shell", "tasks_of_the_editor"} < ran
    assert not {"hook", "monitor", "repository_rebuilt", "other_common_folder", "link_to_another"} & ran
