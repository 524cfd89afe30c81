"""SQL in the Python kernel: DuckDB over its data frames where the environment has it, else SQLite."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from interpreter.agent.diagnose import diagnose
from interpreter.kernels.contracts import KernelOptions
from interpreter.kernels.runtimes import find_runtime
from interpreter.types.actions import Completion
from tests import libraries

from .keeper_client import Guest, KeeperClient, Ran

FRAMES = """
import pandas as pd, polars as pl, pyarrow as pa
df = pd.DataFrame({"region": ["a", "b", "a"], "x": [1, 2, None], "day": pd.to_datetime(["2024-01-02"] * 3)})
pf = pl.DataFrame({"k": [1, 2]})
lf = pl.LazyFrame({"q": [7]})
tab = pa.table({"z": [5, None]})
five = 5
"""
EMPTY = """
for kind, name in _sql.execute("SELECT type, name FROM sqlite_master WHERE type <> 'index'").fetchall():
    _sql.execute(f'DROP {kind} "{name}"')
"""
ENDLESS = "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c) SELECT max(x) FROM c"


class Sql:
    """A Python kernel that is asked for SQL too."""

    def __init__(self, guest: Guest) -> None:
        self.guest = guest

    def run(self, code: str, **limits: float) -> Ran:
        return self.guest.run(code, extra={"language": "sql"}, **limits)

    def begin(self, code: str) -> str:
        return self.guest.begin(code, extra={"language": "sql"})

    def python(self, code: str) -> Ran:
        return self.guest.run(code)

    def empty(self) -> None:
        """Drop all tables and views."""
        assert self.run("SELECT 1 AS one").status == "ok"
        assert (ran := self.python(EMPTY)).status == "ok", ran


def started(client: KeeperClient, folder: Path, python: str) -> Sql:
    runtime = find_runtime("sql", KernelOptions(python=python))
    assert (runtime.language, runtime.extra) == ("python", {"language": "sql"})
    return Sql(Guest(client, runtime.argv, runtime.driver, cwd=folder, env=runtime.env, parts=runtime.parts))


@pytest.fixture
def start(client: KeeperClient, folder: Path) -> Callable[[str], Sql]:
    return lambda python: started(client, folder, python)


@pytest.fixture(scope="module", params=["SQLite", "DuckDB"])
def lasting(request: pytest.FixtureRequest, keeper: KeeperClient, tmp_path_factory: pytest.TempPathFactory) -> Sql:
    """One kernel for the tests of a file, because the libraries take a second to be loaded; each test empties it."""
    python = libraries.need_python() if request.param == "DuckDB" else sys.executable
    return started(keeper, tmp_path_factory.mktemp("lasting"), python)


@pytest.fixture
def sql(lasting: Sql) -> Iterator[Sql]:
    yield lasting
    lasting.empty()


@pytest.fixture(scope="module", params=["SQLite", "DuckDB"])
def libraried(request: pytest.FixtureRequest, keeper: KeeperClient, tmp_path_factory: pytest.TempPathFactory) -> Sql:
    sql = started(keeper, tmp_path_factory.mktemp("libraried"), libraries.need_python())
    if request.param == "SQLite":
        assert sql.python("import sys; sys.modules['duckdb'] = None").status == "ok"
    return sql


@pytest.fixture
def framed(libraried: Sql) -> Iterator[Sql]:
    """With frames of every kind in Python."""
    assert libraried.python(FRAMES).status == "ok"
    yield libraried
    libraried.empty()


def test_tables_stay_and_rows_are_shown(sql: Sql) -> None:
    ran = sql.run("CREATE TABLE t (n INTEGER, s TEXT); INSERT INTO t VALUES (1, 'a;b -- c'), (22, NULL);")
    assert (ran.status, ran.text) == ("ok", "(2 rows changed)\n")
    assert sql.run("SELECT * FROM t ORDER BY n -- the end").text == (
        " n  s\n--  --------\n 1  a;b -- c\n22  NULL\n(2 rows)\n"
    )
    assert sql.run("UPDATE t SET n = 2 WHERE n = 22").text == "(1 row changed)\n"


def test_many_rows_are_cut(sql: Sql) -> None:
    many = "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c WHERE x < 1000) SELECT x FROM c"
    lines = sql.run(many).text.splitlines()
    assert lines[-1] == "(more than 40 rows)"
    assert len(lines) == 43


def test_a_wide_table_names_what_does_not_fit(sql: Sql) -> None:
    lines = sql.run("SELECT " + ", ".join(f"{n} AS column_{n}" for n in range(60))).text.splitlines()
    assert max(map(len, lines[:-1])) <= 160
    assert lines[0].startswith("column_0  column_1")
    assert lines[-1].startswith("(1 row) (not shown: column_")
    assert lines[-1].count("column_") + lines[0].count("column_") >= 45


def test_wide_characters_stand_below_each_other(sql: Sql) -> None:
    text = sql.run("SELECT '中文' AS a, 1 AS 表 UNION ALL SELECT 'abcdef', 22 ORDER BY 2").text
    assert text == "a       表\n------  --\n中文     1\nabcdef  22\n(2 rows)\n"


@pytest.mark.parametrize(
    ("code", "line"),
    [("SELECT 1 AS a;\n\nSELECT n FROM nowhere", 3), ("SELEC 1", 1), ("/* a\n; */ SELECT 1 AS a;\n-- ;\nSELECT x;", 4)],
)
def test_errors_name_the_statements_line(sql: Sql, code: str, line: int) -> None:
    ran = sql.run(code)
    assert (ran.status, ran.error["line"]) == ("error", line), ran
    assert sql.run("SELECT 2 AS b").status == "ok"


@pytest.mark.parametrize("code", ["", ";;", "-- only a comment", "/* none */ ;"])
def test_nothing_to_do_is_fine(sql: Sql, code: str) -> None:
    assert sql.run(code).status == "ok"


def test_triggers_are_one_statement(start: Callable[[str], Sql]) -> None:
    sql = start(sys.executable)
    code = (
        "CREATE TABLE a (x); CREATE TRIGGER g AFTER INSERT ON a BEGIN UPDATE a SET x = 1; UPDATE a SET x = x + 1; END;"
    )
    assert sql.run(code).status == "ok"
    assert "2" in sql.run("INSERT INTO a VALUES (9); SELECT x FROM a").text


def test_an_interrupted_query_leaves_tables_and_variables(sql: Sql) -> None:
    sql.run("CREATE TABLE kept (n INTEGER)")
    sql.python("kept = 41")
    endless = sql.begin(ENDLESS)
    time.sleep(0.3)
    ran = sql.guest.interrupt(endless)
    assert (ran.status, ran.restarted) == ("interrupted", False)
    assert sql.run("SELECT count(*) AS n FROM kept").status == "ok"
    assert sql.python("kept + 1").result == "42"


def test_a_query_ends_at_its_time_limit(sql: Sql) -> None:
    ran = sql.run(ENDLESS, timeout=0.5)
    assert (ran.status, ran.restarted) == ("timeout", False)
    assert sql.run("SELECT 1 AS one").status == "ok"


def test_data_frames_are_tables_by_their_names(framed: Sql) -> None:
    text = framed.run("SELECT region, sum(x) AS s FROM df GROUP BY 1 ORDER BY 1").text
    assert text == "region    s\n------  ---\na       1.0\nb       2.0\n(2 rows)\n"
    assert framed.run("SELECT count(*) AS n FROM df WHERE x IS NULL").text.splitlines()[2] == "1"
    assert "2024-01-02 00:00:00" in framed.run("SELECT max(day) AS d FROM df").text
    assert framed.run("SELECT sum(k) AS n FROM pf; SELECT q FROM lf; SELECT z FROM tab").text == (
        "n\n-\n3\n(1 row)\nq\n-\n7\n(1 row)\n   z\n----\n   5\nNULL\n(2 rows)\n"
    )


def test_a_changed_frame_is_read_anew(framed: Sql) -> None:
    assert framed.run("CREATE VIEW v AS SELECT k + 1 AS more FROM pf; SELECT sum(k) AS n FROM pf").status == "ok"
    framed.python("pf = pl.DataFrame({'k': [100]})")
    assert "100" in framed.run("SELECT sum(k) AS n FROM pf").text


def test_a_table_comes_before_a_frame_of_the_same_name(framed: Sql) -> None:
    framed.run("CREATE TABLE df (own INTEGER)")
    assert framed.run("SELECT * FROM df").text.startswith("own")
    assert framed.python("list(df.columns)").result == "['region', 'x', 'day']"


def test_python_reaches_the_tables(framed: Sql) -> None:
    framed.run("CREATE TABLE made AS SELECT region, count(*) AS n FROM df GROUP BY 1")
    ran = framed.python("sorted(_sql.execute('SELECT * FROM made').fetchall())")
    assert ran.result == "[('a', 2), ('b', 1)]"


def test_duckdb_in_python_sees_the_same_tables(start: Callable[[str], Sql]) -> None:
    sql = start(libraries.need_python())
    sql.run("CREATE TABLE made AS SELECT 42 AS n")
    assert sql.python("import duckdb; int(duckdb.sql('SELECT n FROM made').df().n[0])").result == "42"
    sql.python("duckdb.close()")
    assert sql.run("SELECT 1 AS one").status == "ok"


def test_what_spills_lies_outside_the_users_folder(start: Callable[[str], Sql], folder: Path) -> None:
    sql = start(libraries.need_python())
    ran = sql.run("SELECT current_setting('temp_directory') AS t, current_setting('memory_limit') AS m", memory=2 << 30)
    assert "1.0 GiB" in ran.text, ran
    assert ".tmp" not in ran.text
    assert list(folder.iterdir()) == []


def test_a_large_frame_is_not_copied(start: Callable[[str], Sql]) -> None:
    sql = start(libraries.need_python())
    sql.python(
        "import sys; sys.modules['duckdb'] = None\nimport pandas as pd; big = pd.DataFrame({'x': range(5000001)})"
    )
    ran = sql.run("SELECT max(x) AS m FROM big")
    assert (ran.status, ran.error["name"]) == ("error", "ValueError")
    assert "5000001 values" in ran.error["message"]
    assert "install duckdb" in ran.error["message"]


def test_facts_name_the_tables_and_frames(framed: Sql) -> None:
    framed.run("CREATE TABLE orders (id INTEGER, price REAL)")
    ran = framed.run("SELECT regio FROM dff")
    facts = diagnose(Completion(execution="x", status="error", context=ran.completion["context"]))
    assert next(fact for fact in facts if fact.startswith("columns of df: ")).startswith("columns of df: region (")
    assert any(fact.startswith("columns of orders: id (") for fact in facts)
    assert "names like it that exist: df" in facts
    assert any(fact.startswith(("this is DuckDB", "this is SQLite")) for fact in facts)


def test_a_variable_that_is_no_frame_is_said_without_our_files(framed: Sql) -> None:
    ran = framed.run("SELECT * FROM five")
    assert ran.status == "error"
    assert "/" not in ran.error["message"].replace("https://", "")
