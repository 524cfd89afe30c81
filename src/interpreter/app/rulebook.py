"""The policy of one session: loaded when something is judged first, grown by what the person answers with `always`."""

from __future__ import annotations

import importlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from ..config.paths import user_file
from ..config.settings import Settings
from ..types.rules import Circumstances, NetworkRules, Verdict


class Judge(Protocol):
    """`policy.Policy`, as far as this needs it."""

    def judge(self, language: str, code: str, circumstances: Circumstances) -> Verdict: ...

    def narrow_rule(self, language: str, code: str, verdict: Verdict) -> tuple[str, tuple[str, ...]]: ...

    def network(self) -> NetworkRules: ...

    def warm(self) -> float: ...


Load = Callable[[tuple[str, ...]], Judge]
"""Reads the layers, with these rules of the session beside them. Raises PolicyError."""


class Rulebook:
    """`agent.ports.Rules`."""

    def __init__(self, load: Load, own: Path) -> None:
        self._load, self._own = load, own
        self._learned: tuple[str, ...] = ()
        self._judge: Judge | None = None

    @property
    def place(self) -> str:
        return str(self._own)

    def warm(self) -> None:
        """Load what the first verdict needs. Raises PolicyError."""
        self._loaded().warm()

    def judge(self, language: str, code: str, circumstances: Circumstances) -> Verdict:
        return self._loaded().judge(language, code, circumstances)

    def narrow_rule(self, language: str, code: str, verdict: Verdict) -> tuple[str, tuple[str, ...]]:
        return self._loaded().narrow_rule(language, code, verdict)

    def network(self) -> NetworkRules:
        """The host rules of all layers. Raises PolicyError."""
        return self._loaded().network()

    def allow_host(self, host: str) -> str:
        """Add a host to the person's policy file, which is returned. Raises InterpreterError: nothing changed."""
        importlib.import_module(".policyfile", __package__).add_host(self._own, host, self._check)
        return str(self._own)

    def write(self, rule: str) -> None:
        # YAML is loaded when there is something to write.
        importlib.import_module(".policyfile", __package__).add_rule(self._own, rule, self._check)
        self._judge = self._load(self._learned)

    def learn(self, rule: str) -> None:
        learned = (*self._learned, rule)
        self._judge, self._learned = self._load(learned), learned

    def _loaded(self) -> Judge:
        if self._judge is None:
            self._judge = self._load(self._learned)
        return self._judge

    def _check(self) -> None:
        """Raises PolicyError where the files as they stand now cannot be read."""
        self._load(self._learned)


class Unruled:
    """No policy: everything is allowed, nothing is covered."""

    def judge(self, language: str, code: str, circumstances: Circumstances) -> Verdict:
        return Verdict(decision="allow")

    def narrow_rule(self, language: str, code: str, verdict: Verdict) -> tuple[str, tuple[str, ...]]:
        return "", ()

    def network(self) -> NetworkRules:
        return NetworkRules(otherwise="ask")

    def warm(self) -> float:
        return 0.0


def open_rules(settings: Settings, workspace: Path) -> Rulebook:
    """The layers for work in this folder."""
    return Rulebook(lambda learned: Unruled(), user_file(os.environ).with_name("policy.yaml"))
