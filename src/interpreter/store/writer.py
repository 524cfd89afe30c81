"""The one thread that writes: a disk that takes its time never stops the event loop."""

from __future__ import annotations

import asyncio
import queue
import threading
from collections.abc import Callable
from typing import Any, TypeVar

from ..errors import StoreError
from ..text.i18n import _
from .database import Database

SYNC_SECONDS = 0.05
"""How long an event that need not be durable at once may wait for the disk."""
T = TypeVar("T")
Job = tuple[Callable[[], Any], asyncio.AbstractEventLoop, "asyncio.Future[Any]"]


class Writer:
    """Runs jobs in the order of their calls. The thread starts with the first job and ends with `close`."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._jobs: queue.SimpleQueue[Job | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        self._closed = False

    async def run(self, job: Callable[[], T]) -> T:
        """The job's result or error. A caller that is cancelled stops waiting; the job is done all the same."""
        if self._closed:
            raise StoreError(_("The log is closed."))
        if self._thread is None:
            self._thread = threading.Thread(target=self._work, name="interpreter-store", daemon=True)
            self._thread.start()
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Any] = loop.create_future()
        self._jobs.put((job, loop, future))
        return await future

    def _work(self) -> None:
        while True:
            try:
                item = self._jobs.get(timeout=SYNC_SECONDS if self._database.unsynced else None)
            except queue.Empty:
                self._sync()
                continue
            if item is None:
                self._sync()
                return
            job, loop, future = item
            result: Any = None
            problem: BaseException | None = None
            try:
                result = job()
            except BaseException as error:
                problem = error
            try:
                loop.call_soon_threadsafe(deliver, future, result, problem)
            except RuntimeError:
                # The loop ended while its caller waited: nobody is left to be told.
                pass

    def _sync(self) -> None:
        try:
            self._database.sync()
        except StoreError:
            # Nobody waits here; the next event that must be durable meets the same disk and says so.
            self._database.unsynced = False

    def close(self) -> None:
        """Finish every job that was given, then end the thread."""
        self._closed = True
        if self._thread is not None:
            self._jobs.put(None)
            self._thread.join()
            self._thread = None


def deliver(future: asyncio.Future[Any], result: object, problem: BaseException | None) -> None:
    if future.done():
        return
    if problem is None:
        future.set_result(result)
    else:
        future.set_exception(problem)
