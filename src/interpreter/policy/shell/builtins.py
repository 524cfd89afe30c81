"""Commands that the shell runs itself, and those that change what it knows."""

from __future__ import annotations

import base64
import binascii
import posixpath
import re
from collections.abc import Callable

from ..facts import UNKNOWN
from .expand import subscript_code
from .options import spec, take
from .state import SPLIT, Machine, Run, clean, content, joined, known, write, written
from .words import unescape

_ASSIGNMENT = re.compile(r"([A-Za-z_][A-Za-z_0-9]*)(\+?)=(.*)\Z", re.DOTALL)
_IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z_0-9]*\Z")
_FORMAT = re.compile(r"%(.?)", re.DOTALL)


def change_folder(machine: Machine, run: Run) -> str | None:
    machine.emit(run)
    taken = take(run.words, spec("LPe@n"))
    target = run.words[taken.rest] if taken.rest < len(run.words) else "~"
    run.state.folder = UNKNOWN if run.words[0] == "popd" or target == "-" else joined(run.state.folder, clean(target))
    return ""


def declare(machine: Machine, run: Run) -> str | None:
    """export, declare, typeset, local, readonly"""
    name = run.words[0]
    flags = "".join(word[1:] for word in run.words[1:] if word.startswith("-") and known(word))
    pairs: list[tuple[str, str]] = []
    for word in run.words[1:]:
        subscripts(machine, word)
        found = _ASSIGNMENT.match(word)
        if found:
            whole = clean(found[3]) if not found[2] and "i" not in flags else UNKNOWN
            pairs.append((found[1], whole))
            run.state.variables[found[1]] = whole
        elif not known(word):
            run.state.forget()
    if name == "readonly" or set(flags) & set("rilunc"):
        names = {word.partition("=")[0].rstrip("+") for word in run.words[1:]}
        run.state.fixed = run.state.fixed | names
    if "n" in flags and name != "export":
        machine.note("a variable that stands for another one")
        run.state.forget()
    if name == "export" or "x" in flags:
        words = [word.partition("=")[0] for word in run.words[1:]]
        run.state.exported = run.state.exported | {word for word in words if _IDENTIFIER.match(word)}
    machine.emit(run, variables=(*run.variables, *pairs))
    machine.powerful(pairs, run)
    return ""


def subscripts(machine: Machine, word: str) -> None:
    if subscript_code(word):
        machine.note("a value that runs code where it is used as a subscript")


def set_options(machine: Machine, run: Run) -> str | None:
    at = 1
    words = run.words
    while at < len(words) and words[at][:1] in ("-", "+") and words[at] not in ("--", "-"):
        at += 2 if words[at][1:].endswith("o") else 1
    if at < len(words):
        rest = words[at + 1 :] if words[at] in ("--", "-") else words[at:]
        run.state.positional = tuple(rest) if not any(SPLIT in word for word in words) else None
    machine.emit(run)
    return ""


def shift(machine: Machine, run: Run) -> str | None:
    count = run.words[1] if len(run.words) > 1 else "1"
    if run.state.positional is not None:
        run.state.positional = run.state.positional[int(count) :] if count.isdigit() else None
    return ""


def unset(machine: Machine, run: Run) -> str | None:
    for word in run.words[1:]:
        subscripts(machine, word)
        if not known(word):
            run.state.forget()
        elif "-f" not in run.words:
            run.state.variables[word.partition("[")[0]] = None
    return ""


def read(machine: Machine, run: Run) -> str | None:
    """read, mapfile, readarray, getopts: variables get values that are not known."""
    run.state.variables.update(dict.fromkeys(("REPLY", "MAPFILE", "OPTARG"), UNKNOWN))
    for at, word in enumerate(run.words[1:], 1):
        subscripts(machine, word)
        if not known(word):
            run.state.forget()
        elif _IDENTIFIER.match(word):
            run.state.variables[word] = UNKNOWN
            run.state.origins[word] = run.context.fed_by
        if word in ("-C", "-c") and run.words[0] in ("mapfile", "readarray") and at + 1 < len(run.words):
            machine.read_code(run.words[at + 1], run, run.words[0])
    machine.emit(run)
    return ""


