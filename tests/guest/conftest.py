from collections.abc import Iterator
from pathlib import Path

import pytest

from .keeper_client import KeeperClient


@pytest.fixture(scope="module")
def keeper(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KeeperClient]:
    """One for the tests of a file: what each of them looks at is a kernel of its own."""
    with KeeperClient(tmp_path_factory.mktemp("keeper") / "run") as client:
        yield client


@pytest.fixture
def client(keeper: KeeperClient) -> Iterator[KeeperClient]:
    before = len(keeper.started)
    yield keeper
    keeper.clear(before)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The folder that a guest works in."""
    (tmp_path / "work").mkdir()
    return tmp_path / "work"
