"""How each language comes to life here: which program, which dialect, which driver."""

from __future__ import annotations

import os
import shlex
import shutil
import sys
from collections.abc import Callable
from contextlib import suppress
from functools import lru_cache, partial
from pathlib import Path
from typing import Any, Literal

from msgspec import structs

from ..aio.search import find, passes
from ..errors import LanguageMissing
from ..text.i18n import _
from ..types.base import Value, to_json
from ..types.languages import LANGUAGES, title
from . import jupyter, recipes
from .contracts import KernelOptions

GUEST = Path(__file__).parent.parent / "guest"
PYTHON_PARTS = (
    "errors", "magics", "display", "context", "hooks", "streams", "sql", "ipython", "async", "state", "state_values",
    "state_pickle", "state_save", "state_facts", "state_load", "tools",
)  # fmt: skip


class Runtime(Value):
    """What a kernel of one language is started with."""

    language: str
    """Of the kernel; another kernel may run it, as Python's runs SQL over its data frames."""
    dialect: Literal["json", "bash", "program"]
    argv: tuple[str, ...]
    driver: str = ""
    """The guest's source text."""
    parts: dict[str, str] = {}
    """Further source texts."""
    env: dict[str, str] = {}
    readable: tuple[str, ...] = ()
    saves: bool = True
    """Whether its guest can save its state, and take one."""
    extra: dict[str, Any] = {}
    """Further fields of each `execute` request."""


@lru_cache(maxsize=16)
def guest_source(name: str) -> str:
    """The text of a file in `guest/`."""
    return (GUEST / name).read_text(encoding="utf-8")


def node_source() -> str:
    """The Node guest: its files as one function, so that none of its names is a global of the person's."""
    parts = "".join(guest_source(f"node_{name}.js") for name in ("channel", "state", "restore", "tools", "driver"))
    return f"'use strict';\n(() => {{\n{parts}}})();\n"


def python_runtime(options: KernelOptions) -> Runtime:
    """Raises LanguageMissing."""
    python = options.python or find("python3", options.written) or find("python", options.written)
    if not python:
        raise missing("python")
    return Runtime(
        language="python",
        dialect="json",
        argv=(python, "-"),
        driver=guest_source("python_driver.py"),
        parts={name: guest_source(f"python_{name}.py") for name in PYTHON_PARTS},
        env={"MPLBACKEND": "Agg"},
        readable=options.readable,
    )


def shell_runtime(options: KernelOptions) -> Runtime:
    """bash, or a plain `sh` where there is none. Raises LanguageMissing."""
    for name, arguments in (("bash", ("--norc", "--noprofile")), ("sh", ())):
        if program := find(name, options.written):
            driver = guest_source(f"{name}_driver.sh")
            argv = (program, *arguments)
            # `python3` and `pip` there are the environment's.
            readable = (*options.readable, *reach(program, options.written))
            saves = name == "bash"
            return Runtime(
                language="shell",
                dialect="bash",
                argv=argv,
                driver=driver,
                parts={"state": guest_source("bash_state.sh"), **({"tools": ""} if options.tools else {})}
                if saves
                else {},
                readable=readable,
                saves=saves,
            )
    raise missing("shell")


def javascript_runtime(options: KernelOptions) -> Runtime:
    """Raises LanguageMissing."""
    node = find("node", options.written) or find("nodejs", options.written)
    if not node:
        raise missing("javascript")
    argv = (node, "--no-force-async-hooks-checks", "-")
    driver = node_source()
    return Runtime(
        language="javascript", dialect="json", argv=argv, driver=driver, readable=reach(node, options.written)
    )


def sql_runtime(options: KernelOptions) -> Runtime:
    """DuckDB or SQLite in the Python kernel, else a program of the person's. Raises LanguageMissing."""
    try:
        python = python_runtime(options)
    except LanguageMissing:
        return program_runtime("sql", partial(find, written=options.written), options.written)
    return structs.replace(python, extra={"language": "sql"})


def program_runtime(language: str, which: recipes.Which = shutil.which, written: tuple[str, ...] = ()) -> Runtime:
    """A program for each execution. Raises LanguageMissing."""
    recipe = recipes.find(language, which)
    if recipe is None:
        raise missing(language)
    program = recipe.programs[0]
    readable, env = reach(program, written), dict[str, str]()
    rustup = Path(os.environ.get("RUSTUP_HOME") or Path.home() / ".rustup")
    if language == "rust" and rustup.is_dir():
        readable, env = (*readable, str(rustup)), {"RUSTUP_HOME": str(rustup)}
    return Runtime(
        language=language,
        dialect="program",
        argv=("/bin/sh",),
        driver=recipe.script,
        env=env,
        readable=readable,
        saves=False,
        extra={"display": recipe.display} if recipe.display else {},
    )


