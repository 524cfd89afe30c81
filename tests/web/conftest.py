from __future__ import annotations

from pathlib import Path

import pytest

from .parked import Home


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    monkeypatch.setenv("INTERPRETER_HOME", str(tmp_path / "home"))
    (tmp_path / "work").mkdir()
    return Home(tmp_path / "home", tmp_path / "work")
