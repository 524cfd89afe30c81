"""Runs cells of Python inside the walls, in the user's own interpreter (CPython 3.8 and later, standard library only).

Read from standard input by `python -`; it speaks frames (4 bytes length, one JSON object) over descriptor 3. What is
seldom needed comes as source text in a frame `parts` and is compiled on first use. Keep the start short: a kernel
should be ready a few milliseconds after its Python.
"""

import _ast
import _signal
import _thread
import builtins
import os
import select
import sys
import time
from _json import encode_basestring_ascii, make_scanner

MINE = {__file__ if "__file__" in globals() else "<stdin>", "<stdin>", "<kernel>"}
"""File names of driver code, which no traceback shows."""
PLAIN = (int, float, complex, str, bytes, bool, list, tuple, dict, set, frozenset, range, type)
RESULT_CAP = 50000
COROUTINE = 0x80
WARM = ("re", "linecache", "traceback")


class Rules:
    """How the scanner reads JSON."""

    strict = False
    object_hook = None
    object_pairs_hook = None
    parse_float = float
    parse_int = int
    parse_constant = float
    memo = {}


scan = make_scanner(Rules())


def quote(value):
    """A value as JSON; anything that JSON has no form for becomes its type's name."""
    if isinstance(value, str):
        return encode_basestring_ascii(value)
    if value is None:
        return "null"
    if value is True or value is False:
        return "true" if value else "false"
    if isinstance(value, (int, float)):
        text = repr(value + 0)
        return text if text.lstrip("-")[:1].isdigit() else "null"
    if isinstance(value, dict):
        return "{%s}" % ",".join(encode_basestring_ascii(str(k)) + ":" + quote(v) for k, v in value.items())
    if isinstance(value, (list, tuple)):
        return "[%s]" % ",".join(map(quote, value))
    return quote(type(value).__name__)


def high(fd, number):
    """A copy of a descriptor where no program looks for one."""
    try:
        return os.dup2(fd, number, inheritable=False)
    except OSError:
        return os.dup(fd)


