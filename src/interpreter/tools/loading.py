"""Tools that a person has written: Python files that they name, loaded into this program."""

from __future__ import annotations

import importlib.util
import os
import stat
import traceback
from collections.abc import Iterable
from pathlib import Path

import msgspec

from ..errors import UsageError
from ..text.i18n import _
from .definition import Tool


def load_file(path: str, written: Iterable[str]) -> list[Tool]:
    """The tools that a file defines, in the order of their names in it.

    `written`: folders that programs inside the walls may write; what lies there is never loaded.
    Raises UsageError: it is not there, is not the person's own, or cannot be loaded.
    """
    real = os.path.realpath(path)
    hint = _("Tools are Python files of your own that nobody else can write: see docs/tools.md.")
    try:
        facts = Path(real).stat()
    except OSError as error:
        raise UsageError(
            _("The tools in {path} cannot be read: {reason}.", path=path, reason=error.strerror), hint
        ) from None
    if not stat.S_ISREG(facts.st_mode) or facts.st_uid not in (0, os.geteuid()) or facts.st_mode & 0o022:
        raise UsageError(_("The tools in {path} were not loaded: others can write that file.", path=path), hint)
    if any(Path(real).is_relative_to(os.path.realpath(folder)) for folder in written):
        raise UsageError(
            _("The tools in {path} were not loaded: the model's code can write that file.", path=path),
            _("Keep the file outside of the working folder, for example beside your configuration."),
        )
    name = f"interpreter_tools_of_{Path(real).stem}"
    spec = importlib.util.spec_from_file_location(name, real)
    if spec is None or spec.loader is None:
        raise UsageError(_("The tools in {path} were not loaded: it is no Python file.", path=path), hint)
    module = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        place = traceback.extract_tb(error.__traceback__)[-1]
        reason = f"{type(error).__name__}: {error} ({Path(place.filename).name}:{place.lineno})"
        raise UsageError(_("The tools in {path} were not loaded: {reason}", path=path, reason=reason), hint) from error
    found = [one for one in vars(module).values() if isinstance(one, Tool)]
    if not found:
        raise UsageError(_("{path} defines no tool.", path=path), hint)
    return [marked(one, f"file:{Path(real).name}") for one in found]


def marked(one: Tool, origin: str) -> Tool:
    """The tool with the one who brings it."""
    declaration = msgspec.structs.replace(one.declaration, origin=origin)
    return Tool(declaration, one.function, one.settings, one.needs, one.inside)
