"""The AGENTS.md of a project: bounded, nearest first, no link followed."""

from __future__ import annotations

from pathlib import Path

from interpreter.skills.project import MOST, read_notes


def test_nearest_first_up_to_the_top_of_the_repository(tmp_path: Path) -> None:
    (tmp_path / "AGENTS.md").write_text("outside of it")
    top = tmp_path / "repo"
    here = top / "packages" / "api"
    here.mkdir(parents=True)
    (top / ".git").mkdir()
    (top / "AGENTS.md").write_text("root habit")
    (here / "AGENTS.md").write_text("near \x1b[31mhabit")
    (here / "src" / "deep").mkdir(parents=True)
    (here / "src" / "deep" / "AGENTS.md").write_text("deep habit")
    (here / "CLAUDE.md").write_text("not read")
    notes = read_notes(str(here))
    assert notes.text.index("near habit") < notes.text.index("root habit") < notes.text.index("src/deep/AGENTS.md")
    assert "outside" not in notes.text and "deep habit" not in notes.text and "not read" not in notes.text
    assert len(notes.said) == 2


def test_outside_of_a_repository_only_the_folder_itself(tmp_path: Path) -> None:
    (tmp_path / "AGENTS.md").write_text("above")
    (tmp_path / "work").mkdir()
    assert read_notes(str(tmp_path / "work")) == ("", ())


def test_bounds_links_and_other_bytes(tmp_path: Path) -> None:
    (tmp_path / "AGENTS.md").write_text("line\n" * 9000)
    notes = read_notes(str(tmp_path))
    assert len(notes.text) < MOST + 600 and "cut" in notes.text and "of its 44999 characters" in notes.said[0]
    (tmp_path / "AGENTS.md").unlink()
    (tmp_path / "AGENTS.md").symlink_to("/etc/hostname")
    assert read_notes(str(tmp_path)).text == "" and "it is a link" in read_notes(str(tmp_path)).said[0]
    (tmp_path / "AGENTS.md").unlink()
    (tmp_path / "AGENTS.md").write_bytes(b"\xff\xfe")
    assert "not UTF-8" in read_notes(str(tmp_path)).said[0]
