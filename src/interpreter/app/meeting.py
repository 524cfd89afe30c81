"""What the keeper knows, as the session's resume asks for it."""

from __future__ import annotations

from ..kernels.contracts import Hello


class Meeting:
    """`session.resume.Reunion` over a keeper's hello."""

    def __init__(self, hello: Hello) -> None:
        self._hello = hello

    @property
    def living(self) -> tuple[str, ...]:
        return tuple(k.language for k in self._hello.kernels if k.state != "dead")

    @property
    def running(self) -> frozenset[str]:
        return frozenset(r.execution for r in self._hello.running)

    @property
    def known(self) -> frozenset[str]:
        return self.running | {c.execution for c in self._hello.completions}
