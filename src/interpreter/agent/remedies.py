"""A missing Python module is one question, answered once; the install is done by a process of its own."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Literal, Protocol, cast

from ..kernels.packages import Wanted, plan, plan_requirements
from ..text.i18n import _
from ..types.actions import Action, Completion
from ..types.base import new_id
from ..types.events import ApprovalRequested
from .approvals import Approvals


class InstallResult(Protocol):
    @property
    def ok(self) -> bool: ...
    @property
    def for_model(self) -> str: ...


MOST = 20
"""Packages of one request."""
Install = Callable[[Sequence[str]], Awaitable[InstallResult]]
"""Installs these requirements into the environment of the person's code."""


class MissingModules:
    """A remedy of the runner: offers to install what an `import` did not find."""

    def __init__(
        self,
        install: Install,
        approvals: Approvals,
        setting: Literal["ask", "yes", "no"],
    ) -> None:
        self._install, self._approvals, self._setting = install, approvals, setting
        self._answered: set[str] = set()

    async def __call__(self, action: Action, completion: Completion) -> str:
        """What was done about it, as a fact for the model; empty where nothing is missing."""
        if action.language != "python" or completion.status != "error":
            return ""
        told: list[str] = []
        for wanted in missing(completion):
            told.append(await self._one(wanted))
        return " ".join(told)

    async def _one(self, wanted: Wanted) -> str:
        if not wanted.requirement:
            return f"{wanted.module} cannot be installed from a package index."
        if wanted.requirement in self._answered:
            return f"{wanted.requirement} was not installed; work without it."
        self._answered.add(wanted.requirement)
        if not await self._may(wanted):
            return f"{wanted.requirement} is not installed and may not be installed here; work without it."
        result = await self._install([wanted.requirement])
        if result.ok:
            self._answered.discard(wanted.requirement)
        return result.for_model

    async def _may(self, wanted: Wanted) -> bool:
        if self._setting == "yes":
            return wanted.known
        if self._setting == "no" or not self._approvals.can_ask:
            return False
        question = _("Install this into the project's environment?")
        if wanted.caution:
            question += " " + wanted.caution
        request = ApprovalRequested(
            approval=new_id("ap"), kind="install", question=question, subject=wanted.requirement
        )
        answer, _edited = await self._approvals.ask(request)
        return answer is not None and answer.answer in ("yes", "always")


def missing(completion: Completion) -> tuple[Wanted, ...]:
    """What an import did not find, or `pip install` asked for, as the kernel claims it; empty for another error."""
    if completion.error is None:
        return ()
    asked: Any = completion.context.get("install")
    if completion.error.name == "InstallRequested" and isinstance(asked, list):
        return plan_requirements(str(word)[:200] for word in cast("list[Any]", asked)[:MOST])
    module: Any = completion.context.get("module")
    if completion.error.name in ("ModuleNotFoundError", "ImportError") and isinstance(module, str):
        return plan([module[:200]])
    return ()