FRESH = "fresh "
"""Before a language's name: a new process inside walls of its own for each execution, so that nothing which other code
of the session has defined, set or left running takes part."""
FRESH_SCRIPTS = {
    "shell": """{{ c=$(cat <&9; echo x); exec </dev/null 8>&- 9<&-; exec {program} -c "${{c%x}}"; }}\n""",
    "python": """{{ c=$(cat <&9; echo x); exec </dev/null 8>&- 9<&-; exec {program} -I -S -c "${{c%x}}"; }}\n""",
}


def fresh_runtime(language: str, options: KernelOptions) -> Runtime:
    """Raises LanguageMissing."""
    found = OWN[language](options)
    words = " ".join(shlex.quote(word) for word in found.argv if word != "-")
    script = FRESH_SCRIPTS[language].format(program=words)
    return Runtime(
        language=FRESH + language, dialect="program", argv=("/bin/sh",), driver=script, readable=found.readable,
        saves=False,
    )  # fmt: skip


def reach(program: str, written: tuple[str, ...] = ()) -> tuple[str, ...]:
    """What the walls must let through for a program that may lie outside the system's folders; nothing for one that is
    reached through a folder of `written`, where code may change what it leads to.

    Its installation where it has one of its own (`~/.nvm/versions/node/v20`), but never a folder that holds other
    things of the person, such as `~/.cargo` or `~/.local`: then only the program itself.
    """
    real = Path(program).resolve()
    if real.is_relative_to("/usr") or real.is_relative_to("/bin") or passes(program, written):
        return ()
    prefix = real.parent.parent
    home = Path.home()
    inside = prefix.relative_to(home).parts if prefix.is_relative_to(home) else ("", "")
    own = real.parent.name == "bin" and len(prefix.parts) > 2 and (len(inside) > 1 or (prefix / "conda-meta").is_dir())
    return tuple(dict.fromkeys((program, str(real), *((str(prefix),) if own else ()))))


OWN: dict[str, Callable[[KernelOptions], Runtime]] = {
    "python": python_runtime,
    "shell": shell_runtime,
    "javascript": javascript_runtime,
    "sql": sql_runtime,
}


def find_runtime(language: str, options: KernelOptions, *, sockets: bool = True) -> Runtime:
    """How to start `language`, a canonical name, inside walls that have `sockets` or not.

    Raises LanguageMissing, which says what to install.
    """
    if language in OWN:
        return OWN[language](options)
    if language.startswith(FRESH):
        return fresh_runtime(language.removeprefix(FRESH), options)
    which = partial(find, written=options.written)
    if language == "html" and not sockets:
        # Browsers speak with themselves by sockets.
        return program_runtime(language, {"cat": which("cat")}.get, options.written)
    # A kernel keeps its state, a program does not.
    spec = jupyter.find(language, written=options.written) if sockets else None
    return (
        jupyter_runtime(language, spec, options.written) if spec else program_runtime(language, which, options.written)
    )


class Runtimes:
    """What was found for each language; looked for once."""

    def __init__(self, options: KernelOptions, *, sockets: bool) -> None:
        self._options, self._sockets = options, sockets
        self._found: dict[str, Runtime] = {}

    def find(self, language: str) -> Runtime:
        """Raises LanguageMissing."""
        if language not in self._found:
            self._found[language] = find_runtime(language, self._options, sockets=self._sockets)
        return self._found[language]

    def lend_tools(self) -> None:
        """Shells get the way to the session's tools from now on."""
        self._options = structs.replace(self._options, tools=True)
        self._found.pop("shell", None)

    def available(self) -> dict[str, str]:
        """Languages that can be run here, and with what program."""
        found: dict[str, str] = {}
        for language in LANGUAGES:
            with suppress(LanguageMissing):
                runtime = self.find(language.name)
                found[language.name] = runtime.argv[0] if runtime.dialect != "program" else language.title
        return found

    def missing(self, language: str) -> str:
        """What to install for a language that cannot be run; empty when it can."""
        try:
            self.find(language)
        except LanguageMissing as error:
            return str(error)
        return ""


def jupyter_runtime(language: str, spec: jupyter.KernelSpec, written: tuple[str, ...] = ()) -> Runtime:
    return Runtime(
        language=language,
        dialect="json",
        argv=(sys.executable, "-"),
        driver=guest_source("jupyter_driver.py"),
        parts={"spec": to_json(spec).decode()},
        saves=False,
        readable=jupyter.readable(spec, written),
    )


def missing(language: str) -> LanguageMissing:
    """The error that says what to install."""
    remedy = recipes.REMEDIES.get(language, recipes.Remedy())
    if remedy.package:
        hint = _(
            "Install {words}; on Debian and Ubuntu: apt install {package}", words=remedy.words, package=remedy.package
        )
    elif remedy.words:
        hint = _("It needs {words}.", words=remedy.words)
    else:
        hint = _("It can be run once a Jupyter kernel for it is installed.")
    return LanguageMissing(_("There is nothing here that runs {language}.", language=title(language)), hint)
