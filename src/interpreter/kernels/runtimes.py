"""How each language comes to life here: which program, which dialect, which driver."""

from __future__ import annotations

import shutil
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

from ..errors import LanguageMissing
from ..text.i18n import _
from ..types.base import Value
from .contracts import KernelOptions

GUEST = Path(__file__).parent.parent / "guest"
PYTHON_PARTS = ("errors", "magics", "display", "context", "hooks", "streams")


class Runtime(Value):
    """What a kernel of one language is started with."""

    language: str
    dialect: Literal["json", "bash", "program"]
    argv: tuple[str, ...]
    driver: str = ""
    """The guest's source text."""
    parts: dict[str, str] = {}
    """Further source texts, for dialect json."""
    env: dict[str, str] = {}
    readable: tuple[str, ...] = ()
    extra: dict[str, Any] = {}
    """Further fields of each `execute` request, for dialect program."""


@lru_cache(maxsize=16)
def guest_source(name: str) -> str:
    """The text of a file in `guest/`."""
    return (GUEST / name).read_text(encoding="utf-8")


def python_runtime(options: KernelOptions) -> Runtime:
    """Raises LanguageMissing."""
    python = options.python or shutil.which("python3") or shutil.which("python")
    if not python:
        raise LanguageMissing(_("There is no Python here to run code in."), _("Install Python 3.8 or later."))
    return Runtime(
        language="python",
        dialect="json",
        argv=(python, "-"),
        driver=guest_source("python_driver.py"),
        parts={name: guest_source(f"python_{name}.py") for name in PYTHON_PARTS},
        env={"MPLBACKEND": "Agg"},
        readable=options.readable,
    )


def find_runtime(language: str, options: KernelOptions) -> Runtime:
    """How to start `language`, a canonical name. Raises LanguageMissing, which says what to install."""
    if language == "python":
        return python_runtime(options)
    raise LanguageMissing(_("Code in {language} cannot be run here yet.", language=language))
