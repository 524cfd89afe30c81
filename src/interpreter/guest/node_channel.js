// The Node guest's worker: the channel to the keeper, what is done about imports, and interrupts. It is handed to the
// worker as text, so it cannot see anything of `node_driver.js`.
function channel() {
  'use strict';
  const { workerData } = require('node:worker_threads');
  const { Session } = require('node:inspector');
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
    else if (running && running.id === message.id) finished(message);
  });

  function take(message) {
    if (message.op === 'execute') execute(message.id, message.code);
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
