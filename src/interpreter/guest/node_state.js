// The Node guest's checkpoints: what of the person's variables structured cloning takes, and a little more. Part of the
// driver's function; called on the main thread while nothing runs.
//
// Kept: values, with what they share; instances of classes of the session that have no private fields; functions and
// classes that know nothing but globals, by their source; modules of Node itself, by name; folder and environment. All
// else is named with its reason. Nothing of the person's is called for it: no getter, no proxy, no toJSON.
const { types } = require('node:util');
const { isBuiltin } = require('node:module');

const WALK = 200; // milliseconds of CPU in which everything must be looked at
const WAIT = 15; // and when the next execution waits already
const OBJECTS = 400000;
const BYTES = 256 << 20; // of one value, likewise
const SMALL = 16384; // bytes; what is larger has a blob of its own
const LATE = 'the next execution came before it was saved';
const born = { keys: new Set(), env: {}, cwd: '' };
const modules = new Map(); // what `require` and `import` gave, to how it was asked for
const members = new Map(); // what is in modules of Node itself, to how it is reached
const judged = new WeakMap(); // functions, to what is known of them

const { ownKeys, getPrototypeOf, getOwnPropertyDescriptor: ownly } = Reflect;
const { isProxy, isMap, isSet, isAnyArrayBuffer, isSharedArrayBuffer, isArrayBufferView, isDate, isRegExp } = types;
const { isBoxedPrimitive, isModuleNamespaceObject, isGeneratorObject } = types;
const IDENTIFIER = /^[\p{ID_Start}$_][\p{ID_Continue}$\u200c\u200d]*$/u;
const KINDS = [Object, Array, Map, Set, Date, RegExp, ArrayBuffer, DataView, Number, String, Boolean, BigInt, Error,
  EvalError, RangeError, ReferenceError, SyntaxError, TypeError, URIError, Int8Array, Uint8Array, Uint8ClampedArray,
  Int16Array, Uint16Array, Int32Array, Uint32Array, Float32Array, Float64Array, BigInt64Array, BigUint64Array];
const COMMON = new Set(KINDS.map((kind) => kind.prototype));
const source = Function.prototype.call.bind(Function.prototype.toString);
const eachOf = { map: Function.prototype.call.bind(Map.prototype.forEach), set: Function.prototype.call.bind(Set.prototype.forEach) };

function rememberBirth() {
  born.keys = new Set(ownKeys(globalThis));
  born.env = { ...process.env };
  born.cwd = process.cwd();
}

function noteModule(value, how) {
  if ((typeof value !== 'object' || value === null) && typeof value !== 'function') return value;
  modules.set(value, how);
  if (isModuleNamespaceObject(value) && isBuiltin(how)) noteModule(value.default, how);
  return value;
}

// ---- what there is

function bindings() {
  const names = post('Runtime.globalLexicalScopeNames', {}).names || [];
  const found = [];
  const expression = '[' + names.map((name) => `[()=>${name},()=>{${name}=${name}}]`).join() + ']';
  const thunks = valueOf(post('Runtime.evaluate', { expression, silent: true, objectGroup: 'state' }).result);
  names.forEach((name, n) => {
    const one = { name, kind: 'let' };
    try {
      one.value = thunks[n][0]();
    } catch {
      return; // declared, and never given a value
    }
    try {
      thunks[n][1]();
    } catch {
      one.kind = 'const';
    }
    found.push(one);
  });
  for (const name of ownKeys(globalThis)) {
    if (born.keys.has(name) || typeof name !== 'string') continue;
    const own = ownly(globalThis, name);
    found.push({ name, kind: 'var', value: own.value, reason: 'value' in own ? '' : 'it is computed when it is read' });
  }
  return found;
}

function typeOf(value) {
  if (value === null || typeof value !== 'object') return value === null ? 'null' : typeof value;
  if (isProxy(value)) return 'Proxy';
  const proto = getPrototypeOf(value);
  const made = proto && !isProxy(proto) && ownly(proto, 'constructor');
  const name = made && typeof made.value === 'function' && !isProxy(made.value) && ownly(made.value, 'name');
  return (name && typeof name.value === 'string' && name.value.slice(0, 80)) || 'object';
}

// ---- functions and classes

