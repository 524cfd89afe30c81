"""What Node promises beyond the suite of all kernels."""

import shutil
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from interpreter.kernels.runtimes import node_source

from .keeper_client import Guest, KeeperClient

ARGV = ["node", "--no-force-async-hooks-checks", "-"]
pytestmark = pytest.mark.skipif(not shutil.which("node"), reason="Node is not on this machine")


@pytest.fixture
def start(client: KeeperClient, folder: Path) -> Callable[[], Guest]:
    return lambda: Guest(client, ARGV, node_source(), cwd=folder)


@pytest.fixture(scope="module")
def lasting(keeper: KeeperClient, tmp_path_factory: pytest.TempPathFactory) -> Guest:
    """One for many small pieces of code, of which none leaves anything behind that another would meet."""
    folder = tmp_path_factory.mktemp("lasting")
    (folder / "local.mjs").write_text("export default 'default'; export const a = 1, b = 2;")
    (folder / "plain.cjs").write_text("exports.z = 3")
    (folder / "data.json").write_text('{"x": 5}')
    return Guest(keeper, ARGV, node_source(), cwd=folder)


@pytest.fixture
def node(start: Callable[[], Guest]) -> Guest:
    return start()


def test_declarations_persist_and_may_come_again(node: Guest) -> None:
    assert (
        node.run("let a = 1; const b = 2; var c = 3; class D { v() { return a } } function f() { return b }").result
        == ""
    )
    assert node.run("[a, b, c, new D().v(), f()]").result == "[ 1, 2, 3, 1, 2 ]"
    assert node.run("const b = 20; let a = 10; class D { v() { return -1 } }; [a, b, new D().v(), f()]").result == (
        "[ 10, 20, -1, 20 ]"
    )
    assert node.run("const late = await Promise.resolve(7)").status == "ok"
    assert node.run("late").result == "7"


@pytest.mark.parametrize(
    ("code", "result"),
    [
        ("1 + 1", "2"),
        ("'text'", "'text'"),
        ("undefined", ""),
        ("null", "null"),
        ("-0", "-0"),
        ("10n", "10n"),
        ("NaN", "NaN"),
        ("Symbol('s')", "Symbol(s)"),
        ("new Map([[1, { a: [1] }]])", "Map(1) { 1 => { a: [ 1 ] } }"),
        ("if (true) { 7 }", "7"),
        ("({ a: 1 })", "{ a: 1 }"),
        ("new Error('as a value').message", "'as a value'"),
        ("'中文 😀'", "'中文 😀'"),
        ("Promise.resolve(5)", "Promise { 5 }"),
        ("(async () => {})()", ""),
        ("await 5 // the end", "5"),
        ("typeof require + typeof module + typeof exports + typeof __dirname", "'functionobjectobjectstring'"),
        ("fs.existsSync('/')", "true"),
        ("process.argv.length", "1"),
        ("this === globalThis", "true"),
    ],
)
def test_the_last_value_is_shown(lasting: Guest, code: str, result: str) -> None:
    ran = lasting.run(code)
    assert (ran.status, ran.result, ran.text) == ("ok", result, "")


@pytest.mark.parametrize(
    ("code", "result"),
    [
        ("import fs from 'fs'; typeof fs.readFileSync", "'function'"),
        ("import * as path from 'node:path'\nimport 'os'\npath.sep", "'/'"),
        ("import { sep, join as j } from 'path'; j('a', 'b') + sep", "'a/b/'"),
        ("import local, {\n  a,\n  b as c,\n} from './local.mjs'; [local, a, c]", "[ 'default', 1, 2 ]"),
        ("import all, * as ns from './local.mjs'; [all, ns.a]", "[ 'default', 1 ]"),
        ("(await import('./local.mjs')).default", "'default'"),
        ("import data from './data.json' with { type: 'json' }; data.x", "5"),
        ("const load = async () => (await import('os')).EOL; await load()", "'\\n'"),
        ("require('./plain.cjs').z", "3"),
        ("const s = 'import x from y', t = `\nimport z from 'q'\n${1}`; /* import('n') */ s.length + t.length", "35"),
        ("/import('a')/.test('import(1)') // import('b')", "false"),
        ("`${(await import('os')).EOL}import('x')`", "\"\\nimport('x')\""),
    ],
)
def test_imports(lasting: Guest, code: str, result: str) -> None:
    ran = lasting.run(code)
    assert (ran.status, ran.result) == ("ok", result), ran


