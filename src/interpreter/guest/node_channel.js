// The Node guest's worker: the channel to the keeper, what is done about imports, and interrupts. It is handed to the
// worker as text, so it cannot see anything of `node_driver.js`.
function channel() {
  'use strict';
  const { workerData } = require('node:worker_threads');
  const { Session } = require('node:inspector');
  const fs = require('node:fs');
  const net = require('node:net');
  const vm = require('node:vm');
  const { port, heart, version } = workerData;
  const PATIENCE = 50; // milliseconds that an idle main thread may take to answer
  let running = null;
  let cells = 0;
  let pings = 0;
  let received = [];
  let size = 0;

  const session = new Session();
  session.connectToMainThread();
  const ask = (method, params) =>
    new Promise((resolve) => session.post(method, params, (error, answer) => resolve(error ? { error } : answer)));
  const socket = new net.Socket({ fd: 3, readable: true, writable: true });

  function send(message) {
    const body = Buffer.from(JSON.stringify(message));
    const head = Buffer.alloc(4);
    head.writeUInt32BE(body.length);
    socket.write(Buffer.concat([head, body]));
  }

  function done(cell, status, exit_status, more) {
    if (running !== cell) return;
    running = null;
    send({ op: 'done', id: cell.id, status, exit_status, ...more });
  }

  // ---- imports: the parser itself is asked what is one

  const BROKEN = 'Invalid or unexpected token';

  function complaint(code) {
    try {
      new vm.Script('(async () => {' + code + '\n})');
      return '';
    } catch (error) {
      return String(error.message);
    }
  }

  // In a string, a comment or a pattern the mark changes nothing; as code it cannot be read.
  const isCode = (code, at) => complaint(code.slice(0, at) + 'im\\ort' + code.slice(at + 6)) === BROKEN;

  const STATIC =
    /^import\s*(?:(?:([\p{ID_Start}$_][\p{ID_Continue}$]*)\s*,?\s*)?(?:\*\s*as\s+([\p{ID_Start}$_][\p{ID_Continue}$]*)\s*|\{([^}]*)\}\s*)?from\s*)?(["'])(.*?)\4(?:\s*(?:with|assert)\s*(\{[^}]*\}))?/u;

  function dynamic(text, [, first, all, names, quote, target, attributes]) {
    const options = attributes ? `, {with: ${attributes}}` : '';
    const loaded = `await imp\u043ert(${quote}${target}${quote}${options})`;
    const parts = [];
    if (first) parts.push(`default: ${first}`);
    for (const name of (names || '').split(',')) {
      if (name.trim()) parts.push(name.trim().replace(/\s+as\s+/u, ': '));
    }
    let line = loaded;
    if (all) line = `const ${all} = ${loaded}` + (first ? `, {default: ${first}} = ${all}` : '');
    else if (parts.length) line = `const {${parts.join(', ')}} = ${loaded}`;
    return line + '\n'.repeat(text.split('\n').length - 1);
  }

  function withImports(code) {
    if (!code.includes('import') || complaint(code) === BROKEN) return code;
    for (const kind of ['static', 'dynamic']) {
      let from = 0;
      for (;;) {
        const at = code.indexOf('import', from);
        if (at < 0) break;
        from = at + 6;
        const called = /^import\s*\(/.test(code.slice(at, at + 200));
        if (called !== (kind === 'dynamic') || !isCode(code, at)) continue;
        const found = called ? null : STATIC.exec(code.slice(at));
        if (!called && !found) continue;
        const text = called ? 'import' : found[0];
        const put = called ? 'imp\u043ert' : dynamic(text, found);
        code = code.slice(0, at) + put + code.slice(at + text.length);
        from = at + put.length;
      }
    }
    return code;
  }

  // ---- a cell

  function execute(id, code) {
    const cell = { id, name: `cell-${++cells}`, code };
    running = cell;
    const expression = withImports(code) + `\n//# sourceURL=${cell.name}`;
    port.postMessage({ op: 'execute', id, cell: cell.name, expression });
  }

  function finished({ error, place, result }) {
    // What was stopped complains about it; the interrupt tells its end.
    if (error && running.stopping) return undefined;
    if (!error) return done(running, 'ok', 0, { result });
    if (place) {
      const lines = running.code.split('\n');
      const row = Math.min(place.line, lines.length - 1);
      const mark = ' '.repeat(row === place.line ? place.column : lines[row].length) + '^';
      error.line = row + 1;
      const where = `${running.name}:${error.line}\n${lines[row].slice(0, 400)}\n${mark.slice(-401)}`;
      error.traceback = `${where}\n\n${error.name}: ${error.message}`;
    }
    return done(running, 'error', 1, { error });
  }

  // ---- interrupts

  function idle() {
    const n = ++pings;
    port.postMessage({ op: 'ping', n });
    const end = Date.now() + PATIENCE;
    while (Atomics.load(heart, 0) !== n) {
      if (Date.now() > end) return false;
      Atomics.wait(heart, 1, 0, 1);
    }
    return true;
  }

  async function interrupt(id) {
    const cell = running;
    if (!cell || cell.id !== id || cell.stopping) return;
    // Not acknowledged before it has stopped: the keeper's signal, which ends a child that the code waits for, has to
    // come again while the code starts others.
    cell.stopping = true;
    // In the code itself, not in one of its callbacks: no need to ask first.
    if (Atomics.load(heart, 2)) await ask('Runtime.terminateExecution');
    while (!idle()) await ask('Runtime.terminateExecution');
    port.postMessage({ op: 'stopped' });
    done(cell, 'interrupted', 130, { error: { name: 'Interrupted', message: 'interrupted', traceback: '', line: null } });
  }

  async function leave(id, code) {
    if (running && running.id === id) running.stopping = true;
    do await ask('Runtime.terminateExecution');
    while (!idle());
    port.postMessage({ op: 'stopped' });
    if (running && running.id === id) done(running, code ? 'error' : 'ok', code, {});
  }

  port.on('message', (message) => {
    if (message.op === 'exit') leave(message.id, message.code);
    else if (message.op === 'saved') saved(message);
    else if (message.op === 'restored') send(message);
    else if (message.op === 'tool') askHost(message);
    else if (running && running.id === message.id) finished(message);
  });

  // ---- calls of tools: the host answers, in the order in which the main thread asks

  function askHost(message) {
    if (running && running.id === message.id && !running.stopping) send(message);
    else port.postMessage({ ...message, text: '{"ok": false, "error": "the cell has ended"}' });
  }

  // ---- checkpoints: records on the state channel, one `write` each

  const STATE = 4;
  const RECORD = 60000;
  const made = new Map(); // what could not be saved, to the execution after which that was first so
  let execution = '';
  let saving = null;

  function record(token, kind, payload) {
    const data = Buffer.concat([Buffer.from(token + kind), payload]);
    return new Promise((resolve, reject) => fs.write(STATE, data, 0, data.length, null, (error) => (error ? reject(error) : resolve())));
  }

  const failed = (token, why) => record(token, 'f', Buffer.from(why.slice(0, 1000))).catch(() => {});

  function save(frame) {
    if (running || saving) return failed(frame.id, running ? 'it is busy' : 'the save before has not ended');
    saving = frame;
    Atomics.store(heart, 3, 0);
    setTimeout(() => {
      if (saving !== frame) return;
      saving = null;
      failed(frame.id, 'something in the background kept it busy');
    }, (frame.deadline || 30) * 1000).unref();
    return port.postMessage(frame);
  }

  async function saved({ id, error, groups, blobs, unsaved }) {
    const frame = saving;
    if (!frame || frame.id !== id) return;
    try {
      if (error) await failed(id, error);
      else await sendState(frame, groups, blobs, unsaved);
    } catch {
      // Who reads has gone.
    }
    saving = null;
  }

  async function sendState({ id, known }, groups, blobs, unsaved) {
    const there = new Set(known), names = [];
    for (const blob of blobs) {
      const name = require('node:crypto').createHash('sha256').update(blob).digest('hex');
      names.push(name);
      if (there.has(name)) continue;
      for (let at = 0; at < blob.length; at += RECORD) await record(id, 'd', blob.subarray(at, at + RECORD));
      await record(id, 'e', Buffer.from(name));
      there.add(name);
    }
    for (const name of made.keys()) if (!unsaved.some((one) => one.name === name)) made.delete(name);
    for (const one of unsaved) made.set(one.name, made.get(one.name) || execution);
    const contents = Buffer.from(JSON.stringify({
      groups: groups.map((one) => ({ ...one, blob: names[one.blob], at: 0, size: blobs[one.blob].length, buffers: [] })),
      unsaved: unsaved.map((one) => ({ ...one, execution: made.get(one.name) })),
    }));
    for (let at = 0; at < contents.length; at += RECORD) await record(id, 'm', contents.subarray(at, at + RECORD));
    await record(id, 'z', Buffer.alloc(0));
  }

  const read = () =>
    new Promise((resolve, reject) => {
      const room = Buffer.alloc(65536);
      fs.read(STATE, room, 0, room.length, null, (error, size) => (error ? reject(error) : resolve(room.subarray(0, size))));
    });

  async function restore({ id }) {
    const blobs = new Map(), contents = [];
    let parts = null, error = '';
    for (;;) {
      const data = await read().catch(() => Buffer.alloc(0));
      const kind = data.toString('latin1', 20, 21), payload = data.subarray(21);
      if (data.length && data.toString('latin1', 0, 20) !== id) continue;
      if (kind === 'm') contents.push(payload);
      else if (kind === 'b') blobs.set(JSON.parse(payload).sha256, (parts = []));
      else if (kind === 'd') parts.push(payload);
      else if (kind === 'z') break;
      else if (kind !== 'e') {
        error = payload.toString() || 'the state came only in part';
        break;
      }
    }
    if (error) return send({ op: 'restored', id, names: 0, missing: [], error });
    const { groups } = JSON.parse(Buffer.concat(contents));
    const data = ({ blob, at, size }) => Buffer.concat(blobs.get(blob)).subarray(at, at + size);
    return port.postMessage({ op: 'restore', id, groups: groups.map((one) => ({ ...one, data: data(one) })) });
  }

  function take(message) {
    if (message.op === 'execute') {
      if (saving) Atomics.store(heart, 3, 1);
      execution = message.id;
      execute(message.id, message.code);
    } else if (message.op === 'save') save(message);
    else if (message.op === 'restore') restore(message);
    else if (message.op === 'tool') port.postMessage(message);
    else if (message.op === 'interrupt') interrupt(message.id);
  }

  socket.on('data', (data) => {
    received.push(data);
    size += data.length;
    while (size >= 4) {
      if (received[0].length < 4) received = [Buffer.concat(received)];
      const wanted = received[0].readUInt32BE(0) + 4;
      if (size < wanted) return;
      const whole = received.length === 1 ? received[0] : Buffer.concat(received);
      received = [whole.subarray(wanted)];
      size = whole.length - wanted;
      take(JSON.parse(whole.subarray(4, wanted).toString()));
    }
  });
  socket.on('close', () => process.exit(0));
  socket.on('error', () => process.exit(0));

  send({ op: 'ready', version });
}
