"""From the name in an `import` to what a package index calls it, and a caution where nobody here knows the name."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable
from difflib import get_close_matches
from functools import lru_cache
from pathlib import Path

from interpreter.text.i18n import _
from interpreter.types.base import Value

from ..text.expression import expression

_TABLE = Path(__file__).with_name("import_names.txt")


@lru_cache(maxsize=1)
def distributions() -> dict[str, str]:
    """Well-known import names, and the names of their distributions."""
    lines = _TABLE.read_text(encoding="utf-8").splitlines()
    rows = [line.split() for line in lines if line and not line.startswith("#")]
    return {row[0]: row[-1] for row in rows}


@lru_cache(maxsize=1)
def _known() -> dict[str, str]:
    return {_normal(name): name for name in distributions().values()}


_SYSTEM_PACKAGES = {
    "tkinter": "python3-tk", "_tkinter": "python3-tk", "turtle": "python3-tk", "apt": "python3-apt", "gi": "python3-gi",
    "osgeo": "python3-gdal", "ensurepip": "python3-venv", "venv": "python3-venv", "dbm.gnu": "python3-gdbm",
    "cairo": "python3-cairo", "distutils": "", "pythoncom": "", "win32api": "", "win32com": "", "winreg": "",
    "msvcrt": "",
}  # fmt: skip
"""What an index does not carry, and Debian's package with it (empty: nothing does)."""

_PROJECT_LIKE = frozenset({
    "app", "api", "common", "config", "constants", "core", "data", "database", "db", "helper", "helpers", "lib",
    "logger", "main", "model", "models", "module", "my_module", "mymodule", "routes", "schemas", "script", "scripts",
    "settings", "src", "test", "tests", "tools", "types", "util", "utils", "views",
})  # fmt: skip
"""Names that projects give to their own files; the packages of that name on an index are never what is meant."""

_REQUIREMENT = expression(
    r"(?P<name>[A-Za-z0-9](?:[A-Za-z0-9._-]{0,98}[A-Za-z0-9])?)(?P<extras>\[[A-Za-z0-9 ,._-]{0,99}\])?"
    r"(?P<version>(?:\s*(?:===|==|~=|!=|<=|>=|<|>)\s*[A-Za-z0-9.*+!_-]{1,64}\s*(?:,|$)){0,8})"
)


class Wanted(Value):
    """One thing to install, or the reason why it cannot be."""

    module: str
    """The name as it was asked for."""
    requirement: str = ""
    """What goes to the installer, such as `Pillow` or `pandas>=2`; empty where nothing can be installed."""
    known: bool = False
    """Whether the name is one of the well-known ones of the table here."""
    caution: str = ""
    """A sentence for the person, empty where the name is known."""


def plan(modules: Iterable[str]) -> tuple[Wanted, ...]:
    """What to install for modules that an `import` did not find. Each distribution once; order is kept."""
    found: dict[str, Wanted] = {}
    for module in modules:
        wanted = _for_module(module.strip())
        found.setdefault(wanted.requirement.lower() or f"?{wanted.module}", wanted)
    return tuple(found.values())


def plan_requirements(words: Iterable[str]) -> tuple[Wanted, ...]:
    """What to install for words behind `pip install`: names and versions, never addresses, paths or options."""
    found: dict[str, Wanted] = {}
    for word in words:
        match = _REQUIREMENT.fullmatch(word.strip())
        if match is None:
            caution = _(
                "{name} is not the name of a package; addresses, paths and options are not installed.", name=word
            )
            wanted = Wanted(module=word, caution=caution)
        else:
            known = _normal(match["name"]) in _known()
            requirement = re.sub(r"\s+", "", word)
            wanted = Wanted(
                module=match["name"],
                requirement=requirement,
                known=known,
                caution="" if known else _caution(match["name"], _known().values()),
            )
        found.setdefault(wanted.requirement.lower() or f"?{word}", wanted)
    return tuple(found.values())


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def _for_module(module: str) -> Wanted:
    parts = module.split(".")
    top = parts[0]
    prefixes = [".".join(parts[:count]) for count in range(min(len(parts), 4), 0, -1)]
    for name in prefixes:
        if name in _SYSTEM_PACKAGES:
            return Wanted(module=module, caution=_from_the_system(module, _SYSTEM_PACKAGES[name]))
        if distribution := distributions().get(name):
            return Wanted(module=module, requirement=distribution, known=True)
    if top in sys.stdlib_module_names or not top.isidentifier() or not top.isascii() or len(top) > 99:
        return Wanted(module=module, caution=_("{name} is not a module that can be installed.", name=module))
    if top.lower() in _PROJECT_LIKE:
        sentence = _("{name} looks like a file of your project; the package of that name is something else.", name=top)
        return Wanted(module=module, caution=sentence)
    return Wanted(module=module, requirement=top, caution=_caution(top, distributions()))


def _caution(name: str, names: Iterable[str]) -> str:
    if near := get_close_matches(name.lower(), list(names), 1, 0.8):
        return _(
            "{name} is not a well-known package. Is {near} meant? Names that look alike can be traps.",
            name=name,
            near=near[0],
        )
    return _("{name} is not a well-known package: check that the name is right before you say yes.", name=name)


def _from_the_system(module: str, package: str) -> str:
    if package:
        return _(
            "{name} does not come from a package index. On Debian and Ubuntu: apt install {package}.",
            name=module,
            package=package,
        )
    return _("{name} does not exist for this Python on this system.", name=module)


def question(wanted: Iterable[Wanted], into: str) -> str:
    """The one question to the person. `into`: the environment's folder, or empty for one that this tool made."""
    able = [w for w in wanted if w.requirement]
    names = ", ".join(w.requirement if w.module == w.requirement else f"{w.requirement} ({w.module})" for w in able)
    if into:
        sentence = _("Install {packages} into {path}?", packages=names, path=into)
    else:
        sentence = _("Install {packages} into this project's environment?", packages=names)
    return "\n".join([*(w.caution for w in able if w.caution), sentence])
