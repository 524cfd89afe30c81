"""Every test runs apart from the machine: own home, own settings, no proxies, UTF-8; and nothing of it stays behind.

`INTERPRETER_CI_REQUIRES=bubblewrap,node,tmux` names parts that must be there: their absence, or a test that skips
because of it, is then a failure.
"""

from __future__ import annotations

import gc
import os
import shutil
import signal
import stat
import tempfile
from collections.abc import Generator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from xdist.scheduler import LoadGroupScheduling  # pyright: ignore[reportMissingTypeStubs]

from tests import libraries

PROGRAMS = {
    "bubblewrap": "bwrap", "node": "node", "tmux": "tmux", "git": "git", "libraries": str(libraries.PYTHON),
    "linters": str(libraries.FOLDER / "linters" / "bin" / "zizmor"),
}  # fmt: skip
REMOVED = (
    "VIRTUAL_ENV", "CONDA_PREFIX", "CONDA_DEFAULT_ENV", "NO_COLOR", "FORCE_COLOR", "OPENAI_API_KEY", "EDITOR", "VISUAL",
    "PYTHONDONTWRITEBYTECODE", "PYTHONPATH", "PYTHONSTARTUP", "LC_MESSAGES", "LANGUAGE", "COLUMNS", "LINES", "SSH_TTY",
    "CI", "GITHUB_ACTIONS", "GITHUB_STEP_SUMMARY", "GITHUB_OUTPUT", "GITLAB_CI", "JENKINS_URL", "TF_BUILD",
    "TEAMCITY_VERSION", "OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_HEADERS",
)  # fmt: skip
_REAL = dict(os.environ)
_ROOT = pytest.StashKey[Path]()


def isolate(root: Path) -> None:
    """Point every place that programs look up for a person to a folder of this run."""
    for name in list(os.environ):
        ours = name.startswith("INTERPRETER_") and name != "INTERPRETER_CI_REQUIRES"
        if ours or name in REMOVED or name.lower().endswith("_proxy"):
            del os.environ[name]
    rustup = Path.home() / ".rustup"
    if rustup.is_dir():
        os.environ.setdefault("RUSTUP_HOME", str(rustup))  # where the toolchains are that its `rustc` starts
    places = {"HOME": "home", "INTERPRETER_HOME": "interpreter", "XDG_CONFIG_HOME": "config", "XDG_DATA_HOME": "data",
              "XDG_CACHE_HOME": "cache", "XDG_STATE_HOME": "state", "XDG_RUNTIME_DIR": "runtime"}  # fmt: skip
    for variable, name in places.items():
        (root / name).mkdir(mode=0o700)
        os.environ[variable] = str(root / name)
    os.environ |= {"LC_ALL": "C.UTF-8", "LANG": "C.UTF-8", "TZ": "UTC", "TERM": "dumb"}


def required() -> list[str]:
    return [name for name in _REAL.get("INTERPRETER_CI_REQUIRES", "").split(",") if name]


def pytest_configure(config: pytest.Config) -> None:
    # A shell starts what runs in its background without the one, `nohup` without the other; programs of the tests have
    # to hear both.
    if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    if hasattr(config, "workerinput") and signal.getsignal(signal.SIGHUP) == signal.SIG_IGN:
        signal.signal(signal.SIGHUP, signal.SIG_DFL)
    missing = [name for name in required() if shutil.which(PROGRAMS.get(name, name)) is None]
    if missing:
        raise pytest.UsageError(f"INTERPRETER_CI_REQUIRES: not on this machine: {', '.join(missing)}")
    if getattr(config.option, "numprocesses", None) and not hasattr(config, "workerinput"):
        return  # The workers run the tests, and they must find the machine's own environment to put aside.
    root = Path(tempfile.mkdtemp(prefix="interpreter-tests-")).resolve()
    config.stash[_ROOT] = root
    isolate(root)


def pytest_unconfigure(config: pytest.Config) -> None:
    root = config.stash.get(_ROOT, None)
    if root is not None:
        end_keepers(str(root))
        shutil.rmtree(root, ignore_errors=True)
        os.environ.clear()
        os.environ.update(_REAL)


def pytest_collection_finish() -> None:
    """Thousands of tests stay to the end, and no search for garbage has to walk through them."""
    gc.collect()
    gc.freeze()


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> LoadGroupScheduling | None:
    return Forgetting(config, log) if config.getoption("dist") == "loadgroup" else None


class Forgetting(LoadGroupScheduling):
    """xdist counts through all that a worker has ever done at the end of each test: it forgets what is done here."""

    def _pending_of(self, workload: dict[str, dict[str, bool]]) -> int:
        for scope in [scope for scope, tests in workload.items() if all(tests.values())]:
            del workload[scope]
        return super()._pending_of(workload)


def pytest_make_parametrize_id(val: object, argname: str) -> str | None:
    """A test's name is in the environment of what it starts, and there megabytes have no room."""
    return f"{argname}-of-{len(val)}" if isinstance(val, str | bytes) and len(val) > 500 else None


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if report.skipped and not hasattr(report, "wasxfail"):
        reason = str(report.longrepr[2]) if isinstance(report.longrepr, tuple) else str(report.longrepr)
        if absent := [
            name for name in required() if name in reason.lower() or PROGRAMS.get(name, name) in reason.lower()
        ]:
            report.outcome = "failed"
            report.longrepr = f"{item.nodeid} was skipped, but {absent[0]} is required here: {reason}"
    return report


def end_keepers(root: str) -> list[int]:
    """Kill the keepers whose folder lies below `root`; each of them is a test that did not clean up."""
    ended: list[int] = []
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = entry.read_bytes().decode("utf-8", "replace").split("\0")
        except OSError:
            continue
        keeper = any(word.endswith("/keeper") for word in words)
        if keeper and any(word.startswith(f"{root}/") for word in words):
            pid = int(entry.parent.name)
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
            ended.append(pid)
    return ended


@pytest.fixture(scope="session", autouse=True)
def no_keeper_stays(tmp_path_factory: pytest.TempPathFactory) -> Generator[None]:
    """Keepers of folders of this run end with it, and what is closed to us can be removed by a later run."""
    yield
    end_keepers(str(tmp_path_factory.getbasetemp()))
    if os.geteuid() != 0:
        open_up(tmp_path_factory.getbasetemp())


def open_up(top: Path) -> None:
    """Let the owner into every folder: overlays leave closed ones, and pytest fails where it cannot remove one."""
    for folder, names, _files in os.walk(top):
        for path in (os.path.join(folder, name) for name in names):
            with suppress(OSError):
                mode = stat.S_IMODE(os.lstat(path).st_mode)
                if mode & 0o700 != 0o700 and not os.path.islink(path):
                    os.chmod(path, mode | 0o700)


@pytest.fixture(scope="session")
def real_environ() -> Mapping[str, str]:
    """The environment before it was cut down: for what only the machine knows, such as its package index."""
    return _REAL
