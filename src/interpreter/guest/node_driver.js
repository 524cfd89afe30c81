// The Node guest: together with the other `node_*.js` it makes one program. `node_channel.js` becomes a worker and
// sees nothing of the rest. Read by `node --no-force-async-hooks-checks -` from stdin; speaks frames on descriptor 3 (4 bytes of
// length, then JSON).
//
// The person's code runs on the main thread, as in the console of a browser: evaluated through the inspector in its
// REPL mode, so that `let`, `const` and `class` persist and may be declared again, and `await` stands anywhere. A
// worker thread holds the channel: it hears an interrupt while the main thread is busy, and stops it through an
// inspector session of its own. Stopping a callback leaves Node's stack of asynchronous ids uneven; with its checks
// on, Node would abort.
const { Session } = require('node:inspector');
const { Worker, MessageChannel } = require('node:worker_threads');
const { createRequire, builtinModules } = require('node:module');
const { pathToFileURL } = require('node:url');
const { Console } = require('node:console');
const { writeSync } = require('node:fs');
const path = require('node:path');
const util = require('node:util');
const { isPromise, isNativeError } = util.types;

const RESULT = 64 * 1024;
const state = { running: '', pending: false, failed: null, timers: [], cell: '' };

function hide(name, value) {
  Object.defineProperty(globalThis, name, { value, writable: true, configurable: true, enumerable: false });
}

// ---- what the person's code finds

function prepareGlobals() {
  process.argv.splice(1);
  const base = path.join(process.cwd(), '[cell]');
  hide('require', noted(createRequire(base)));
  hide('__filename', base);
  hide('__dirname', process.cwd());
  hide('module', { exports: {}, filename: base, id: '<cell>', loaded: false, children: [], paths: [] });
  hide('exports', globalThis.module.exports);
  for (const name of builtinModules) {
    if (name.startsWith('_') || name.includes('/') || name in globalThis) continue;
    const get = () => {
      const value = require(name);
      hide(name, value);
      return noteModule(value, name);
    };
    const set = (value) => hide(name, value);
    Object.defineProperty(globalThis, name, { get, set, configurable: true, enumerable: false });
  }
  for (const stream of [process.stdout, process.stderr]) {
    if (stream._handle && stream._handle.setBlocking) stream._handle.setBlocking(true);
    writeAtOnce(stream);
  }
  // Node's own console repeats every message to the inspector, which keeps them.
  hide('console', new Console({ stdout: process.stdout, stderr: process.stderr }));
  followTimers();
  // Our own frames are below every stack; nobody should have to read them.
  Object.defineProperty(Error, 'prepareStackTrace', { value: cutStack, writable: true, configurable: true });
}

// What was written is on its way before the end is told. And a stream of Node's that is stopped in the middle of a write
// waits for the end of it for ever: whatever is written later would never be seen.
function writeAtOnce(stream) {
  const original = stream.write;
  const write = function write(chunk, encoding, callback) {
    const bytes = typeof chunk === 'string' || util.types.isUint8Array(chunk);
    if (!bytes || stream.writableEnded || stream.destroyed) return original.apply(stream, arguments);
    const told = typeof encoding === 'function' ? encoding : callback;
    let left = typeof chunk === 'string' ? Buffer.from(chunk, typeof encoding === 'string' ? encoding : 'utf8') : chunk;
    while (left.length) {
      try {
        left = left.subarray(writeSync(stream.fd, left));
      } catch (error) {
        if (error.code !== 'EAGAIN') return told ? original.call(stream, left, told) : original.call(stream, left);
        Atomics.wait(heart, 1, 0, 1);
      }
    }
    if (typeof told === 'function') process.nextTick(told, null);
    return true;
  };
  Object.defineProperty(stream, 'write', { value: write, writable: true, configurable: true, enumerable: false });
}

function noted(plain) {
  const asked = function require(id) {
    return id === TOOLS ? lent : noteModule(plain(id), id);
  };
  for (const name of Reflect.ownKeys(plain)) {
    if (name !== 'prototype') Object.defineProperty(asked, name, Object.getOwnPropertyDescriptor(plain, name));
  }
  return asked;
}

function cutStack(error, frames) {
  const ours = frames.findIndex((f) => f.getFileName() === 'node:inspector' && String(f.getFunctionName()).endsWith('post'));
  const kept = (ours < 0 ? frames : frames.slice(0, ours)).filter((f) => f.getFileName() !== '[stdin]');
  let head = 'Error';
  try {
    head = Error.prototype.toString.call(error);
  } catch {
    // Its name or message cannot be read.
  }
  return [head, ...kept.map((frame) => '    at ' + frame)].join('\n');
}