function remote(value) {
  hide(key, value);
  const { objectId } = post('Runtime.evaluate', { expression: `globalThis.${key}`, objectGroup: 'state' }).result;
  delete globalThis[key];
  return objectId;
}

const properties = (objectId) => post('Runtime.getProperties', { objectId, ownProperties: true });

// What a function knows of the functions around it, by name. The scope that holds only itself comes back with it.
function surroundings(fn) {
  const scopes = (properties(remote(fn)).internalProperties || []).find((one) => one.name === '[[Scopes]]');
  if (!scopes) return ['?'];
  const inner = properties(scopes.value.objectId).result.map((one) => one.value);
  const local = inner.filter((one) => one && one.description !== 'Script' && one.description !== 'Global');
  return local.flatMap((one) => properties(one.objectId).result.map((own) => own.name)).filter((name) => name !== fn.name);
}

function whyNotDefined(fn, text) {
  if (isProxy(fn)) return 'it is a proxy';
  if (/\{\s*\[native code\]\s*\}$/.test(text)) return 'it is not written in JavaScript';
  const around = surroundings(fn);
  if (around.length) return `it uses ${around.slice(0, 5).join(', ')} of the code around it`;
  try {
    new (require('node:vm').Script)(`(${text}\n)`);
  } catch {
    return 'its text does not stand by itself';
  }
  return /^class\b/.test(text) && /\bstatic\s*\{/.test(text) ? 'defining it again would run its static block' : '';
}

function changed(fn) {
  const extra = Object.keys(fn);
  if (extra.length) return `it carries values: ${extra.slice(0, 5).join(', ')}`;
  const proto = ownly(fn, 'prototype');
  const more = proto && proto.value ? Object.keys(proto.value) : [];
  return more.length ? `its prototype was changed: ${more.slice(0, 5).join(', ')}` : '';
}

// What can be said of a function: its text, or why that is not all of it.
function judge(fn) {
  let known = judged.get(fn);
  if (!known) {
    const text = isProxy(fn) ? '' : source(fn);
    known = { text, reason: whyNotDefined(fn, text) };
    judged.set(fn, known);
  }
  return { ...known, reason: known.reason || changed(fn) };
}

// Whether instances may hold what nobody else can read.
function hidden(fn) {
  for (let one = fn; typeof one === 'function'; one = getPrototypeOf(one)) {
    if (isProxy(one) || /#[\p{ID_Start}$_]/u.test(source(one))) return true;
  }
  return false;
}

// A module, or what is in one of Node itself.
function moduleOf(value) {
  if (modules.has(value)) return { how: modules.get(value), member: '', space: isModuleNamespaceObject(value) };
  return members.get(value) || null;
}

function noteMembers() {
  for (const [module, how] of modules) {
    if (members.has(module) || !isBuiltin(how) || isModuleNamespaceObject(module)) continue;
    members.set(module, { how, member: '' });
    for (const member of Object.keys(module)) {
      const value = member === 'promises' ? module.promises : ownly(module, member).value;
      const known = members.has(value) || ((typeof value !== 'object' || value === null) && typeof value !== 'function');
      if (!known) members.set(value, { how, member });
    }
  }
}

// ---- values

class Walk {
  constructor(classes) {
    this.classes = classes; // prototype to name
    this.seen = new Map(); // object to the first root that has it
    this.began = process.cpuUsage();
    this.count = 0;
  }

  // Everything that a root holds. Its parts are noted as its own only when all of it can be kept.
  root(root) {
    const found = { mine: [], joins: new Set(), size: 0, instances: [], bare: [], closed: [] };
    const stack = [root.value];
    while (stack.length && !root.reason) {
      const value = stack.pop();
      root.reason = this.step(value, root, found, stack);
      if (value === root.value) root.reason = root.reason.replace(/^it holds/, 'it is');
    }
    if (root.reason) for (const one of found.mine) this.seen.delete(one);
    else Object.assign(root, found);
  }

  late() {
    const { user, system } = process.cpuUsage(this.began), spent = (user + system) / 1000;
    if (spent > WAIT && Atomics.load(heart, 3)) throw new Error(LATE);
    return spent > WALK;
  }

  step(value, root, found, stack) {
    if (typeof value === 'symbol') return 'it holds a symbol';
    if (typeof value === 'function') return 'it holds a function';
    if (typeof value !== 'object' || value === null) {
      found.size += typeof value === 'string' ? value.length : 8;
      return '';
    }
    if (isProxy(value)) return 'it holds a proxy';
    const owner = this.seen.get(value);
    if (owner) {
      if (owner !== root) found.joins.add(owner);
      return '';
    }
    if (++this.count > OBJECTS || ((this.count & 255) === 0 && this.late())) {
      return 'there is too much of it to be saved while everything waits';
    }
    this.seen.set(value, root);
    found.mine.push(value);
    if (!Object.isExtensible(value)) found.closed.push([value, Object.isFrozen(value) ? 2 : Object.isSealed(value) ? 1 : 0]);
    const proto = getPrototypeOf(value);
    // Nearly all are these two.
    if (proto === Array.prototype && Array.isArray(value)) return this.items(value, found, stack);
    const odd = proto === Object.prototype ? '' : this.known(value, proto, found);
    return odd || this.inside(value, found, stack);
  }

  known(value, proto, found) {
    if (isModuleNamespaceObject(value)) return 'it holds a module';
    if (isGeneratorObject(value)) return 'it holds a generator';
    if (proto === null) found.bare.push(value);
    else if (this.classes.has(proto)) found.instances.push([value, this.classes.get(proto)]);
    else if (proto === Buffer.prototype) found.instances.push([value, '']);
    else if (!COMMON.has(proto)) return `it holds an instance of ${typeOf(value)}`;
    return '';
  }

  inside(value, found, stack) {
    if (Array.isArray(value)) return this.items(value, found, stack);
    if (isAnyArrayBuffer(value)) {
      found.size += value.byteLength;
      return isSharedArrayBuffer(value) ? 'it holds shared memory' : '';
    }
    if (isArrayBufferView(value)) stack.push(value.buffer);
    else if (isMap(value)) eachOf.map(value, (one, name) => stack.push(one, name));
    else if (isSet(value)) eachOf.set(value, (one) => stack.push(one));
    else if (isNativeError(value)) {
      const more = ownKeys(value).filter((name) => name !== 'stack' && name !== 'message');
      return more.length ? 'it holds an error with fields of its own' : '';
    } else if (!isDate(value) && !isRegExp(value) && !isBoxedPrimitive(value)) return this.fields(value, found, stack);
    return '';
  }

  items(value, found, stack) {
    found.size += value.length * 8;
    for (let n = 0; n < value.length; n++) {
      const one = value[n];
      if (typeof one === 'string') found.size += one.length;
      else if ((typeof one === 'object' && one !== null) || typeof one === 'function' || typeof one === 'symbol') stack.push(one);
    }
    return '';
  }

  fields(value, found, stack) {
    const names = Object.keys(value);
    if (names.length !== Object.getOwnPropertyNames(value).length) return 'it has a hidden field';
    if (Object.getOwnPropertySymbols(value).length) return 'it has a field with a symbol for its name';
    for (const name of names) {
      const own = ownly(value, name), one = own.value;
      if (own.get || own.set) return 'it has a field that is computed when it is read';
      found.size += name.length + 8;
      if (typeof one === 'string') found.size += one.length;
      else if ((typeof one === 'object' && one !== null) || typeof one === 'function' || typeof one === 'symbol') stack.push(one);
    }
    return '';
  }
}

// Roots that share something belong together; small ones are put together as well.
function groupsOf(roots) {
  const first = new Map(roots.map((root) => [root, root]));
  const top = (root) => {
    while (first.get(root) !== root) root = first.get(root);
    return root;
  };
  for (const root of roots) for (const other of root.joins) if (first.has(other)) first.set(top(root), top(other));
  const groups = new Map();
  for (const root of roots) groups.set(top(root), [...(groups.get(top(root)) || []), root]);
  const size = (group) => group.reduce((sum, root) => sum + root.size, 0);
  const all = [...groups.values()];
  const parts = all.filter((group) => size(group) <= SMALL), small = parts.flat();
  const large = all.filter((group) => size(group) > SMALL).sort((a, b) => size(a) - size(b));
  return (small.length ? [small, ...large] : large).map((roots) => ({ roots, size: size(roots), parts: roots === small ? parts : [] }));
}

function packed(roots) {
  const together = (field) => roots.flatMap((root) => root[field]);
  const instances = together('instances'), closed = together('closed');
  const serializer = new (require('node:v8').Serializer)();
  serializer.writeHeader();
  serializer.writeValue({
    names: roots.map((root) => root.name),
    kinds: roots.map((root) => root.kind),
    values: roots.map((root) => root.value),
    instances: instances.map((one) => one[0]),
    classes: instances.map((one) => one[1]),
    bare: together('bare'),
    closed: closed.map((one) => one[0]),
    how: closed.map((one) => one[1]),
  });
  return serializer.releaseBuffer();
}

// ---- saving

function changedEnvironment() {
  const set = {}, unset = Object.keys(born.env).filter((name) => !(name in process.env));
  for (const [name, value] of Object.entries(process.env)) if (born.env[name] !== value) set[name] = value;
  return { set, unset };
}

function sortOut(found) {
  const state = { definitions: [], modules: [], values: [], unsaved: [] };
  const classes = new Map();
  noteMembers();
  const leave = (one, rebuild) => state.unsaved.push({ name: one.name, type: typeOf(one.value), reason: one.reason, rebuild: !!rebuild });
  const later = [];
  for (const one of found) {
    const from = one.reason ? null : moduleOf(one.value);
    if (one.reason) leave(one);
    else if (from && isBuiltin(from.how)) state.modules.push({ name: one.name, kind: one.kind, ...from });
    else if (typeof one.value !== 'function') later.push({ ...one, from });
    else {
      const { text, reason } = judge(one.value);
      if (reason) leave({ ...one, reason: from ? `it is the module ${from.how}` : reason }, from);
      else state.definitions.push({ name: one.name, kind: one.kind, text });
      const proto = reason ? null : ownly(one.value, 'prototype');
      if (proto && proto.value && !hidden(one.value)) classes.set(proto.value, one.name);
    }
  }
  const walk = new Walk(classes);
  for (const one of later) {
    walk.root(one);
    if (!one.reason) state.values.push(one);
    else if (one.from) leave({ ...one, reason: `it is the module ${one.from.how}: it can be loaded again` }, true);
    else leave(one);
  }
  return state;
}

// One group into one blob; where a part of it cannot be, the others are tried without it.
function pack(group, most, state, keep) {
  const names = group.roots.map((root) => root.name);
  let reason = group.size > most ? `about ${group.size} bytes are too many` : '';
  try {
    if (!reason) return keep(names, 'v8', packed(group.roots));
  } catch (error) {
    reason = String(error.message);
  }
  if (group.parts.length > 1) {
    return group.parts.reduce((sum, roots) => sum + pack({ roots, size: 0, parts: [] }, most, state, keep), 0);
  }
  for (const root of group.roots) state.unsaved.push({ name: root.name, type: typeOf(root.value), reason, rebuild: false });
  return 0;
}

// The contents of a checkpoint, and its blobs. Raises what the person's code has broken in the language itself.
function takeState({ variable, total }) {
  const state = sortOut(bindings());
  const blobs = [], groups = [];
  const keep = (names, format, data) => {
    groups.push({ names, format, blob: blobs.push(data) - 1 });
    return data.length;
  };
  const { definitions, modules: asked } = state;
  const cwd = process.cwd() === born.cwd ? '' : process.cwd(), env = changedEnvironment();
  const names = [...definitions, ...asked].map((one) => one.name);
  if (cwd) names.push('folder');
  if (Object.keys(env.set).length + env.unset.length) names.push('environment');
  if (names.length) keep(names, 'definitions', Buffer.from(JSON.stringify({ definitions, modules: asked, cwd, env })));
  let left = total || Infinity;
  for (const group of groupsOf(state.values)) {
    if (group.size > BYTES / 64 && Atomics.load(heart, 3)) throw new Error(LATE);
    left -= pack(group, Math.min(variable || BYTES, BYTES, left), state, keep);
  }
  post('Runtime.releaseObjectGroup', { objectGroup: 'state' });
  return { groups, blobs, unsaved: state.unsaved };
}