def let(machine: Machine, run: Run) -> str | None:
    for word in run.words[1:]:
        subscripts(machine, word)
        for name in re.findall(r"[A-Za-z_][A-Za-z_0-9]*", word):
            run.state.variables[name] = UNKNOWN
    return ""


def alias(machine: Machine, run: Run) -> str | None:
    for word in run.words[1:]:
        name, equals, code = word.partition("=")
        if not known(name):
            machine.note("the name of an alias is not known")
        elif equals:
            run.state.aliases[name] = clean(code)
            state = run.state.copy()
            state.aliases.pop(name)
            machine.read_code(code, run, "alias", state=state)
    return ""


def evaluate(machine: Machine, run: Run) -> str | None:
    machine.emit(run)
    words = run.words[2:] if run.words[1:2] == ["--"] else run.words[1:]
    run.state.variables.update(run.variables)
    return machine.read_code(" ".join(words), run, "eval")


def source(machine: Machine, run: Run) -> str | None:
    machine.emit(run)
    taken = take(run.words, spec(values="p"))
    path = run.words[taken.rest] if taken.rest < len(run.words) else ""
    texts = written(machine, run, path)
    if path in ("/dev/stdin", "/dev/fd/0") and run.context.input is not None:
        texts = (run.context.input,)
    if texts:
        before = run.state.copy()
        for text in texts:
            machine.read_code(text, run, "source")
            run.state.join(before)
        return None
    if not known(path) or path.startswith(("/dev/fd/", "/dev/stdin")):
        machine.note(f"the file that {run.words[0]!r} runs is not known")
    run.state.forget()
    return None


def trap(machine: Machine, run: Run) -> str | None:
    taken = take(run.words, spec("lpP"))
    rest = run.words[taken.rest :]
    if len(rest) > 1 and rest[0] not in ("", "-") and not rest[0].isdigit():
        state = run.state.copy()
        if any(known(word) and word.upper() in ("DEBUG", "ERR", "RETURN") for word in rest[1:]):
            state.forget()
        machine.read_code(rest[0], run, "trap", state=state)
        machine.later.append((rest[0], run))
    return ""


_CHANGING = {"hash": "p", "enable": "f", "bind": "x", "complete": "C", "compgen": "CFW", "fc": "se"}


def table(machine: Machine, run: Run) -> str | None:
    """hash, enable, bind, complete, fc: with some options other names run other things, or commands run at once."""
    letters = set(_CHANGING[run.words[0]])
    if any((word.startswith("-") and letters & set(word)) or not known(word) for word in run.words[1:]):
        machine.note(f"{run.words[0]!r} may run something, or change what a name runs")
    machine.emit(run)
    return ""


# Commands whose output can be told


def echo(machine: Machine, run: Run) -> str | None:
    machine.emit(run)
    words = run.words[1:]
    flags = ""
    while words and re.fullmatch(r"-[neE]+", words[0]):
        flags += words.pop(0)
    text = clean(" ".join(words))
    if "\\" in text:
        # Some shells read escapes here, some do not.
        if "e" not in flags:
            return None
        text = unescape(text)
    return text if "n" in flags else text + "\n"


def print_formatted(machine: Machine, run: Run) -> str | None:
    words = run.words[1:]
    name = ""
    if words[:1] == ["-v"] and len(words) > 1:
        name, words = words[1], words[2:]
        subscripts(machine, name)
    words = words[1:] if words[:1] == ["--"] else words
    machine.emit(run)
    text = formatted(words[0], words[1:]) if words else None
    if name:
        if known(name) and _IDENTIFIER.match(name):
            run.state.variables[name] = UNKNOWN if text is None else clean(text)
        else:
            run.state.forget()
        return ""
    return text


