"""JavaScript, read by its syntax tree: what starts programs, deletes, writes, reads, or reaches the network."""

from __future__ import annotations

import re

import tree_sitter_javascript
from tree_sitter import Language, Node, Parser

from ..facts import UNKNOWN, Call, Command, Reading
from .js_names import JsNames, every, source
from .values import LONGEST, NOTHING, hosts_in, row_of, shell_text, shell_words, text_of

TALLEST = 400_000
DEEPEST_EVAL = 3
LANGUAGE = Language(tree_sitter_javascript.language())
SHELL = frozenset(("child_process.exec", "child_process.execSync", "shelljs.exec", "execaCommand", "execa.execaCommand",
                   "execa.execaCommandSync", "execa.command"))  # fmt: skip
PROGRAM = frozenset(("child_process.spawn", "child_process.spawnSync", "child_process.execFile", "execa", "execa.execa",
                     "child_process.execFileSync", "cross-spawn", "cross-spawn.sync", "execa.execaSync", "Deno.Command",
                     "Bun.spawn", "Bun.spawnSync", "Deno.run", "execa.sync"))  # fmt: skip
FORKS = frozenset(("child_process.fork", "worker_threads.Worker", "cluster.fork", "Worker"))
EVALUATES = frozenset(("eval", "Function", "vm.runInNewContext", "vm.runInThisContext", "vm.runInContext", "vm.Script",
                       "vm.compileFunction", "value.constructor", "value.constructor.constructor",
                       "AsyncFunction"))  # fmt: skip
LOADED = ("child_process", "vm", "worker_threads")
"""Modules that may not go where no name tells."""
HIDDEN = ("process.binding", "process._linkedBinding", "process.dlopen", "module._load", "module.Module._load")
LATER = ("setTimeout", "setInterval", "setImmediate")
TAGS = ("$", "Bun.$", "zx.$", "execa.$", "sh")
DELETES = ("rm", "unlink", "rmdir", "truncate", "ftruncate", "remove", "emptyDir", "removeSync", "emptyDirSync")
WRITES = ("writeFile", "appendFile", "createWriteStream", "outputFile", "outputJson", "writeJson", "chmod", "chown",
          "lchown", "utimes", "mkdtemp", "open")  # fmt: skip
READS = ("readFile", "createReadStream", "readJson", "opendir")
COPIES = ("copyFile", "cp", "copy", "link", "symlink", "rename", "move")
NETWORK = ("fetch", "http.", "https.", "http2.", "net.", "tls.", "dgram.", "axios", "got", "undici.", "WebSocket",
           "EventSource", "node-fetch", "XMLHttpRequest")  # fmt: skip
PLAIN = ("process.kill", "process.binding", "process.dlopen", "process.setuid", "process.setgid", "process.chroot",
         "process.abort", "module.")  # fmt: skip
SUSPICIOUS = re.compile(
    r"\b(child_process|fs|eval|Function|require|import|process|Deno|Bun|constructor|globalThis|global|window|fetch"
    r"|exec\w*|spawn\w*|vm|net|http\w*|module|Worker|Reflect|Proxy)\b|\\u|`"
)
"""Words that code which does not parse must not hold, if it is to be taken for harmless."""


def read_javascript(code: str) -> Reading:
    """What the code does, as far as its text tells; what is given to a shell stands in `Command.code`. Never raises."""
    return _Reader(0).read(code)


