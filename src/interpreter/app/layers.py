"""Where the stage of a session lies, and what of it needs a second look."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ..sandbox import names
from ..staging.stage import Stage


def runs_by_itself(path: str) -> bool:
    """Whether other programs may run a path of a workspace unasked: git, editors, shells, assistants."""
    return any(part in names.RUNS_BY_ITSELF for part in path.split("/"))


def stage_folder(session: Path) -> Path:
    return session / "stage"


def open_stage(session: Path) -> Stage | None:
    return Stage.open(stage_folder(session), runs_by_itself)


def begin_stage(session: Path, tops: Sequence[str]) -> Stage:
    return Stage.begin(stage_folder(session), tops, runs_by_itself)
