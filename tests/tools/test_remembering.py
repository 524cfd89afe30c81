"""Facts that outlive a session."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from interpreter.errors import ToolError
from interpreter.tools.builtin.remembering import LARGEST, recall, remember
from interpreter.tools.context import ToolContext


def test_a_fact_is_a_line_that_the_person_can_edit(tmp_path: Path) -> None:
    ctx, file = ToolContext(home=tmp_path), tmp_path / "memory.md"
    assert recall(ctx) == "Nothing is remembered yet."
    assert remember(ctx, "The web\ndeployment runs in shop.", about="cluster") == "Remembered."
    assert remember(ctx, "报表用人民币，保留两位小数。") == "Remembered."
    assert remember(ctx, "The web deployment runs in shop.", "cluster") == "It was remembered already."
    text = file.read_text()
    assert text.startswith("# What is remembered") and text.count("\n- ") == 2 and file.stat().st_mode & 0o077 == 0
    assert "cluster: The web deployment runs in shop." in recall(ctx, "where does web run?")
    assert "人民币" in recall(ctx, "报表") and "shop" not in recall(ctx, "报表")
    assert recall(ctx).splitlines()[1].endswith("小数。") and "about that" in recall(ctx, "zebra")
    file.write_text("My own note\n\n* the database is called orders")
    assert "orders" in recall(ctx, "database")
    assert remember(ctx, "Second.") == "Remembered."
    assert file.read_text().startswith("My own note\n\n* the database is called orders\n- ")
    assert [path.name for path in tmp_path.iterdir() if path.name.endswith(".new")] == []


def test_what_is_not_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DB_PASSWORD", "correct-horse-battery-9")
    ctx = ToolContext(home=tmp_path)
    for fact in ("The key is ghp_" + "a1B2" * 9, "it is correct-horse-battery-9", "password: hunter2hunter2"):
        with pytest.raises(ToolError, match="looks like a secret"):
            remember(ctx, fact)
    with pytest.raises(ToolError, match="at most 500"):
        remember(ctx, "x" * 501)
    with pytest.raises(ToolError, match="empty"):
        remember(ctx, " \n")
    with pytest.raises(ToolError, match="no place"):
        recall(ToolContext())
    (tmp_path / "memory.md").write_text("- " + "x" * LARGEST)
    with pytest.raises(ToolError, match="memory is full"):
        remember(ctx, "one more")


def test_two_sessions_at_once_lose_nothing(tmp_path: Path) -> None:
    ctx = ToolContext(home=tmp_path)
    threads = [threading.Thread(target=remember, args=(ctx, f"Fact number {n}.")) for n in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert recall(ctx, limit=50).count("Fact number") == 20
