"""One-shot languages: each recipe whose program is here, really built and run."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from interpreter.errors import LanguageMissing
from interpreter.kernels import recipes
from interpreter.kernels.contracts import KernelOptions
from interpreter.kernels.runtimes import find_runtime, missing, program_runtime, reach
from interpreter.types.languages import BY_NAME

from .keeper_client import Guest, KeeperClient, Ran

# language: a program that prints `hello` and ends with 3, and one that cannot be run, with what then is said.
PROGRAMS = {
    "ruby": ("puts 'hello'; exit 3", "puts [", "main.rb:1"),
    "perl": ('print "hello\\n"; exit 3;', "print (", "line 1"),
    "php": ('<?php echo "hello\\n"; exit(3);', "<?php echo (", "line 1"),
    "lua": ("print('hello') os.exit(3)", "print(", "main.lua:1"),
    "r": ("cat('hello\\n'); quit(status = 3)", "cat(", "unexpected end"),
    "java": (
        'public class Any { public static void main(String[] a) { System.out.println("hello"); System.exit(3); } }',
        "class A { int x = nothing; }",
        "main.java:1",
    ),
    "go": (
        'package main\nimport ("fmt"; "os")\nfunc main() { fmt.Println("hello"); os.Exit(3) }',
        "package main\nfunc main() { nothing() }",
        "main.go:2",
    ),
    "c": (
        '#include <stdio.h>\nint main(void) { puts("hello"); return 3; }',
        "int main(void) { return x; }",
        "main.c:1",
    ),
    "cpp": (
        '#include <iostream>\nint main() { std::cout << "hello" << std::endl; return 3; }',
        "int main() { return x; }",
        "main.cpp:1",
    ),
    "rust": (
        'fn main() { println!("hello"); std::process::exit(3); }',
        "fn main() { nothing(); }",
        "main.rs:1",
    ),
    "typescript": ("const n: number = 3; console.log('hello'); process.exit(n)", "const n: = ;", "main.ts"),
    "julia": ('println("hello"); exit(3)', "println(", "main.jl"),
    "powershell": ('Write-Output "hello"; exit 3', "Write-Output (", "main.ps1"),
}


@pytest.fixture
def run(client: KeeperClient, folder: Path, tmp_path: Path) -> Callable[[str, str], Ran]:
    guests: dict[str, Guest] = {}

    def run(language: str, code: str) -> Ran:
        runtime = program_runtime(language)
        if language not in guests:
            env = {**runtime.env, "TMPDIR": str(tmp_path / "temporary")}
            guests[language] = Guest(client, runtime.argv, runtime.driver, runtime.dialect, cwd=folder, env=env)
        return guests[language].run(code, extra=runtime.extra)

    (tmp_path / "temporary").mkdir()
    return run


@pytest.mark.parametrize("language", PROGRAMS)
def test_a_program_runs_and_its_errors_are_told(
    run: Callable[[str, str], Ran], language: str, folder: Path, tmp_path: Path
) -> None:
    if recipes.find(language) is None:
        pytest.skip(f"nothing here runs {language}")
    good, bad, told = PROGRAMS[language]
    ran = run(language, good)
    if ran.exit_status == 127 and "Node.js 22.6" in ran.text:
        pytest.skip("nothing here runs TypeScript")
    if "rustup could not choose" in ran.text:
        pytest.skip("the toolchains of Rust lie in another home")
    assert (ran.status, ran.exit_status, ran.text) == ("error", 3, "hello\n"), ran
    ran = run(language, bad)
    assert ran.status == "error"
    assert told in ran.text, ran
    assert run(language, good).text == "hello\n"
    assert list(folder.iterdir()) == []
    assert (tmp_path / "temporary" / "programs" / language).is_dir()


def test_a_page_is_saved_or_drawn(run: Callable[[str, str], Ran]) -> None:
    recipe = recipes.find("html")
    assert recipe
    ran = run("html", "<h1>中文</h1>")
    assert ran.status == "ok", ran
    [display] = ran.completion["displays"]
    data = Path(display["path"]).read_bytes()
    assert display["mime"] == recipe.display
    assert data.startswith(b"\x89PNG") if recipe.display == "image/png" else data == "<h1>中文</h1>".encode()


def test_arguments_and_files_of_the_driver_are_not_the_programs(run: Callable[[str, str], Ran]) -> None:
    assert run("perl", 'print "@ARGV|", -e "/proc/self/fd/8" ? 1 : 0, -e "/proc/self/fd/9" ? 1 : 0').text == "|00"


def test_a_program_that_cannot_be_found_is_our_fault(client: KeeperClient, folder: Path) -> None:
    guest = Guest(client, ["/no/such/program"], "true", "program", cwd=folder)
    ran = guest.run("1")
    assert (ran.status, ran.error["name"]) == ("died", "LaunchFailed")
    assert "/no/such/program" in ran.error["message"]


def test_the_first_recipe_with_its_programs_is_taken() -> None:
    there = {"tsc": "/x/tsc", "bun": "/x y/it's bun"}
    found = recipes.find("typescript", there.get)
    assert found
    assert "p='/x y/it'\\''s bun'\n" in found.script
    assert recipes.find("typescript", {"tsc": "/x/tsc"}.get) is None
    assert recipes.find("typescript", {"tsc": "/x/tsc", "node": "/x/node"}.get)
    assert recipes.find("html", lambda name: None) is None


def test_every_language_has_a_way_or_says_what_it_needs() -> None:
    for name in BY_NAME:
        assert name in recipes.REMEDIES
        error = missing(name)
        assert isinstance(error, LanguageMissing)
        assert recipes.REMEDIES[name].words in error.hint
    assert {recipe.language for recipe in recipes.RECIPES} <= set(BY_NAME)


def test_a_language_that_nobody_knows_is_missing() -> None:
    with pytest.raises(LanguageMissing, match="brainfuck"):
        find_runtime("brainfuck", KernelOptions())


def test_walls_open_for_an_installation_but_not_for_what_lies_beside_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))

    def program(path: str) -> str:
        file = tmp_path / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch(0o755)
        return str(file)

    node = program(".nvm/versions/node/v20/bin/node")
    assert reach(node) == (node, str(tmp_path / ".nvm/versions/node/v20"))
    assert reach(program(".cargo/bin/rustc")) == (str(tmp_path / ".cargo/bin/rustc"),)
    assert reach(program(".local/bin/tool")) == (str(tmp_path / ".local/bin/tool"),)
    assert reach(program("bin/tool")) == (str(tmp_path / "bin/tool"),)
    (tmp_path / "miniconda3/conda-meta").mkdir(parents=True)
    ruby = program("miniconda3/bin/ruby")
    assert reach(ruby) == (ruby, str(tmp_path / "miniconda3"))
    assert reach(shutil.which("env") or "/usr/bin/env") == ()
    link = tmp_path / "link"
    os.symlink(node, link)
    assert reach(str(link)) == (str(link), node, str(tmp_path / ".nvm/versions/node/v20"))
