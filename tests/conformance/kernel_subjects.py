"""The kernels of the conformance suite: how each is started, and its words for what every kernel must do."""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from interpreter.kernels import jupyter
from interpreter.kernels.contracts import KernelOptions
from interpreter.kernels.runtimes import Runtime, find_runtime, guest_source, jupyter_runtime
from tests import libraries
from tests.guest.keeper_client import Guest, KeeperClient, Ran

from .program_subjects import PROGRAMS
from .subject import Subject


def _own(language: str) -> Callable[[Path], Runtime | None]:
    def runtime(folder: Path) -> Runtime | None:
        needed = {"shell": "bash", "javascript": "node"}[language]
        return find_runtime(language, KernelOptions()) if shutil.which(needed) else None

    return runtime


def _duckdb(folder: Path) -> Runtime | None:
    there = libraries.PYTHON.exists()
    return find_runtime("sql", KernelOptions(python=str(libraries.PYTHON))) if there else None


def _plain_shell(folder: Path) -> Runtime | None:
    program = shutil.which("sh")
    driver = guest_source("sh_driver.sh")
    return Runtime(language="shell", dialect="bash", argv=(program,), driver=driver) if program else None


def _r_kernel(folder: Path) -> Runtime | None:
    spec = jupyter.find("r", {})
    return jupyter_runtime("r", spec) if spec else None


def _deno_kernel(folder: Path) -> Runtime | None:
    deno = libraries.program("deno")
    if not deno:
        return None
    spec = folder / "kernels" / "deno"
    spec.mkdir(parents=True)
    argv = [deno, "jupyter", "--kernel", "--conn", "{connection_file}"]
    (spec / "kernel.json").write_text(json.dumps({"argv": argv, "display_name": "Deno", "language": "typescript"}))
    found = jupyter.find("typescript", {"JUPYTER_PATH": str(folder)})
    return jupyter_runtime("typescript", found) if found else None


SQL = {
    "says": "SQL says nothing until it has its result",
    "exit": "SQL has no exit status",
    "stderr": "SQL has one output",
    "nap": "SQL cannot sleep",
    "child": "SQL starts no programs",
    "background": "SQL starts no programs",
    "big": "results are cut to a table that can be read",
    "ask": "SQL cannot ask",
    "cwd": "SQL has no working folder to print",
    "death": "SQL cannot kill its process",
}

