"""A missing module is one question, answered once."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import pytest

from interpreter.agent.approvals import Approvals
from interpreter.agent.remedies import MissingModules
from interpreter.types.actions import Action, Completion, ErrorReport
from interpreter.types.events import ApprovalRequested
from interpreter.types.ops import ResolveApproval

from .test_gate import Recorder

ACTION = Action(id="a1", language="python", code="import x", sha256="")


@dataclass
class Done:
    ok: bool
    for_model: str


class Pip:
    def __init__(self, ok: bool = True) -> None:
        self.asked: list[str] = []
        self.ok = ok

    async def install(self, requirements: Sequence[str]) -> Done:
        self.asked += requirements
        return Done(self.ok, f"installed {', '.join(requirements)}" if self.ok else "pip failed")


def lacking(module: str) -> Completion:
    report = ErrorReport(name="ModuleNotFoundError", message=f"No module named {module!r}")
    return Completion(execution="x", status="error", error=report, context={"module": module})


def ask(
    completions: list[Completion],
    answer: str = "yes",
    *,
    setting: Literal["ask", "yes", "no"] = "ask",
    can_ask: bool = True,
) -> tuple[list[str], Pip, int]:
    """What the model is told of each completion, what was installed, how often the person was asked."""

    async def story() -> tuple[list[str], Pip, int]:
        recorder, pip = Recorder(), Pip()
        approvals = Approvals(recorder, can_ask=can_ask)
        remedy = MissingModules(pip.install, approvals, setting)
        told: list[str] = []
        for completion in completions:
            work = asyncio.ensure_future(remedy(ACTION, completion))
            while not work.done():
                await asyncio.sleep(0)
                for approval in approvals.pending():
                    op: Any = {"approval": approval, "answer": answer}
                    approvals.resolve(ResolveApproval(**op))
                    await asyncio.sleep(0)
            told.append(work.result())
        return told, pip, sum(isinstance(e, ApprovalRequested) for e in recorder.events)

    return asyncio.run(asyncio.wait_for(story(), 10))


def test_a_yes_installs_the_distribution_that_carries_the_module() -> None:
    told, pip, asked = ask([lacking("sklearn.svm")])
    assert (told, pip.asked, asked) == (["installed scikit-learn"], ["scikit-learn"], 1)


def test_a_no_is_remembered() -> None:
    told, pip, asked = ask([lacking("pandas"), lacking("pandas")], "no")
    assert pip.asked == []
    assert asked == 1
    assert all("work without it" in text for text in told)


@pytest.mark.parametrize("setting", ["ask", "no"])
def test_unattended_nothing_is_installed_unless_the_settings_say_so(setting: Literal["ask", "no"]) -> None:
    told, pip, asked = ask([lacking("pandas")], setting=setting, can_ask=False)
    assert (pip.asked, asked) == ([], 0)
    assert "may not be installed" in told[0]


def test_unattended_yes_installs_known_names_and_no_others() -> None:
    _told, pip, asked = ask([lacking("pandas"), lacking("pandsa")], setting="yes", can_ask=False)
    assert (pip.asked, asked) == (["pandas"], 0)


def test_what_pip_install_asked_for_in_a_cell_is_one_question_each() -> None:
    report = ErrorReport(name="InstallRequested")
    completion = Completion(execution="x", status="error", error=report, context={"install": ["pandas>=2", "polars"]})
    told, pip, asked = ask([completion])
    assert (pip.asked, asked) == (["pandas>=2", "polars"], 2)
    assert told == ["installed pandas>=2 installed polars"]


def test_addresses_and_options_are_never_installed() -> None:
    report = ErrorReport(name="InstallRequested")
    words = ["git+https://example.org/x", "--index-url=http://x", "/tmp/x.whl"]
    completion = Completion(execution="x", status="error", error=report, context={"install": words})
    _told, pip, _asked = ask([completion])
    assert pip.asked == []


def test_another_error_is_none_of_its_business() -> None:
    report = ErrorReport(name="KeyError")
    told, pip, asked = ask([Completion(execution="x", status="error", error=report, context={"module": "pandas"})])
    assert (told, pip.asked, asked) == ([""], [], 0)
