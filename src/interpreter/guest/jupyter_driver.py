"""The Jupyter guest: any installed kernelspec, spoken to from inside its walls.

Run by the tool's own Python, which brings jupyter_client; CPython 3.11 and later. The first frame on descriptor 3 is
`parts`, whose `spec` holds the kernelspec as JSON. The kernel itself is a child in a session of its own, so that a
signal meant for this driver does not reach it.
"""

import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
import uuid

import zmq
from jupyter_client.session import Session

CHANNELS = ("shell", "iopub", "stdin", "control")
KINDS = {"shell": zmq.DEALER, "iopub": zmq.SUB, "stdin": zmq.DEALER, "control": zmq.DEALER}
AGAIN = 0.3
"""Seconds between questions until the kernel answers and its output is heard."""
AFTER = 0.03
"""Seconds without output, after the end, until the end is believed: some kernels print after they say idle."""
LATE = {"typescript": 0.2}
"""The same for kernels that are known to be late (Deno's), by their language."""
SILENT = 2.0
"""Seconds without a word after the reply, until a kernel that never says idle is taken to be."""
PLAIN = "text/plain"


def read_exactly(fd, size):
    parts = []
    while size:
        data = os.read(fd, min(size, 1 << 20))
        if not data:
            raise EOFError
        parts.append(data)
        size -= len(data)
    return b"".join(parts)


def write_all(fd, data):
    view = memoryview(data)
    while view:
        view = view[os.write(fd, view) :]


class Keeper:
    """The channel to the keeper."""

    fd = 3

    def read(self):
        size = int.from_bytes(read_exactly(self.fd, 4), "big")
        return json.loads(read_exactly(self.fd, size).decode("utf-8", "surrogatepass"))

    def send(self, **message):
        body = json.dumps(message).encode("utf-8", "surrogatepass")
        write_all(self.fd, len(body).to_bytes(4, "big") + body)


def connection(folder):
    """Where the kernel listens: free ports on the loopback, or files where TCP is forbidden. Raises OSError."""
    info = {"key": uuid.uuid4().hex, "signature_scheme": "hmac-sha256", "kernel_name": ""}
    names = ("shell_port", "iopub_port", "stdin_port", "control_port", "hb_port")
    try:
        held = [socket.socket() for _ in names]
        for one in held:
            one.bind(("127.0.0.1", 0))
        ports = [one.getsockname()[1] for one in held]
        for one in held:
            one.close()
        info.update(zip(names, ports), transport="tcp", ip="127.0.0.1")
    except OSError:
        socket.socket(socket.AF_UNIX).close()
        info.update(zip(names, range(1, 6)), transport="ipc", ip=os.path.join(folder, "s"))
    return info


class Kernel:
    """The kernelspec's kernel, started and connected."""

    def __init__(self, spec, folder, info):
        path = os.path.join(folder, "connection.json")
        with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            json.dump(info, file)
        places = {"{connection_file}": path, "{resource_dir}": spec.get("folder", ""), "{prefix}": sys.prefix}
        argv = []
        for word in spec["argv"]:
            for place, value in places.items():
                word = word.replace(place, value)
            argv.append(word)
        environment = {**os.environ, **{k: os.path.expandvars(str(v)) for k, v in (spec.get("env") or {}).items()}}
        self.by_message = spec.get("interrupt_mode") == "message"
        self.process = subprocess.Popen(argv, env=environment, stdin=subprocess.DEVNULL, start_new_session=True)
        self.ended = os.pidfd_open(self.process.pid)
        self.session = Session(key=info["key"].encode(), signature_scheme="hmac-sha256", username="")
        context = zmq.Context()
        self.sockets = {}
        for name in CHANNELS:
            one = context.socket(KINDS[name])
            one.linger = 0
            if name == "iopub":
                one.subscribe(b"")
            else:
                one.identity = self.session.bsession
            between = ":" if info["transport"] == "tcp" else "-"
            one.connect("%s://%s%s%d" % (info["transport"], info["ip"], between, info[name + "_port"]))
            self.sockets[name] = one

    def ask(self, channel, kind, content):
        """Returns the id of the request."""
        return self.session.send(self.sockets[channel], kind, content)["header"]["msg_id"]

    def take(self, channel):
        """The next message, or None."""
        try:
            parts = self.sockets[channel].recv_multipart(zmq.NOBLOCK)
        except zmq.Again:
            return None
        try:
            _, rest = self.session.feed_identities(parts)
            return self.session.deserialize(rest)
        except Exception:
            # Not signed by our kernel, or no message: as if it had not come.
            return {"msg_type": "", "content": {}, "parent_header": {}}

    def interrupt(self):
        if self.by_message:
            self.ask("control", "interrupt_request", {})
        else:
            try:
                os.killpg(self.process.pid, signal.SIGINT)
            except OSError:
                pass


