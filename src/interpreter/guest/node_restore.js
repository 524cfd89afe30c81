// The Node guest takes up a checkpoint, before any code of the person runs. Part of the driver's function.
//
// Run are only texts that the session itself has saved: definitions of functions and classes. Of modules only those of
// Node itself are loaded again.

// As the person's code is evaluated; false when it raised.
function evaluated(expression) {
  return new Promise((resolve) => {
    session.post('Runtime.evaluate', { expression, replMode: true, awaitPromise: true }, (error, answer) =>
      resolve(!error && !answer.exceptionDetails),
    );
  });
}

const named = (name) => IDENTIFIER.test(name);

// Values get their names all at once, where one of them cannot be declared one by one.
async function declare(all) {
  const line = ({ name, kind }, n) => `${kind === 'const' ? 'const' : 'let'} ${name} = globalThis.${key}[${n}]`;
  const failed = [], bound = [];
  for (const one of all) {
    if (one.kind === 'var') globalThis[one.name] = one.value;
    else if (named(one.name)) bound.push(one);
    else failed.push(one);
  }
  hide(key, bound.map((one) => one.value));
  if (bound.length && !(await evaluated(bound.map(line).join(';\n')))) {
    for (const [n, one] of bound.entries()) if (!(await evaluated(line(one, n)))) failed.push(one);
  }
  delete globalThis[key];
  return failed;
}

function definition({ name, kind, text }) {
  const declared = /^(?:async\s+)?function\s*\*?\s*([\p{ID_Continue}$_]+)/u.exec(text);
  if (kind === 'var' && declared && declared[1] === name) return text;
  return `${kind} ${name} = (${text}\n)`;
}

// A class comes after the one that it extends.
async function define(definitions) {
  let open = definitions.filter((one) => named(one.name));
  const failed = definitions.filter((one) => !named(one.name));
  while (open.length) {
    const rest = [];
    for (const one of open) if (!(await evaluated(definition(one)))) rest.push(one);
    if (rest.length === open.length) return [...failed, ...rest];
    open = rest;
  }
  return failed;
}

function prototypeOf(name) {
  if (!name) return Buffer.prototype;
  const made = named(name) && valueOf(post('Runtime.evaluate', { expression: name, silent: true }).result);
  if (typeof made !== 'function') throw new Error(`the class ${name} is not there`);
  return made.prototype;
}

function unpacked(data) {
  const deserializer = new (require('node:v8').Deserializer)(data);
  deserializer.readHeader();
  const all = deserializer.readValue();
  all.instances.forEach((one, n) => Object.setPrototypeOf(one, prototypeOf(all.classes[n])));
  for (const one of all.bare) Object.setPrototypeOf(one, null);
  const close = [Object.preventExtensions, Object.seal, Object.freeze];
  all.closed.forEach((one, n) => close[all.how[n]](one));
  return all.names.map((name, n) => ({ name, kind: all.kinds[n], value: all.values[n] }));
}

function takeSurroundings({ cwd, env }, missing) {
  for (const [name, value] of Object.entries(env.set)) process.env[name] = value;
  for (const name of env.unset) delete process.env[name];
  try {
    if (cwd) process.chdir(cwd);
  } catch (error) {
    missing.push({ name: 'folder', type: 'folder', reason: String(error.message) });
  }
}

async function loadAgain({ name, kind, how, member, space }) {
  if (!isBuiltin(how)) return { name, kind };
  const module = space ? noteModule(await import(how), how) : globalThis.require(how);
  return { name, kind, value: member ? module[member] : module };
}

// The groups with their data; what could not be taken up.
async function takeUp(groups) {
  const missing = [];
  const miss = (reason) => (one) => missing.push({ name: one.name, type: typeOf(one.value), reason });
  let names = 0;
  for (const group of groups) {
    try {
      if (group.format === 'definitions') {
        const { definitions, modules: asked, ...around } = JSON.parse(Buffer.from(group.data).toString());
        takeSurroundings(around, missing);
        (await declare(await Promise.all(asked.map(loadAgain)))).forEach(miss('it could not be declared'));
        (await define(definitions)).forEach(miss('its definition fails in the new kernel'));
      } else if (group.format === 'v8') {
        (await declare(unpacked(Buffer.from(group.data)))).forEach(miss('it could not be declared'));
      } else throw new Error(`the format ${group.format} is not known`);
    } catch (error) {
      group.names.forEach((name) => miss(String(error.message))({ name }));
    }
    names += group.names.length;
  }
  return { names: names - missing.length, missing };
}
