"""Part `sql` of the Python driver: SQL over the user's data frames, by their names, where they lie.

One database lives with the kernel: DuckDB's default connection where the environment has DuckDB (so `duckdb.sql(...)` in
Python sees the same tables), else SQLite. In Python `_sql` is that connection. DuckDB reads frames in place; into SQLite
a frame is copied for the time of one execution, when a statement asks for a table that is not there.
"""

import datetime
import importlib
import os
import re
import signal
import tempfile
import threading
import unicodedata

driver = globals().get("driver")
ROWS = 40
WIDTH = 160
"""Columns of text in which a table has to fit; the names of what does not fit stand below it."""
CELL = 60
COPIED = 5000000
"""Cells of the largest frame that is copied into SQLite."""
TABLES = 6
FACTS = 6000
"""Characters that all facts with an error may have."""
MISSING = re.compile(r"no such table: (?:main\.)?(\w+)|Table with name (\w+) does not exist")
WHERE = re.compile(r"^LINE (\d+):", re.M)
BLANK = re.compile(r"(?:\s|--[^\n]*|/\*.*?\*/)*", re.S)
FIT = (int, float, str, bytes)


def execute(__sql_base, __sql_text):
    return __sql_base.execute(__sql_text)


# DuckDB looks for frames among the globals of who calls it: these are the user's.
EXECUTE = type(execute)(execute.__code__.replace(co_filename="<sql>"), driver.namespace) if driver else execute