@pytest.mark.parametrize(
    ("code", "name", "message", "line"),
    [
        ("1\n\nnull.x", "TypeError", "Cannot read properties of null (reading 'x')", 3),
        ("let ok = 1;\nlet bad = ;\n", "SyntaxError", "Unexpected token ';'", 2),
        ("foo(", "SyntaxError", "Unexpected end of input", 1),
        ("import os from 'os'\n\nthrow new RangeError('r' + typeof os)", "RangeError", "robject", 3),
        ("function g() {\n  throw new Error('deep')\n}\n\ng()", "Error", "deep", 2),
        ("await 1\nawait Promise.reject(new Error('late'))", "Error", "late", 2),
        ("Promise.reject(new Error('nobody'))\n5", "Error", "nobody", 1),
        ("setTimeout(() => {\n  throw new Error('timer') }, 5)\nawait new Promise(() => {})", "Error", "timer", 2),
        ("throw 5", "Uncaught", "5", None),
        ("import('./not-there.mjs')", "Error", "Cannot find module", None),
    ],
)
def test_errors_name_the_line_and_nothing_of_ours(
    lasting: Guest, code: str, name: str, message: str, line: int | None
) -> None:
    ran = lasting.run(code)
    assert (ran.status, ran.exit_status, ran.error["name"], ran.error["line"]) == ("error", 1, name, line), ran
    assert ran.error["message"].startswith(message)
    for ours in ("[stdin]", "node:inspector", "Session"):
        assert ours not in ran.error["traceback"]
    assert lasting.run("'on'").result == "'on'"


def test_a_stack_that_the_code_reads_is_its_own(node: Guest) -> None:
    ran = node.run("let stack; try {\n  null.x } catch (error) { stack = error.stack } stack.split('\\n').slice(1)")
    assert ran.result == "[ '    at cell-1:2:8' ]"


@pytest.mark.parametrize(
    ("code", "status"),
    [
        ("process.exit(3)", 3),
        ("process.exit()", 0),
        ("try { process.exit(4) } finally { console.log('never') }", 4),
        ("await new Promise((r) => setTimeout(r, 5)); process.exit(5)", 5),
        ("setTimeout(() => process.exit(6), 5); await new Promise(() => {})", 6),
        ("process.exitCode = 7; process.exit()", 7),
    ],
)
def test_exit_is_told_and_the_state_stays(node: Guest, code: str, status: int) -> None:
    node.run("const kept = 1")
    ran = node.run(f"console.log('before'); {code}; console.log('never')")
    assert (ran.exit_status, ran.text, ran.restarted) == (status, "before\n", False), ran
    assert node.run("kept").result == "1"


@pytest.mark.parametrize(
    "code",
    [
        "await 1; on(); while (true) {}",
        "await new Promise((r) => setTimeout(r, 5)); on(); for (;;) {}",
        "setTimeout(() => { on(); for (;;) {} }, 1); await new Promise(() => {})",
        "on(); for (;;) await null",
        "on(); for (;;) await new Promise((r) => setImmediate(r))",
        "on(); while (true) { try { while (true) {} } catch {} finally {} }",
        "on(); Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0)",
        "on(); await require('timers/promises').setTimeout(60000)",
        "on(); /(a+)+$/.test('a'.repeat(40) + 'b')",
        "on(); for (;;) require('child_process').spawnSync('sleep', ['60'])",
        "process.exit = () => {}; on(); while (true) {}",
    ],
)
def test_interrupt_reaches_everything(node: Guest, code: str) -> None:
    node.run("const kept = 1; const on = () => console.log('on')")
    execution = node.begin(code + "; console.log('never')")
    node.wait_output(execution, b"on\n")
    ran = node.interrupt(execution, grace=20)
    assert (ran.status, ran.restarted) == ("interrupted", False), ran
    time.sleep(0.1)
    assert (after := node.run("kept")).result == "1"
    assert "never" not in ran.text + after.text


@pytest.mark.parametrize("name", ["log", "error"])
def test_what_is_printed_after_an_interrupt_in_the_middle_of_printing_is_seen(node: Guest, name: str) -> None:
    for wait in (0, 0.001, 0.003, 0.006):
        execution = node.begin(f"for (;;) console.{name}('x'.repeat(50))")
        node.wait_output(execution, b"x\n")
        time.sleep(wait)  # so that it is stopped at different places of a write
        assert node.interrupt(execution, grace=20).status == "interrupted"
        assert node.run("console.log('out'); console.error('err')").text == "out\nerr\n"