class _Reader:
    def __init__(self, depth: int) -> None:
        self.depth = depth
        self.commands: list[Command] = []
        self.calls: list[Call] = []
        self.unknown: list[str] = []

    def read(self, code: str) -> Reading:
        if len(code) > TALLEST:
            return Reading(unknown=("JavaScript code that is too long to be read.",))
        root = Parser(LANGUAGE).parse(code.encode("utf-8", "replace")).root_node
        if root.has_error and SUSPICIOUS.search(code):
            self.unknown.append("JavaScript that does not parse.")
        self.names = JsNames(root)
        for node in every(root):
            if node.type in ("call_expression", "new_expression"):
                self._call(node)
                self._loaded(node)
            elif node.type in ("identifier", "member_expression", "shorthand_property_identifier"):
                self._mention(node)
        return self._reading()

    def _reading(self) -> Reading:
        return Reading(
            commands=tuple(self.commands),
            calls=tuple(self.calls),
            deletes=tuple(path for one in self.calls for path in one.deletes),
            writes=tuple(path for one in self.calls for path in one.writes),
            reads=tuple(path for one in self.calls for path in one.reads),
            hosts=tuple(dict.fromkeys(host for one in self.calls for host in one.hosts)),
            unknown=tuple(dict.fromkeys(self.unknown)),
        )

    def _mention(self, node: Node) -> None:
        """A function that starts programs, named without being called or bound: who calls it is not known."""
        parent = node.parent
        if parent is None or parent.type in (
            "call_expression", "new_expression", "variable_declarator", "member_expression", "import_specifier",
            "import_clause", "pair_pattern", "object_pattern", "subscript_expression", "assignment_expression",
        ):  # fmt: skip
            return
        if parent.type == "arguments" and parent.parent is not None:
            function = parent.parent.child_by_field_name("function")
            if self.names.dotted(function).endswith(("promisify", "bind")):
                return
        name = self.names.dotted(node)
        if name in LOADED and parent.type in ("arguments", "array", "pair", "return_statement", "spread_element"):
            self.unknown.append(f"{source(node)} is handed on: what it will start is not known.")
        if name in SHELL or name in PROGRAM or name in ("eval", "Function"):
            self.unknown.append(f"{source(node)} is handed on: what it will start is not known.")

    def _call(self, node: Node) -> None:
        function = node.child_by_field_name("function") or node.child_by_field_name("constructor")
        name = self.names.dotted(function).removeprefix("local.")
        arguments = node.child_by_field_name("arguments")
        shown = source(node)[:200]
        if arguments is not None and arguments.type == "template_string":
            if name in TAGS:
                self._shell(self.names.text(arguments), shown)
            return
        args = [one for one in arguments.named_children if one.type != "comment"] if arguments else []
        if name in SHELL:
            for text in self.names.texts(args[0] if args else None):
                self._shell(text, shown)
        elif name in PROGRAM:
            self._program(args, shown)
        elif name in FORKS:
            self._shell("node " + shell_words([self.names.text(args[0] if args else None)]), shown)
        elif name in EVALUATES or (name in LATER and args and args[0].type in ("string", "template_string")):
            self._evaluated(args, name, shown)
        elif name in HIDDEN:
            self.unknown.append(f"JavaScript that reaches into the inside of Node.js: {shown}")
        elif name.endswith("?") and name.split(".")[0] in ("?", "child_process", "fs", "vm", "process"):
            self.unknown.append(f"A function whose name is made while the code runs: {shown}")
        elif name in ("require", "import") and UNKNOWN in self.names.text(args[0] if args else None):
            self.unknown.append(f"A module whose name is made while the code runs: {shown}")
        else:
            self._effects(name, args, shown)

    def _loaded(self, node: Node) -> None:
        """`import("child_process").then(m => ...)`: a module that goes where no name tells."""
        parent = node.parent
        if self.names.dotted(node) not in LOADED or parent is None:
            return
        if parent.type in ("variable_declarator", "await_expression", "subscript_expression", "assignment_expression"):
            return
        if parent.type == "member_expression":
            attribute = parent.child_by_field_name("property")
            if attribute is not None and source(attribute) not in ("then", "catch", "finally"):
                return
        if parent.type != "expression_statement":
            self.unknown.append(f"{source(node)} is handed on: what it will start is not known.")

    def _shell(self, text: str, shown: str) -> None:
        if len(text) > LONGEST:
            self.unknown.append("A shell command that is too long to be read.")
        elif not text.replace(UNKNOWN, "").strip():
            self.unknown.append(f"A command that is made while the code runs: {shown}")
        else:
            self.commands.append(Command(words=(), code=("shell", shell_text(text)), text=shown))

    def _program(self, args: list[Node], shown: str) -> None:
        options = source(args[-1]) if args and args[-1].type == "object" else ""
        shell = re.search(r"\bshell\b\s*:\s*(?!false)", options)
        cwd = re.search(r"\bcwd\s*:\s*[\"'`]([^\"'`$]+)[\"'`]", options)
        rest = row_of(self.names.values(args[1])[0]) if len(args) > 1 and args[1].type != "object" else []
        rest = [UNKNOWN] if rest is None else rest
        for value in self.names.values(args[0] if args else None):
            words = [text_of(one) for one in row_of(value) or [value, *rest]]
            if value is NOTHING or not words or not words[0].replace(UNKNOWN, ""):
                self.unknown.append(f"A command whose program is not known: {shown}")
                continue
            line = " ".join(words) if shell else shell_words(words)
            self._shell(f"cd {shell_words([cwd.group(1)])} && {line}" if cwd else line, shown)

    def _evaluated(self, args: list[Node], name: str, shown: str) -> None:
        where = args[-1] if name.rpartition(".")[2] in ("Function", "constructor", "AsyncFunction") and args else None
        for text in self.names.texts(where or (args[0] if args else None)):
            if UNKNOWN in text:
                self.unknown.append(f"Code that is made while the code runs: {shown}")
            elif self.depth >= DEEPEST_EVAL:
                self.unknown.append("JavaScript inside JavaScript, too deep to be read.")
            else:
                found = _Reader(self.depth + 1).read(text)
                self.commands += found.commands
                self.calls += found.calls
                self.unknown += found.unknown

    def _effects(self, name: str, args: list[Node], shown: str) -> None:
        head, _dot, last = name.rpartition(".")
        plain = last.removesuffix("Sync")
        files = head in ("fs", "shelljs", "Deno", "Bun") or name in (
            "rimraf",
            "del",
            "rimraf.rimraf",
            "rimraf.sync",
            "rimraf.",
        )
        texts = [self.names.text(one) for one in args]
        deletes: tuple[str, ...] = ()
        writes: tuple[str, ...] = ()
        reads: tuple[str, ...] = ()
        if files and (plain in (*DELETES, "rimraf", "del") or name.startswith("rimraf")):
            deletes = tuple(texts[:1])
        elif files and plain == "open":
            flags = texts[1] if len(texts) > 1 else "r"
            reads, writes = ((), tuple(texts[:1])) if re.search("[wa+]", flags) else (tuple(texts[:1]), ())
        elif files and plain in (*WRITES, "write", "writeTextFile"):
            writes = tuple(texts[:1])
        elif files and plain in (*READS, "readTextFile", "file", "cat"):
            reads = tuple(texts[:1])
        elif files and plain in COPIES:
            reads, writes = tuple(texts[:1]), tuple(texts[1:2])
            deletes = reads if plain in ("rename", "move") else ()
        hosts = hosts_in([text for text in texts if "://" in text])
        options = " ".join(source(one) for one in args if one.type == "object")
        if found := re.search(r"\bhost(?:name)?\s*:\s*[\"'`]([^\"'`]+)", options):
            hosts = (*hosts, found.group(1))
        reaches = name.startswith(NETWORK)
        if deletes or writes or reads or hosts or reaches or name.startswith(PLAIN):
            recursive = plain in ("rimraf", "del", "remove", "emptyDir", "move", "rename") or name.startswith("rimraf")
            recursive = recursive or bool(
                re.search(r"recursive\W+true|-[a-zA-Z]*r", options + " ".join(texts[:1] if head == "shelljs" else []))
            )
            self.calls.append(
                Call(name=name, arguments=tuple(texts), deletes=deletes, writes=writes, reads=reads, hosts=hosts,
                     recursive=recursive or (bool(deletes) and UNKNOWN in options), text=shown)
            )  # fmt: skip
