from collections.abc import Iterator
from pathlib import Path

import pytest

from .keeper_client import KeeperClient


@pytest.fixture
def client(tmp_path: Path) -> Iterator[KeeperClient]:
    with KeeperClient(tmp_path / "run") as client:
        yield client


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The folder that a guest works in."""
    (tmp_path / "work").mkdir()
    return tmp_path / "work"
