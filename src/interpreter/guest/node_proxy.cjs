// Loaded into every Node program inside walls with a way out (NODE_OPTIONS=--require): Node before version 24 ignores
// the proxy variables. http, https and fetch then go through the proxy by CONNECT. Node's own modules only.
"use strict";
(() => {
  const [major, minor] = process.versions.node.split(".").map(Number);
  // These read the variables themselves (NODE_USE_ENV_PROXY).
  if (major >= 24 || (major === 22 && minor >= 21)) return;
  const told = process.env.https_proxy || process.env.http_proxy;
  if (!told) return;
  let proxy;
  try {
    proxy = new URL(told);
  } catch {
    return;
  }
  const net = require("net");

  function isDirect(host) {
    const words = (process.env.no_proxy || "").split(",").map((word) => word.trim().replace(/^\./, "").toLowerCase());
    const name = String(host).replace(/^\[|\]$/g, "").toLowerCase();
    return words.some((word) => word && (word === "*" || name === word || name.endsWith("." + word)));
  }

  // A connection through the proxy; done(error, socket).
  function tunnel(host, port, done) {
    const where = net.isIPv6(host) ? `[${host}]:${port}` : `${host}:${port}`;
    const socket = net.connect(Number(proxy.port) || 80, proxy.hostname);
    let head = Buffer.alloc(0);
    const fail = (error) => {
      socket.destroy();
      done(error);
    };
    const closed = () => fail(new Error(`the proxy closed the connection to ${where}`));
    const take = () => {
      let data;
      while ((data = socket.read()) !== null) {
        head = Buffer.concat([head, data]);
        const end = head.indexOf("\r\n\r\n");
        if (end < 0 && head.length < 65536) continue;
        socket.removeListener("readable", take);
        socket.removeListener("error", fail);
        socket.removeListener("end", closed);
        const line = head.subarray(0, end < 0 ? 0 : end).toString("latin1").split("\r\n")[0];
        if (!/^HTTP\/1\.[01] 200( |$)/.test(line)) {
          const error = new Error(`the proxy refused ${where}: ${line.replace(/^HTTP\/1\.[01] /, "")}`);
          error.code = "ERR_PROXY_REFUSED";
          fail(error);
          return;
        }
        const rest = head.subarray(end + 4);
        if (rest.length) socket.unshift(rest);
        done(null, socket);
        return;
      }
    };
    socket.on("readable", take);
    socket.once("error", fail);
    socket.once("end", closed);
    socket.once("connect", () => socket.write(`CONNECT ${where} HTTP/1.1\r\nHost: ${where}\r\n\r\n`));
  }

  function secured(socket, options, done) {
    const host = options.servername || options.hostname || options.host;
    const name = net.isIP(host) ? "" : host;
    const ready = require("tls").connect({ ...options, socket, host, servername: name, port: undefined, path: undefined });
    ready.once("secureConnect", () => {
      ready.removeListener("error", done);
      done(null, ready);
    });
    ready.once("error", done);
  }

  function patch(agent, port, secure) {
    const direct = agent.prototype.createConnection;
    agent.prototype.createConnection = function (options, done) {
      const host = options.host || options.hostname || "localhost";
      if (options.socketPath || options.socket || typeof done !== "function" || isDirect(host)) {
        return direct.apply(this, arguments);
      }
      tunnel(host, options.port || port, (error, socket) => {
        if (error) done(error);
        else if (secure) secured(socket, options, done);
        else done(null, socket);
      });
      return undefined;
    };
  }

  patch(require("http").Agent, 80, false);
  patch(require("https").Agent, 443, true);

  // fetch: its library is loaded on first use, and shares its dispatcher under this symbol.
  const key = Symbol.for("undici.globalDispatcher.1");
  const plain = globalThis.fetch;
  if (typeof plain !== "function") return;
  function prepare() {
    void globalThis.Headers;
    const shared = globalThis[key];
    if (!shared) return;
    const connect = (options, callback) => {
      const secure = options.protocol === "https:";
      const port = options.port || (secure ? 443 : 80);
      const host = String(options.hostname).replace(/^\[|\]$/g, "");
      const finish = (error, socket) => callback(error, error ? null : socket);
      if (isDirect(host)) {
        const base = { host, port, servername: options.servername || host };
        const socket = secure ? require("tls").connect(base) : net.connect(base);
        socket.once(secure ? "secureConnect" : "connect", () => finish(null, socket));
        socket.once("error", finish);
        return;
      }
      tunnel(host, port, (error, socket) => {
        if (error || !secure) finish(error, socket);
        else secured(socket, { servername: options.servername || host, host, ALPNProtocols: ["http/1.1"] }, finish);
      });
    };
    globalThis[key] = new shared.constructor({ connect });
  }
  globalThis.fetch = function fetch(input, init) {
    if (globalThis.fetch === fetch) globalThis.fetch = plain;
    prepare();
    return plain(input, init);
  };
})();
