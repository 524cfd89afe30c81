"""Programs that run a program text: shells, and the interpreters of other languages."""

from __future__ import annotations

import re
from itertools import pairwise

from .options import operands, spec, take
from .state import SPLIT, Machine, Run, child, clean, known, written
from .words import unescape

SHELLS = frozenset(["sh", "bash", "dash", "zsh", "ksh", "ksh93", "mksh", "ash", "rbash", "yash", "fish", "csh", "tcsh"])
POSIX_SHELLS = frozenset(("sh", "dash", "ash"))
STRANGE_SHELLS = frozenset(["fish", "csh", "tcsh"])
"""Their syntax is another one."""
_SHELL = spec("abefhiklmnprstuvxBCDEHPTc", "oO", "login norc noprofile posix restricted verbose debugger debug "
              "dump-strings pretty-print interactive command", "rcfile init-file init-command")  # fmt: skip
_ZSH_CODE = re.compile(r"[*?\])\w]\([^()]{0,100}[e+]|(^|\s)=\w")


# program: (language, options whose value is code, letters with another value, long ones with another value, letters of
# which the value begins the program's arguments)
LANGUAGES: dict[str, tuple[str, str, str, str, str]] = {
    "python": ("python", "-c", "WXQ", "check-hash-based-pycs", "m"),
    "pypy": ("python", "-c", "WXQ", "", "m"),
    "ipython": ("python", "-c", "", "profile ext matplotlib", "m"),
    "node": ("javascript", "-e --eval -p --print -pe", "rC", "require import conditions env-file loader", ""),
    "nodejs": ("javascript", "-e --eval -p --print -pe", "rC", "require import conditions", ""),
    "bun": ("javascript", "-e --eval -p --print", "rcC", "preload cwd config", ""),
    "deno": ("javascript", "", "cL", "config import-map log-level", ""),
    "perl": ("perl", "-e -E", "IMmCDFx0li", "", ""),
    "ruby": ("ruby", "-e", "rICEFKTWx0", "require", ""),
    "php": ("php", "-r -B -R -E", "cdzfFtS", "", ""),
    "lua": ("lua", "-e", "l", "", ""),
    "luajit": ("lua", "-e", "ljOb", "", ""),
    "Rscript": ("r", "-e", "", "default-packages", ""),
    "R": ("r", "-e", "dg", "file args", ""),
    "julia": ("julia", "-e -E --eval --print", "JptLC", "load project threads sysimage", ""),
    "osascript": ("applescript", "-e", "ls", "", ""),
    "pwsh": ("powershell", "-c -Command -command -EncodedCommand -enc", "", "", ""),
    "powershell": ("powershell", "-c -Command -command -EncodedCommand -enc", "", "", ""),
    "expect": ("tcl", "-c", "f", "", ""),
    "tclsh": ("tcl", "", "", "", ""),
    "groovy": ("java", "-e", "c", "classpath", ""),
    "elixir": ("elixir", "-e --eval", "rS", "", ""),
    "scala": ("java", "-e", "", "", ""),
    "awk": ("awk", "", "Fvfielo", "", ""),
    "gawk": ("awk", "-e --source", "Fvfilo", "", ""),
    "mawk": ("awk", "", "FvfW", "", ""),
    "nawk": ("awk", "", "Fvf", "", ""),
    "psql": ("sql", "-c --command", "dfvFhLopPRTU", "dbname file set host port username output", ""),
    "mysql": ("sql", "-e --execute", "DhPuS", "database host port user socket", ""),
    "mariadb": ("sql", "-e --execute", "DhPuS", "database host port user socket", ""),
    "clickhouse-client": ("sql", "-q --query", "hudp", "host user database password port", ""),
    "duckdb": ("sql", "-c -s", "", "", ""),
    "sqlite3": ("sql", "-cmd", "", "", ""),
    "sqlcmd": ("sql", "-Q -q", "SUPdio", "", ""),
    "mongo": ("javascript", "--eval", "up", "host port username password", ""),
    "mongosh": ("javascript", "--eval", "up", "host port username password", ""),
}  # fmt: skip
_VERSIONED = re.compile(r"(python|pypy|node|perl|ruby|php|lua|tclsh|pwsh)[\d.]+\Z")
_AWK = re.compile(r'"(?:[^"\\]|\\.)*"|#[^\n]*|\|\||\|&|&&|\w+|[ \t]+|[^"]', re.DOTALL)
_AWK_PATTERN = re.compile(r"/(?:[^/\\\n]|\\.)+/")
_AWK_BEFORE_PATTERN = frozenset(("(", ",", "~", "!", "&&", "||", "{", "}", ";", "\n"))
FROM_INPUT = frozenset(("-", "/dev/stdin", "/dev/fd/0", "/proc/self/fd/0"))
READS_INPUT = frozenset(
    [
        "python",
        "javascript",
        "perl",
        "ruby",
        "php",
        "lua",
        "r",
        "julia",
        "applescript",
        "powershell",
        "tcl",
        "elixir",
        "sql",
    ]
)
_SQL_SHELL = re.compile(
    r"(?:^|;)[ \t]*(?:\\!|\.shell\b|\.system\b|system\b|\\copy\b.*\bprogram\b)|\b(?:from|to)\s+program\b", re.I | re.M
)