// Timers that a cell starts end with it when it is interrupted; else its code would go on later.
function followTimers() {
  const own = { setTimeout, setInterval, setImmediate };
  for (const [name, original] of Object.entries(own)) {
    const follow = (...args) => {
      const timer = original(...args);
      if (state.running) {
        state.timers.push(timer);
        if (state.timers.length % 4096 === 0) state.timers = state.timers.filter((t) => !t._destroyed);
      }
      return timer;
    };
    const shown = follow.bind(null);
    Object.defineProperty(shown, 'name', { value: name });
    for (const key of Reflect.ownKeys(original)) {
      if (!(key in shown) && key !== util.promisify.custom) Object.defineProperty(shown, key, Object.getOwnPropertyDescriptor(original, key));
    }
    globalThis[name] = shown;
  }
  followPromisedTimers(own);
}

function followPromisedTimers(own) {
  const promises = require('node:timers/promises');
  const original = promises.setTimeout;
  const follow = (delay, value, options) => {
    if (options !== undefined || !state.running) return original(delay, value, options);
    return new Promise((resolve) => state.timers.push(own.setTimeout(resolve, delay, value)));
  };
  const shown = Object.defineProperty(follow.bind(null), 'name', { value: 'setTimeout' });
  promises.setTimeout = shown;
  const custom = { value: shown, configurable: true };
  Object.defineProperty(globalThis.setTimeout, util.promisify.custom, custom);
}

function dropTimers() {
  for (const timer of state.timers) {
    clearTimeout(timer);
    clearImmediate(timer);
  }
  state.timers = [];
}

// Evaluated code has no `import()` of its own; its calls come here.
function importer(specifier, options) {
  const name = String(specifier);
  if (name === TOOLS) return Promise.resolve(lent);
  const local = name.startsWith('./') || name.startsWith('../') || name.startsWith('/');
  const target = local ? pathToFileURL(path.resolve(name)).href : name;
  const loaded = options === undefined ? import(target) : import(target, options);
  return loaded.then((module) => noteModule(module, name)).catch((error) => {
    // It names the file that asks: ours.
    for (const field of isNativeError(error) ? ['stack', 'message'] : []) {
      if (typeof error[field] === 'string') error[field] = error[field].replaceAll('[stdin]', '[cell]');
    }
    throw error;
  });
}

// ---- how a cell ends

function shown(value) {
  if (isPromise(value) && util.inspect(value) === 'Promise { undefined }') return '';
  const text = value === undefined ? '' : util.inspect(value);
  return text.length > RESULT ? text.slice(0, RESULT) + '\n... cut ...' : text;
}

function lineOf(stack) {
  const found = stack.includes(state.cell) && new RegExp(state.cell + ':(\\d+)').exec(stack);
  return found ? Number(found[1]) : null;
}

function describe(error) {
  if (!isNativeError(error)) {
    return { name: 'Uncaught', message: util.inspect(error), traceback: 'Uncaught ' + util.inspect(error), line: null };
  }
  let name = 'Error', message = '', traceback = '';
  try {
    name = String(error.name);
    message = String(error.message);
    traceback = util.inspect(error);
  } catch {
    traceback = name;
  }
  return { name, message, traceback, line: lineOf(traceback) };
}

const key = '__' + require('node:crypto').randomBytes(12).toString('hex');
let session = null;
const flushed = setImmediate;
let helper = null;
let given;

// A new session also after each interrupt: the old one waits for a promise that will never be settled, and some
// versions of V8 abort when they find it collected.
function connect() {
  if (session) session.disconnect();
  session = new Session();
  session.connect();
  hide(key, (value) => {
    given = value;
  });
  helper = post('Runtime.evaluate', { expression: `globalThis.${key}` }).result.objectId;
  delete globalThis[key];
}

function post(method, params) {
  let known;
  session.post(method, params, (error, answer) => {
    known = error ? { error } : answer;
  });
  return known;
}

// The value itself, of what the inspector only describes.
function valueOf(remote) {
  if (!remote.objectId && !remote.unserializableValue) return remote.value;
  const handed = remote.objectId ? { objectId: remote.objectId } : { unserializableValue: remote.unserializableValue };
  const functionDeclaration = 'function (value) { this(value); }';
  post('Runtime.callFunctionOn', { objectId: helper, functionDeclaration, arguments: [handed] });
  const value = given;
  given = undefined;
  return value;
}

