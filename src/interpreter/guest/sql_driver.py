"""The SQL guest: one database that lives with its kernel. DuckDB where this Python has it, else SQLite.

Standard library only (DuckDB is loaded by name, if it is there); CPython 3.8 and later. Frames on descriptor 3.
"""

import importlib
import json
import os
import re
import signal
import sqlite3
import sys
import threading

ROWS = 40
WIDTH = 120
CELL = 60


def read_exactly(fd, size):
    parts = []
    while size:
        data = os.read(fd, min(size, 1 << 20))
        if not data:
            os._exit(0)
        parts.append(data)
        size -= len(data)
    return b"".join(parts)


def read_frame(fd):
    return json.loads(read_exactly(fd, int.from_bytes(read_exactly(fd, 4), "big")).decode())


def send(fd, message):
    body = json.dumps(message).encode()
    view = memoryview(len(body).to_bytes(4, "big") + body)
    while view:
        view = view[os.write(fd, view) :]


def connect():
    """The connection, its name, and what gives its statements one by one."""
    try:
        duckdb = importlib.import_module("duckdb")
    except ImportError:
        base = sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)
        return base, "SQLite " + sqlite3.sqlite_version
    return duckdb.connect(), "DuckDB " + duckdb.__version__


def statements(base, code):
    """Each statement with the line that it begins on."""
    if hasattr(base, "extract_statements"):
        start = 0
        for statement in base.extract_statements(code):
            text = statement.query
            start = max(code.find(text.strip(), start), start)
            yield text, line_of(code, start)
            start += len(text.strip())
        return
    start = 0
    for found in re.finditer(";", code):
        text = code[start : found.end()]
        if sqlite3.complete_statement(text):
            yield text, line_of(code, start)
            start = found.end()
    if without_comments(code[start:]).strip(" \t\r\n;"):
        yield code[start:], line_of(code, start)


def line_of(code, start):
    blank = re.compile(r"(?:\s|--[^\n]*|/\*.*?\*/)*", re.S).match(code, start)
    return code.count("\n", 0, blank.end()) + 1


def without_comments(text):
    return re.sub(r"--[^\n]*|/\*.*?\*/", "", text, flags=re.S)


def cell(value):
    if value is None:
        return "NULL"
    text = value.hex() if isinstance(value, (bytes, bytearray)) else str(value)
    text = text.replace("\n", "\\n").replace("\t", "\\t")
    return text if len(text) <= CELL else text[: CELL - 3] + "..."


def table(names, rows, more):
    """Columns under their names, numbers to the right; as many columns as fit."""
    shown = [[cell(value) for value in row] for row in rows]
    widths = [max([len(name)] + [len(row[n]) for row in shown]) for n, name in enumerate(names)]
    right = [all(isinstance(row[n], (int, float)) or row[n] is None for row in rows) for n in range(len(names))]
    lines = []
    for row in [names, ["-" * width for width in widths]] + shown:
        cells = [v.rjust(w) if r else v.ljust(w) for v, w, r in zip(row, widths, right)]
        lines.append("  ".join(cells).rstrip())
    lines.append("(%s%d row%s)" % ("more than " if more else "", len(rows), "" if len(rows) == 1 else "s"))
    return "\n".join(lines)


def run_one(base, statement):
    """Run one statement and print its rows, if it has any."""
    cursor = base.execute(statement)
    names = [str(column[0]) for column in (cursor.description or [])]
    if not names:
        return
    rows = cursor.fetchmany(ROWS + 1)
    if names == ["Count"] and not re.match(r"\s*(select|from|with)\b", without_comments(statement), re.I):
        return
    print(table(names, rows[:ROWS], len(rows) > ROWS), flush=True)


class Guest:
    def __init__(self, fd):
        self.fd = fd
        self.running = ""
        self.interrupted = False
        self.base, self.version = connect()

    def run(self, code):
        """Returns the fields of `done`."""
        line = 1
        try:
            for statement, line in statements(self.base, code):
                run_one(self.base, statement)
                if self.interrupted:
                    break
        except Exception as error:
            if not self.interrupted:
                return self.failed(error, line)
        sys.stdout.flush()
        if self.interrupted:
            return {"status": "interrupted", "exit_status": 130}
        return {"status": "ok", "exit_status": 0}

    def failed(self, error, line):
        text = str(error).strip()
        name = type(error).__name__
        report = {"name": name, "message": text, "traceback": "line %d: %s: %s" % (line, name, text), "line": line}
        return {"status": "error", "exit_status": 1, "error": report}

    def listen(self, ready):
        """In a thread of its own: what runs can be interrupted while it runs."""
        while True:
            frame = read_frame(self.fd)
            if frame["op"] == "execute":
                self.running, self.interrupted = frame["id"], False
                ready.append(frame)
                self.wake.release()
            elif frame["op"] == "interrupt" and frame["id"] == self.running:
                self.interrupted = True
                send(self.fd, {"op": "interrupted", "id": frame["id"]})
                self.base.interrupt()

    def serve(self):
        ready = []
        self.wake = threading.Semaphore(0)
        threading.Thread(target=self.listen, args=(ready,), daemon=True).start()
        send(self.fd, {"op": "ready", "version": self.version})
        while True:
            self.wake.acquire()
            frame = ready.pop()
            report = self.run(frame["code"])
            self.running = ""
            report.update({"op": "done", "id": frame["id"]})
            send(self.fd, report)


def main():
    signal.signal(signal.SIGINT, lambda *_: None)
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    os.close(null)
    os.set_inheritable(3, False)
    sys.stdout.reconfigure(encoding="utf-8", errors="backslashreplace")
    Guest(3).serve()


main()
