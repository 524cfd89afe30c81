"""The Python guest, through a real keeper."""

from __future__ import annotations

import asyncio
import json
import os
import re
from pathlib import Path

import pytest

from tests.kernels.bench import Bench, Watching, go, opened


def test_last_expression_is_shown_and_state_stays(tmp_path: Path) -> None:
    async def work() -> None:
        async with opened(tmp_path) as bench:
            assert (await bench.run("x = 20\nx + 1")).result == "21"
            assert (await bench.run("_ + x")).result == "41"
            assert (await bench.run("x;")).result == ""
            assert (await bench.run("'a;b'")).result == "'a;b'"
            assert (await bench.run("x  # ; not at the end")).result == "20"
            assert (await bench.run("None")).result == ""
            assert (await bench.run("")).status == "ok"
            assert (await bench.run("def f():\n    return x\n\nf()")).result == "20"
            assert (await bench.run("if True:\n    5")).result == ""

    go(work())


def test_code_is_byte_exact(tmp_path: Path) -> None:
    text = "% percent\n!bang\n%%cell\n\t'quotes' \\n é 漢字 🎉 {braces} $HOME\n<<EOF\nEOF\n"

    async def work() -> None:
        async with opened(tmp_path) as bench:
            ran = await bench.run(f"s = '''{text}'''\nimport hashlib\nprint(s, end='')")
            assert ran.text == text.replace("\\n", "\n")
            assert (await bench.run("def f():\n    '''%time !ls\n%%bash'''\nf.__doc__")).result == repr(
                "%time !ls\n%%bash"
            )
            assert (await bench.run("a = 1\r\nb = '''x\r\ny'''\r\nlen(b)")).result == "3"
            assert (await bench.run("\ufeffprint('after a mark')")).text == "after a mark\n"
            literal = "é" * 5_000_000
            assert (await bench.run(f"len('{literal}')")).result == "5000000"
            assert (await bench.run("x = 'a\0b'")).status == "error"

    go(work())


def test_future_imports_persist(tmp_path: Path) -> None:
    async def work() -> None:
        async with opened(tmp_path) as bench:
            assert (await bench.run("def f(x: missing): pass")).error
            assert (
                await bench.run("'''doc'''\nfrom __future__ import annotations\ndef f(x: missing): pass")
            ).status == "ok"
            assert (await bench.run("def g(x: missing): pass\ng.__annotations__")).result == "{'x': 'missing'}"
            assert (await bench.run("from __future__ import braces")).status == "error"

    go(work())


def test_errors_name_the_users_lines_and_nothing_of_the_driver(tmp_path: Path) -> None:
    async def work() -> None:
        async with opened(tmp_path) as bench:
            await bench.run("\n\ndef inner(n):\n    return 1 / n\n")
            ran = await bench.run("def outer():\n    return inner(0)\n\nouter()")
            assert ran.status == "error"
            assert ran.exit_status == 1
            assert ran.error
            assert (ran.error.name, ran.error.message, ran.error.line) == ("ZeroDivisionError", "division by zero", 2)
            assert 'File "<cell 1>", line 4, in inner' in ran.traceback
            assert "return 1 / n" in ran.traceback
            assert "<stdin>" not in ran.traceback
            assert "<kernel>" not in ran.traceback
            for code in (
                "import asyncio\nasync def f():\n    raise ValueError('deep')\nawait f()",
                "try:\n    1/0\nexcept Exception as e:\n    raise RuntimeError('second') from e",
                "input('?')",
                "display(1, **{'raw': 1}, nonsense=1) or 1/0",
                "def r(): r()\nr()",
                "%nosuchmagic",
                "class E(Exception):\n    def __str__(self): raise SystemExit\nraise E",
                "(",
                "x = = 1",
                "raise KeyboardInterrupt",
                "import pickle\nclass B:\n    def __repr__(self): raise OSError('no repr')\nB()",
            ):
                ran = await bench.run(code)
                assert ran.status in ("error", "interrupted"), (code, ran)
                assert "<stdin>" not in ran.traceback, ran.traceback
                assert "<kernel>" not in ran.traceback, ran.traceback
                assert "driver" not in ran.traceback, ran.traceback
            ran = await bench.run("a = 1\nb = (2\nc = 3")
            assert ran.error
            assert ran.error.name == "SyntaxError"
            assert ran.error.line in (2, 3)
            assert ran.context["text"].strip() in ("b = (2", "c = 3")

    go(work())


