"""Every kernel keeps the same promises. What one cannot keep is named beside it, with the reason."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.guest.keeper_client import KeeperClient

from .kernel_subjects import SUBJECTS, Live
from .subject import Subject

# One worker has all tests of a kernel, so that none is started in several of them.
KERNELS = [pytest.param(one, id=one.name, marks=pytest.mark.xdist_group(f"kernel {one.name}")) for one in SUBJECTS]


@pytest.fixture(scope="module", params=KERNELS)
def kernel(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    subject: Subject = request.param
    folder = tmp_path_factory.mktemp("kernel")
    runtime = subject.runtime(folder)
    if runtime is None:
        pytest.skip(f"{subject.name} is not on this machine")
    (folder / "work").mkdir()
    with KeeperClient(folder / "run") as client:
        yield Live(subject, runtime, client, folder / "work")


def need(kernel: Live, what: str) -> None:
    """Skips what this kernel cannot do; the reason stands beside it."""
    if reason := kernel.subject.exceptions.get(what):
        pytest.skip(reason)


def alive(kernel: Live, *, stopped: bool = False) -> None:
    """It runs code, and says nothing of what was before.

    Where each execution is a program of its own, that is asked only after one was stopped: of one that has ended by
    itself nothing is left, and the next test runs the next program anyway, which for some has to be built first.
    """
    if kernel.subject.one_shot and not stopped:
        return
    ran = kernel.run(kernel.subject.say)
    assert ran.status == "ok", ran
    assert "hi" in ran.text
    assert "never" not in ran.text


def test_output_arrives_whole_and_in_order(kernel: Live) -> None:
    ran = kernel.once(kernel.subject.say)
    assert (ran.status, ran.exit_status) == ("ok", 0), ran
    assert ran.bytes == ran.live
    need(kernel, "stderr")
    assert ran.text.splitlines() == ["hi", "err"]


def test_state_is_kept(kernel: Live) -> None:
    need(kernel, "state")
    assert kernel.run(kernel.subject.set).status == "ok"
    ran = kernel.run(kernel.subject.get)
    assert ran.status == "ok"
    assert "42" in ran.text + ran.result


def test_exit_status_is_told_and_the_kernel_goes_on(kernel: Live) -> None:
    need(kernel, "exit")
    if kernel.subject.set:
        assert kernel.run(kernel.subject.set).status == "ok"
    ran = kernel.run(kernel.subject.exit)
    assert (ran.status, ran.exit_status, ran.restarted) == ("error", 3, False), ran
    alive(kernel)
    if kernel.subject.get and kernel.subject.name != "plain sh":
        after = kernel.run(kernel.subject.get)
        assert "42" in after.text + after.result


def test_error_is_told_and_the_kernel_goes_on(kernel: Live) -> None:
    ran = kernel.run(kernel.subject.error)
    assert ran.status == "error", ran
    assert ran.exit_status != 0
    assert kernel.subject.error_says in ran.text + str(ran.error), ran
    alive(kernel)


def test_timeout_stops_it(kernel: Live) -> None:
    limit = kernel.subject.begins
    ran = kernel.run(kernel.subject.busy, timeout=limit)
    assert ran.status == "timeout", ran
    assert ran.completion["limit"] == f"timeout: {limit:g} s"
    alive(kernel, stopped=True)


@pytest.mark.parametrize("what", ["busy", "nap", "child"])
def test_interrupt_stops_it(kernel: Live, what: str) -> None:
    need(kernel, what)
    execution = kernel.begin(getattr(kernel.subject, what))
    if "says" in kernel.subject.exceptions:
        time.sleep(0.4)
    else:
        kernel.guest.wait_output(execution, b"on\n")
    ran = kernel.seen(kernel.guest.interrupt(execution, grace=10.0))
    assert ran.status == "interrupted" or (what == "child" and ran.status == "ok"), ran
    assert ran.completion["duration"] < 9.0
    assert "never" not in ran.text
    # Which of the three was stopped is all the same to a program that begins anew.
    alive(kernel, stopped=what == "busy")


def test_five_megabytes(kernel: Live) -> None:
    need(kernel, "big")
    ran = kernel.run(kernel.subject.big)
    assert ran.status == "ok"
    assert ran.bytes == b"x" * 5_000_000 + b"\n"
    assert ran.completion["output"]["sha256"] == hashlib.sha256(ran.bytes).hexdigest()


def test_unicode(kernel: Live) -> None:
    ran = kernel.once(kernel.subject.unicode)
    assert "héllo 中文 😀" in ran.text, ran


def test_empty_code(kernel: Live) -> None:
    need(kernel, "empty")
    ran = kernel.run("")
    assert (ran.status, ran.text) == ("ok", ""), ran


def test_death_is_noticed_and_a_new_kernel_starts(kernel: Live) -> None:
    need(kernel, "death")
    ran = kernel.run(kernel.subject.die)
    assert ran.status == "died", ran
    assert ran.restarted
    alive(kernel)


def test_nobody_answers_a_question(kernel: Live) -> None:
    need(kernel, "ask")
    ran = kernel.once(kernel.subject.ask)
    assert ran.status in ("ok", "error"), ran
    assert "[]" in ran.text, ran
    alive(kernel)


def test_it_works_in_its_folder(kernel: Live) -> None:
    need(kernel, "cwd")
    ran = kernel.once(kernel.subject.cwd)
    assert kernel.folder.resolve() in [Path(line).resolve() for line in ran.text.splitlines()]


def test_a_background_child_does_not_hold_it(kernel: Live) -> None:
    need(kernel, "background")
    ran = kernel.run(kernel.subject.background)
    assert ran.status == "ok"
    assert "went on" in ran.text
    assert ran.completion["duration"] < 20.0
    alive(kernel)


def test_code_with_nul_is_refused(kernel: Live) -> None:
    ran = kernel.run("\0" + kernel.subject.say)
    assert ran.status == "error", ran
    assert "hi" not in ran.text
    alive(kernel)


def test_every_execution_has_an_id_of_its_own(kernel: Live) -> None:
    first = kernel.once(kernel.subject.say).completion["execution"]
    again = kernel.client.ask(op="execute", execution=first, kernel=kernel.guest.name, code=kernel.subject.say)
    assert (again["ok"], again["error"]) == (False, "used")
    alive(kernel)