def formatted(shape: str, values: list[str]) -> str | None:
    """What `printf` makes of it, where only %s stands for the values; None if that is not so."""
    if not known(shape) or any(found not in ("s", "%") for found in _FORMAT.findall(shape)):
        return None
    shape = unescape(shape.replace("\\'", "'"))
    slots = len([found for found in _FORMAT.findall(shape) if found == "s"])
    rounds = max(1, -(-len(values) // slots)) if slots else 1
    if rounds > 50:
        return None
    waiting = iter(values)
    return "".join(
        _FORMAT.sub(lambda found: "%" if found[1] == "%" else next(waiting, ""), shape) for _round in range(rounds)
    )


def concatenate(machine: Machine, run: Run) -> str | None:
    machine.emit(run)
    files = [word for word in run.words[1:] if not word.startswith("-") or word == "-"]
    texts = [run.context.input if word == "-" else content(machine, run, word) for word in files or ["-"]]
    if any(word.startswith("-") and word != "-" for word in run.words[1:]):
        return None
    return None if None in texts else "".join(text for text in texts if text)


def tee(machine: Machine, run: Run) -> str | None:
    machine.emit(run)
    for word in run.words[1:]:
        write(machine, run, word, run.context.input if not run.words[1].startswith("-") else None)
    return run.context.input


def decode(machine: Machine, run: Run) -> str | None:
    machine.emit(run)
    options = [word for word in run.words[1:] if word != "-"]
    if run.context.input is None or len(options) != 1 or options[0] not in ("-d", "-D", "--decode", "-di"):
        return None
    try:
        return base64.b64decode(run.context.input, validate=False).decode("utf-8")
    except (binascii.Error, UnicodeDecodeError, ValueError):
        return None


def make_temporary(machine: Machine, run: Run) -> str | None:
    machine.emit(run)
    taken = take(run.words, spec("dqut", "p", "directory quiet dry-run tmpdir", "suffix"))
    rest = run.words[taken.rest :]
    if taken.has("-p", "--tmpdir", "--suffix") or not all(map(known, rest)):
        return None
    name = re.sub(r"X{3,}", UNKNOWN, rest[0]) if rest else "tmp." + UNKNOWN
    return name if rest and not taken.has("-t") else "/tmp/" + name


def print_folder(machine: Machine, run: Run) -> str | None:
    machine.emit(run)
    return run.state.folder or "."


def make_pipe(machine: Machine, run: Run) -> str | None:
    """What is read from it is written by others, and later."""
    machine.emit(run)
    for word in run.words[1:]:
        write(machine, run, word, None)
    return ""


def part_of_path(machine: Machine, run: Run) -> str | None:
    machine.emit(run)
    if len(run.words) != 2 or not known(run.words[1]):
        return None
    path = run.words[1].rstrip("/") or "/"
    return (posixpath.dirname(path) or ".") if run.words[0] == "dirname" else posixpath.basename(path)


def locate(machine: Machine, run: Run) -> str | None:
    """which, type: they name a program and do not run it."""
    machine.emit(run)
    names = [word for word in run.words[1:] if not word.startswith("-")]
    return names[0] if len(names) == 1 and run.words[0] == "which" else None


def nothing(machine: Machine, run: Run) -> str | None:
    machine.emit(run)
    return ""


Handler = Callable[[Machine, Run], str | None]
BUILTINS: dict[str, Handler] = {
    "cd": change_folder, "pushd": change_folder, "popd": change_folder, "chdir": change_folder, "export": declare,
    "declare": declare, "typeset": declare, "local": declare, "readonly": declare, "set": set_options, "shift": shift,
    "unset": unset, "read": read, "mapfile": read, "readarray": read, "getopts": read, "let": let, "alias": alias,
    "eval": evaluate, "source": source, ".": source, "trap": trap, "hash": table, "enable": table, "bind": table,
    "complete": table,
    "compgen": table, "fc": table, "mkfifo": make_pipe, "echo": echo, "printf": print_formatted,
    "cat": concatenate, "tee": tee, "base64": decode,
    "mktemp": make_temporary, "pwd": print_folder, "dirname": part_of_path, "basename": part_of_path,
    "which": locate, "type": locate, "true": nothing, ":": nothing, "false": nothing,
}  # fmt: skip