def test_tracebacks_printed_by_the_user_show_source(tmp_path: Path) -> None:
    async def work() -> None:
        async with opened(tmp_path) as bench:
            ran = await bench.run("import traceback\ntry:\n    [][1]\nexcept IndexError:\n    traceback.print_exc()")
            assert "    [][1]\n" in ran.text
            ran = await bench.run("def f():\n    return 'source'\nimport inspect\nprint(inspect.getsource(f), end='')")
            assert ran.text == "def f():\n    return 'source'\n"

    go(work())


def test_exit_status(tmp_path: Path) -> None:
    async def work() -> None:
        async with opened(tmp_path) as bench:
            await bench.run("kept = 1")
            for code, status, exit_status in (
                ("import sys; sys.exit(3)", "error", 3),
                ("sys.exit()", "ok", 0),
                ("sys.exit('sentence')", "error", 1),
                ("exit()", "ok", 0),
                ("quit(2)", "error", 2),
                ("raise SystemExit(7)", "error", 7),
            ):
                ran = await bench.run(code)
                assert (ran.status, ran.exit_status, ran.restarted) == (status, exit_status, False)
            assert (await bench.run("print('still', kept, sys.stdin.closed)")).text == "still 1 False\n"

    go(work())


def test_await_at_the_top_and_one_loop_for_all_cells(tmp_path: Path) -> None:
    async def work() -> None:
        async with opened(tmp_path) as bench:
            first = await bench.run("import asyncio\nq = asyncio.Queue()\nawait q.put(5)\nawait asyncio.sleep(0, 'ok')")
            assert first.result == "'ok'"
            assert (await bench.run("await q.get()")).result == "5"
            assert (await bench.run("async def f(): return 9\nasyncio.run(f())")).result == "9"
            ran = await bench.run("await asyncio.sleep(30)", timeout=0.3)
            assert ran.status == "timeout"
            assert not ran.restarted
            assert (await bench.run("x = [i async for i in (j async for j in aiter_())] if 0 else 4\nx")).result == "4"

    go(work())


def test_input_is_answered_or_refused(tmp_path: Path) -> None:
    async def work() -> None:
        async with opened(tmp_path) as bench:
            sink = Watching(lambda prompt, secret: "hunter2" if secret else "Ada 漢")
            ran = await bench.run("name = input('Who? ')\nprint(name)", sink=sink)
            assert ran.text == "Ada 漢\n"
            ran = await bench.run("from getpass import getpass\ngetpass('Secret: ')", sink=sink)
            assert ran.result == "'hunter2'"
            assert sink.asked == [("Who? ", False), ("Secret: ", True)]
            ran = await bench.run("input('Who? ')")
            assert ran.error
            assert ran.error.name == "EOFError"
            assert "nobody" in ran.error.message
            assert (await bench.run("import sys\nsys.stdin.read()")).result == "''"
            assert (await bench.run("import subprocess\nsubprocess.run(['cat']).returncode")).result == "0"

    go(work())


def test_nothing_of_the_driver_shows(tmp_path: Path) -> None:
    code = """
import sys, os, json
print(json.dumps({
    "globals": sorted(globals()),
    "modules": sorted(n for n in sys.modules if "driver" in n or "kernel" in n),
    "main": sys.modules["__main__"].__dict__ is globals(),
    "argv": open("/proc/self/cmdline").read(),
    "environ": open("/proc/self/environ").read(),
    "sysargv": sys.argv,
    "name": __name__,
    "files": os.listdir("."),
    "fd3": os.path.exists("/proc/self/fd/3"),
}))
"""

    async def work() -> None:
        async with opened(tmp_path) as bench:
            seen = json.loads((await bench.run(code)).text)
            plain = {"__annotations__", "__builtins__", "__doc__", "__loader__", "__name__", "__package__", "__spec__"}
            assert set(seen["globals"]) == plain | {"sys", "os", "json"}
            assert seen["modules"] == []
            assert seen["main"]
            assert seen["argv"].split("\0")[1:] == ["-", ""]
            assert not {"receive", "execute", "python_driver"} & set(re.findall(r"\w+", seen["environ"]))
            assert seen["sysargv"] == [""]
            assert seen["name"] == "__main__"
            assert seen["files"] == []
            assert not seen["fd3"]

    go(work())


