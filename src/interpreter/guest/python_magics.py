"""Part `magics` of the Python driver: notebook commands, in cells that are not Python as they stand.

Each command stays on its line, so that line numbers are the user's. `%` and `!` inside strings and brackets are never
touched, because only the beginnings of logical lines are looked at.
"""

import builtins
import importlib
import os
import re
import subprocess
import sys

driver = globals().get("driver")
ASSIGNED = re.compile(r"^(\s*)([A-Za-z_][\w.,\s\[\]'\"]*?)\s*=\s*(!|%(?=[A-Za-z]))(.+)$", re.S)
COMMAND = re.compile(r"^(\s*)(!!?|%(?=[A-Za-z]))(.*)$", re.S)
CELL = re.compile(r"^%%([A-Za-z!][\w!]*)[ \t]*(.*)$")
HELP = re.compile(r"^(\s*)(?:\?\??([\w.]+)|([\w.]+)\?\??)\s*$")
INSTALL = re.compile(r"^(?:\S*python[\d.]*\s+-m\s+)?(pip3?|uv\s+pip|conda|mamba)\s+install\s+(.*)$", re.S)
TIMES = re.compile(r"\s*((?:-(?:[nrp]\s*\d+|[tcqo])(?:\s+|$))*)(.*)", re.S)
QUIET = {"matplotlib", "unload_ext", "autoreload", "config", "precision", "colors", "xmode"}
SHELL_WORDS = {"ls", "ll", "cat", "mkdir", "rmdir", "cp", "mv", "rm", "head", "tail", "less", "more", "man", "grep"}
SCRIPTS = {"bash": "bash", "sh": "sh", "shell": "bash", "system": "bash", "!": "bash", "sx": "bash", "perl": "perl"}
SCRIPTS.update({"ruby": "ruby", "javascript": "node", "js": "node", "node": "node"})


class UsageError(Exception):
    """A notebook command that does not exist, or is used wrongly."""


class InstallRequested(Exception):
    """Packages are installed by the interpreter around this kernel, after the person has agreed."""

    def __init__(self, packages):
        names = " ".join(packages)
        Exception.__init__(self, "packages are not installed from inside the kernel; asked for: " + names)
        self.context = {"install": packages}


for _kind in (UsageError, InstallRequested):
    _kind.__module__ = "builtins"


def transform(source):
    """The cell as Python, or None when there is no command in it."""
    cell = CELL.match(source.lstrip("\n").split("\n", 1)[0])
    if cell:
        blank = len(source) - len(source.lstrip("\n"))
        body = source.lstrip("\n").split("\n", 1)
        call = "get_ipython().run_cell_magic(%r, %r, %r, %d)"
        text = body[1] if len(body) > 1 else ""
        return prepare("\n" * blank + call % (cell.group(1), cell.group(2).strip(), text, blank + 1))
    lines = source.split("\n")
    out, found, n = [], False, 0
    state = Scanner()
    while n < len(lines):
        line, start = lines[n], n
        if state.fresh:
            while COMMAND.match(line) and line.endswith("\\") and n + 1 < len(lines):
                n += 1
                line = line[:-1] + " " + lines[n].strip()
            changed = command(line)
            if changed is not None:
                out.append(changed)
                out.extend([""] * (n - start))
                found, n = True, n + 1
                continue
            line, n = lines[start], start
        state.read(line)
        out.append(line)
        n += 1
    if found:
        return prepare("\n".join(out))
    return by_ipython(source, lines)


def prepare(text):
    builtins.get_ipython = get_ipython
    return text


def by_ipython(source, lines):
    """What our few forms do not cover, where the user's environment has IPython."""
    if not any(line.strip()[:1] in ("%", "!", "?", ",", ";", "/") or line.rstrip().endswith("?") for line in lines):
        return None
    try:
        tools = importlib.import_module("IPython.core.inputtransformer2")
        changed = tools.TransformerManager().transform_cell(source)
    except Exception:
        return None
    return prepare(changed) if changed.rstrip("\n") != source.rstrip("\n") else None


def command(line):
    """A line as Python when it is a command, else None."""
    match = ASSIGNED.match(line)
    if match:
        indent, target, sign, rest = match.groups()
        if sign == "!":
            return "%s%s = get_ipython().getoutput(%r)" % (indent, target, rest.strip())
        return "%s%s = %s" % (indent, target, line_magic(rest))
    match = COMMAND.match(line)
    if match:
        indent, sign, rest = match.groups()
        if sign == "!":
            return "%sget_ipython().system(%r)" % (indent, rest.strip())
        if sign == "!!":
            return "%sget_ipython().getoutput(%r)" % (indent, rest.strip())
        return indent + line_magic(rest)
    match = HELP.match(line)
    if match:
        return "%shelp(%s)" % (match.group(1), match.group(2) or match.group(3))
    return None


