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
    def known(self) -> frozenset[str]:
        ended = {c.execution for c in self._hello.completions}
        return frozenset(ended | {r.execution for r in self._hello.running})