def test_forks_threads_and_multiprocessing(tmp_path: Path) -> None:
    async def work() -> None:
        async with opened(tmp_path) as bench:
            ran = await bench.run(
                "import os, sys\npid = os.fork()\nif pid == 0:\n    print('child', flush=True)\n    sys.exit(5)\n"
                "print('code', os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))"
            )
            assert ran.text == "child\ncode 5\n"
            ran = await bench.run("pid = os.fork()\nif pid == 0:\n    1/0\nos.waitpid(pid, 0)[1] >> 8")
            assert ran.result == "1"
            assert "ZeroDivisionError" in ran.text
            assert "<stdin>" not in ran.text
            ran = await bench.run("pid = os.fork()\nif pid: _ = os.waitpid(pid, 0)\n7")
            assert ran.result == "7"
            ran = await bench.run(
                "import multiprocessing as mp\ndef sq(x): return x * x\n"
                "with mp.get_context('fork').Pool(2) as pool: print(pool.map(sq, range(4)))"
            )
            assert ran.text == "[0, 1, 4, 9]\n"
            ran = await bench.run(
                "import pickle, threading\nclass P: pass\np = pickle.loads(pickle.dumps(P()))\n"
                "t = threading.Thread(target=lambda: print('thread')); t.start(); t.join()\ntype(p) is P"
            )
            assert (ran.text, ran.result) == ("thread\n", "True")

    go(work())


def test_commands_of_notebooks(tmp_path: Path) -> None:
    (tmp_path / "work" / "sub").mkdir(parents=True)

    async def work() -> None:
        async with opened(tmp_path) as bench:
            assert (await bench.run("!echo one; echo two")).text == "one\ntwo\n"
            assert (await bench.run("word = 'hi'\n!echo {word} $word $$ | cut -d' ' -f1,2")).text == "hi hi\n"
            assert (await bench.run("lines = !printf 'a\\nb\\n'\nlines")).result == "['a', 'b']"
            assert (await bench.run("for i in range(2):\n    !echo {i}\n")).text == "0\n1\n"
            assert (await bench.run("!exit 4")).text == "[exit status 4]\n"
            ran = await bench.run("%cd sub\nimport os\nos.path.basename(os.getcwd())")
            assert ran.result == "'sub'"
            assert (await bench.run("%env FOO=bar\nos.environ['FOO']")).result == "'bar'"
            assert "wall time" in (await bench.run("%time sum(range(10))")).text
            assert (await bench.run("%%time\ny = 5\ny")).result == "5"
            assert "loops" in (await bench.run("%timeit -1")).text
            assert (await bench.run("%matplotlib inline\n%load_ext autoreload\n1")).result == "1"
            assert (await bench.run("%%bash\nfor i in 1 2; do\n  echo $i\ndone")).text == "1\n2\n"
            assert (await bench.run("%%bash\nexit 3")).error
            await bench.run("%%writefile note.txt\nline 1\n%not magic\n")
            assert (await bench.run("open('note.txt').read()")).result == repr("line 1\n%not magic\n")
            assert (await bench.run("s = '''\n%ls\n!rm -rf /\n'''\n%pwd")).result.endswith("sub'")
            ran = await bench.run("a = 1\n\n%cd .\nraise ValueError('line 4')")
            assert ran.error
            assert ran.error.line == 4
            assert "raise ValueError('line 4')" in ran.traceback

    go(work())


@pytest.mark.parametrize(
    ("code", "packages"),
    [
        ("%pip install pandas numpy>=1.2", ["pandas", "numpy>=1.2"]),
        ("!pip install -q 'rich[all]'", ["rich[all]"]),
        ("import os\n!python3 -m pip install requests --upgrade", ["requests"]),
    ],
)
def test_installs_are_handed_to_the_host(tmp_path: Path, code: str, packages: list[str]) -> None:
    async def work() -> None:
        async with opened(tmp_path) as bench:
            ran = await bench.run(code)
            assert ran.error
            assert ran.error.name == "InstallRequested"
            assert ran.context == {"install": packages}

    go(work())


FAKE_PANDAS = """
import types, sys
mod = types.ModuleType('pandas')
class DataFrame:
    columns = ['Order Date', 'Amount']
    dtypes = ['object', 'float64']
    def __getitem__(self, key): raise KeyError(key)
    def _repr_html_(self): return '<table></table>'
    def __repr__(self): return 'a table'
DataFrame.__module__ = 'pandas.core.frame'
df = DataFrame()
"""