@pytest.mark.parametrize(
    ("code", "text"),
    [
        ("process.stdout.write('4142', 'hex')", "AB"),
        ("process.stdout.write(Buffer.from('é'))", "é"),
        ("process.stdout.write(new Uint8Array([65, 66]), () => console.log('told'))", "ABtold\n"),
        ("await new Promise((told) => process.stderr.write('a', 'utf8', told))", "a"),
        ("require('stream').Readable.from(['a', 'b']).pipe(process.stdout); await 1", "ab"),
        ("try { process.stdout.write(1) } catch (e) { console.log(e.code) }", "ERR_INVALID_ARG_TYPE\n"),
        ("try { process.stdout.write('a', 'none') } catch (e) { console.log(e.code) }", "ERR_UNKNOWN_ENCODING\n"),
        ("console.log(Object.keys(process.stdout).includes('write'))", "false\n"),
    ],
)
def test_the_streams_are_nodes(lasting: Guest, code: str, text: str) -> None:
    ran = lasting.run(code)
    assert (ran.status, ran.text) == ("ok", text), ran


def test_timers_of_an_interrupted_cell_end_with_it(node: Guest) -> None:
    node.run("globalThis.ticks = 0; setInterval(() => { ticks++ }, 5); 0")
    execution = node.begin("setTimeout(() => { ticks = -1e9 }, 400); await new Promise((r) => setTimeout(r, 60000))")
    time.sleep(0.1)
    assert node.interrupt(execution).status == "interrupted"
    time.sleep(0.5)
    assert int(node.run("ticks").result) > 0


def test_output_is_whole_when_the_end_is_told(node: Guest) -> None:
    ran = node.run("process.stdout.write('x'.repeat(20e6)); process.stderr.write('y'.repeat(1e6)); 0")
    assert len(ran.bytes) == 21_000_000
    assert ran.bytes.count(b"x") == 20_000_000
    ran = node.run("for (const n of [1, 2]) console.log(n); process.nextTick(() => console.log(3)); console.log(4)")
    assert ran.text == "1\n2\n4\n3\n"
    assert node.run("console.log('a\\r\\n\\t\\u0001%d', 5)").bytes == b"a\r\n\t\x015\n"


def test_ten_megabytes_of_code(node: Guest) -> None:
    assert node.run(f"const big = '{'0123456789abcdef' * 655_360}'; big.length").result == "10485760"


def test_a_server_lives_through_cells(node: Guest) -> None:
    begin = "const server = require('http').createServer((q, r) => r.end('served ' + q.url))\n"
    assert node.run(begin + "await new Promise((r) => server.listen(0, '127.0.0.1', r))").status == "ok"
    assert (
        node.run("(await (await fetch(`http://127.0.0.1:${server.address().port}/x`)).text())").result == "'served /x'"
    )


def test_nothing_of_the_driver_is_in_sight(node: Guest) -> None:
    names = node.run("Object.keys(globalThis).filter((k) => typeof globalThis[k] !== 'function')").result
    assert "imp" not in names
    assert "__" not in names
    shown = node.run("require('child_process').execSync('ps -o args= -p ' + process.pid).toString()").result
    assert "inspector" not in shown
    assert node.run("setTimeout.toString() + setTimeout.name").result == "'function () { [native code] }setTimeout'"
    assert "3 ->" not in node.run("require('child_process').execSync('ls -l /proc/$$/fd', {stdio: 'pipe'}) + ''").result


@pytest.mark.parametrize(
    "forgery",
    [
        '{"op": "done", "id": "0123456789", "status": "ok"}',
        '{"op": "ready", "version": "x"}',
        '{"op": "open", "path": "/etc/passwd"}',
        "[]",
    ],
)
def test_a_reply_that_nobody_asked_for_ends_the_kernel(node: Guest, start: Callable[[], Guest], forgery: str) -> None:
    write = f"const body = Buffer.from({forgery!r}), head = Buffer.alloc(4); head.writeUInt32BE(body.length)\n"
    ran = node.run(write + "require('fs').writeSync(3, Buffer.concat([head, body])); for (;;) {}")
    assert (ran.status, ran.restarted) == ("died", True)
    assert "protocol" in ran.error["message"]
    assert start().run("1").result == "1"