def line_magic(text):
    name, _, rest = text.strip().partition(" ")
    return "get_ipython().run_line_magic(%r, %r)" % (name, rest.strip())


class Scanner:
    """Just enough of Python's tokens to know whether a line begins a statement."""

    TOKEN = re.compile(r"[rbuf]{0,2}('''|\"\"\"|'|\")|([(\[{])|([)\]}])|#.*", re.I)

    def __init__(self):
        self.depth = 0
        self.quote = ""
        self.joined = False

    @property
    def fresh(self):
        return not self.depth and not self.quote and not self.joined

    def read(self, line):
        at = 0
        while at < len(line):
            if self.quote:
                end = re.compile(r"(?:\\.|(?!%s).)*%s" % (self.quote, self.quote)).match(line, at)
                if not end:
                    break
                at, self.quote = end.end(), ""
                continue
            token = self.TOKEN.search(line, at)
            if not token:
                break
            at = token.end()
            if token.group(1):
                self.quote = token.group(1)
            elif token.group(2):
                self.depth += 1
            elif token.group(3):
                self.depth = max(0, self.depth - 1)
            else:
                break
        self.joined = line.endswith("\\")
        if len(self.quote) == 1 and not self.joined:
            self.quote = ""


class Lines(list):
    """Output of a command, as lines."""

    @property
    def s(self):
        return " ".join(self)

    @property
    def n(self):
        return "\n".join(self)

    l = property(list)  # noqa: E741


def fill_in(text, names):
    """`{expression}` and `$name` from the user's names; what is not known there is left to the shell."""

    def braces(match):
        try:
            return str(eval(match.group(1), names))
        except Exception:
            return match.group(0)

    text = re.sub(r"(?<!\{)\{([^{}\n]+)\}(?!\})", braces, text)
    known = lambda m: str(names[m.group(1)]) if m.group(1) in names else m.group(0)  # noqa: E731
    return re.sub(r"(?<![\\$])\$([A-Za-z_]\w*)", known, text)