def test_facts_about_errors(tmp_path: Path) -> None:
    work_dir = tmp_path / "work"
    work_dir.mkdir()
    (work_dir / "sales_2024.csv").write_text("x")

    async def work() -> None:
        async with opened(tmp_path) as bench:
            await bench.run(FAKE_PANDAS)
            ran = await bench.run("def load(t):\n    return t['date']\nload(df)")
            assert ran.context["tables"] == {
                "t": {"Order Date": "object", "Amount": "float64"},
                "df": {"Order Date": "object", "Amount": "float64"},
            }
            await bench.run("settings = {'colour': 1, 'size': 2}\ntotal_amount = 4")
            assert (await bench.run("settings['color']")).context["keys"] == ["colour", "size"]
            assert "total_amount" in (await bench.run("total_amout + 1")).context["names"]
            assert "upper" in (await bench.run("'x'.uper()")).context["attributes"]
            ran = await bench.run("open('sales_2023.csv')")
            assert ran.context["entries"] == ["sales_2024.csv"]
            assert ran.context["cwd"] == str(work_dir)
            assert (await bench.run("open('no/such/folder/x')")).context["folder"] == str(work_dir)
            assert (await bench.run("import nonexistent.part")).context == {"module": "nonexistent"}
            secret = await bench.run("password = 'hunter2'\nd = {'k': password}\nd['q']")
            assert "hunter2" not in json.dumps(secret.context)
            ran = await bench.run("big = {('key%d' % i) * 50: i for i in range(10000)}\nbig['x']")
            assert len(json.dumps(ran.context)) < 4096

    go(work())


def test_rich_values(tmp_path: Path) -> None:
    async def work() -> None:
        async with opened(tmp_path) as bench:
            await bench.run(FAKE_PANDAS)
            ran = await bench.run("df")
            assert ran.result == "a table"
            (shown,) = ran.completion.displays
            assert (shown.mime, shown.text) == ("text/html", "a table")
            assert Path(shown.path).read_text() == "<table></table>"
            assert Path(shown.path).stat().st_mode & 0o777 == 0o600
            ran = await bench.run(
                "import base64\nclass Png:\n    def _repr_png_(self): return b'\\x89PNG data'\n"
                "    def _repr_html_(self): return '<p>'\nprint('before')\ndisplay(Png(), 'text')\nPng()"
            )
            assert [d.mime for d in ran.completion.displays] == ["image/png"] * 2
            assert Path(ran.completion.displays[0].path).read_bytes() == b"\x89PNG data"
            assert ran.text == "before\ntext\n"
            assert [d.path for d in ran.sink.displays] == [d.path for d in ran.completion.displays]
            bundle = "class B:\n    def _repr_mimebundle_(self, *_, **__): return {'text/markdown': '# hi'}\nB()"
            assert (await bench.run(bundle)).completion.displays[0].mime == "text/markdown"
            assert (await bench.run("class C:\n    def _repr_html_(self): 1/0\nC();5")).result == "5"

    go(work())


def test_interrupts(tmp_path: Path) -> None:
    codes = {
        "busy": "while True:\n    pass",
        "sleep": "import time\ntime.sleep(60)",
        "child": "import subprocess\nsubprocess.run(['sleep', '60'])",
        "system": "import os\nos.system('sleep 60')\nwhile True:\n    pass",
        "await": "import asyncio\nawait asyncio.sleep(60)",
        "thread": "import threading\nthreading.Event().wait()",
        "input": "import select\nselect.select([], [], [])",
    }

    async def work() -> None:
        async with opened(tmp_path) as bench:
            await bench.run("kept = 1")
            for name, code in codes.items():
                begun = bench.begin("print('on', flush=True)\n" + code)
                await begun.sink.until(b"on\n")
                await bench.kernels.interrupt()
                ran = await begun.end()
                assert (ran.status, ran.restarted) == ("interrupted", False), name
                assert (await bench.run("kept")).result == "1", name

    go(work())


def test_an_interrupt_while_input_is_awaited(tmp_path: Path) -> None:
    async def work() -> None:
        class Never(Watching):
            async def ask_input(self, prompt: str, secret: bool) -> str | None:
                self.asked.append((prompt, secret))
                self.output("stdout", b"asked", 0)
                await asyncio.Event().wait()
                return None

        async with opened(tmp_path) as bench:
            begun = bench.begin("input('?')", sink=Never())
            await begun.sink.until(b"asked")
            await bench.kernels.interrupt()
            assert (await begun.end()).status == "interrupted"
            assert (await bench.run("input('?')", sink=Watching(lambda p, s: "next"))).result == "'next'"

    go(work())


def test_what_ignores_an_interrupt_is_ended(tmp_path: Path) -> None:
    async def work() -> None:
        async with opened(tmp_path, grace=0.5) as bench:
            body = "        print('on', flush=True)\n        time.sleep(60)\n    except KeyboardInterrupt: pass"
            begun = bench.begin("import time\nwhile True:\n    try:\n" + body)
            await begun.sink.until(b"on\n")
            await bench.kernels.interrupt()
            ran = await begun.end()
            assert (ran.status, ran.restarted) == ("interrupted", True)
            assert (await bench.run("1")).result == "1"
            assert [e.what for e in bench.events] == ["started", "died", "restarted"]

    go(work())


