"""Layers, origins, refusals, and what a project's file may not do."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from interpreter.config.files import read_entries
from interpreter.config.keys import KEYS, SPELLINGS
from interpreter.config.load import load_settings, nearest
from interpreter.config.paths import project_file, user_file
from interpreter.config.settings import Settings, value_of, with_values
from interpreter.config.values import from_file, from_text
from interpreter.errors import ConfigError
from interpreter.llm.options import Prices


class Place:
    def __init__(self, folder: Path) -> None:
        self.workspace = folder / "work"
        self.workspace.mkdir()
        self.environ = {"INTERPRETER_HOME": str(folder / "home"), "HOME": str(folder)}
        self.user = user_file(self.environ)
        self.project = project_file(self.workspace)
        self.user.parent.mkdir()
        self.project.parent.mkdir()

    def load(self, flags: dict[str, Any] | None = None, **environ: str) -> Settings:
        return load_settings(self.workspace, flags=flags, environ={**self.environ, **environ}, read=read_entries)


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def test_nothing_set_is_all_built_in(place: Place) -> None:
    assert place.load() == Settings()


def test_each_layer_lies_above_the_one_before(place: Place) -> None:
    place.user.write_text("llm:\n  model: u\nmax_retries: 1\ntimeout: 1\nmax_steps: 7\n")
    place.project.write_text("max_retries: 2\ntimeout: 2\nmax_steps: 6\n")
    found = place.load({"max_steps": "4"}, INTERPRETER_TIMEOUT="3", INTERPRETER_MAX_STEPS="5")
    assert (found.llm.model, found.agent.max_retries, found.agent.timeout, found.agent.max_steps) == ("u", 2, 3.0, 4)
    assert found.origins == {
        "llm.model": f"{place.user}:2",
        "max_retries": f"{place.project}:1",
        "timeout": "INTERPRETER_TIMEOUT",
        "max_steps": "--max_steps",
    }


def test_the_documented_project_file(place: Place) -> None:
    place.project.write_text("system_message: |\n  You are an expert.\n  Be brief.\nmax_retries: 3\ntimeout: 30\n")
    found = place.load()
    assert found.agent.system_message == "You are an expert.\nBe brief.\n"
    assert (found.agent.max_retries, found.agent.timeout, found.notes) == (3, 30.0, ())


def test_other_spellings_and_kinds(place: Place) -> None:
    place.user.write_text(
        "model: m\nos:\n  timeout: 300\n  run_timeout: 600\nlimits:\n  memory: 2G\n"
        "llm:\n  prices: {input: 1, output: 2.5}\n  extra_body: {chat_template_kwargs: {enable_thinking: false}}\n"
        "readable: ../data\nsandbox: off\nlang: zh\n"
    )
    found = place.load()
    assert found.llm.model == "m" and found.agent.timeout == 300 and found.agent.run_timeout == 600
    assert found.limits.memory == 2 << 30
    assert found.llm.prices == Prices(input=1.0, output=2.5)
    assert found.llm.extra_body == {"chat_template_kwargs": {"enable_thinking": False}}
    assert found.walls.readable == (str(place.user.parent.parent / "data"),)
    assert found.walls.backend == "host" and found.lang == "zh_CN"


def test_a_program_gives_typed_values(place: Place) -> None:
    found = load_settings(
        place.workspace, flags={"llm.context_window": 4096, "auto_run": True}, environ=place.environ,
        read=read_entries, origin="program",
    )  # fmt: skip
    assert found.llm.context_window == 4096 and found.agent.auto_run
    assert found.origins["auto_run"] == "program"


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("max_retries: 3\nmodle: x\n", 2, "Did you mean `model`"),
        ("llm:\n  contxt_window: 3\n", 2, "Did you mean `llm.context_window`"),
        ("zzzz: 1\n", 1, "no setting called `zzzz`"),
        ("timeout: soon\n", 1, "a number of at least 0.01"),
        ("timeout: -1\n", 1, "a number of at least 0.01"),
        ("timeout: .inf\n", 1, "a number of at least 0.01"),
        ("timeout: .nan\n", 1, "a number of at least 0.01"),
        ("max_retries: 1.5\n", 1, "a whole number from 0 to 1000"),
        ("max_retries: true\n", 1, "a whole number"),
        ("auto_run: 1\n", 1, "true or false"),
        ("\nsandbox: jail\n", 2, "one of off, host, auto, landlock"),
        ("llm: 3\n", 1, "is a group of settings"),
        ("llm.temperature: 3\n", 1, "a number from 0 to 2"),
        ("limits:\n  memory: lots\n", 2, "a size such as"),
        ("readable: [1]\n", 1, "a list of paths"),
        ("llm:\n  prices: {input: cheap}\n", 2, "input, cached and output"),
        ("llm:\n  headers: [a]\n", 2, "names, each with a text"),
        ("timeout: 1\nos:\n  timeout: 2\n", 3, "a second time"),
        ("timeout: 1\ntimeout: 2\n", 2, "a second time"),
        ("- a\n- b\n", 1, "written as `name: value`"),
        ("a: [1, 2\nb: 3\n", 2, "not YAML"),
        ("model: !!python/object/apply:os.getcwd []\n", 1, "not YAML"),
        ("[1]: 2\n", 1, "a name is expected"),
        ("\tmodel: x\n", 1, "not YAML"),
        ("llm: " + "[" * 3000, 1, ""),
        ("model: " + "x" * 2_000_000, 0, "larger than 1 MB"),
    ],
)
def test_what_is_wrong_names_file_line_and_remedy(place: Place, text: str, line: int, words: str) -> None:
    place.user.write_text(text)
    with pytest.raises(ConfigError) as caught:
        place.load()
    assert caught.value.exit_code == 2
    assert str(place.user) in caught.value.message and words in caught.value.message
    if line:
        assert f"line {line}:" in caught.value.message


@pytest.mark.parametrize("text", ["", "\n", "# only a comment\n", "---\n", "\ufeff"])
def test_an_empty_file_sets_nothing(place: Place, text: str) -> None:
    place.user.write_text(text)
    assert place.load() == Settings()


@pytest.mark.parametrize("data", [b"\x00\x01", b"model: \xff\xfe", b"\x89PNG\r\n"])
def test_a_binary_file_is_refused(place: Place, data: bytes) -> None:
    place.user.write_bytes(data)
    with pytest.raises(ConfigError, match="not UTF-8 text"):
        place.load()


def test_a_folder_a_pipe_and_a_loop_are_refused(place: Place) -> None:
    place.user.mkdir()
    with pytest.raises(ConfigError, match="no ordinary file"):
        place.load()
    place.user.rmdir()
    os.mkfifo(place.user)
    with pytest.raises(ConfigError, match="no ordinary file"):
        place.load()
    place.user.unlink()
    place.user.symlink_to(place.user)
    with pytest.raises(ConfigError, match="cannot be read"):
        place.load()


@pytest.mark.skipif(os.geteuid() == 0, reason="root can read every file")
def test_an_unreadable_file_is_refused(place: Place) -> None:
    place.user.write_text("model: x\n")
    place.user.chmod(0)
    with pytest.raises(ConfigError, match="cannot be read"):
        place.load()


@pytest.mark.parametrize(
    ("user", "project", "name"),
    [
        ("", "auto_run: true\n", "auto_run"),
        ("", "sandbox: host\n", "sandbox"),
        ("", "sandbox: off\n", "sandbox"),
        ("", "network: true\n", "network"),
        ("", "network: ask\n", "network"),
        ("network: ask\n", "network: open\n", "network"),
        ("network: off\n", "network: ask\n", "network"),
        ("", "allow_host: [evil.example]\n", "allow_host"),
        ("", "readable: [/etc]\n", "readable"),
        ("", "writable: [/etc]\n", "writable"),
        ("", "api_base: http://evil.example/v1\n", "llm.api_base"),
        ("", "llm:\n  api_key: k\n", "llm.api_key"),
        ("", "llm:\n  extra_body: {a: 1}\n", "llm.extra_body"),
        ("", "llm:\n  headers: {a: b}\n", "llm.headers"),
        ("", "python: /tmp/python\n", "python"),
        ("", "install: yes\n", "install"),
        ("install: no\n", "install: ask\n", "install"),
        ("safe_mode: ask\n", "safe_mode: off\n", "safe_mode"),
        ("", "max_steps: 51\n", "max_steps"),
        ("max_steps: 3\n", "max_steps: 4\n", "max_steps"),
        ("max_cost: 1\n", "max_cost: 2\n", "max_cost"),
        ("max_cost: 1\n", "max_cost:\n", "max_cost"),
        ("", "limits:\n  memory: 9G\n", "limits.memory"),
        ("sandbox: landlock\n", "sandbox: host\n", "sandbox"),
    ],
)
def test_a_project_may_not_loosen(place: Place, user: str, project: str, name: str) -> None:
    place.user.write_text(user)
    before = place.load()
    place.project.write_text(project)
    after = place.load()
    assert value_of(after, KEYS[name]) == value_of(before, KEYS[name])
    assert len(after.notes) == 1 and str(place.project) in after.notes[0]


@pytest.mark.parametrize(
    ("user", "project", "name", "value"),
    [
        ("auto_run: true\n", "auto_run: false\n", "auto_run", False),
        ("network: true\n", "network: false\n", "network", "off"),
        ("network: open\n", "network: ask\n", "network", "ask"),
        ("", "network: off\n", "network", "off"),
        ("sandbox: host\n", "sandbox: bubblewrap\n", "sandbox", "bubblewrap"),
        ("", "install: no\n", "install", "no"),
        ("", "safe_mode: ask\n", "safe_mode", "ask"),
        ("", "max_steps: 50\n", "max_steps", 50),
        ("", "max_cost: 2\n", "max_cost", 2.0),
        ("", "limits:\n  memory: 1G\n", "limits.memory", 1 << 30),
        ("", "model: m\n", "llm.model", "m"),
    ],
)
def test_a_project_may_be_stricter(place: Place, user: str, project: str, name: str, value: object) -> None:
    place.user.write_text(user)
    place.project.write_text(project)
    found = place.load()
    assert value_of(found, KEYS[name]) == value and found.notes == ()


def test_what_a_project_hides_comes_to_what_the_person_hides(place: Place) -> None:
    place.user.write_text("hidden: [/a]\n")
    place.project.write_text("hidden: [secrets]\n")
    assert place.load().walls.hidden == ("/a", str(place.workspace / "secrets"))


def test_a_flag_may_loosen_what_the_project_tightened(place: Place) -> None:
    place.project.write_text("auto_run: false\nmax_steps: 2\n")
    found = place.load({"auto_run": "true", "max_steps": "100"})
    assert found.agent.auto_run and found.agent.max_steps == 100


def test_safe_mode_asks_also_with_y(place: Place) -> None:
    found = place.load({"auto_run": "true", "safe_mode": "ask"})
    assert not found.agent.auto_run and found.origins["auto_run"] == "--safe_mode" and found.notes


def test_without_a_sandbox_y_counts_only_where_both_are_said_together(place: Place) -> None:
    together = place.load({"auto_run": "true", "sandbox": "host"})
    assert together.agent.auto_run and not together.notes
    apart = place.load({"auto_run": "true"}, INTERPRETER_SANDBOX="host")
    assert apart.walls.backend == "host" and not apart.agent.auto_run and apart.notes


@pytest.mark.parametrize("name", ["timeout", "auto_run", "llm.prices"])
def test_a_wrong_variable_is_named(place: Place, name: str) -> None:
    variable = KEYS[name].variable
    with pytest.raises(ConfigError, match=variable):
        place.load(None, **{variable: "?"})


def test_a_wrong_flag_is_named(place: Place) -> None:
    with pytest.raises(ConfigError, match="--context_window should be a whole number of at least 512"):
        place.load({"llm.context_window": "many"})


def test_null_gives_back_the_built_in_value(place: Place) -> None:
    place.user.write_text("timeout: 5\n")
    place.project.write_text("timeout: null\n")
    assert place.load().agent.timeout is None


def test_every_setting_has_a_place_and_a_variable_of_its_own() -> None:
    for key in KEYS.values():
        value_of(Settings(), key)
        assert key.kind != "choice" or value_of(Settings(), key) in (*key.choices, "auto")
    assert len({key.variable for key in KEYS.values()}) == len(KEYS)
    flags = [flag for key in KEYS.values() for flag in key.flags]
    assert len(set(flags)) == len(flags)
    assert len(SPELLINGS) == sum(1 + len(key.aliases) for key in KEYS.values())


def test_every_built_in_value_can_be_written_in_a_file() -> None:
    for key in KEYS.values():
        value = value_of(Settings(), key)
        assert with_values(Settings(), {key.name: from_file(key, value)}) == Settings()


def test_text_and_file_agree() -> None:
    assert from_text(KEYS["llm.prices"], "input=1,output=2") == {"input": 1.0, "output": 2.0}
    assert from_text(KEYS["readable"], "/a:/b") == ("/a", "/b")
    assert from_text(KEYS["auto_run"], "是") is True
    assert from_text(KEYS["allow_host"], "a.example:443, *.b.example") == ("a.example:443", "*.b.example")
    for said, meant in ((True, "open"), (False, "off"), ("ask", "ask"), ("open", "open"), ("", "")):
        assert from_file(KEYS["network"], said) == meant
    assert from_text(KEYS["limits.memory"], "512m") == 512 << 20


def test_nearest_names() -> None:
    assert nearest("tempreature") == "temperature"
    assert nearest("qqqqqq") == ""
