"""What Node keeps of its variables, and what it says of the rest."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from interpreter.kernels.runtimes import node_source

from .checkpoints import Keeping, unsaved
from .keeper_client import KeeperClient

pytestmark = pytest.mark.skipif(not shutil.which("node"), reason="Node.js is not on this machine")


@pytest.fixture
def nodes(client: KeeperClient, folder: Path) -> Keeping:
    return Keeping(client, folder, ["node", "--no-force-async-hooks-checks", "-"], node_source())


KEPT = r"""
const round = {}; round.self = round; const map = new Map([[round, { set: new Set([1, round]) }]]); let shared = map;
const day = new Date(5), pattern = /x+/gi, big = 12345678901234567890n, minus = -0; let never, nothing = null;
const buffer = new ArrayBuffer(16), bytes = new Uint8Array(buffer, 4, 8), floats = new Float32Array(buffer);
bytes[0] = 9;
const sparse = [1, , 3]; const wrong = new TypeError('bad'); const text = Buffer.from('héllo'); const boxed = new
Number(4);
class Base { constructor() { this.a = 1 } } class Under extends Base { m() { return this.a + 1 } static s() {
return 1 } }
const under = new Under(); class List extends Array { last() { return this[this.length - 1] } } const list =
List.from([1, 2]);
class Oops extends Error {} let oops = new Oops('hey'); const both = [under, { under }];
const twice = (x) => x * 2, later = async (x) => x, many = function* () { yield 1 };
function factorial(n) { return n < 2 ? 1 : n * factorial(n - 1) } async function gone() {}
const firm = Object.freeze([1, { a: 2 }]), tight = Object.seal({ a: 1 }), bare = Object.create(null); bare.x = 1;
const { promises, existsSync } = require('fs'); import path, { join } from 'node:path'; const again = await
import('fs');
var old = { t: 1 }; loose = old; globalThis['not an identifier'] = 5; const 名字 = '中文😀', lone = '\ud800';
let awaited = await Promise.resolve({ o: 1 }); process.env.NEW = 'n'; delete process.env.HOME;
require('fs').mkdirSync('sub', { recursive: true }); process.chdir('sub');
"""
TOLD = r"""
[round.self === round, map.get(round).set.has(round), shared === map, +day, pattern.flags, big, Object.is(minus,
-0), never,
nothing, floats.buffer === buffer && bytes.buffer === buffer, bytes[0], bytes.byteOffset, 1 in sparse, sparse.length,
wrong instanceof TypeError, wrong.message, Buffer.isBuffer(text) && text.toString(), typeof boxed, under instanceof
Under,
under.m(), Under.s(), list instanceof List, list.last(), oops instanceof Oops && oops.message, both[0] ===
both[1].under,
twice(4), later.constructor.name, [...many()], factorial(5), gone.name, Object.isFrozen(firm),
Object.isFrozen(firm[1]),
Object.isSealed(tight), Object.getPrototypeOf(bare), typeof promises.readFile, existsSync('.'), join('a', 'b'),
path.sep,
typeof again.readFileSync, old === loose, globalThis['not an identifier'], 名字, lone.charCodeAt(0), awaited.o,
process.env.NEW, process.env.HOME, process.cwd().split('/').pop(),
Object.keys(globalThis).includes('factorial')].map(String)
.join('|') + (() => { try { eval('big = 1') } catch (error) { return error.message } })()
"""


def test_values_come_back_as_they_were(nodes: Keeping) -> None:
    first = nodes.born()
    saved = nodes.keep(first, KEPT)
    assert saved["unsaved"] == []
    second, told = nodes.again(saved)
    assert told["missing"] == []
    before = first.run(TOLD)
    assert "|24|" not in before.result
    assert "120|gone" in before.result
    assert second.run(TOLD).result == before.result
    # They are as the person declared them: they can be declared again, and functions know the newest.
    assert second.run("const big = 2, under = 3; let never; factorial(3) + big + under").result == "11"
    third, _ = nodes.again(nodes.keep(second, "big"))
    assert third.run("[big, under, twice(big), process.env.HOME]").result == "[ 2, 3, 4, undefined ]"


UNSAVED = {
    "closed": ("(() => { let inner = 1; return () => inner })()", "it uses inner of the code around it"),
    "bound": ("Math.max.bind(null)", "it is not written in JavaScript"),
    "method": ("({ method() {} }).method", "its text does not stand by itself"),
    "cache": ("Object.assign(function () {}, { seen: {} })", "it carries values: seen"),
    "block": ("class { static { ran('block') } }", "defining it again would run its static block"),
    "holder": ("({ f() {}, n: 1 })", "it holds a function"),
    "getter": ("({ get x() { ran('getter') } })", "it has a field that is computed when it is read"),
    "proxy": ("new Proxy({}, { ownKeys() { ran('trap') }, get() { ran('trap') } })", "it is a proxy"),
    "hidden": ("Object.defineProperty({}, 'h', { value: 1 })", "it has a hidden field"),
    "symbol": ("({ [Symbol('s')]: 1 })", "it has a field with a symbol for its name"),
    "promise": ("Promise.resolve(1)", "it is an instance of Promise"),
    "generator": ("(function* () {})()", "it is a generator"),
    "url": ("[new URL('http://a/b')]", "it holds an instance of URL"),
    "secret": ("new (class Secret { #p = 1 })()", "it is an instance of Secret"),
    "fault": ("Object.assign(new Error('x'), { code: 'E' })", "it is an error with fields of its own"),
    "module": ("require('./own.js')", "it is the module ./own.js: it can be loaded again"),
}


def test_the_rest_is_named_with_its_reason_and_nothing_of_it_runs(nodes: Keeping) -> None:
    (nodes.folder / "own.js").write_text("require('fs').appendFileSync('ran', 'module'); exports.f = () => 1")
    code = "var ran = (what) => require('fs').appendFileSync('ran', what);\n"
    code += "\n".join(f"const {name} = {text};" for name, (text, _) in UNSAVED.items())
    first = nodes.born()
    saved = nodes.keep(first, code + "\nlet kept = { toJSON() { ran('json') } }; kept = { n: 1 }; void 0")
    assert unsaved(saved) == {name: reason for name, (_, reason) in UNSAVED.items()}
    assert {one["name"] for one in saved["unsaved"] if one["rebuild"]} == {"module"}
    assert {one["execution"] for one in saved["unsaved"]} == {saved["execution"]}
    second, told = nodes.again(saved)
    assert unsaved(told) == unsaved(saved)
    assert second.run("kept.n").result == "1"
    assert second.run("closed").error["name"] == "ReferenceError"
    # While they were made, two of them ran; in saving and taking up, none.
    assert (nodes.folder / "ran").read_text() == "blockmodule"


def test_what_is_too_much_is_named_and_the_rest_is_not_written_again(nodes: Keeping) -> None:
    first = nodes.born(variable=4 << 20, total=8 << 20)
    many = "const many = Array.from({ length: 450000 }, () => ({})); const huge = 'x'.repeat(5e6);"
    saved = nodes.keep(first, f"const half = Buffer.alloc(2e6, 7); let n = 1; {many}")
    assert unsaved(saved) == {
        "many": "there is too much of it to be saved while everything waits",
        "huge": "about 5000000 bytes are too many",
    }
    later = nodes.keep(first, "n = 2")
    assert 0 < later["written"] < 1000 < later["size"]
    second, _ = nodes.again(later)
    assert second.run("n + half[1e6]").result == "9"


def test_it_serves_while_it_is_saved_and_after_an_interrupt(nodes: Keeping) -> None:
    first = nodes.born()
    for n in range(5):
        assert (
            first.run(f"var v{n} = Array.from({{ length: 4000 }}, (_, i) => ({{ i }})); v{n}.length").result == "4000"
        )
    execution = first.begin("console.log('on'); for (;;);")
    first.wait_output(execution, b"on")
    assert first.interrupt(execution, grace=10).status == "interrupted"
    saved = nodes.keep(first, "v4[3].i")
    assert saved["unsaved"] == []
    second, _ = nodes.again(saved)
    assert second.run("v0[3999].i + v4[3].i").result == "4002"