SUBJECTS = [
    Subject(
        name="python",
        runtime=lambda folder: find_runtime("python", KernelOptions(python=sys.executable)),
        say="import sys\nprint('hi')\nprint('err', file=sys.stderr)",
        set="kept = 41\ndef add(n): return kept + n",
        get="add(1)",
        exit="import sys; sys.exit(3)",
        error="open('/no/such/file')",
        error_says="/no/such/file",
        busy="print('on', flush=True)\nwhile True: pass",
        nap="import time; print('on', flush=True); time.sleep(60)",
        child="import subprocess; subprocess.run('echo on; exec sleep 60', shell=True); print('never')",
        big="print('x' * 5000000)",
        unicode="print('héllo 中文 😀')",
        ask="import sys; print('[' + sys.stdin.read() + ']')",
        cwd="import os; print(os.getcwd())",
        background="import subprocess; p = subprocess.Popen(['sleep', '60']); print('went on')",
        die="import os; os.kill(os.getpid(), 9)",
    ),
    Subject(
        name="shell",
        runtime=_own("shell"),
        say="echo hi; echo err >&2",
        set="kept=41; add() { echo $(( kept + $1 )); }",
        get="add 1",
        exit="exit 3",
        error="ls /no/such/file",
        error_says="/no/such/file",
        busy="echo on; while :; do :; done",
        nap="echo on; sleep 60",
        child="(echo on; exec sleep 60) | cat; echo never",
        big="head -c 5000000 /dev/zero | tr '\\0' x; echo",
        unicode="echo 'héllo 中文 😀'",
        ask='read -r line; echo "[$line]"',
        cwd="pwd",
        background="sleep 60 & echo went on",
        die="kill -9 $PPID; sleep 60",
    ),
    Subject(
        name="plain sh",
        runtime=_plain_shell,
        say="echo hi; echo err >&2",
        set="kept=41",
        get="echo $(( kept + 1 ))",
        exit="exit 3",
        error="ls /no/such/file",
        error_says="/no/such/file",
        busy="echo on; while :; do :; done",
        nap="echo on; sleep 60",
        child="(echo on; exec sleep 60) | cat; echo never",
        big="head -c 5000000 /dev/zero | tr '\\0' x; echo",
        unicode="echo 'héllo 中文 😀'",
        ask='read -r line; echo "[$line]"',
        cwd="pwd",
        background="sleep 60 & echo went on",
        die="kill -9 $PPID; sleep 60",
    ),
    Subject(
        name="javascript",
        runtime=_own("javascript"),
        say="console.log('hi'); console.error('err')",
        set="const kept = 41; function add(n) { return kept + n }",
        get="add(1)",
        exit="process.exit(3)",
        error="null.nothing",
        error_says="Cannot read properties of null",
        busy="console.log('on'); while (true) {}",
        nap="console.log('on'); await new Promise((r) => setTimeout(r, 60000))",
        child="require('child_process').execSync('echo on; exec sleep 60', {stdio: 'inherit'}); console.log('never')",
        big="console.log('x'.repeat(5000000))",
        unicode="console.log('héllo 中文 😀')",
        ask="console.log('[' + require('fs').readFileSync(0, 'utf8') + ']')",
        cwd="console.log(process.cwd())",
        background="require('child_process').spawn('sleep', ['60'], {stdio: 'inherit'}); console.log('went on')",
        die="process.kill(process.pid, 'SIGKILL')",
    ),
    *PROGRAMS,
    Subject(
        name="sql (SQLite)",
        runtime=lambda folder: find_runtime("sql", KernelOptions(python=sys.executable)),
        say="SELECT 'hi' AS said",
        set="CREATE TABLE kept (n INTEGER); INSERT INTO kept VALUES (41)",
        get="SELECT n + 1 AS sum FROM kept",
        error="SELECT n FROM nowhere",
        error_says="nowhere",
        busy="WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c) SELECT max(x) FROM c",
        big="",
        unicode="SELECT 'héllo 中文 😀' AS text",
        exceptions=SQL,
    ),
    Subject(
        name="sql (DuckDB)",
        runtime=_duckdb,
        say="SELECT 'hi' AS said",
        set="CREATE TABLE kept (n INTEGER); INSERT INTO kept VALUES (41)",
        get="SELECT n + 1 AS sum FROM kept",
        error="SELECT n FROM nowhere",
        error_says="nowhere",
        busy="WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c) SELECT max(x) FROM c",
        big="",
        unicode="SELECT 'héllo 中文 😀' AS text",
        exceptions=SQL,
    ),
    Subject(
        name="r (Jupyter)",
        runtime=_r_kernel,
        say='cat("hi\\n"); write("err", stderr())',
        set="kept <- 41; add <- function(n) kept + n",
        get='cat(add(1), "\\n")',
        error='stop("went wrong")',
        error_says="went wrong",
        busy='cat("on\\n"); while (TRUE) {}',
        nap='cat("on\\n"); Sys.sleep(60)',
        child='if (system("echo on; exec sleep 60") != 0) stop("stopped")',
        big='cat(strrep("x", 5000000), "\\n", sep = "")',
        unicode='cat("héllo 中文 😀\\n")',
        ask='line <- readline("? "); cat("[", line, "]\\n", sep = "")',
        cwd='cat(getwd(), "\\n", sep = "")',
        background='system("sleep 60", wait = FALSE); cat("went on\\n")',
        die="tools::pskill(Sys.getpid(), 9)",
        exceptions={"exit": "the kernel catches quit()", "stderr": "its two streams come in one"},
    ),
    Subject(
        name="deno (Jupyter)",
        runtime=_deno_kernel,
        say='console.log("hi"); console.error("err")',
        set="const kept: number = 41; function add(n: number) { return kept + n }",
        get="console.log(add(1))",
        error='throw new Error("went wrong")',
        error_says="went wrong",
        busy='console.log("on"); while (true) {}',
        nap='console.log("on"); await new Promise((r) => setTimeout(r, 60000))',
        child='console.log("on"); await new Deno.Command("sleep", { args: ["60"] }).output(); console.log("never")',
        big='console.log("x".repeat(5000000))',
        unicode='console.log("héllo 中文 😀")',
        ask='console.log("[" + prompt("? ") + "]")',
        cwd="console.log(Deno.cwd())",
        background='new Deno.Command("sleep", { args: ["60"] }).spawn(); console.log("went on")',
        die='Deno.kill(Deno.pid, "SIGKILL")',
        exceptions={
            "exit": "Deno.exit() ends the kernel, which is told as its death",
            "big": "Deno mixes the parts of its messages at times, when it prints much at once",
        },
    ),
]


class Live:
    """A subject's kernel in a real keeper; started anew after each death."""

    def __init__(self, subject: Subject, runtime: Runtime, client: KeeperClient, folder: Path) -> None:
        self.subject = subject
        self.client = client
        self.folder = folder
        self._runtime = runtime
        self._guest: Guest | None = None
        self._ran: dict[str, Ran] = {}

    @property
    def guest(self) -> Guest:
        if self._guest is None:
            runtime = self._runtime
            env = {**runtime.env, "TMPDIR": str(self.folder), "LANG": "C.UTF-8"}
            argv, folder = runtime.argv, self.folder
            more = {"parts": runtime.parts} if runtime.parts else {}
            if "RUSTUP_HOME" in os.environ:
                env["RUSTUP_HOME"] = os.environ["RUSTUP_HOME"]
            self._guest = Guest(self.client, argv, runtime.driver, runtime.dialect, cwd=folder, env=env, **more)
        return self._guest

    def seen(self, ran: Ran) -> Ran:
        if ran.restarted or ran.status == "died":
            self._guest = None
        return ran

    def begin(self, code: str, **limits: Any) -> str:
        return self.guest.begin(code, extra=self._runtime.extra, **limits)

    def run(self, code: str, **limits: float) -> Ran:
        return self.seen(self.guest.end(self.begin(code, **limits)))

    def once(self, code: str) -> Ran:
        """What came of the code, which runs once however many tests look at it."""
        if code not in self._ran:
            self._ran[code] = self.run(code)
        return self._ran[code]
