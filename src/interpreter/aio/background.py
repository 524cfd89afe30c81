"""An event loop in a thread of its own, for doors that are synchronous."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine
from concurrent.futures import Future, wait
from typing import Any, TypeVar

T = TypeVar("T")
PATIENCE = 30.0
"""Seconds in which what other threads have begun may end before it is cancelled."""


class Background:
    """Runs coroutines for callers that have no event loop, or already stand inside one (a notebook)."""

    def __init__(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._lock = threading.Lock()
        self._begun: set[Future[Any]] = set()

    def start(self, work: Coroutine[Any, Any, T]) -> Future[T]:
        """Begin `work`; the caller keeps what it returns, and cancels it when it is no longer wanted."""
        with self._lock:
            future = asyncio.run_coroutine_threadsafe(work, self._running())
            self._begun.add(future)
        future.add_done_callback(self._begun.discard)
        return future

    def call(self, work: Coroutine[Any, Any, T]) -> T:
        """The result of `work`. Ctrl-C while waiting cancels it and is raised here."""
        future = self.start(work)
        try:
            return future.result()
        except BaseException:
            future.cancel()
            raise

    def _running(self) -> asyncio.AbstractEventLoop:
        if self._loop is None:
            self._loop = asyncio.new_event_loop()
            self._thread = threading.Thread(target=self._loop.run_forever, name="interpreter", daemon=True)
            self._thread.start()
        return self._loop

    def close(self) -> None:
        """Stop, once what other threads wait for is over: none of them waits for ever."""
        with self._lock:
            if self._loop is not None and self._thread is not None:
                for left in wait(tuple(self._begun), PATIENCE).not_done:
                    left.cancel()
                self._loop.call_soon_threadsafe(self._loop.stop)
                self._thread.join()
                self._loop.close()
                self._loop = None