def language_of(name: str) -> str:
    """The table's name of a program (`python3.11` is `python`), or an empty text."""
    found = _VERSIONED.match(name)
    name = found[1] if found else name
    return name if name in LANGUAGES else ""


def shell(machine: Machine, run: Run) -> str | None:
    name = run.words[0].rpartition("/")[2]
    words: list[str] = run.words
    # `+x` switches an option off.
    while len(words) > 1 and re.fullmatch(r"\+[a-zA-Z]+", words[1]):
        words = [words[0], *words[2:]]
    taken = take(words, _SHELL)
    if taken.unknown:
        machine.note(f"an option of {name!r} is not known: {clean(taken.unknown)}")
    rest = words[taken.rest :]
    from_input = taken.has("-s") or not rest or rest[0] in FROM_INPUT
    machine.emit(run if from_input and not taken.has("-c", "--command") else run.with_own_program())
    started = taken.value("--rcfile", "--init-file", "--init-command", "-C")
    if started:
        machine.note(f"{name!r} runs the file {clean(started)!r} first")
    if taken.has("-c", "--command"):
        if not rest:
            return None
        return shell_code(machine, run, name, rest[0], rest[1:], f"{name} -c")
    if rest and not taken.has("-s"):
        return shell_file(machine, run, name, rest)
    if run.context.input is None:
        machine.note(f"{name!r} reads its commands from a pipe or file that is not known")
        return None
    if run.context.input:
        return shell_code(machine, run, name, run.context.input, ["", *rest], name)
    return None


def shell_code(machine: Machine, run: Run, name: str, code: str, arguments: list[str], wrapper: str) -> str | None:
    if name in STRANGE_SHELLS or (name == "zsh" and _ZSH_CODE.search(code)):
        machine.note(f"the syntax of {name!r} is not known")
    state = child(run)
    state.posix = name in POSIX_SHELLS
    state.zero = clean(arguments[0]) if arguments else name
    state.positional = tuple(arguments[1:]) if not any(SPLIT in word for word in arguments) else None
    machine.powerful(run.variables, run)
    return machine.read_code(code, run, wrapper, state=state)


def shell_file(machine: Machine, run: Run, name: str, rest: list[str]) -> str | None:
    path = rest[0]
    if path in FROM_INPUT:
        if run.context.input is None:
            machine.note(f"{name!r} reads its commands from a pipe or file that is not known")
        else:
            shell_code(machine, run, name, run.context.input, rest, name)
    elif path.startswith(("/dev/", "/proc/")):
        machine.note(f"{name!r} runs what other commands print")
    elif not known(path):
        machine.note(f"the file that {name!r} runs is not known")
    else:
        for text in written(machine, run, path):
            shell_code(machine, run, name, text, rest, name)
    return None


def interpreter(machine: Machine, run: Run) -> str | None:
    """python -c, node -e, perl -e, awk, psql -c ..., and programs that come by the input."""
    name = run.words[0].rpartition("/")[2]
    key = language_of(name)
    language, code_options, letters, long_values, modules = LANGUAGES[key]
    words = run.words[2:] if key == "deno" and run.words[1:2] == ["eval"] else run.words[1:]
    code, rest, other = split_code(words, code_options.split(), letters, long_values.split(), modules)
    if key == "deno" and len(words) < len(run.words) - 1 and rest:
        code = [rest[0]]
    if language == "awk" and not code and not other and rest:
        code = [rest[0]]
    if language == "sql" and key in ("sqlite3", "duckdb") and len(rest) > 1:
        code += rest[1:]
    own = True
    if not code and not other and (not rest or rest[0] in FROM_INPUT or language == "sql") and language in READS_INPUT:
        own = False
        # The text comes by the input; where that is only data, nothing is lost by looking at it.
        if run.context.input is None:
            if not (language == "sql" and not run.context.fed_by):
                machine.note(f"{name!r} reads its program from a pipe or file that is not known")
        elif run.context.input:
            code = [run.context.input]
    elif not code and rest and rest[0].startswith(("/dev/", "/proc/")) and language != "awk":
        machine.note(f"{name!r} runs what other commands print")
    elif not code and rest and language != "awk":
        code = list(written(machine, run, rest[0]))
    text = "\n".join(code)
    if text and not known(text):
        machine.note(f"the program that {name!r} runs is not known for certain")
    machine.emit(run.with_own_program() if own else run, code=(language, text) if text else ("", ""))
    if text:
        looked_at(machine, run, language, text)
    return None


