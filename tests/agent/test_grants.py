"""Files that a task names."""

from __future__ import annotations

from pathlib import Path

import pytest

from interpreter.agent.grants import named_paths


@pytest.mark.parametrize(
    "words",
    [
        "Read {path} and sum it up.",
        "read {path}, then plot",
        '把"{path}"里的空行删掉',
        "清理 {path}，然后画图",
        "look into `{path}`!",
        "({path})",
    ],
)
def test_a_named_file_is_found(words: str, tmp_path: Path) -> None:
    path = tmp_path / "sales.csv"
    path.write_text("a,b\n")
    assert named_paths(words.format(path=path), tmp_path) == [str(path)]


def test_the_home_folder_is_expanded_and_quotes_may_hold_spaces(tmp_path: Path) -> None:
    (tmp_path / "my data.csv").write_text("")
    assert named_paths('open "~/my data.csv" now', tmp_path) == [str(tmp_path / "my data.csv")]


def test_what_is_not_there_or_no_path_is_passed_over(tmp_path: Path) -> None:
    text = f"see https://example.org/usr/bin and 3/4 of {tmp_path}/nothing.csv and and/or"
    assert named_paths(text, tmp_path) == []