class Driver:
    """The state of this kernel. One instance; the parts get it as `driver`."""

    mine = MINE

    def __init__(self):
        self.home = os.getpid()
        self.main_thread = _thread.get_ident()
        self.channel = high(3, 240)
        os.close(3)
        self.state = self.state_channel()
        self.made = {}
        self.buffer = bytearray()
        self.lock = _thread.allocate_lock()
        self.token = None
        self.running = False
        self.deferred = False
        self.pending = False
        self.sources = {}
        self.loaded = {}
        self.cells = {}
        self.count = 0
        self.flags = 0
        self.result = ""
        self.loop = None
        self.namespace = self.fresh_main()
        self.outputs = [high(1, 241), high(2, 242)]
        self.settled = False
        self.reserve = None

    @staticmethod
    def state_channel():
        """Descriptor 4, by which the state is saved and comes back; -1 where the keeper wants none."""
        try:
            fd = high(4, 243)
            os.close(4)
            return fd
        except OSError:
            return -1

    @staticmethod
    def fresh_main():
        """A `__main__` that holds the user's names and nothing else."""
        module = type(sys)("__main__")
        module.__builtins__ = builtins
        module.__annotations__ = {}
        sys.modules["__main__"] = module
        return module.__dict__

    # --- the channel

    def send(self, frame):
        """Write a whole frame; an interrupt waits until it is out."""
        body = quote(frame).encode("ascii")
        view = memoryview(len(body).to_bytes(4, "big") + body)
        self.deferred = here = _thread.get_ident() == self.main_thread or self.deferred
        with self.lock:
            while view:
                view = view[os.write(self.channel, view) :]
        if here:
            self.resume()

    def resume(self):
        self.deferred = False
        if self.pending:
            self.pending = False
            self.on_interrupt(2, None)

    def send_running(self, frame):
        """Send about the running cell; dropped when none runs any more (a thread of the user's that came late)."""
        token = self.token
        if token is not None and os.getpid() == self.home:
            self.send(dict(frame, id=token))

    def receive(self):
        """The next frame. Waiting can be interrupted, reading cannot."""
        while True:
            if len(self.buffer) >= 4:
                size = int.from_bytes(self.buffer[:4], "big")
                if len(self.buffer) >= 4 + size:
                    text = self.buffer[4 : 4 + size].decode("utf-8", "surrogatepass")
                    del self.buffer[: 4 + size]
                    return scan(text, 0)[0]
            poll = select.poll()
            poll.register(self.channel, select.POLLIN)
            poll.poll()
            self.deferred = True
            data = os.read(self.channel, 1 << 16)
            self.buffer += data
            self.resume()
            if not data:
                os._exit(0)

    def waiting(self):
        """Whether a frame is there already."""
        poll = select.poll()
        poll.register(self.channel, select.POLLIN)
        return bool(self.buffer or poll.poll(0))

    def on_interrupt(self, number, frame):
        if self.deferred:
            self.pending = True
        elif self.running and os.getpid() == self.home:
            self.send_running({"op": "interrupted"})
            self.pending = False
            raise KeyboardInterrupt
        elif os.getpid() != self.home:
            raise KeyboardInterrupt

    # --- parts

    def part(self, name):
        """The functions of a part, compiled when first asked for."""
        if name not in self.loaded:
            space = {"driver": self, "__name__": "kernel"}
            exec(compile(self.sources[name], "<kernel>", "exec"), space)
            self.loaded[name] = space
        return self.loaded[name]

    # --- cells

    def compile(self, code, name):
        """Code objects to run one after the other; the last is a shown expression where the cell ends in one."""
        source = code[1:] if code[:1] == "\ufeff" else code
        flags = self.flags | _ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
        try:
            tree = compile(source, name, "exec", flags | _ast.PyCF_ONLY_AST, True)
        except SyntaxError:
            changed = self.part("magics")["transform"](source)
            if changed is None:
                raise
            source = changed
            tree = compile(source, name, "exec", flags | _ast.PyCF_ONLY_AST, True)
        for statement in tree.body:
            if isinstance(statement, _ast.ImportFrom) and statement.module == "__future__":
                future = __import__("__future__")
                for alias in statement.names:
                    feature = getattr(future, alias.name, None)
                    flags |= getattr(feature, "compiler_flag", 0)
        last = tree.body[-1] if tree.body else None
        shown = None
        if isinstance(last, _ast.Expr) and not silenced(source, last):
            shown = _ast.Interactive(body=[tree.body.pop()])
        codes = [compile(tree, name, "exec", flags, True)] if tree.body else []
        if shown:
            codes.append(compile(shown, name, "single", flags, True))
        self.flags = flags & ~_ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
        return codes

    def run(self, code, name):
        for block in self.compile(code, name):
            if block.co_flags & COROUTINE:
                self.part("async")["run"](eval(block, self.namespace))
            else:
                exec(block, self.namespace)

    def show(self, value):
        """The display hook: keeps the value as `_`, its text as the result, and sends its richer forms."""
        if value is None:
            return
        builtins._ = value
        if type(value) not in PLAIN and self.part("display")["show_rich"](value):
            return
        self.result = cut(repr(value))

    def attempt(self, frame, name):
        """Run and report; never raises but KeyboardInterrupt in a gap of a few instructions."""
        try:
            self.running = True
            if frame.get("language") == "sql":
                report = self.part("sql")["run"](frame["code"], frame.get("memory"))
            else:
                report = self.run(frame["code"], name)
            if "matplotlib.pyplot" in sys.modules:
                self.part("display")["show_figures"]()
            self.running = False
            return report or {"status": "ok", "exit_status": 0}
        except BaseException as error:
            self.running = False
            if isinstance(error, MemoryError):
                self.reserve = None
            if os.getpid() != self.home:
                self.part("errors")["end_fork"](error)
            try:
                return self.part("errors")["describe"](error, name)
            except BaseException:
                # Its own methods fail, or there is no memory for more than this.
                return {"status": "error", "exit_status": 1, "error": {"name": type(error).__name__}}

    def settle_in(self):
        """What the first cell needs; done while nobody waits, if there is such a time."""
        if not self.settled and self.sources:
            self.settled = True
            self.part("streams")["install"]()
            self.part("hooks")["install"]()

    def execute(self, frame):
        self.settle_in()
        self.part("streams")["refill"]()
        self.count += 1
        name = "<cell %d>" % self.count
        self.remember(name, frame["code"])
        self.result = ""
        self.token = token = frame["id"]
        self.pending = False
        began = time.monotonic()
        _signal.signal(_signal.SIGINT, self.on_interrupt)
        try:
            report = self.attempt(frame, name)
        except KeyboardInterrupt:
            report = {"status": "interrupted", "exit_status": 130}
        self.running = False
        if os.getpid() != self.home:
            # A fork of the user's that came to the end of the cell, as it would come to the end of a script.
            raise SystemExit(0)
        if "matplotlib.pyplot" in sys.modules:
            self.part("display")["forget_figures"]()
        self.part("streams")["settle"]()
        if self.state >= 0:
            self.track(token, time.monotonic() - began)
        self.token = None
        self.send(dict(report, op="done", id=token, result=self.result))

    def track(self, execution, seconds):
        """Which execution has bound each name last, as far as that can be seen in no time."""
        for name, value in list(self.namespace.items()):
            if self.made.get(name, (None,))[0] != id(value):
                self.made[name] = (id(value), execution, seconds)

    def remember(self, name, code):
        """Keep the source for tracebacks and `inspect`; very large cells are not worth it."""
        if len(code) < 1 << 20:
            self.cells[name] = code
            cache = sys.modules.get("linecache")
            if cache:
                self.fill(cache)

    def fill(self, cache):
        for name, code in self.cells.items():
            if name not in cache.cache:
                cache.cache[name] = (len(code), None, [line + "\n" for line in code.splitlines()], name)

    # --- input

    def ask(self, prompt, secret):
        """A line from the person. EOFError when nobody answers."""
        if _thread.get_ident() != self.main_thread or os.getpid() != self.home or self.token is None:
            raise EOFError("input is answered only in the main thread of a running cell")
        sys.stdout.flush()
        sys.stderr.flush()
        self.send_running({"op": "input", "prompt": str(prompt), "secret": secret})
        while True:
            frame = self.receive()
            if frame.get("op") == "input" and frame.get("id") == self.token:
                break
        if frame.get("text") is None:
            raise EOFError("nobody is there to answer input(): pass the value in the code instead")
        return frame["text"]

    def after_fork(self):
        """In a child of the user's: this channel is not its own."""
        self.token = None
        try:
            os.close(self.channel)
        except OSError:
            pass

    def serve(self):
        self.send({"op": "ready", "version": sys.version.split()[0]})
        self.warm()
        while True:
            frame = self.receive()
            if frame.get("op") == "execute":
                self.execute(frame)
            elif frame.get("op") in ("save", "restore"):
                self.part("state")[frame["op"]](frame)

    def warm(self):
        """Load while nobody waits what many cells will need."""
        self.sources.update(self.receive()["parts"])
        for work in (self.settle_in, *WARM):
            if self.waiting():
                return
            __import__(work) if work in WARM else work()
        if self.state >= 0:
            self.part("state")["prepare"]()


def silenced(source, last):
    """Whether a semicolon ends the last expression."""
    lines = source.splitlines()
    rest = lines[last.end_lineno - 1].encode("utf-8", "replace")[last.end_col_offset :]
    return b";" in rest.split(b"#")[0]


def cut(text):
    if len(text) <= RESULT_CAP:
        return text
    half = RESULT_CAP // 2
    return "%s\n... %d characters left out ...\n%s" % (text[:half], len(text) - 2 * half, text[-half:])


def prepare_streams():
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    sys.stdin = sys.__stdin__ = open(0, encoding="utf-8", errors="backslashreplace", closefd=False)
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(encoding="utf-8", errors="backslashreplace", line_buffering=True)


def start():
    driver = Driver()
    prepare_streams()
    _signal.signal(_signal.SIGINT, driver.on_interrupt)
    try:
        os.setpgid(0, 0)
    except OSError:
        pass
    os.register_at_fork(after_in_child=driver.after_fork)
    sys.argv = [""]
    sys.displayhook = driver.show

    def input(prompt="", /):
        """Ask the person for a line."""
        return driver.ask(prompt, False)

    builtins.input = input
    driver.serve()


start()
