"""`python -m interpreter.cli.demo`: make the data and an environment, then run the real command on them."""

from __future__ import annotations

import argparse
import contextlib
import os
import subprocess
import sys
from collections.abc import Generator, Sequence
from pathlib import Path

from ...app.recorded import recorded_server
from ...errors import InterpreterError, UsageError
from ...text.i18n import _, language, set_language
from ..say import say, say_error
from .data import write_sales

PACKAGES = ("pandas", "pyarrow", "matplotlib")
RESULTS = ("clean_data.parquet", "sales_by_month.png")
DATA = "data.csv"


def main(words: Sequence[str]) -> int:
    """Run the demonstration; the exit code is that of the command that it runs."""
    arguments = _parse(words)
    set_language(arguments.lang)
    try:
        return _run(Path(arguments.folder).resolve(), arguments.api_base, arguments.model, arguments.lang)
    except InterpreterError as error:
        say_error(error)
        return error.exit_code
    except KeyboardInterrupt:
        say(_("Interrupted."))
        return 130


def _parse(words: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m interpreter.cli.demo", description="a real task on a million rows")
    parser.add_argument("--folder", default=".demo", help="where to work (default: .demo)")
    parser.add_argument("--api_base", "--api-base", default="", help="a real model's server, instead of the recording")
    parser.add_argument("--model", default="", help="the model's name there")
    parser.add_argument("--lang", default="", help="en or zh_CN")
    return parser.parse_args(words)


def task() -> str:
    """What the person says."""
    return _(
        "Read data.csv, drop empty rows, turn the date column into datetime, save as clean_data.parquet, "
        "draw sales by month."
    )


def _run(folder: Path, api_base: str, model: str, lang: str) -> int:
    prepare(folder)
    recorded = not (api_base or model)
    if recorded:
        say(_("The model's replies are a recording. Everything else is real: the code, the error, the files."))
    with _server(recorded, api_base) as address:
        command = [sys.executable, "-m", "interpreter", "-y"]
        command += ["--api_base", address] if address else []
        command += ["--model", "recorded-replies" if recorded else model] if recorded or model else []
        command += ["--lang", lang] if lang else []
        say(_("In {folder}:", folder=folder))
        say(f'$ interpreter {" ".join(command[3:])} "{task()}"\n')
        status = subprocess.run([*command, task()], cwd=folder, env=_environ(), check=False).returncode
    return _tell(folder, status, recorded)


@contextlib.contextmanager
def _server(recorded: bool, api_base: str) -> Generator[str]:
    if not recorded:
        yield api_base
        return
    with recorded_server(Path(__file__).with_name(f"replies.{language()}.yaml")) as address:
        yield address


def prepare(folder: Path) -> None:
    """The folder with the data and an environment of its own; what is there already is kept.

    Raises UsageError where the folder cannot be written or the packages cannot be installed.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name in RESULTS:
            (folder / name).unlink(missing_ok=True)
        if not (folder / DATA).exists():
            say(_("Making {name}: one million lines of sales ...", name=DATA))
            write_sales(folder / DATA)
        if not (folder / ".venv" / "bin" / "python").exists():
            _call([sys.executable, "-m", "venv", "--without-pip", str(folder / ".venv")], folder)
    except OSError as error:
        raise UsageError(
            _(
                "The demonstration cannot be set up in {folder}: {reason}.",
                folder=folder,
                reason=error.strerror or error,
            ),
            _("Name a folder that you can write, with --folder."),
        ) from error
    _install(folder)


def _install(folder: Path) -> None:
    """Into the demonstration's own environment, as a person does it for a project of theirs."""
    found = {path.name for path in (folder / ".venv").glob("lib/*/site-packages/*")}
    wanted = [name for name in PACKAGES if name not in found]
    if not wanted:
        return
    say(_("Installing {packages} into {folder}/.venv ...", packages=", ".join(wanted), folder=folder))
    python = str(folder / ".venv" / "bin" / "python")
    options = ["--quiet", "--disable-pip-version-check", "--only-binary=:all:"]
    _call([sys.executable, "-m", "pip", "--python", python, "install", *options, *wanted], folder)


def _call(command: Sequence[str], folder: Path) -> None:
    done = subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, check=False)
    if done.returncode:
        told = [line for line in done.stderr.splitlines() if line.strip() and not line.startswith("WARNING")]
        raise UsageError(
            _("The demonstration could not be set up: {reason}", reason="\n".join(told[-6:])),
            _("{folder} is kept. Check the network and your settings for pip, then run it again.", folder=folder),
        )


def _environ() -> dict[str, str]:
    """The person's, but for an environment that is active: the demonstration has its own."""
    hidden = ("VIRTUAL_ENV", "CONDA_PREFIX", "CONDA_DEFAULT_ENV")
    return {name: value for name, value in os.environ.items() if name not in hidden}


def _tell(folder: Path, status: int, recorded: bool) -> int:
    made = [folder / name for name in RESULTS if (folder / name).is_file()]
    say("")
    if made:
        say(_("Made:"))
    for path in made:
        say(_("  {path} ({size} kB)", path=path, size=max(1, path.stat().st_size // 1000)))
    if status == 0 and len(made) < len(RESULTS):
        say(_("Not every file that was asked for is there."))
        status = 1
    if recorded:
        say(_("The same with a model of yours:"))
        say("  make demo API_BASE=http://localhost:8000/v1 MODEL=Qwen3-4B-Instruct-2507")
        say("  python -m interpreter.cli.demo --api_base http://localhost:11434/v1 --model qwen3:4b")
    return status


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