def test_streams_are_restored(tmp_path: Path) -> None:
    async def work() -> None:
        async with opened(tmp_path) as bench:
            await bench.run("import os, sys\nos.close(1)\nos.close(2)")
            assert (await bench.run("print('back'); print('err', file=sys.stderr)")).text == "back\nerr\n"
            await bench.run("sys.stdout.close()")
            assert (await bench.run("print('again')")).text == "again\n"
            assert (await bench.run("print('\\ud800')")).text == "\\ud800\n"
            assert (await bench.run("os.write(1, b'\\xff\\x00raw')")).bytes == b"\xff\x00raw"

    go(work())


def test_fast_output_keeps_its_order_and_its_end(tmp_path: Path) -> None:
    many = "for i in range(20000): print(i)\n"

    async def work() -> None:
        async with opened(tmp_path) as bench:
            numbers = "".join(f"{i}\n" for i in range(20000))
            assert (await bench.run(many)).text == numbers
            ran = await bench.run(many + "import subprocess\nsubprocess.run(['echo', 'end'])")
            assert ran.text.startswith(numbers + "end\n")
            ran = await bench.run(many + "import os\nos.system('echo end');")
            assert ran.text == numbers + "end\n"
            ran = await bench.run(
                many
                + "pid = os.fork()\nif pid == 0:\n    print('child', flush=True)\n    os._exit(0)\nos.waitpid(pid, 0);"
            )
            assert ran.text == numbers + "child\n"
            begun = bench.begin(many + "print('last')\nimport time\ntime.sleep(60)")
            while not begun.sink.live.endswith(b"last\n"):
                await asyncio.sleep(0.01)
            await bench.kernels.interrupt()
            assert (await begun.end()).text == numbers + "last\n"

    go(work())


SCENARIO = [
    ("1 + 1", "2"),
    ("import sys\nx = [1, 2]\nx", "[1, 2]"),
    ("import asyncio\nawait asyncio.sleep(0, 'a')", "'a'"),
    ("lines = !echo hi\nlines", "['hi']"),
    ("for i in range(3000): print(i)\n'many'", "'many'"),
    ("class P:\n    def _repr_html_(self): return '<b>'\n    def __repr__(self): return 'P!'\nP()", "P!"),
    ("import os\npid = os.fork()\nif pid == 0: os._exit(0)\nos.waitpid(pid, 0)[1]", "0"),
    ("'%s !x' % 'é漢'", "'é漢 !x'"),
]


async def whole_scenario(bench: Bench) -> None:
    for code, result in SCENARIO:
        ran = await bench.run(code)
        assert (ran.status, ran.result) == ("ok", result), ran
    ran = await bench.run("def f():\n    return {}['k']\nf()")
    assert ran.error
    assert (ran.error.name, ran.error.line) == ("KeyError", 2)
    assert "<stdin>" not in ran.traceback
    assert (await bench.run("undefind")).error
    assert (await bench.run("import sys; sys.exit(3)")).exit_status == 3
    assert (await bench.run("input()")).status == "error"
    begun = bench.begin("print('on')\nwhile True: pass")
    await begun.sink.until(b"on")
    await bench.kernels.interrupt()
    assert (await begun.end()).status == "interrupted"
    assert (await bench.run("x = (")).status == "error"
    assert (await bench.run("x")).result == "[1, 2]"


def pythons(environ: dict[str, str]) -> dict[str, str]:
    """Every CPython from 3.8 on that this machine has: version to path."""
    folders = [Path(folder) for folder in environ.get("PATH", "").split(os.pathsep)]
    folders += sorted(Path(environ.get("HOME", "/"), ".pyenv", "versions").glob("*/bin"))
    return {
        f"3.{minor}": str(folder / f"python3.{minor}")
        for minor in range(8, 15)
        for folder in folders
        if os.access(folder / f"python3.{minor}", os.X_OK) and folder.name != "shims"
    }


@pytest.mark.parametrize("version", [f"3.{minor}" for minor in range(8, 15)])
def test_every_python(tmp_path: Path, version: str, real_environ: dict[str, str]) -> None:
    found = pythons(dict(real_environ))
    if version not in found:
        pytest.skip(f"no Python {version} on this machine")

    async def work() -> None:
        async with opened(tmp_path, python=found[version]) as bench:
            await whole_scenario(bench)

    go(work())
