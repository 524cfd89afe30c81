"""Which Python runs the person's code: real environments, and folders that walled code may have prepared."""

from __future__ import annotations

import atexit
import functools
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

import pytest

from interpreter.errors import KernelError, UsageError
from interpreter.kernels.environments import PythonEnvironment, base_python, find_environment, made_prefix

ASK = "import sys; print(sys.prefix); print(sys.base_prefix); print('%d.%d' % sys.version_info[:2])"
LIBRARY = f"python{sys.version_info.major}.{sys.version_info.minor}"


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    folder = tmp_path / "a project 数据"
    folder.mkdir()
    return folder.resolve()


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return (tmp_path / "home").resolve()


@functools.cache
def made_once(python: str) -> Path:
    """What `python -m venv --without-pip` leaves behind, made as a person makes it; away when the process ends."""
    folder = tempfile.TemporaryDirectory(prefix="venv-")
    atexit.register(folder.cleanup)
    subprocess.run([python, "-m", "venv", "--without-pip", f"{folder.name}/.venv"], check=True)
    return Path(folder.name, ".venv")


def make_venv(prefix: Path, base: str | None = None) -> Path:
    """One of its own: elsewhere it is the same, but for the scripts that activate it."""
    shutil.copytree(made_once(base or base_python()), prefix, symlinks=True)
    return prefix.resolve()


def run(found: PythonEnvironment, code: str = ASK) -> list[str]:
    done = subprocess.run([found.python, "-c", code], env=found.env, capture_output=True, text=True, check=True)
    return done.stdout.splitlines()


def test_a_made_environment_runs_and_imports_what_is_put_into_its_site(workspace: Path, home: Path) -> None:
    found = find_environment(workspace, home, {"PATH": "/usr/bin:/bin"})
    assert found.kind == "made"
    assert run(found)[0] == found.prefix
    Path(found.site, "freshly_put.py").write_text("word = 'here'\n")
    assert run(found, "import freshly_put; print(freshly_put.word)") == ["here"]
    assert found.prefix.startswith(str(home))


def test_a_made_environment_is_made_once_and_apart_for_each_project(workspace: Path, home: Path) -> None:
    first = find_environment(workspace, home, {})
    marker = Path(first.site, "kept.py")
    marker.touch()
    assert find_environment(workspace, home, {}) == first
    assert marker.exists()
    other = workspace / "other"
    other.mkdir()
    assert find_environment(other, home, {}).prefix != first.prefix


def test_no_program_is_started_for_a_made_environment(
    workspace: Path, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "posix_spawn", pytest.fail)
    monkeypatch.setattr(os, "fork", pytest.fail)
    monkeypatch.setattr(subprocess, "Popen", pytest.fail)
    assert find_environment(workspace, home, {}).kind == "made"


def test_the_packages_of_this_tool_are_not_there(workspace: Path, home: Path) -> None:
    found = find_environment(workspace, home, dict(os.environ))
    code = "import importlib.util as u; print(u.find_spec('interpreter'), u.find_spec('msgspec'))"
    assert run(found, code) == ["None None"]


