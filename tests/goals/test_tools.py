"""Tools in a goal run: what they bring for the undo, and what needs a yes."""

from __future__ import annotations

from pathlib import Path

from interpreter.goals.reach import way_back
from interpreter.types.actions import Action
from interpreter.types.base import code_sha256
from interpreter.types.tooling import TOOL, Declaration, Target, call_code


def called(name: str, **arguments: object) -> Action:
    code = call_code(name, arguments)
    return Action(id="a", language=TOOL, code=code, sha256=code_sha256(code))


def declared(name: str, **more: object) -> dict[str, Declaration]:
    return {name: Declaration(name=name, description="", parameters={}, **more)}  # pyright: ignore[reportArgumentType]


def test_a_tool_brings_its_undo_with_its_arguments_quoted(tmp_path: Path) -> None:
    tools = declared("scale", undo="echo scale {deployment} --back")
    way = way_back(called("scale", deployment="a; rm -rf /"), tmp_path, tools, kept=True, says=True)
    assert (way.by, way.code) == ("tool", "echo scale 'a; rm -rf /' --back")


def test_an_undo_in_words_is_for_a_person(tmp_path: Path) -> None:
    tools = declared("remember", undo="The line can be taken out of memory.md.")
    way = way_back(called("remember", text="x"), tmp_path, tools, kept=True, says=True)
    assert (way.by, way.code, way.why) == ("tool", "", "The line can be taken out of memory.md.")


def test_a_tool_without_one_is_asked_about_unless_it_writes_files_only(tmp_path: Path) -> None:
    call = called("notify", text="x")
    assert way_back(call, tmp_path, declared("notify"), kept=True, says=True).by == "none"
    files = declared("notify", targets=(Target(parameter="path", kind="path"),))
    assert way_back(call, tmp_path, files, kept=True, says=True).by == "snapshot"
    assert way_back(call, tmp_path, files, kept=False, says=True).by == "none"
    assert way_back(call, tmp_path, {}, kept=True, says=True).by == "none"


def test_what_the_model_writes(tmp_path: Path) -> None:
    def shell(code: str, undo: str = "") -> Action:
        return Action(id="a", language="shell", code=code, sha256="", undo=undo)

    def way(action: Action, **more: bool) -> tuple[str, bool]:
        found = way_back(action, tmp_path, {}, **{"kept": True, "says": True, **more})
        return found.by, found.missing

    assert way(shell("touch a")) == ("snapshot", False)
    assert way(shell("touch a"), kept=False) == ("none", True)
    assert way(shell("kubectl apply -f a.yaml")) == ("none", True)
    assert way(shell("kubectl apply -f a.yaml"), says=False) == ("none", False)
    assert way(shell("kubectl apply -f a.yaml", "kubectl delete -f a.yaml")) == ("command", False)
    assert way(shell("docker push registry/a:1", "None.")) == ("none", False)
    assert way(shell("echo x > /etc/hosts")) == ("none", True)
    python = Action(id="a", language="python", code="import requests\nrequests.post('http://a.example/')", sha256="")
    assert way(python) == ("none", True)
