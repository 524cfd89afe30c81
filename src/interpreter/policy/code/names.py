"""Which name means what in Python code: imports, aliases, simple assignments, parameters of local functions."""

from __future__ import annotations

import ast
from collections.abc import Callable

from .tables import MODULES

Function = ast.FunctionDef | ast.AsyncFunctionDef
HIDDEN = frozenset(("__globals__", "__builtins__", "__subclasses__", "__code__", "__loader__", "__closure__", "__mro__",
                    "__bases__", "__base__", "__getattribute__", "f_globals", "f_builtins", "gi_frame",
                    "tb_frame"))  # fmt: skip
MOST = 40
"""Assignments to one name that are looked at."""


class Names:
    """The bindings of one program, without regard to their order: a name has every value that it is ever given."""

    def __init__(self, tree: ast.Module) -> None:
        self.imported: dict[str, str] = {}
        self.assigned: dict[str, list[ast.expr | None]] = {}
        """None: a value that is not an expression of the code (a loop, a parameter nobody gives)."""
        self.functions: dict[str, Function] = {}
        self.text: Callable[[ast.expr], str] = plain_text
        """What gives the text of an expression; `Fold` puts itself here, which folds more."""
        calls: dict[str, list[ast.Call]] = {}
        methods: list[tuple[ast.Attribute, ast.Call]] = []
        for node in ast.walk(tree):
            self._bind(node)
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
                calls.setdefault(node.func.id, []).append(node)
            elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
                methods.append((node.func, node))
        for func, node in methods:
            # `subprocess.run(c)` is no call of a local `run`.
            if not (isinstance(func.value, ast.Name) and func.value.id in self.imported):
                calls.setdefault(func.attr, []).append(node)
        for name, function in self.functions.items():
            self._parameters(function, calls.get(name, []))

    def _bind(self, node: ast.AST) -> None:
        if isinstance(node, ast.Import):
            for one in node.names:
                self.imported[one.asname or one.name.split(".")[0]] = one.name if one.asname else one.name.split(".")[0]
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            for one in node.names:
                if one.name == "*":
                    for name in MODULES.get(node.module, ()):
                        self.imported.setdefault(name, f"{node.module}.{name}")
                else:
                    self.imported[one.asname or one.name] = f"{node.module}.{one.name}"
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            self.functions[node.name] = node
        elif isinstance(node, ast.stmt | ast.NamedExpr | ast.comprehension):
            self._bind_values(node)

    def _bind_values(self, node: ast.AST) -> None:
        if isinstance(node, ast.Assign):
            for target in node.targets:
                self._assign(target, node.value)
        elif (isinstance(node, ast.AnnAssign) and node.value is not None) or isinstance(node, ast.NamedExpr):
            self._assign(node.target, node.value)
        elif isinstance(node, ast.AugAssign):
            self._augment(node)
        elif isinstance(node, ast.For | ast.AsyncFor | ast.comprehension):
            self._loop(node.target, node.iter)
        elif isinstance(node, ast.With | ast.AsyncWith):
            for item in node.items:
                if item.optional_vars is not None:
                    self._assign(item.optional_vars, item.context_expr)

    def _augment(self, node: ast.AugAssign) -> None:
        """`cmd += x`: what it was with this behind it, once, and anything where it is done in a loop."""
        if not isinstance(node.target, ast.Name):
            return
        before = self.assigned.get(node.target.id, [])
        value = ast.BinOp(before[-1], node.op, node.value) if before and before[-1] is not None else None
        self.assigned[node.target.id] = [*before[:-1], value]

    def _assign(self, target: ast.expr, value: ast.expr | None) -> None:
        if isinstance(target, ast.Name):
            self.assigned.setdefault(target.id, []).append(value)
        elif isinstance(target, ast.Tuple | ast.List):
            values = value.elts if isinstance(value, ast.Tuple | ast.List) else []
            fits = len(values) == len(target.elts) and not any(isinstance(one, ast.Starred) for one in values)
            for at, one in enumerate(target.elts):
                self._assign(one, values[at] if fits else None)
        elif isinstance(target, ast.Starred):
            self._assign(target.value, None)

    def _loop(self, target: ast.expr, source: ast.expr) -> None:
        if isinstance(source, ast.List | ast.Tuple | ast.Set) and 0 < len(source.elts) <= MOST:
            for one in source.elts:
                self._assign(target, None if isinstance(one, ast.Starred) else one)
        else:
            self._assign(target, None)

    def _parameters(self, function: Function, calls: list[ast.Call]) -> None:
        """What a local function is called with becomes the value of its parameters."""
        places = [*function.args.posonlyargs, *function.args.args]
        method = bool(places) and places[0].arg in ("self", "cls")
        defaults = dict(zip([one.arg for one in places][::-1], function.args.defaults[::-1], strict=False))
        for at, parameter in enumerate(places[1:] if method else places):
            for call in calls[:MOST]:
                starred = any(isinstance(one, ast.Starred) for one in call.args)
                starred = starred or any(keyword.arg is None for keyword in call.keywords)
                given = [keyword.value for keyword in call.keywords if keyword.arg == parameter.arg]
                if starred:
                    self.assigned.setdefault(parameter.arg, []).append(None)
                elif at < len(call.args):
                    self.assigned.setdefault(parameter.arg, []).append(call.args[at])
                elif given:
                    self.assigned.setdefault(parameter.arg, []).append(given[0])
                elif default := defaults.get(parameter.arg):
                    self.assigned.setdefault(parameter.arg, []).append(default)
            if not calls or len(calls) > MOST:
                self.assigned.setdefault(parameter.arg, []).append(None)
        for parameter, default in zip(function.args.kwonlyargs, function.args.kw_defaults, strict=True):
            given = [k.value for call in calls for k in call.keywords if k.arg == parameter.arg]
            self.assigned.setdefault(parameter.arg, []).extend([*given, default] if default else given or [None])
        for rest in (function.args.vararg, function.args.kwarg):
            if rest is not None:
                self.assigned.setdefault(rest.arg, []).append(None)

    def values_of(self, name: str) -> list[ast.expr | None]:
        found = self.assigned.get(name, [])
        return found if len(found) <= MOST else [None]

    def dotted(self, node: ast.AST | None, depth: int = 0) -> str:
        """The full dotted name of a function or module: `shutil.rmtree`; empty where it is none.

        `?` at the end stands for an attribute whose name is not known: `os.?`.
        """
        if depth > 12 or node is None:
            return ""
        if isinstance(node, ast.Name):
            if node.id in self.imported:
                return self.imported[node.id]
            for value in self.values_of(node.id)[:MOST]:
                if isinstance(value, ast.Name | ast.Attribute | ast.Call | ast.Subscript):
                    found = self.dotted(value, depth + 1)
                    if found.split(".")[0] in MODULES or found in BUILTINS:
                        return found
            return node.id if node.id not in self.assigned and node.id not in self.functions else f"local.{node.id}"
        if isinstance(node, ast.Attribute):
            base = self.dotted(node.value, depth + 1)
            if node.attr == "__call__":
                return base
            if base in ("builtins", "__builtins__"):
                return node.attr
            return f"{base}.{node.attr}" if base else ""
        if isinstance(node, ast.Call):
            return self._made(node, depth)
        if isinstance(node, ast.Subscript):
            return self._looked_up(node, depth)
        if isinstance(node, ast.NamedExpr):
            return self.dotted(node.value, depth + 1)
        return ""

    def _made(self, node: ast.Call, depth: int) -> str:
        """Names that come from calls: `getattr(os, "system")`, `__import__("os")`."""
        name = self.dotted(node.func, depth + 1)
        if (
            name in ("getattr", "builtins.getattr", "inspect.getattr_static", "operator.attrgetter")
            and len(node.args) > 1
        ):
            base = self.dotted(node.args[0], depth + 1)
            attribute = self.text(node.args[1])
            if base in ("builtins", "__builtins__"):
                return attribute or "builtins.?"
            return f"{base}.{attribute or '?'}" if base else ""
        if name in ("__import__", "importlib.import_module", "builtins.__import__") and node.args:
            module = self.text(node.args[0])
            return (module if name != "__import__" else module.split(".")[0]) or "?"
        if name == "sys.modules.get" and node.args:
            return self.text(node.args[0]) or "?"
        if name in ("vars", "builtins.vars") and node.args:
            return self.dotted(node.args[0], depth + 1)
        if name in ("globals", "locals") and not node.args:
            return "globals()"
        return f"{name}()" if name else ""

    def _looked_up(self, node: ast.Subscript, depth: int) -> str:
        """`sys.modules["os"]`, `os.__dict__["system"]`, `globals()["eval"]`."""
        base = self.dotted(node.value, depth + 1)
        if base == "sys.modules":
            return self.text(node.slice) or "?"
        if base == "globals()":
            name = self.text(node.slice)
            return self.dotted(ast.Name(id=name), depth + 1) if name else "?"
        if base.endswith(".__dict__") or base in MODULES or base in ("__builtins__", "builtins"):
            attribute = self.text(node.slice) or "?"
            owner = base.removesuffix(".__dict__")
            return attribute if owner in ("builtins", "__builtins__") else f"{owner}.{attribute}"
        return ""


def plain_text(node: ast.expr) -> str:
    """A constant text; empty where it is not one."""
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else ""


BUILTINS = frozenset(("eval", "exec", "compile", "__import__", "getattr", "open", "globals", "vars", "breakpoint"))
