"""An engine, a registry and a cluster together: started once for a module of tests, stopped with it."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.engine import engine
from tests.real.parts import Registry, registry, why_no_registry

from . import images
from .cluster import Cluster, cluster, why_no_cluster

BASE = "cluster-base:1"
"""The image that the others are built on."""


class Real(NamedTuple):
    cluster: Cluster
    registry: Registry
    socket: str
    """Of the engine."""
    folder: Path

    def built(self, name: str, version: str, dockerfile: str = "") -> str:
        """The name of an image that was pushed. Without a Dockerfile it answers its version at `/version`."""
        tag = f"{self.registry.name}/{name}:{version}"
        source = dockerfile.replace("{base}", BASE) or images.served(BASE)
        images.image(self.socket, self.folder / f"{name}-{version}", tag, source, version=version)
        images.docker(self.socket, "push", tag)
        return tag


@contextmanager
def real_parts(folder: Path) -> Generator[Real]:
    """Skips the test where a part is missing."""
    socket, why = engine()
    if why := why or why_no_registry() or why_no_cluster() or images.why_no_images():
        pytest.skip(why)
    images.base(socket, BASE)
    with registry(folder) as found, cluster(folder, socket) as made:
        yield Real(made, found, socket, folder)