function begin({ id, cell, expression }) {
  Object.assign(state, { running: id, cell, pending: true, failed: null, timers: [] });
  const how = { expression, replMode: true, awaitPromise: true, objectGroup: cell, silent: false };
  Atomics.store(heart, 2, 1);
  session.post('Runtime.evaluate', how, (error, answer) => finish(id, error, answer));
  Atomics.store(heart, 2, 0);
}

// What is left in the queues still belongs to the cell, and so does a promise that it leaves as its value.
async function finish(id, error, answer) {
  if (state.running !== id) return;
  state.pending = false;
  if (error) {
    const message = String(error.message);
    const never = message.includes('Promise was collected') ? 'nothing can settle the promise that it waits for' : message;
    return report(id, { error: { name: 'Error', message: never, traceback: 'Error: ' + never, line: null } });
  }
  const details = answer.exceptionDetails;
  try {
    const value = valueOf(answer.result);
    post('Runtime.releaseObjectGroup', { objectGroup: state.cell });
    if (details) return report(id, { error: describe(value), place: placeOf(value, details) });
    if (isPromise(value)) await value;
    await new Promise((resolve) => flushed(resolve));
    report(id, state.failed ? { error: state.failed } : { result: shown(value) });
  } catch (thrown) {
    report(id, { error: describe(thrown) });
  }
}

// A syntax error has no stack that names its place.
function placeOf(error, details) {
  const syntax = isNativeError(error) && error.name === 'SyntaxError' && details.scriptId && !details.stackTrace;
  return syntax ? { line: details.lineNumber, column: details.columnNumber } : null;
}

function report(id, message) {
  if (state.running !== id) return;
  Object.assign(state, { running: '', timers: [] });
  forgetCalls();
  if (state.pending) connect();
  port.postMessage({ op: 'done', id, ...message });
}

// An error in a callback or a promise that nobody waits for.
function fail(error, origin) {
  const known = describe(error);
  if (state.running) {
    state.failed = state.failed || known;
    if (origin !== 'unhandledRejection') report(state.running, { error: known });
  } else {
    process.stderr.write('Uncaught ' + known.traceback + '\n');
  }
}

// ---- checkpoints

function save(frame) {
  let taken;
  try {
    taken = takeState(frame);
  } catch (error) {
    taken = { error: String(error && error.message) };
  }
  const data = (taken.blobs || []).map((blob) => (blob.byteLength === blob.buffer.byteLength ? blob : Uint8Array.from(blob)));
  port.postMessage({ ...taken, op: 'saved', id: frame.id, blobs: data }, data.map((blob) => blob.buffer));
}

async function restore({ id, groups }) {
  port.postMessage({ op: 'restored', id, ...(await takeUp(groups)) });
}

// ---- the two threads

const { port1: port, port2: other } = new MessageChannel();
const heart = new Int32Array(new SharedArrayBuffer(16));
port.on('message', (message) => {
  if (message.op === 'execute') begin(message);
  else if (message.op === 'tool') answered(message);
  else if (message.op === 'save') save(message);
  else if (message.op === 'restore') restore(message);
  else if (message.op === 'ping') {
    Atomics.store(heart, 2, 0);
    Atomics.store(heart, 0, message.n);
  }
  else if (message.op === 'stopped') {
    dropTimers();
    forgetCalls();
    state.running = '';
    connect();
  }
});
prepareGlobals();
hide('imp\u043ert', importer);
rememberBirth();
connect();
process.exit = function exit(code) {
  const status = code === undefined ? process.exitCode : code;
  port.postMessage({ op: 'exit', id: state.running, code: Number(status) & 255 || 0 });
  // The worker ends what runs here.
  for (;;) Atomics.wait(heart, 1, 0, 1);
};

const worker = new Worker(`(${channel})()`, {
  eval: true,
  env: {},
  argv: [],
  execArgv: [],
  workerData: { port: other, heart, version: process.version },
  transferList: [other],
});
worker.on('exit', () => process.reallyExit(70));
worker.on('error', () => process.reallyExit(70));
process.on('SIGINT', () => {});
process.on('uncaughtException', fail);
process.on('unhandledRejection', (error) => fail(error, 'unhandledRejection'));
