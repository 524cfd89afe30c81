"""Between the brokers of the network and the host: what they tell goes up, the answers to their questions come down.

A broker is of ours and stands outside the walls, but whatever it says began inside them.
"""

import itertools
import os
from collections import deque
from collections.abc import Callable
from typing import Any, Protocol

from .frames import Frame

UNTOLD = 1000
"""Attempts that are kept for a host that is not there; the log of the brokers has them all."""
QUESTIONS = 64
ATTEMPT = {
    "method": str,
    "host": str,
    "port": int,
    "address": str,
    "verdict": str,
    "by": str,
    "reason": str,
    "count": int,
}


class Peer(Protocol):
    def send(self, message: dict[str, Any], spare: bool = False) -> bool: ...
    def read(self) -> None: ...


class Brokers:
    def __init__(self, folder: str, emit: Callable[[dict[str, Any]], bool]) -> None:
        self._folder = folder
        self._emit = emit
        self._tokens: dict[str, str] = {}
        """Of those that have not come yet: token to kernel."""
        self._peers: dict[Peer, str] = {}
        self._open: dict[int, tuple[Peer, Any]] = {}
        self._numbers = itertools.count(1)
        self._untold: deque[dict[str, Any]] = deque(maxlen=UNTOLD)

    def settings(self, kernel: str) -> dict[str, str]:
        """What the broker of a new program needs to find us."""
        token = os.urandom(16).hex()
        self._tokens[token] = kernel
        return {"folder": self._folder, "token": token}

    def greet(self, peer: Peer, frame: Frame) -> bool:
        kernel = self._tokens.pop(str(frame.get("token")), None)
        if kernel is not None:
            self._peers[peer] = kernel
        return kernel is not None

    def knows(self, peer: Peer) -> bool:
        return peer in self._peers

    def serve(self, peer: Peer, frame: Frame) -> None:
        """An attempt, or a question."""
        if isinstance(frame.get("attempt"), dict):
            fields: dict[str, Any] = frame["attempt"]
            event = {"event": "attempt", "kernel": self._peers[peer]}
            event |= {name: fields[name] for name, kind in ATTEMPT.items() if isinstance(fields.get(name), kind)}
            if not self._emit(event):
                self._untold.append(event)
        elif "ask" in frame:
            number = next(self._numbers)
            question = {"event": "network", "kernel": self._peers[peer], "question": number}
            question |= {name: frame.get(name) for name in ("host", "port", "method")}
            if len(self._open) < QUESTIONS and self._emit(question):
                self._open[number] = (peer, frame["ask"])
            else:
                peer.send({"answer": frame["ask"], "allow": False, "by": "nobody can be asked"})

    def answer(self, question: Any, allow: bool, by: str) -> bool:
        """The host's answer; False: no such question is open."""
        peer, ask = self._open.pop(question, (None, None))
        if peer is not None:
            peer.send({"answer": ask, "allow": allow, "by": by})
        return peer is not None

    def gone(self, peer: Peer) -> None:
        if self._peers.pop(peer, None) is not None:
            self._open = {number: asked for number, asked in self._open.items() if asked[0] is not peer}

    def host_came(self) -> None:
        while self._untold and self._emit(self._untold[0]):
            self._untold.popleft()

    def host_gone(self) -> None:
        """Silence is a no."""
        for number in list(self._open):
            self.answer(number, False, "nobody can be asked")

    def drain(self) -> None:
        """Take what the brokers have said until now: it belongs to what has just ended."""
        for peer in list(self._peers):
            peer.read()