class Run:
    """One execution, as its messages come."""

    def __init__(self, token, request):
        self.token = token
        self.request = request
        self.idle = False
        self.reply = None
        self.error = None
        self.result = ""
        self.interrupted = False
        self.broken = False
        """A message could not be read or did not come; it may have been the one that says idle."""
        self.quiet_since = 0.0

    @property
    def over(self):
        return self.reply is not None and (self.idle or self.broken)

    def ends(self, after):
        """When the end is believed, if nothing more comes."""
        return self.quiet_since + (after if self.idle else AGAIN)


class Bridge:
    """Between keeper and kernel, in one thread."""

    def __init__(self, keeper, kernel):
        self.keeper = keeper
        self.kernel = kernel
        self.run = None
        self.python = False
        self.after = AFTER
        self.late = []
        """Output of executions that have ended; it must not become part of the one that runs."""
        self.poller = zmq.Poller()
        self.poller.register(keeper.fd, zmq.POLLIN)
        self.poller.register(kernel.ended, zmq.POLLIN)
        for one in kernel.sockets.values():
            self.poller.register(one, zmq.POLLIN)

    def wait(self, seconds):
        """Returns what can be read; ends with the kernel."""
        ready = dict(self.poller.poll(None if seconds is None else int(seconds * 1000)))
        if self.kernel.ended in ready:
            status = self.kernel.process.wait()
            sys.exit(128 - status if status < 0 else status or 1)
        return ready

    def greet(self):
        """Until the kernel has answered, and its output channel is heard."""
        version, heard, next_time = None, False, 0.0
        asked = set()
        while version is None or not heard:
            if time.monotonic() >= next_time:
                asked.add(self.kernel.ask("shell", "kernel_info_request", {}))
                next_time = time.monotonic() + AGAIN
            self.wait(AGAIN)
            while (message := self.kernel.take("shell")) is not None:
                if message["msg_type"] == "kernel_info_reply":
                    about = message["content"].get("language_info") or {}
                    self.python = about.get("name") == "python"
                    self.after = LATE.get(about.get("name"), AFTER)
                    version = "%s %s" % (about.get("name", ""), about.get("version", ""))
            while (message := self.kernel.take("iopub")) is not None:
                heard = heard or message["parent_header"].get("msg_id") in asked
        self.keeper.send(op="ready", version=version.strip())

    def serve(self):
        while True:
            wait = AFTER * 3 if self.late and self.run is None else None
            if self.run and self.run.over:
                wait = max(0.0, self.run.ends(self.after) - time.monotonic())
            elif self.run and self.run.reply is not None:
                wait = SILENT
            ready = self.wait(wait)
            if self.late and self.run is None and not ready:
                for fd, text in self.late:
                    write_all(fd, text)
                self.late.clear()
            if not ready and self.run and self.run.reply is not None and not self.run.idle:
                self.run.broken = True
            if self.keeper.fd in ready:
                self.order(self.keeper.read())
            for channel in CHANNELS:
                while (message := self.kernel.take(channel)) is not None:
                    self.hear(channel, message)
            if self.run and self.run.over and time.monotonic() >= self.run.ends(self.after):
                self.finish()

    def order(self, frame):
        """What the keeper wants."""
        if frame["op"] == "execute" and "\0" in frame["code"]:
            # Kernels end their text there and run the beginning.
            error = {"name": "SyntaxError", "message": "code cannot hold NUL bytes", "traceback": ""}
            self.keeper.send(op="done", id=frame["id"], status="error", exit_status=2, error=error)
        elif frame["op"] == "execute":
            content = {"code": frame["code"], "silent": False, "store_history": True, "user_expressions": {}}
            content.update(allow_stdin=True, stop_on_error=True)
            self.run = Run(frame["id"], self.kernel.ask("shell", "execute_request", content))
        elif self.run is None or frame.get("id") != self.run.token:
            return
        elif frame["op"] == "interrupt" and not self.run.interrupted:
            self.run.interrupted = True
            self.kernel.interrupt()
            self.keeper.send(op="interrupted", id=self.run.token)
        elif frame["op"] == "input":
            value = frame["text"]
            if value is None:
                # The protocol has no refusal; an IPython kernel takes this character for the end of input.
                value = "\x04" if self.python else ""
                write_all(2, b"No input: nobody can answer this program.\n")
            self.kernel.ask("stdin", "input_reply", {"value": value})

    def hear(self, channel, message):
        """What the kernel says."""
        run, content, kind = self.run, message["content"], message["msg_type"]
        ours = run is not None and message["parent_header"].get("msg_id") == run.request
        if run is not None and (ours or kind in ("", "stream")):
            run.quiet_since = time.monotonic()
            run.broken = run.broken or not kind
        if kind == "stream" and channel == "iopub":
            text = content.get("text", "").encode("utf-8", "backslashreplace")
            fd = 2 if content.get("name") == "stderr" else 1
            if ours:
                write_all(fd, text)
            else:
                self.late.append((fd, text))
        if not ours:
            return
        if channel == "shell" and kind == "execute_reply":
            run.reply = content
        elif channel == "stdin" and kind == "input_request":
            secret = bool(content.get("password"))
            self.keeper.send(op="input", id=run.token, prompt=content.get("prompt", ""), secret=secret)
        elif channel == "iopub":
            self.publish(run, kind, content)

    def publish(self, run, kind, content):
        if kind == "status":
            run.idle = run.idle or content.get("execution_state") == "idle"
        elif kind == "error":
            run.error = content
        elif kind in ("display_data", "update_display_data", "execute_result"):
            data = content.get("data") or {}
            rich = PLAIN not in data or any(kind.startswith(("image/", "application/")) for kind in data)
            if kind == "execute_result" or not rich:
                # Some kernels show every value as text, HTML and LaTeX at once: the text is enough.
                run.result += ("\n" if run.result else "") + str(data.get(PLAIN, ""))
            if rich:
                self.keeper.send(op="display", id=run.token, data=data)

    def finish(self):
        run, self.run = self.run, None
        if run.broken:
            write_all(2, b"[Part of the output may be lost: messages of this kernel were broken, or did not come.]\n")
        said = run.error or (run.reply if run.reply.get("status") == "error" else None)
        report = {"op": "done", "id": run.token, "result": run.result, "status": "ok", "exit_status": 0}
        if said or run.reply.get("status") not in ("ok", "error"):
            report.update(status="interrupted" if run.interrupted else "error", exit_status=1)
        if said:
            trace = "\n".join(str(line) for line in said.get("traceback") or [])
            name, text = str(said.get("ename") or "Error"), str(said.get("evalue") or "")
            report["error"] = {"name": name, "message": text, "traceback": trace or "%s: %s" % (name, text)}
        self.keeper.send(**report)


def main():
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    os.close(null)
    os.set_inheritable(3, False)
    keeper = Keeper()
    try:
        spec = json.loads(keeper.read()["parts"]["spec"])
        # The kernel must not inherit the ignored signal.
        signal.signal(signal.SIGINT, lambda *_: None)
        folder = tempfile.mkdtemp(prefix="jupyter-")
        kernel = Kernel(spec, folder, connection(folder))
    except EOFError:
        return
    except OSError as error:
        sys.exit("The Jupyter kernel cannot be started inside these walls: %s" % error)
    bridge = Bridge(keeper, kernel)
    try:
        bridge.greet()
        bridge.serve()
    except EOFError:
        pass


main()