class DuckDB:
    def __init__(self, memory):
        self.duckdb = importlib.import_module("duckdb")
        self.name = "DuckDB " + self.duckdb.__version__
        self.base = self.duckdb.connect(":default:")
        [(folder,)] = self.base.execute("SELECT current_setting('temp_directory')").fetchall()
        if folder == ".tmp":
            # Not set by the user: by default it lies in their folder, and the limit is that of the whole machine.
            self.base.execute("SET temp_directory='%s'" % tempfile.gettempdir().replace("'", "''"))
            whole = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
            self.base.execute("SET memory_limit='%dMiB'" % (min(memory or whole, whole) // 2 >> 20))

    def begin(self):
        """The user may have closed it."""
        self.base = self.duckdb.connect(":default:")

    def end(self):
        pass

    def statements(self, code):
        """Each statement with its place in the code."""
        start = 0
        for statement in self.base.extract_statements(code):
            text = statement.query.strip()  # from version 2 on with the blank lines before it
            start = max(code.find(text, start), start)
            yield text, start
            start += len(text)

    def run(self, text):
        result = EXECUTE(self.base, text)
        names = [str(column[0]) for column in (result.description or [])]
        rows = result.fetchmany(ROWS + 1) if names else []
        word = first_word(text)
        if word == "explain":
            return "\n".join(str(row[-1]).rstrip() for row in rows)
        if names == ["Success"] or (names == ["Count"] and word in ("create", "copy")):
            return ""
        if names == ["Count"] and word in ("insert", "update", "delete", "merge"):
            return changed(rows[0][0])
        return table(names, rows)

    def columns(self):
        text = "SELECT table_name, column_name, data_type FROM duckdb_columns() WHERE NOT internal LIMIT 400"
        return self.base.cursor().execute(text).fetchall()


class SQLite:
    def __init__(self):
        sqlite3 = importlib.import_module("sqlite3")
        self.name = "SQLite " + sqlite3.sqlite_version
        self.complete, self.error = sqlite3.complete_statement, sqlite3.Error
        self.base = sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)
        self.copies = []

    def begin(self):
        pass

    def end(self):
        """A frame may change until the next execution."""
        while self.copies:
            self.base.execute("DROP TABLE IF EXISTS " + quoted(self.copies.pop()))

    def statements(self, code):
        start = 0
        for found in re.finditer(";", code):
            text = code[start : found.end()]
            if self.complete(text):
                yield text, start
                start = found.end()
        if BLANK.sub("", code[start:]).strip(" \t\r\n;"):
            yield code[start:], start

    def run(self, text):
        while True:
            try:
                result = self.base.execute(text)
                break
            except self.error as error:
                missing = MISSING.search(str(error))
                frame = driver.namespace.get(missing.group(1)) if missing else None
                if frame is None or missing.group(1) in self.copies or columns_of(frame) is None:
                    raise
                self.copy(missing.group(1), frame)
        names = [str(column[0]) for column in (result.description or [])]
        if not names:
            return changed(result.rowcount) if result.rowcount >= 0 else ""
        return table(names, result.fetchmany(ROWS + 1))

    def copy(self, name, frame):
        if type(frame).__name__ == "LazyFrame":
            frame = frame.collect()
        names = list(columns_of(frame))
        size = (frame.num_rows if hasattr(frame, "num_rows") else len(frame)) * len(names)
        if size > COPIED:
            raise ValueError("%s has %d values, too many to be copied into SQLite: install duckdb" % (name, size))
        values = [frame[column] for column in frame.columns] if not hasattr(frame, "num_rows") else frame.columns
        values = [getattr(v, "tolist", None) or getattr(v, "to_list", None) or v.to_pylist for v in values]
        rows = zip(*[[plain(value) for value in give()] for give in values])
        self.base.execute("CREATE TABLE %s (%s)" % (quoted(name), ", ".join(map(quoted, names))))
        self.copies.append(name)
        self.base.execute("SAVEPOINT copy")
        self.base.executemany("INSERT INTO %s VALUES (%s)" % (quoted(name), ", ".join("?" * len(names))), rows)
        self.base.execute("RELEASE copy")

    def columns(self):
        text = (
            "SELECT m.name, p.name, p.type FROM sqlite_master m, pragma_table_info(m.name) p "
            "WHERE m.type IN ('table', 'view') LIMIT 400"
        )
        return [row for row in self.base.execute(text) if row[0] not in self.copies]


def quoted(name):
    return '"%s"' % name.replace('"', '""')


def plain(value):
    """What SQLite can hold: numbers, text and bytes; dates as text, missing values as NULL."""
    if value is None or value != value:
        return None
    if isinstance(value, FIT):
        return value
    if isinstance(value, (datetime.datetime, datetime.date)):
        return str(value)
    return bool(value) if type(value).__name__ == "bool_" else str(value)


def columns_of(value):
    """Columns of a data frame with their types, or None for anything else."""
    return driver.part("context")["columns"](value) if driver.part("context")["is_table"](value) else None


def line_of(code, start):
    return code.count("\n", 0, BLANK.match(code, start).end()) + 1


def first_word(text):
    found = re.compile(r"\w*").match(text, BLANK.match(text).end())
    return found.group().lower()


def changed(count):
    return "(%d row%s changed)" % (count, "" if count == 1 else "s")


def wide(text):
    """Columns of a terminal that a text takes."""
    if text.isascii():
        return len(text)
    return sum(0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text)


def cell(value):
    if value is None:
        return "NULL"
    text = value.hex() if isinstance(value, (bytes, bytearray)) else str(value)
    text = text.replace("\n", "\\n").replace("\t", "\\t")
    return text if len(text) <= CELL else text[: CELL - 3] + "..."


def table(names, rows):
    """Columns under their names, numbers to the right; as many rows and columns as can be read."""
    more, rows = len(rows) > ROWS, rows[:ROWS]
    lines, room, shown = [[] for _ in range(len(rows) + 2)], WIDTH, 0
    for name, values in zip(names, zip(*rows) if rows else [()] * len(names)):
        cells = [cell(value) for value in values]
        width = max([wide(name)] + [wide(text) for text in cells])
        room -= width + 2
        if room < 0 and shown:
            break
        shown += 1
        right = all(isinstance(value, (int, float)) or value is None for value in values)
        for line, text in zip(lines, [name, "-" * width] + cells):
            space = " " * (width - wide(text))
            line.append(space + text if right else text + space)
    made = ["  ".join(line).rstrip() for line in lines]
    count = "(%s%d row%s)" % ("more than " if more else "", len(rows), "" if len(rows) == 1 else "s")
    if shown < len(names):
        rest = ", ".join(names[shown:])
        count += " (not shown: %s)" % (rest if len(rest) <= 400 else rest[:400] + "...")
    return "\n".join(made + [count])


INTERRUPTED = {"status": "interrupted", "exit_status": 130}


class State:
    engine = None
    interrupted = False


def engine(memory):
    if State.engine is None:
        try:
            State.engine = DuckDB(memory)
        except ImportError:
            State.engine = SQLite()
    State.engine.begin()
    driver.namespace["_sql"] = State.engine.base
    return State.engine


def run(code, memory):
    """Run statements one by one and print their rows. Returns the fields of `done`."""
    State.interrupted = False
    # The databases turn an interrupt that is raised inside them into errors of their own.
    signal.signal(signal.SIGINT, heard)
    try:
        database, start = engine(memory), 0
        with Watch(database):
            try:
                for text, start in database.statements(code):
                    shown = database.run(text)
                    if shown:
                        print(shown, flush=True)
            except Exception as error:
                return INTERRUPTED if State.interrupted else failed(error, start, database, code)
            finally:
                database.end()
    except KeyboardInterrupt:
        return INTERRUPTED
    return None


def heard(number, frame):
    State.interrupted = True
    driver.on_interrupt(number, frame)


class Watch:
    """Interrupts the database when a signal comes: while it works, no handler of ours runs in the main thread."""

    def __init__(self, database):
        self.database = database

    def __enter__(self):
        self.ear, self.mouth = os.pipe()
        os.set_blocking(self.mouth, False)
        self.before = signal.set_wakeup_fd(self.mouth, warn_on_full_buffer=False)
        self.thread = threading.Thread(target=self.listen, daemon=True)
        self.thread.start()

    def listen(self):
        while os.read(self.ear, 1):
            self.database.base.interrupt()

    def __exit__(self, *why):
        signal.set_wakeup_fd(self.before)
        os.close(self.mouth)
        self.thread.join()
        os.close(self.ear)


def failed(error, start, database, code):
    text, name = str(error).strip(), type(error).__name__
    told = WHERE.search(text)
    line = code.count("\n", 0, start) + int(told.group(1)) if told else line_of(code, start)
    report = {"name": name, "message": text[:20000], "line": line}
    report["traceback"] = "line %d: %s: %s" % (line, name, text[:20000])
    try:
        context = facts(text, database, code)
    except Exception:
        context = {}
    return {"status": "error", "exit_status": 1, "error": report, "context": context}


def facts(message, database, code):
    """Tables and frames that are there, with their columns: those that the code names first."""
    found = {}
    for name, column, kind in database.columns():
        columns = found.setdefault(name, {})
        if len(columns) < 40:
            columns[str(column)[:60]] = str(kind)[:40]
    for name, value in list(driver.namespace.items()):
        if not name.startswith("_") and name not in found:
            columns = columns_of(value)
            if columns is not None:
                found[name] = columns
    words = set(re.findall(r"\w+", code))
    missing = MISSING.search(message)
    near = driver.part("context")["near"](missing.group(1) or missing.group(2), found) if missing else []
    names = sorted(found, key=lambda name: (name not in near, name not in words))
    told = ["this is " + database.name] + ["also there: " + name for name in names[TABLES : TABLES + 20]]
    made = {"tables": {}, "names": near, "values": told}
    for name in names[:TABLES]:
        if len(str(made)) + len(str(found[name])) < FACTS:
            made["tables"][name] = found[name]
    return {key: value for key, value in made.items() if value}
