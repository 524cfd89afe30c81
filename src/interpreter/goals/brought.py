"""Checks that a skill brings: a file that is a list of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import yaml

from ..text.i18n import _
from ..types.goals import Check
from .task import Reader, fail


def read_checks(path: Path, text: str) -> tuple[Check, ...]:
    """The checks, as `checks:` of a task file has them. Raises ConfigError."""
    try:
        root = cast("yaml.Node | None", cast(Any, yaml).compose(text, Loader=yaml.SafeLoader))
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        fail(path, 1, _("this is not YAML: {problem}", problem=str(error)[:200]))
    return Reader(path, {}).checks({"checks": (root, 1)}, "checks") if root is not None else ()
