// The Node guest's way to tools: `require('interpreter_tools')`, whose functions the host carries out. A call goes over
// the control channel and is an action of its own there: judged, asked about and logged like any other.
const TOOLS = 'interpreter_tools';
const calls = { count: 0, open: new Map(), last: Promise.resolve() };

class ToolError extends Error {
  get name() {
    return 'ToolError';
  }
}

// One after the other: the host takes no second call before it has answered the first.
function callTool(name, given) {
  const named = given.length === 1 && Object.prototype.toString.call(given[0]) === '[object Object]';
  const args = JSON.stringify(named ? { args: [], kwargs: given[0] } : { args: given, kwargs: {} });
  const cell = state.running;
  const asked = calls.last.then(
    () =>
      new Promise((resolve, reject) => {
        if (!cell || state.running !== cell) {
          reject(new ToolError('tools can be called by the code of a running cell only'));
          return;
        }
        const number = ++calls.count;
        calls.open.set(number, { resolve, reject });
        port.postMessage({ op: 'tool', id: cell, number, name, arguments: args });
      }),
  );
  calls.last = asked.catch(() => {});
  return asked;
}

function answered({ number, text }) {
  const call = calls.open.get(number);
  calls.open.delete(number);
  if (!call) return;
  const answer = JSON.parse(text);
  if (answer.ok) call.resolve(answer.value);
  else call.reject(new ToolError(answer.error || 'the call failed'));
}

// What a cell has asked for and did not wait for is of no use to the next one.
function forgetCalls() {
  calls.open.clear();
  calls.last = Promise.resolve();
}

const lent = new Proxy(Object.create(null), {
  get(target, name) {
    if (typeof name !== 'string' || name === 'then') return undefined;
    if (name === 'default') return lent;
    if (name === 'ToolError') return ToolError;
    return (target[name] ||= Object.defineProperty((...given) => callTool(name, given), 'name', { value: name }));
  },
  set: () => false,
});
