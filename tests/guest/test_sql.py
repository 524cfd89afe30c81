"""SQL through a Python of the person's: SQLite, or DuckDB where that Python has it."""

import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from .keeper_client import Guest, KeeperClient, driver


@pytest.fixture
def start(client: KeeperClient, folder: Path) -> Callable[[], Guest]:
    return lambda: Guest(client, [sys.executable, "-"], driver("sql_driver.py"), cwd=folder)


@pytest.fixture
def sql(start: Callable[[], Guest]) -> Guest:
    return start()


def test_tables_stay_and_rows_are_shown(sql: Guest) -> None:
    ran = sql.run("CREATE TABLE t (n INTEGER, s TEXT); INSERT INTO t VALUES (1, 'a;b -- c'), (22, NULL);")
    assert (ran.status, ran.text) == ("ok", "" if sql.version.startswith("SQLite") else ran.text)
    assert sql.run("SELECT * FROM t ORDER BY n -- the end").text == (
        " n  s\n--  --------\n 1  a;b -- c\n22  NULL\n(2 rows)\n"
    )


def test_many_rows_are_cut(sql: Guest) -> None:
    many = "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c WHERE x < 1000) SELECT x FROM c"
    lines = sql.run(many).text.splitlines()
    assert lines[-1] == "(more than 40 rows)"
    assert len(lines) == 43


@pytest.mark.parametrize(
    ("code", "line"),
    [("SELECT 1 AS a;\n\nSELECT n FROM nowhere", 3), ("SELEC 1", 1), ("/* a\n; */ SELECT 1 AS a;\n-- ;\nSELECT x;", 4)],
)
def test_errors_name_the_statements_line(sql: Guest, code: str, line: int) -> None:
    ran = sql.run(code)
    assert (ran.status, ran.error["line"]) == ("error", line), ran
    assert sql.run("SELECT 2 AS b").status == "ok"


@pytest.mark.parametrize("code", ["", ";;", "-- only a comment", "/* none */ ;"])
def test_nothing_to_do_is_fine(sql: Guest, code: str) -> None:
    assert sql.run(code).status == "ok"


def test_triggers_are_one_statement(sql: Guest) -> None:
    if not sql.version.startswith("SQLite"):
        pytest.skip("only SQLite has triggers")
    code = (
        "CREATE TABLE a (x); CREATE TRIGGER g AFTER INSERT ON a BEGIN UPDATE a SET x = 1; UPDATE a SET x = x + 1; END;"
    )
    assert sql.run(code).status == "ok"
    assert "2" in sql.run("INSERT INTO a VALUES (9); SELECT x FROM a").text


def test_an_interrupted_query_leaves_the_tables(sql: Guest) -> None:
    sql.run("CREATE TABLE kept (n INTEGER)")
    endless = sql.begin("WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c) SELECT max(x) FROM c")
    time.sleep(0.3)
    assert sql.interrupt(endless).status == "interrupted"
    assert sql.run("SELECT count(*) AS n FROM kept").status == "ok"
