"""The laws of the house hold for the sources as they are."""

import ast
import re
from pathlib import Path

import interpreter
from tests.house.house_check import MAX_FILE, check

LATE = {
    "aio/__init__.py", "app/compose.py", "app/ground.py", "app/made.py", "app/opening.py", "app/replaying.py",
    "app/rulebook.py", "app/telemetry.py", "llm/contact.py", "policy/__init__.py", "policy/layers.py",
    "policy/policy.py", "sandbox/choice.py", "sandbox/walls.py", "snapshots/__init__.py", "store/__init__.py",
    "store/room.py", "tools/builtin/__init__.py",
}  # fmt: skip
"""The inner modules that load a part of their own room, or what hardly anybody needs, on first use; each says why."""


def test_only_named_places_load_on_first_use() -> None:
    root = Path(interpreter.__file__).resolve().parent
    found = {
        path.relative_to(root).as_posix()
        for path in root.rglob("*.py")
        if path.relative_to(root).parts[0] not in ("cli", "python", "guest", "keeper")
        and "import_module(" in path.read_text(encoding="utf-8")
    }
    assert found == LATE


def test_the_house_stands() -> None:
    root = Path(interpreter.__file__).resolve().parent
    assert check(root) == []


def test_programs_of_other_languages_are_as_short_as_ours() -> None:
    guest = Path(interpreter.__file__).resolve().parent / "guest"
    found = {path.name: path.read_text(encoding="utf-8").count("\n") for path in guest.iterdir() if path.is_file()}
    assert {"node_driver.js", "bash_driver.sh"} <= set(found)
    assert {name: lines for name, lines in found.items() if lines > MAX_FILE} == {}


def test_no_pattern_has_a_possessive_group() -> None:
    """Before 3.11.5 Python matched them wrongly (CPython issue 106052); a rule about `sed` was not kept on Debian's."""
    root = Path(interpreter.__file__).resolve().parent
    found = [
        f"{path.relative_to(root)}:{node.lineno}"
        for path in root.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Constant) and isinstance(node.value, str | bytes)
        if re.search(r"[^\\]\)[*+?]\+", node.value if isinstance(node.value, str) else node.value.decode("latin-1"))
    ]
    assert found == []
