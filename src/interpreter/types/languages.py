"""Every language that can be asked for: its one name, its title for people, and the spellings that mean it."""

from __future__ import annotations

from .base import Value


class Language(Value):
    name: str
    """Canonical: what `Action.language` holds."""
    title: str
    """As people write it."""
    suffix: str
    """Of a file that holds such code, with its dot."""
    spellings: tuple[str, ...] = ()
    """Other names that models, people and fences use, in lower case; `name` itself is understood as well."""


LANGUAGES: tuple[Language, ...] = (
    Language(
        name="python",
        title="Python",
        suffix=".py",
        spellings=("py", "python3", "python 3", "py3", "ipython", "ipython3", "pycon", "cpython", "python-repl"),
    ),
    Language(
        name="shell",
        title="Shell",
        suffix=".sh",
        spellings=(
            *("bash", "sh", "zsh", "ksh", "dash", "shellscript", "shell-script", "shell script", "bash script"),
            *("terminal", "command line", "commandline", "linux", "unix", "posix", "/bin/bash", "/bin/sh"),
        ),
    ),
    Language(
        name="javascript",
        title="JavaScript",
        suffix=".js",
        spellings=("js", "node", "nodejs", "node.js", "mjs", "cjs", "ecmascript", "es6", "jsx"),
    ),
    Language(name="typescript", title="TypeScript", suffix=".ts", spellings=("ts", "mts", "cts", "tsx", "ts-node")),
    Language(name="ruby", title="Ruby", suffix=".rb", spellings=("rb", "irb", "ruby3")),
    Language(name="perl", title="Perl", suffix=".pl", spellings=("pl", "perl5", "pm")),
    Language(name="php", title="PHP", suffix=".php", spellings=("php7", "php8", "php-cli")),
    Language(name="lua", title="Lua", suffix=".lua", spellings=("luajit", "lua5.4", "lua5.3")),
    Language(name="r", title="R", suffix=".R", spellings=("rscript", "r-lang", "rlang", "ir", "gnu r")),
    Language(name="java", title="Java", suffix=".java", spellings=("jshell", "openjdk")),
    Language(name="go", title="Go", suffix=".go", spellings=("golang",)),
    Language(name="c", title="C", suffix=".c", spellings=("c99", "c11", "c17", "gcc", "ansi c")),
    Language(
        name="cpp",
        title="C++",
        suffix=".cpp",
        spellings=("c++", "cxx", "cc", "g++", "c++11", "c++14", "c++17", "c++20", "cpp17", "cpp20", "cplusplus"),
    ),
    Language(name="rust", title="Rust", suffix=".rs", spellings=("rs", "rustc")),
    Language(
        name="sql",
        title="SQL",
        suffix=".sql",
        spellings=("duckdb", "sqlite", "sqlite3", "duckdb-sql", "duckdb sql", "sqlite sql"),
    ),
    Language(name="applescript", title="AppleScript", suffix=".applescript", spellings=("osascript", "apple script")),
    Language(name="powershell", title="PowerShell", suffix=".ps1", spellings=("pwsh", "ps1", "posh", "ps")),
    Language(name="html", title="HTML", suffix=".html", spellings=("htm", "html5", "xhtml")),
    Language(name="julia", title="Julia", suffix=".jl", spellings=("jl",)),
)
"""Every other name may be that of an installed Jupyter kernelspec."""

BY_NAME: dict[str, Language] = {language.name: language for language in LANGUAGES}

_SPELLINGS = {spelling: language.name for language in LANGUAGES for spelling in (language.name, *language.spellings)}


def canonical(spelling: str) -> str | None:
    """The one name of a language, however it is spelt; None for a word that means none that we know."""
    word = " ".join(spelling.strip().strip("`'\"{}").lstrip(".").lower().split())
    return _SPELLINGS.get(word) or _SPELLINGS.get(word.removeprefix("language-"))


def title(name: str) -> str:
    """How people write the language; the name itself for one that is not in the table."""
    known = BY_NAME.get(name)
    return known.title if known else name


def spellings() -> dict[str, str]:
    """Every spelling, in lower case, with the canonical name that it means."""
    return dict(_SPELLINGS)