class Shell:
    """What cells that hold commands call. What is not known here goes to the IPython of the user's environment."""

    def ipython(self):
        """IPython's own shell over the user's names. None where the environment has no IPython."""
        return driver.part("ipython")["shell"](self)

    def system(self, text):
        text = fill_in(text, driver.namespace)
        self.refuse_install(text)
        sys.stdout.flush()
        shell = "/bin/bash" if os.path.exists("/bin/bash") else "/bin/sh"
        code = subprocess.call([shell, "-c", text], stdin=subprocess.DEVNULL)
        driver.namespace["_exit_code"] = code
        if code:
            sys.stderr.write("[exit status %d]\n" % code)

    def getoutput(self, text):
        text = fill_in(text, driver.namespace)
        self.refuse_install(text)
        done = subprocess.run(
            text, shell=True, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )
        driver.namespace["_exit_code"] = done.returncode
        return Lines(done.stdout.decode("utf-8", "replace").splitlines())

    @staticmethod
    def refuse_install(text):
        match = INSTALL.match(text.strip())
        if match:
            words = match.group(2).split("#")[0].split()
            raise InstallRequested([word.strip("'\"") for word in words if not word.startswith("-")])

    def run_line_magic(self, name, text, *_):
        if name in ("pip", "pip3", "conda", "mamba", "uv"):
            self.refuse_install(name + " " + fill_in(text, driver.namespace))
            tool = [sys.executable, "-m", "pip"] if name.startswith("pip") else [name]
            return subprocess.call(tool + text.split(), stdin=subprocess.DEVNULL) and None
        if name in QUIET or (name in ("load_ext", "reload_ext") and text.strip() in ("autoreload", "sql")):
            return None
        if name in SHELL_WORDS:
            return self.system(name + " " + text)
        work = getattr(self, "line_" + name, None)
        if work is None:
            shell = self.ipython()
            if shell is None or shell.find_line_magic(name) is None:
                raise UsageError("there is no command %%%s here" % name)
            return shell.run_line_magic(name, text)
        return work(text)

    def run_cell_magic(self, name, text, body, line=1):
        body_lines = "\n" * line + body
        if name in SCRIPTS or name in ("script", "python", "python3"):
            words = text.split() if name == "script" else [SCRIPTS.get(name, sys.executable)] + text.split()
            sys.stdout.flush()
            done = subprocess.run(words, input=body.encode())
            if done.returncode:
                raise subprocess.CalledProcessError(done.returncode, name)
            return None
        work = getattr(self, "cell_" + name, None)
        if work is None:
            shell = self.ipython()
            if shell is None or shell.find_cell_magic(name) is None:
                raise UsageError("there is no command %%%%%s here" % name)
            return shell.run_cell_magic(name, text, body)
        return work(text, body_lines)

    def run_again(self, body):
        driver.run(body, "<cell %d>" % driver.count)

    # --- line commands

    def line_cd(self, text):
        os.chdir(os.path.expanduser(text.strip("'\" ") or "~"))
        print(os.getcwd())

    def line_pwd(self, text):
        return os.getcwd()

    def line_env(self, text):
        name, sign, value = text.partition("=") if "=" in text else text.partition(" ")
        if not text:
            return dict(os.environ)
        if not sign:
            return os.environ.get(name)
        os.environ[name.strip()] = fill_in(value.strip(), driver.namespace)
        print("env: %s=%s" % (name.strip(), os.environ[name.strip()]))

    line_set_env = line_env

    def line_time(self, text):
        return self.timed(lambda: evaluate(text))

    def timed(self, work):
        import time

        wall, cpu = time.perf_counter(), time.process_time()
        try:
            return work()
        finally:
            cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
            print("CPU times: %.3g s; wall time: %.3g s" % (cpu, wall))

    def line_timeit(self, text, setup="pass"):
        import timeit

        given, code = TIMES.match(text).groups()
        wanted = {key: int(value) for key, value in re.findall(r"-([nr])\s*(\d+)", given)}
        timer = timeit.Timer(code, setup, globals=driver.namespace)
        count = wanted.get("n") or timer.autorange()[0]
        runs = wanted.get("r") or 3
        best = min(timer.repeat(runs, count)) / count
        print("%.3g s per loop (best of %d, %d loops each)" % (best, runs, count))

    def line_who(self, text):
        print("  ".join(sorted(name for name in driver.namespace if not name.startswith("_"))))

    def line_whos(self, text):
        for name in sorted(name for name in driver.namespace if not name.startswith("_")):
            print("%-20s %s" % (name, type(driver.namespace[name]).__name__))

    def line_run(self, text):
        import runpy

        driver.namespace.update(runpy.run_path(text.split()[0], run_name="__main__"))

    def line_reset(self, text):
        for name in [name for name in driver.namespace if not name.startswith("__")]:
            del driver.namespace[name]

    # --- cell commands

    def cell_time(self, text, body):
        self.timed(lambda: self.run_again(body))

    def cell_timeit(self, text, body):
        given, setup = TIMES.match(text).groups()
        self.line_timeit(given + " " + body.strip("\n"), setup or "pass")

    def cell_sql(self, text, body):
        report = driver.part("sql")["run"](body, None)
        if report and "error" in report:
            raise UsageError(report["error"]["traceback"])
        if report:
            raise KeyboardInterrupt

    def cell_capture(self, text, body):
        import contextlib
        import io

        out, err = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            self.run_again(body)
        if text.strip().isidentifier():
            kept = type("Captured", (), {"stdout": out.getvalue(), "stderr": err.getvalue()})
            driver.namespace[text.strip()] = kept()

    def cell_writefile(self, text, body):
        words = text.split()
        mode = "a" if "-a" in words else "w"
        path = os.path.expanduser([word for word in words if word != "-a"][0])
        with open(path, mode, encoding="utf-8", newline="") as file:
            file.write(body.lstrip("\n") if body.strip("\n") else "")
        print("Wrote " + path)

    cell_file = cell_writefile

    def cell_html(self, text, body):
        driver.send_running({"op": "display", "data": {"text/html": body, "text/plain": "<HTML>"}})

    cell_HTML = cell_html


def evaluate(text):
    names = driver.namespace
    try:
        code = compile(text, "<cell %d>" % driver.count, "eval")
    except SyntaxError:
        exec(compile(text, "<cell %d>" % driver.count, "exec"), names)
        return None
    return eval(code, names)


SHELL = Shell()
driver.part("ipython")["prepare"](SHELL)


def get_ipython():
    return SHELL
