"""Programs where code can write: they never run on the host, and what their links lead to stays closed."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from interpreter.aio.search import find, of_the_system, passes, search_path

TOOL = "a-tool-of-these-tests"


def program(path: Path) -> str:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("#!/bin/sh\n")
    path.chmod(0o755)
    return str(path)


@pytest.fixture
def work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    work, away = tmp_path / "work", tmp_path / "away"
    for folder in (work / "bin", away / "bin"):
        folder.mkdir(parents=True)
    (tmp_path / "link").symlink_to(work / "bin")
    (work / "out").symlink_to(away / "bin")
    monkeypatch.chdir(work)
    folders = (work / "bin", work / "out", tmp_path / "link", "bin", "", away / "bin")
    monkeypatch.setenv("PATH", os.pathsep.join(map(str, folders)))
    return work


def test_the_path_of_the_host_leaves_out_what_code_may_write(work: Path) -> None:
    assert search_path((str(work),)) == str(work.parent / "away" / "bin")
    assert search_path((str(work.parent),)) == os.defpath, "never an empty one, which means the working folder"


def test_a_program_of_the_folder_is_found_for_the_walls(work: Path) -> None:
    mine = program(work / "bin" / TOOL)
    theirs = program(work.parent / "away" / "bin" / TOOL)
    assert find(TOOL, (str(work),)) == mine
    (work / "bin" / TOOL).unlink()
    (work / "bin" / TOOL).symlink_to(theirs)
    assert find(TOOL, (str(work),)) == theirs, "by its own name, not by the link"
    Path(theirs).unlink()
    assert find(TOOL, (str(work),)) is None


def test_every_step_of_a_way_is_looked_at(work: Path) -> None:
    top, tops = work.parent, (str(work),)
    (top / "chain").symlink_to("link/../out")
    (top / "round").symlink_to("round")
    for path in ("work", "work/bin/x", "link/x", "chain/x", "away/../work/none", "round"):
        assert passes(str(top / path), tops), path
    for path in ("away/bin/x", "workshop", "none/at/all", ""):
        assert not passes(str(top / path), tops), path


def test_the_systems_programs_are_not_looked_for_in_path(work: Path) -> None:
    program(work / "bin" / "sh")
    program(work / "bin" / TOOL)
    found = of_the_system("sh")
    assert found is not None and not found.startswith(str(work.parent))
    assert of_the_system(TOOL) is None
