"""The policy of one session: loaded when something is judged first, grown by what the person answers with `always`."""

from __future__ import annotations

import importlib
import os
import threading
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from .. import policy
from ..config.settings import Settings
from ..errors import PolicyError
from ..types.rules import Circumstances, NetworkRules, Verdict
from ..types.tooling import TOOL, Declaration
from .policies import files_for, policy_for, user_policy


class Rulebook:
    """`agent.ports.Rules`."""

    def __init__(
        self, load: Callable[[], policy.Policy], own: Path, learned: Path, others: tuple[Path, ...], skills: Path
    ) -> None:
        """
        Args:
            load: reads the layers. Raises PolicyError.
            own: the person's policy file, where `always` is written to.
            learned: the session's own rules, beside its log; a session that is resumed has them still.
            skills: the folder of the rules of skills that the session uses.
            others: the further files that `load` reads where they are there.
        """
        self._load, self._own, self._learned, self._skills = load, own, learned, skills
        self._files = (own, learned, skills, *others)
        self._policy: policy.Policy | None = None
        self.declared: Callable[[], Mapping[str, Declaration]] = dict
        """The session's tools by name; set where it has any."""
        self._lock = threading.Lock()
        """Held by the thread that loads beside the model: who comes meanwhile waits instead of loading as well."""

    @property
    def place(self) -> str:
        return str(self._own)

    def warm(self, languages: Iterable[str]) -> None:
        """Load what the first verdict about these needs. Raises PolicyError."""
        with self._lock:
            self._loaded().warm(languages)

    def judge(self, language: str, code: str, circumstances: Circumstances) -> Verdict:
        with self._lock:
            if language == TOOL:
                return self._loaded().judge_call(code, circumstances, self.declared())
            return self._loaded().judge(language, code, circumstances)

    def narrow_rule(self, language: str, code: str, verdict: Verdict) -> tuple[str, tuple[str, ...]]:
        with self._lock:
            if language == TOOL:
                return self._loaded().narrow_call(code, verdict, self.declared())
            return self._loaded().narrow_rule(language, code, verdict)

    def network(self) -> NetworkRules:
        """The host rules of all layers. Raises PolicyError: what is wrong with a file is told before anything runs."""
        if not any(map(os.path.lexists, self._files)):
            return NetworkRules(otherwise="ask")  # the built-in rules name no host, and are loaded beside the model
        with self._lock:
            return self._loaded().network()

    def write(self, rule: str) -> None:
        self._change("add_rule", self._own, rule)

    def learn(self, rule: str) -> None:
        self._change("add_rule", self._learned, rule)

    def allow_host(self, host: str) -> str:
        """Add a host to the person's policy file, which is returned. Raises InterpreterError: nothing changed."""
        self._change("add_host", self._own, host)
        return self.place

    def tighten(self, name: str, data: bytes) -> tuple[str, ...]:
        """Lay a skill's rules over the others, for this session; sentences for the person about what does not count.

        Raises PolicyError: they cannot be understood; nothing is changed.
        """
        file = self._skills / f"{name}.yaml"
        with self._lock:
            before = set(self._loaded().notes)
            self._skills.mkdir(mode=0o700, exist_ok=True)
            file.write_bytes(data)
            try:
                self._policy = self._load()
            except PolicyError:
                file.unlink()
                raise
            return tuple(note for note in self._policy.notes if note not in before)

    def _change(self, how: str, path: Path, what: str) -> None:
        def check() -> None:
            self._policy = self._load()

        # YAML is loaded when there is something to write.
        getattr(importlib.import_module(".policyfile", __package__), how)(path, what, check)

    def _loaded(self) -> policy.Policy:
        if self._policy is None:
            self._policy = self._load()
        return self._policy


def open_rules(settings: Settings, workspace: Path, session: Path) -> Rulebook:
    """The layers for work in this folder; `session` is the session's own folder."""
    learned, skills = session / "rules.yaml", session / "skill-rules"

    def load() -> policy.Policy:
        return policy_for(settings, workspace, (learned,), skills=tuple(sorted(skills.glob("*.yaml"))))

    return Rulebook(load, user_policy(), learned, files_for(settings, workspace), skills)