def test_the_tools_own_environment_does_not_count_as_active(
    workspace: Path, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = make_venv(workspace / ".venv")
    monkeypatch.setattr(sys, "prefix", str(own))
    assert find_environment(workspace, home, {"VIRTUAL_ENV": str(own)}).kind == "made"


def test_the_active_environment_comes_first(workspace: Path, home: Path, tmp_path: Path) -> None:
    make_venv(workspace / ".venv")
    active = make_venv(tmp_path / "active")
    found = find_environment(workspace, home, {"VIRTUAL_ENV": str(active), "PATH": f"{active}/bin:/usr/bin"})
    assert (found.kind, found.prefix) == ("active", str(active))
    assert run(found)[0] == str(active)
    assert found.env["PATH"].split(":") == [f"{active}/bin", "/usr/bin"]
    assert found.env["VIRTUAL_ENV"] == str(active)
    assert not home.exists()


@pytest.mark.parametrize("name", [".venv", "venv"])
def test_the_projects_own_environment(workspace: Path, home: Path, name: str) -> None:
    prefix = make_venv(workspace / name)
    found = find_environment(workspace, home, {})
    assert (found.kind, found.prefix) == ("project", str(prefix))
    assert run(found)[0] == str(prefix)
    assert Path(found.site).is_dir()
    assert not home.exists()


def conda(prefix: Path) -> Path:
    """The layout of a conda environment: an installation of its own, without pyvenv.cfg."""
    (prefix / "conda-meta").mkdir(parents=True)
    (prefix / "bin").mkdir()
    (prefix / "lib/python3.12/site-packages").mkdir(parents=True)
    (prefix / "lib/python3.12/os.py").touch()
    (prefix / "bin/python3.12").touch(mode=0o755)
    (prefix / "bin/python").symlink_to("python3.12")
    return prefix.resolve()


def test_conda_is_found_but_its_base_gives_way_to_the_project(workspace: Path, home: Path, tmp_path: Path) -> None:
    prefix = conda(tmp_path / "conda")
    named = {"CONDA_PREFIX": str(prefix), "CONDA_DEFAULT_ENV": "data"}
    found = find_environment(workspace, home, named)
    assert (found.kind, found.site) == ("active", str(prefix / "lib/python3.12/site-packages"))
    assert found.env["CONDA_PREFIX"] == str(prefix)
    unasked = {**named, "CONDA_DEFAULT_ENV": "base"}
    assert find_environment(workspace, home, unasked).prefix == str(prefix)
    project = make_venv(workspace / ".venv")
    assert find_environment(workspace, home, unasked).prefix == str(project)
    assert find_environment(workspace, home, named).prefix == str(prefix)


def test_the_python_that_the_person_named_comes_first(workspace: Path, home: Path, tmp_path: Path) -> None:
    make_venv(workspace / ".venv")
    active, named = make_venv(tmp_path / "active"), make_venv(tmp_path / "named")
    environ = {"VIRTUAL_ENV": str(active), "PATH": f"{named}/bin"}
    for way in (f"{named}/bin/python", str(named), "python3"):
        found = find_environment(workspace, home, environ, base=way)
        assert found.prefix == str(named)
        assert run(found)[0] == str(named)
    found = find_environment(workspace, home, environ, base=base_python())
    assert found.kind == "made"
    assert run(found)[0] == found.prefix


@pytest.mark.parametrize("name", ["/nowhere/python3", "no-such-python", "/bin/sh", ""])
def test_a_named_python_that_cannot_be_used(workspace: Path, home: Path, name: str, tmp_path: Path) -> None:
    if not name:
        name = str(tmp_path / "tool" / "python3")
        Path(name).parent.mkdir()
        Path(name).touch(mode=0o755)
    with pytest.raises(UsageError, match="cannot run your code") as raised:
        find_environment(workspace, home, {}, base=name)
    assert "--python" in raised.value.hint


def test_the_tools_own_python_cannot_be_named(workspace: Path, home: Path) -> None:
    if sys.prefix == sys.base_prefix:
        pytest.skip("the tests do not run in an environment")
    with pytest.raises(UsageError, match="own"):
        find_environment(workspace, home, {}, base=sys.executable)


def test_a_broken_environment_is_passed_over_with_a_word(workspace: Path, home: Path) -> None:
    prefix = make_venv(workspace / ".venv")
    for name in ("python", "python3"):
        (prefix / "bin" / name).unlink()
        (prefix / "bin" / name).symlink_to("/nowhere/python3")
    found = find_environment(workspace, home, {})
    assert found.kind == "made"
    assert str(prefix) in found.note


def test_an_environment_that_is_only_a_link_is_not_followed(workspace: Path, home: Path, tmp_path: Path) -> None:
    elsewhere = make_venv(tmp_path / "elsewhere")
    (workspace / ".venv").symlink_to(elsewhere)
    assert find_environment(workspace, home, {}).kind == "made"
    # Activated earlier, and changed into a link since: the same.
    assert find_environment(workspace, home, {"VIRTUAL_ENV": str(workspace / ".venv")}).kind == "made"


def test_what_the_links_of_an_interpreter_pass_through_is_readable(workspace: Path, home: Path, tmp_path: Path) -> None:
    """As uv and Homebrew lay it out: the environment names a folder that is itself a link to the real one."""
    real = tmp_path / "pythons" / "cpython-3.12.9"
    (real / "lib/python3.12").mkdir(parents=True)
    (real / "lib/python3.12/os.py").touch()
    (real / "bin").mkdir()
    (real / "bin/python3.12").touch(mode=0o755)
    named = tmp_path / "pythons" / "cpython-3.12"
    named.symlink_to("cpython-3.12.9")
    prefix = workspace / ".venv"
    (prefix / "bin").mkdir(parents=True)
    (prefix / "lib/python3.12/site-packages").mkdir(parents=True)
    (prefix / "pyvenv.cfg").write_text(f"home = {named}/bin\nversion = 3.12.9\n")
    (prefix / "bin/python").symlink_to(named / "bin/python3.12")
    found = find_environment(workspace, home, {})
    assert {f"{named}/bin", f"{named}/lib", f"{real.resolve()}/bin", f"{real.resolve()}/lib"} <= set(found.readable)


@pytest.mark.parametrize("way", ["home", "link"])
def test_a_forged_environment_opens_no_path(workspace: Path, home: Path, tmp_path: Path, way: str) -> None:
    secret = tmp_path / "person" / ".ssh"
    secret.mkdir(parents=True)
    (secret / "python3").touch(mode=0o755)
    prefix = make_venv(workspace / ".venv")
    if way == "home":
        (prefix / "pyvenv.cfg").write_text(f"home = {secret}\nversion = 3.11\n")
    else:
        (prefix / "bin/python").unlink()
        (prefix / "bin/python").symlink_to(secret / "python3")
    found = find_environment(workspace, home, {})
    assert not [path for path in found.readable if str(tmp_path / "person") in path]


def test_an_installation_in_a_home_folder_opens_only_its_parts(workspace: Path, home: Path, tmp_path: Path) -> None:
    person = tmp_path / "person"
    (person / "lib/python3.12").mkdir(parents=True)
    (person / "lib/python3.12/os.py").touch()
    (person / "bin").mkdir()
    (person / "bin/python3.12").touch(mode=0o755)
    prefix = make_venv(workspace / ".venv")
    (prefix / "pyvenv.cfg").write_text(f"home = {person}/bin\n")
    found = find_environment(workspace, home, {})
    assert str(person) not in found.readable
    assert f"{person.resolve()}/lib" in found.readable


def test_an_environment_made_in_the_home_folder_itself_does_not_open_the_home(workspace: Path, home: Path) -> None:
    person = workspace / "person"
    make_venv(person)
    found = find_environment(workspace / "elsewhere", home, {"VIRTUAL_ENV": str(person), "HOME": str(person)})
    assert found.kind == "active"
    assert str(person) not in (*found.readable, *found.writable_by_installer)
    assert f"{person}/bin" in found.readable


def test_a_made_environment_that_an_installer_turned_into_links_is_made_anew(
    workspace: Path, home: Path, tmp_path: Path
) -> None:
    found = find_environment(workspace, home, {})
    victim = tmp_path / "victim"
    victim.mkdir()
    Path(found.site).rmdir()
    Path(found.site).symlink_to(victim)
    again = find_environment(workspace, home, {})
    assert again.site == found.site
    assert Path(again.site).is_dir() and not Path(again.site).is_symlink()
    assert list(victim.iterdir()) == []


def test_a_made_environment_whose_python_moved_keeps_its_packages(workspace: Path, home: Path) -> None:
    found = find_environment(workspace, home, {})
    Path(found.site, "kept.py").write_text("word = 'kept'\n")
    python = Path(found.prefix, "bin/python")
    python.unlink()
    python.symlink_to("/nowhere/python3")
    again = find_environment(workspace, home, {})
    assert run(again, "import kept; print(kept.word)") == ["kept"]


def test_starts_at_once_end_with_one_environment(workspace: Path, home: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from interpreter.kernels.environments import find_environment as f;"
        "e = f(Path(sys.argv[1]), Path(sys.argv[2]), {}); print(e.site)"
    )
    started = [
        subprocess.Popen([sys.executable, "-c", code, str(workspace), str(home)], stdout=subprocess.PIPE, text=True)
        for _ in range(4)
    ]
    sites = {process.communicate()[0].strip() for process in started}
    assert len(sites) == 1 and Path(sites.pop()).is_dir()
    assert [process.returncode for process in started] == [0] * 4


def test_a_home_that_cannot_hold_it_is_said(workspace: Path, tmp_path: Path) -> None:
    blocked = tmp_path / "a file"
    blocked.touch()
    with pytest.raises(KernelError, match="No environment could be made") as raised:
        find_environment(workspace, blocked, {})
    assert "INTERPRETER_HOME" in raised.value.hint


def test_a_folder_of_the_tools_home_is_for_its_owner_alone(workspace: Path, home: Path) -> None:
    find_environment(workspace, home, {})
    for folder in (home, made_prefix(workspace, home, LIBRARY).parent):
        assert folder.stat().st_mode & 0o077 == 0


def test_every_python_on_this_machine_is_read_right(
    workspace: Path, home: Path, real_environ: Mapping[str, str]
) -> None:
    """Not only the one that the tests run on: other versions, as a person's `.venv` has them."""
    root = Path(real_environ.get("PYENV_ROOT", Path(real_environ.get("HOME", "/nowhere"), ".pyenv")), "versions")
    patterns = ("3.[89].*/bin/python3", "3.1?.*/bin/python3") if os.access(root, os.R_OK) else ()
    versions = [path for pattern in patterns for path in root.glob(pattern) if os.access(path, os.X_OK)]
    if not versions:
        pytest.skip("no further Python versions here")
    for python in versions:
        prefix = make_venv(workspace / python.parent.parent.name / ".venv", str(python))
        environment = find_environment(prefix.parent, home, {})
        answer = run(environment, ASK + "; import sysconfig; print(sysconfig.get_path('purelib'))")
        assert (answer[0], answer[3]) == (environment.prefix, environment.site)
        assert f"{answer[1]}/lib" in environment.readable