def split_code(
    words: list[str], options: list[str], letters: str, long_values: list[str], modules: str
) -> tuple[list[str], list[str], bool]:
    """(texts of code, operands, whether a module or a file of code is named by an option)."""
    code: list[str] = []
    single = {option[1] for option in options if len(option) == 2}
    at = 0
    other = False
    while at < len(words):
        word = words[at]
        at += 1
        if word == "--" or not word.startswith("-") or word == "-":
            return code, words[at if word == "--" else at - 1 :], other
        name, equals, value = word.partition("=")
        if word in options:
            code += words[at : at + 1]
            at += 1
        elif name in options and equals:
            code.append(value)
        elif word.startswith("--"):
            at += word[2:] in long_values
        else:
            found = next((place for place, letter in enumerate(word[1:], 1) if letter in single | set(modules)), 0)
            value_first = next((place for place, letter in enumerate(word[1:], 1) if letter in letters), 0)
            if found and (not value_first or found < value_first or letters.find("i") >= 0):
                if word[found] in modules:
                    return code, [], True
                code += [word[found + 1 :]] if word[found + 1 :] else words[at : at + 1]
                at += not word[found + 1 :]
            elif value_first:
                other = other or word[value_first] == "f"
                at += value_first == len(word) - 1 and word[value_first] not in "0ilx"
    return code, [], other


def looked_at(machine: Machine, run: Run, language: str, text: str) -> None:
    """What of the program's text is a shell's."""
    if language == "awk":
        codes, certain = awk_commands(text)
        for code in codes:
            machine.read_code(code, run, "awk", state=child(run))
        if not certain:
            machine.note("an awk program that starts commands")
    elif language == "sql" and _SQL_SHELL.search(text):
        machine.note("a database program that starts commands")


def awk_commands(text: str) -> tuple[list[str], bool]:
    """The commands that an awk program starts, and whether these are all."""
    tokens: list[str] = []
    at = 0
    while at < len(text):
        found = _AWK.match(text, at)
        pattern = _AWK_PATTERN.match(text, at) if text[at] == "/" else None
        if pattern and (not tokens or tokens[-1] in _AWK_BEFORE_PATTERN):
            found = pattern
        if not found:
            return [], "system" not in text and "|" not in text
        at = found.end()
        if found[0].strip(" \t"):
            tokens.append(found[0])
    codes: list[str] = []
    certain = "@load" not in text
    tokens += ["", "", ""]
    for place, token in enumerate(tokens):
        before, after = tokens[place - 1], tokens[place + 1 : place + 4]
        if token == "system" and after[0] == "(":
            code = after[1] if after[2] == ")" else ""
        elif token in ("|", "|&") and after[0] == "getline":
            code = before if place < 2 or tokens[place - 2] in _AWK_BEFORE_PATTERN else ""
        elif token in ("|", "|&"):
            code = after[0] if after[1] in ("", ";", "}", "\n") else ""
        else:
            continue
        certain = certain and code.startswith('"')
        codes += [unescape(code[1:-1])] if code.startswith('"') else []
    return codes, certain


SED_WRITES = re.compile(
    r"(?:^|[;{}\n])[ \t]*(?:\d+|\$|/[^/\n]*/)?[ \t]*!?[ \t]*[wW][ \t]*[\w./~$]"
    r"|s(\W)(?:(?!\1)[^\\\n]|\\.)*\1(?:(?!\1)[^\\\n]|\\.)*\1[gpimIM0-9]*w"
)


def editor(machine: Machine, run: Run) -> str | None:
    """vim, ed, sed: their scripts can start commands."""
    name = run.words[0].rpartition("/")[2]
    machine.emit(run)
    given = [two for one, two in pairwise(run.words) if one in ("-e", "--expression")]
    scripts = given or operands(run.words, "fl", "file line-length")[:1]
    for word in run.words[1:]:
        if name in ("sed", "gsed"):
            starts = re.search(r"(?:^|[;{}\n])[ \t]*(?:\d+|\$|/[^/\n]*/)?[ \t]*!?[ \t]*e(?:\s|$)", word)
            flag = re.search(
                r"(?:^|[;{}\n\d/$])[ \t]*s(\W)(?:(?!\1)[^\\\n]|\\.)*\1(?:(?!\1)[^\\\n]|\\.)*\1[gpimIM0-9]*e", word
            )
            if (starts and not word.startswith("-")) or flag:
                machine.note("a sed script that starts commands")
            if word in scripts and SED_WRITES.search(word):
                machine.note("a sed script that writes files")
        elif name == "gdb" and re.match(r"\s*(shell|!|python|py|pipe|call|source|guile|make)\b|!", word):
            machine.note("a debugger that starts commands")
        elif (
            name != "gdb" and word.startswith(("--eval", "-eval", "+!", "+:!", ":!", "!", "+call", "+lua", "+py"))
        ) or (name != "gdb" and ("!" in word or "system(" in word)):
            machine.note(f"{name!r} may start commands")
    return None
