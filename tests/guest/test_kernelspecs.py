"""Which Jupyter kernels are found, and what the walls must let through for them."""

import json
import os
import sys
from pathlib import Path

import pytest

from interpreter.kernels import jupyter
from interpreter.kernels.contracts import KernelOptions
from interpreter.kernels.runtimes import find_runtime, jupyter_runtime

from .keeper_client import Guest, KeeperClient

GARBLED = """
import json, sys, zmq
from jupyter_client.session import Session
info = json.load(open(sys.argv[1]))
session = Session(key=info["key"].encode())
context = zmq.Context()
sockets = {}
for name, kind in (("shell", zmq.ROUTER), ("iopub", zmq.PUB), ("stdin", zmq.ROUTER), ("control", zmq.ROUTER)):
    sockets[name] = context.socket(kind)
    sockets[name].bind("tcp://127.0.0.1:%d" % info[name + "_port"])
shell, iopub = sockets["shell"], sockets["iopub"]
while True:
    identities, parts = session.feed_identities(shell.recv_multipart())
    asked = session.deserialize(parts)
    session.send(iopub, "status", {"execution_state": "busy"}, parent=asked)
    kind = asked["msg_type"].replace("request", "reply")
    if kind == "execute_reply":
        session.send(iopub, "stream", {"name": "stdout", "text": "whole\\n"}, parent=asked)
        if asked["content"]["code"] == "garble":
            iopub.send_multipart([b"status", b"<IDS|MSG>", b"not signed", b"{}", b"{}", b"{}", b"{}"])
    else:
        session.send(iopub, "status", {"execution_state": "idle"}, parent=asked)
    session.send(shell, kind, {"status": "ok", "language_info": {"name": "odd"}}, parent=asked, ident=identities)
"""
"""A kernel whose message that says idle cannot be read, or does not come."""


def install(root: Path, name: str, **spec: object) -> Path:
    folder = root / "kernels" / name
    folder.mkdir(parents=True)
    (folder / "kernel.json").write_text(json.dumps(spec))
    return folder


def test_the_persons_own_come_before_the_systems(tmp_path: Path) -> None:
    install(tmp_path / "path", "thing", argv=["sh", "first"], language="thing")
    install(tmp_path / "data", "thing", argv=["sh", "second"], language="thing")
    environ = {"JUPYTER_PATH": str(tmp_path / "path"), "JUPYTER_DATA_DIR": str(tmp_path / "data")}
    assert jupyter.installed(environ)["thing"].argv == ("sh", "first")


def test_a_language_is_found_by_its_spellings_and_by_the_name_of_its_kernel(tmp_path: Path) -> None:
    pytest.importorskip("jupyter_client")
    install(tmp_path, "MyOwn", argv=["sh", "-c", "x"], language="Go", display_name="Go 9", env={"A": "1"}, metadata={})
    install(tmp_path, "gone", argv=["/no/such/program"], language="lua")
    environ = {"JUPYTER_PATH": str(tmp_path)}
    assert (found := jupyter.find("go", environ))
    assert (found.name, found.env, found.interrupt_mode) == ("myown", {"A": "1"}, "signal")
    assert jupyter.find("myown", environ) == found
    assert jupyter.find("lua", environ) is None
    assert jupyter.find("cobol", environ) is None


@pytest.mark.parametrize(
    "text", ["", "{}", "[]", "nonsense", '{"argv": []}', '{"argv": "sh"}', '{"argv": ["sh"], "env": 5}', "\0\xff"]
)
def test_a_broken_description_is_left_out(tmp_path: Path, text: str) -> None:
    install(tmp_path, "broken")
    (tmp_path / "kernels" / "broken" / "kernel.json").write_text(text)
    (tmp_path / "kernels" / "file").write_text("no folder")
    assert "broken" not in jupyter.installed({"JUPYTER_PATH": f"{tmp_path}{os.pathsep}/no/such/folder"})


def test_an_execution_ends_also_when_its_messages_came_broken(
    client: KeeperClient, folder: Path, tmp_path: Path
) -> None:
    pytest.importorskip("jupyter_client")
    install(tmp_path, "odd", argv=[sys.executable, "-c", GARBLED, "{connection_file}"], language="odd")
    runtime = jupyter_runtime("odd", jupyter.installed({"JUPYTER_PATH": str(tmp_path)})["odd"])
    guest = Guest(client, runtime.argv, runtime.driver, cwd=folder, parts=runtime.parts)
    for code in ("garble", "say nothing", "garble"):
        ran = guest.run(code)
        assert ran.status == "ok"
        assert ran.text.splitlines()[0] == "whole"
        assert "Part of the output may be lost" in ran.text


def test_what_code_may_write_opens_nothing_for_a_kernel(tmp_path: Path) -> None:
    work, away = tmp_path / "work", tmp_path / "away"
    for place in (work, away):
        place.mkdir()
    tool = away / "tool"
    tool.write_text("#!/bin/sh\n")
    tool.chmod(0o755)
    (work / "tool").symlink_to(tool)
    install(tmp_path, "thing", argv=[str(work / "tool"), "{connection_file}"], language="thing")
    spec = jupyter.installed({"JUPYTER_PATH": str(tmp_path)})["thing"]
    assert str(tool) in jupyter_runtime("thing", spec).readable
    assert not [path for path in jupyter_runtime("thing", spec, (str(work),)).readable if path.startswith(str(away))]


def test_walls_let_its_folder_its_program_and_our_python_through(tmp_path: Path) -> None:
    folder = install(tmp_path, "thing", argv=["sh", "{connection_file}"], language="thing")
    spec = jupyter.installed({"JUPYTER_PATH": str(tmp_path)})["thing"]
    runtime = jupyter_runtime("thing", spec)
    assert {str(folder), sys.prefix, sys.base_prefix} <= set(runtime.readable)
    assert json.loads(runtime.parts["spec"])["folder"] == str(folder)


def test_without_sockets_a_program_is_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("jupyter_client")
    install(tmp_path, "thing", argv=["sh"], language="perl")
    monkeypatch.setenv("JUPYTER_PATH", str(tmp_path))
    assert find_runtime("perl", KernelOptions()).dialect == "json"
    assert find_runtime("perl", KernelOptions(), sockets=False).dialect == "program"
