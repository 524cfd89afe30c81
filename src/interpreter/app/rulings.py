"""What the doors show of the policy: what it says of a piece of code, what is odd about it, what it would have said."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from .. import policy
from ..config.settings import Settings
from ..errors import PolicyError
from ..store import Store, default_home
from ..text.i18n import _
from ..types.base import Value
from ..types.events import ActionFinished, ActionProposed, ActionStarted, ApprovalRequested, SessionStarted
from ..types.rules import Circumstances, Decision, Mode, Verdict
from .policies import policy_for, project_policy


class Said(Value):
    """A verdict, and what of the code was understood."""

    verdict: Verdict
    commands: tuple[str, ...] = ()
    calls: tuple[str, ...] = ()
    deletes: tuple[str, ...] = ()
    writes: tuple[str, ...] = ()
    reads: tuple[str, ...] = ()
    hosts: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


class Checked(Value):
    """What `policy check` tells."""

    files: tuple[tuple[str, str], ...]
    """Layer and path."""
    counts: tuple[tuple[str, int, int, int], ...]
    """Layer and its rules that allow, ask and deny."""
    odd: tuple[policy.Finding, ...]
    notes: tuple[str, ...]
    grants: tuple[tuple[str, str], ...] = ()
    """What the files open: the name, and `file:line`."""


class Replayed(Value):
    """One action of the log, then and now."""

    session: str
    action: str
    language: str
    code: str
    then: str
    """ran, asked, denied or not run."""
    now: Decision
    rules: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()


class Rulings:
    """Readings of the policy for work in one folder. Every method raises PolicyError where a file is wrong."""

    def __init__(self, settings: Settings, workspace: Path) -> None:
        self._settings, self._workspace = settings, workspace

    def explain(self, language: str, code: str, *, walled: bool, attended: bool, mode: Mode) -> Said:
        rules = policy_for(self._settings, self._workspace)
        verdict = rules.judge(language, code, self._circumstances(rules, walled, attended, mode, str(self._workspace)))
        found = policy.read_code(language, code)
        return Said(
            verdict=verdict,
            commands=tuple(" ".join((*one.through, *one.words)).replace("\0", "…") for one in found.commands),
            calls=tuple(one.name for one in found.calls),
            deletes=_shown(found.deletes),
            writes=_shown(found.writes),
            reads=_shown(found.reads),
            hosts=_shown(found.hosts),
            notes=rules.notes,
        )

    def check(self, file: Path | None = None) -> Checked:
        """All layers, or one file with the built-in rules; the examples are run."""
        rules = policy.load_policy(user=file) if file is not None else policy_for(self._settings, self._workspace)
        if file is not None and not file.exists():
            raise PolicyError(
                _("There is no policy file {file}.", file=str(file)),
                _("Check the path, or make the file: docs/policy.md shows its form."),
            )
        counts: dict[str, list[int]] = {}
        for rule in rules.rules:
            row = counts.setdefault(rule.layer, [0, 0, 0])
            row[("allow", "ask", "deny").index(rule.decision)] += 1
        return Checked(
            files=rules.sources,
            counts=tuple((layer, *row) for layer, row in counts.items()),  # pyright: ignore[reportArgumentType]
            odd=policy.survey(rules),
            notes=rules.notes,
            grants=rules.grants,
        )

    def replay(self, session: str = "", *, walled: bool | None = None) -> list[Replayed]:
        """What the rules would have said to every action of a session, or of all. Raises SessionUnknown, LogDamaged."""
        rules = policy_for(self._settings, self._workspace)
        store = Store.open(default_home(), self._settings.audit_key)
        try:
            ids = [store.find(session).id] if session else [info.id for info in store.sessions()]
            return [one for each in ids for one in self._replayed(store, each, rules, walled)]
        finally:
            store.close()

    def _replayed(self, store: Store, session: str, rules: policy.Policy, walled: bool | None) -> Iterator[Replayed]:
        workspace, inside = "", True
        open_: dict[str, ActionProposed] = {}
        then: dict[str, str] = {}
        for stored in store.visit(session).events():
            event = stored.event
            if isinstance(event, SessionStarted):
                workspace, inside = event.workspace, not event.sandbox.startswith("host")
            elif isinstance(event, ActionProposed):
                open_[event.action.id] = event
            elif isinstance(event, ApprovalRequested) and event.kind == "run":
                then[event.action] = "asked"
            elif isinstance(event, ActionStarted):
                then.setdefault(event.action, "ran")
            elif isinstance(event, ActionFinished) and event.action in open_:
                action = open_.pop(event.action).action
                told = "denied" if event.status == "denied" else then.get(event.action, "not run")
                where = self._circumstances(rules, inside if walled is None else walled, True, "auto", workspace)
                verdict = rules.judge(action.language, action.code, where)
                names = tuple(dict.fromkeys(one.rule for one in verdict.reasons if one.decision != "allow"))
                yield Replayed(session=session, action=action.id, language=action.language, code=action.code,
                               then=told, now=verdict.decision, rules=names, unknown=verdict.unknown)  # fmt: skip

    def trust(self) -> tuple[Path, tuple[str, ...]]:
        """Let the project's file count like the person's own, as it stands now; its path, and what it loosens."""
        path = project_policy(self._workspace)
        if not path.is_file():
            raise PolicyError(
                _("There is no policy file {file}.", file=str(path)), _("There is nothing to trust in this folder.")
            )
        data = path.read_bytes()
        rules = policy.load_policy(project=path, trusted=True)
        policy.trust(default_home(), path, data)
        allowed = [f"{rule.name}: {rule.reason or ', '.join((*rule.command, *rule.call))}"
                   for rule in rules.rules if rule.layer == "project" and rule.decision == "allow"]  # fmt: skip
        network = rules.network()
        hosts = [*network.allow, *(f"{one.variable} → {one.host}" for one in network.credentials)]
        return path, tuple(allowed + [f"network: {host}" for host in hosts])

    def revoke(self) -> tuple[Path, bool]:
        """Trust it no longer; its path, and whether it was trusted."""
        path = project_policy(self._workspace)
        return path, policy.revoke(default_home(), path)

    def _circumstances(
        self, rules: policy.Policy, walled: bool, attended: bool, mode: Mode, workspace: str
    ) -> Circumstances:
        return Circumstances(
            walled=walled, attended=attended, mode=mode, workspace=workspace, home=str(Path.home()),
            grants=(*self._settings.walls.grants, *dict(rules.grants)),
        )  # fmt: skip


def _shown(texts: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(text.replace("\0", "…") for text in texts))
