"""Each call of Python code against the tables: what becomes of it in the reading."""

from __future__ import annotations

import ast
import shlex
from collections.abc import Callable, Sequence
from typing import Protocol

from ..facts import UNKNOWN, Call
from ..others import read_sql
from . import tables
from .fold import Fold
from .names import Names
from .values import NOTHING, hosts_in, known, row_of, shell_text, shell_words, text_of

Add = Callable[..., None]
Keywords = dict[str, ast.expr]
STARTING = frozenset(name.rpartition(".")[2] for name in tables.STARTERS | tables.DELETES_TREES)
SOMETHING = ast.Name("?")
"""An argument that cannot be resolved."""


class Findings(Protocol):
    calls: list[Call]

    def shell(self, text: str, shown: str) -> None: ...
    def inner(self, code: str) -> None: ...
    def not_known(self, sentence: str) -> None: ...


class Sinks:
    def __init__(self, names: Names, fold: Fold, found: Findings) -> None:
        self.names, self.fold, self.found = names, fold, found

    def call(self, node: ast.Call) -> None:
        """Enter one call into the findings, where it matters."""
        name = self.names.dotted(node.func).removeprefix("local.")
        args, keywords = self._arguments(node)
        if name.rpartition(".")[2] in ("partial", "partialmethod"):
            if args:
                self.call(ast.Call(func=args[0], args=args[1:] or [SOMETHING], keywords=node.keywords))
            return
        self._handed_on(node)
        if not self._process(name, node, args, keywords) and not self._evaluates(name, node, args):
            self._effects(name, node, args, keywords)

    def _arguments(self, node: ast.Call) -> tuple[list[ast.expr], Keywords]:
        args: list[ast.expr] = []
        for one in node.args:
            if isinstance(one, ast.Starred):
                values = self.fold.values(one.value)
                spread = row_of(values[0]) if len(values) == 1 else None
                args += [ast.Constant(value) for value in spread] if spread else [SOMETHING]
            else:
                args.append(one)
        return args, {keyword.arg: keyword.value for keyword in node.keywords if keyword.arg}

    def _handed_on(self, node: ast.Call) -> None:
        """`Thread(target=os.system, args=(x,))`, `map(os.remove, paths)`, `submit(subprocess.run, x)`."""
        named = [(-1, k.value) for k in node.keywords if k.arg in ("target", "func", "fn", "key")]
        for at, one in [*enumerate(node.args), *named]:
            if not isinstance(one, ast.Attribute | ast.Name):
                continue
            name = self.names.dotted(one)
            if name in tables.STARTERS or name in tables.DELETES_TREES or name in tables.EVALUATES:
                rest: list[ast.expr] = list(node.args[at + 1 :]) if at >= 0 else []
                given = next((k.value for k in node.keywords if k.arg == "args"), None)
                if isinstance(given, ast.Tuple | ast.List):
                    rest = list(given.elts)
                self.call(ast.Call(func=one, args=rest or [SOMETHING], keywords=[]))

    def _process(self, name: str, node: ast.Call, args: list[ast.expr], keywords: Keywords) -> bool:
        shown = _shown(node)
        first = args[0] if args else keywords.get("args") or keywords.get("cmd") or keywords.get("command")
        if name.startswith("get_ipython().run_") and name.endswith("_magic"):
            if self.fold.text(first) in ("sx", "system", "sh", "bash", "!"):
                self._shell(args[-1], shown)
        elif name in tables.SHELL:
            self._shell(first, shown)
        elif name in tables.PROGRAM:
            self._program(first, keywords, shown)
        elif name in tables.WORDS:
            self._words([self.fold.text(one) for one in args], keywords, shown)
        elif name in tables.EXECS:
            self._exec(name, args, keywords, shown)
        elif name.startswith("sh.") and name.count(".") == 1:
            self._words([name[3:], *(self.fold.text(one) for one in args)], keywords, shown)
        elif name in ("operator.methodcaller", "operator.attrgetter"):
            if self.fold.text(first).rpartition(".")[2] in STARTING or UNKNOWN in self.fold.text(first):
                self.found.not_known(f"A function whose name is handed on: {shown}")
        elif (name.startswith("ctypes.") and name.rpartition(".")[2] in ("system", "popen")) or (
            name.rpartition(".")[2] in ("exec_command", "run_command") and first is not None
        ):
            self._shell(first, shown)
        else:
            return False
        return True

    def _shell(self, node: ast.expr | None, shown: str) -> None:
        for text in self.fold.texts(node):
            self.found.shell(text, shown)

    def _program(self, first: ast.expr | None, keywords: Keywords, shown: str) -> None:
        shell = "shell" in keywords and not _is_false(keywords["shell"])
        for value in self.fold.values(first):
            if (row := row_of(value)) is not None:
                words = [text_of(one) for one in row]
                if shell:
                    self.found.shell(words[0] if words else "", shown)
                else:
                    self._words(words, keywords, shown)
            elif value is NOTHING:
                self.found.not_known(f"A command that is made while the code runs: {shown}")
            elif shell:
                self._surrounded(shell_text(text_of(value)), keywords, shown)
            else:
                self._words(_words_of(text_of(value)), keywords, shown)

    def _exec(self, name: str, args: list[ast.expr], keywords: Keywords, shown: str) -> None:
        if name == "pty.spawn":
            self._program(args[0] if args else None, {}, shown)
            return
        given = args[1:] if ".spawn" in name else args
        if any(part in name for part in ("execv", "spawnv", "posix")):
            values = self.fold.values(given[1]) if len(given) > 1 else [NOTHING]
            rest = (row_of(values[0]) if len(values) == 1 else None) or [UNKNOWN, UNKNOWN]
            words = [self.fold.text(given[0]) if given else UNKNOWN, *(text_of(one) for one in rest[1:])]
        else:
            words = [self.fold.text(one) for one in [*given[:1], *given[2:]]]
        self._words(words, keywords, shown)

    def _words(self, words: Sequence[str], keywords: Keywords, shown: str) -> None:
        if not words or not words[0].replace(UNKNOWN, ""):
            self.found.not_known(f"A command whose program is not known: {shown}")
            return
        if "executable" in keywords:
            words = [self.fold.text(keywords["executable"]), *words[1:]]
        self._surrounded(shell_words(words), keywords, shown)

    def _surrounded(self, line: str, keywords: Keywords, shown: str) -> None:
        """With what it is fed, what is set for it and where it runs, as a shell would say it."""
        if "input" in keywords:
            line += " <<< " + shell_words([self.fold.text(keywords["input"])])
        environment = keywords.get("env")
        if isinstance(environment, ast.Dict):
            line = self._environment(environment) + line
        if "cwd" in keywords:
            folder = self.fold.text(keywords["cwd"])
            if known(folder) and folder:
                line = f"cd {shell_words([folder.replace('$WORKSPACE', '.')])} && {line}"
        self.found.shell(line, shown)

    def _environment(self, node: ast.Dict) -> str:
        pairs = zip(node.keys, node.values, strict=True)
        names = [(self.fold.text(key), self.fold.text(value)) for key, value in pairs if key is not None]
        return "".join(f"{key}={shell_words([value])} " for key, value in names if key.isidentifier())

    def _evaluates(self, name: str, node: ast.Call, args: list[ast.expr]) -> bool:
        shown = _shown(node)
        first = args[0] if args else None
        head, _dot, last = name.rpartition(".")
        if name in tables.EVALUATES or name == "compile":
            self._code(name, first, shown)
        elif name in tables.IMPORTS:
            module = self.fold.text(first)
            if UNKNOWN in module and (module.startswith(UNKNOWN) or module.split(".")[0] in tables.SENSITIVE):
                self.found.not_known(f"A module whose name is made while the code runs: {shown}")
        elif name in tables.RUNS_FILES:
            option = "-m " if name == "runpy.run_module" else ""
            self.found.shell(f"python3 {option}{shell_words([self.fold.text(first)])}", shown)
        elif name in tables.RUNS_HIDDEN or name.startswith("_xxsubinterpreters"):
            self.found.not_known(f"Code that is made while the code runs: {shown}")
        elif last == "?" and (head in tables.SENSITIVE or not head):
            self.found.not_known(f"A function whose name is made while the code runs: {shown}")
        else:
            return False
        return True

    def _code(self, name: str, first: ast.expr | None, shown: str) -> None:
        compiled = isinstance(first, ast.Call) and self.names.dotted(first.func) == "compile"
        for value in self.fold.values(first):
            if isinstance(value, str | bytes) and known(text_of(value)):
                self.found.inner(text_of(value))
            elif not compiled and not name.startswith("timeit.") and not isinstance(value, int | float | list):
                # (an inner `compile` says it itself)
                self.found.not_known(f"Code that is made while the code runs: {shown}")

    def _effects(self, name: str, node: ast.Call, args: list[ast.expr], keywords: Keywords) -> None:
        effects = self._paths(name, node, args, keywords)
        texts = [text for one in [*args, *keywords.values()] for text in self.fold.texts(one)]
        hosts = hosts_in([text for text in texts if "://" in text]) + self._named_hosts(name, args, keywords)
        method = (node.func.attr if isinstance(node.func, ast.Attribute) else name).rpartition(".")[2]
        if method in tables.SQL_METHODS or name == "sqlalchemy.text":
            for text in texts:
                self.found.calls += read_sql(text.replace(UNKNOWN, "?")).calls
        if method in ("drop_database", "dropDatabase", "flushall", "flushdb"):
            kind = "redis.flush" if method.startswith("flush") else "mongo.drop_database"
            self.found.calls.append(Call(name=kind, text=_shown(node)))
        reaches = name.startswith(tables.NETWORK) and name.count(".") <= 2 and not name.endswith(")")
        if not (effects or hosts or reaches or name.startswith(tables.PLAIN_CALLS)):
            return
        named = tuple(f"{key}={self.fold.text(value)}" for key, value in keywords.items())
        self.found.calls.append(
            Call(
                name=name or method,
                arguments=tuple(self.fold.text(one) for one in args) + named,
                recursive=name in tables.DELETES_TREES or name in tables.MOVES or method in ("rename", "replace"),
                deletes=tuple(effects.get("deletes", ())),
                writes=tuple(effects.get("writes", ())),
                reads=tuple(effects.get("reads", ())),
                hosts=hosts,
                text=_shown(node),
            )
        )

    def _named_hosts(self, name: str, args: list[ast.expr], keywords: Keywords) -> tuple[str, ...]:
        where = args[0] if args else keywords.get("hostname") or keywords.get("host")
        if where is None:
            return ()
        if name in tables.NETWORK_HOSTS:
            return (self.fold.text(where),)
        if name == "socket.create_connection" or name.endswith((".connect", ".connect_ex")):
            for value in self.fold.values(where):
                if (row := row_of(value)) is not None and len(row) == 2:
                    return (f"{text_of(row[0])}:{text_of(row[1])}",)
                if isinstance(value, str) and name.startswith("paramiko."):
                    return (value,)
        return ()

    def _paths(self, name: str, node: ast.Call, args: list[ast.expr], keywords: Keywords) -> dict[str, list[str]]:
        """Which paths the call deletes, writes and reads."""
        found: dict[str, list[str]] = {}

        def add(kind: str, *nodes: ast.expr | None) -> None:
            texts = [text for one in nodes if one is not None for text in self.fold.texts(one)]
            found.setdefault(kind, []).extend(texts)

        given = [keywords[key] for key in ("path", "src", "file", "fname", "filename") if key in keywords]
        first = args[0] if args else next(iter(given), None)
        second = args[1] if len(args) > 1 else keywords.get("dst")
        if name in tables.DELETES or name in tables.DELETES_TREES:
            add("deletes", first)
        elif name in tables.MOVES:
            add("deletes", first)
            add("writes", second)
        elif name in tables.COPIES:
            add("reads", first)
            add("writes", second)
        elif name in tables.OPENS:
            self._opened(first, second, keywords, add)
        elif name in tables.WRITES:
            add("writes", (second or first) if name in ("urllib.request.urlretrieve", "wget.download") else first)
        elif name in tables.READS or name.startswith(tables.READING):
            add("reads", first)
        elif isinstance(node.func, ast.Attribute):
            self._method(node.func, args, keywords, add)
        return {kind: paths for kind, paths in found.items() if paths}

    def _opened(self, path: ast.expr | None, mode: ast.expr | None, keywords: Keywords, add: Add) -> None:
        mode = mode or keywords.get("mode")
        said = ast.unparse(mode) if isinstance(mode, ast.Attribute | ast.BinOp) else ""
        text = self.fold.text(mode) if mode is not None else "r"
        if said:
            writing = any(one in said for one in ("O_W", "O_RDWR", "O_CREAT", "O_APPEND", "O_TRUNC"))
        else:
            writing = any(letter in text for letter in "wax+" + UNKNOWN)
        add("writes" if writing else "reads", path)

    def _method(self, func: ast.Attribute, args: list[ast.expr], keywords: Keywords, add: Add) -> None:
        kind = tables.PATH_METHODS.get(func.attr)
        if func.attr == "open" and self._is_path(func.value):
            self._opened(func.value, args[0] if args else None, keywords, add)
        elif kind == "moves":
            if len(args) == 1 and self._is_path(func.value):
                add("deletes", func.value)
                add("writes", args[0])
        elif kind is not None:
            add(kind, func.value)
        elif func.attr in tables.SAVING_METHODS and args and self._is_path(args[0]):
            add("writes", args[0])

    def _is_path(self, node: ast.expr) -> bool:
        return any(isinstance(value, str) for value in self.fold.values(node))


def _shown(node: ast.AST) -> str:
    try:
        text = ast.unparse(node)
    except (ValueError, RecursionError, AttributeError):
        return "a call"
    return text if len(text) <= 200 else text[:199] + "…"


def _is_false(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and not node.value


def _words_of(text: str) -> list[str]:
    try:
        return shlex.split(text)
    except ValueError:
        return [UNKNOWN]
