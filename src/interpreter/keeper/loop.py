"""One thread, one selector, some timers: everything that the keeper waits for."""

import heapq
import itertools
import selectors
import time
from collections.abc import Callable

READ, WRITE = selectors.EVENT_READ, selectors.EVENT_WRITE
Call = Callable[[], None]


class Timer:
    """A call at a later time; `cancel` may come at any moment."""

    __slots__ = ("call",)

    def __init__(self, call: Call) -> None:
        self.call: Call | None = call

    def cancel(self) -> None:
        self.call = None


class Loop:
    """Calls back when descriptors are ready and when times have come. What a callback raises is logged, never fatal."""

    def __init__(self, log: Callable[[str], None]) -> None:
        self._selector = selectors.DefaultSelector()
        self._timers: list[tuple[float, int, Timer]] = []
        self._order = itertools.count()
        self._calls: dict[int, tuple[Call | None, Call | None]] = {}
        self._log = log
        self.running = True

    def watch(self, fd: int, read: Call | None = None, write: Call | None = None) -> None:
        """Call `read` when `fd` can be read and `write` when it can be written; replaces what was watched before."""
        events = (READ if read else 0) | (WRITE if write else 0)
        if not events:
            self.unwatch(fd)
        elif fd in self._calls:
            self._selector.modify(fd, events)
            self._calls[fd] = (read, write)
        else:
            self._selector.register(fd, events)
            self._calls[fd] = (read, write)

    def watch_write(self, fd: int, write: Call | None) -> None:
        """Change only what is called when `fd` can be written."""
        read, before = self._calls.get(fd, (None, None))
        if write != before:
            self.watch(fd, read, write)

    def unwatch(self, fd: int) -> None:
        if self._calls.pop(fd, None) is not None:
            self._selector.unregister(fd)

    def later(self, seconds: float, call: Call) -> Timer:
        timer = Timer(call)
        heapq.heappush(self._timers, (time.monotonic() + seconds, next(self._order), timer))
        return timer

    def run(self) -> None:
        """Until `stop`."""
        while self.running:
            wait = None
            while self._timers and self._timers[0][2].call is None:
                heapq.heappop(self._timers)
            if self._timers:
                wait = max(0.0, self._timers[0][0] - time.monotonic())
            for key, events in self._selector.select(wait):
                for bit, which in ((READ, 0), (WRITE, 1)):
                    # An earlier callback of this round may have closed the descriptor.
                    calls = self._calls.get(key.fd)
                    call = calls[which] if calls and events & bit else None
                    if call:
                        self._safely(call)
            now = time.monotonic()
            while self._timers and self._timers[0][0] <= now:
                call = heapq.heappop(self._timers)[2].call
                if call:
                    self._safely(call)

    def stop(self) -> None:
        self.running = False

    def _safely(self, call: Call) -> None:
        try:
            call()
        except Exception as error:
            self._log(_story(error))


def _story(error: BaseException) -> str:
    """Where it came from; the module `traceback` would cost 7 ms at every start."""
    steps: list[str] = []
    step = error.__traceback__
    while step is not None:
        code = step.tb_frame.f_code
        steps.append(f"{code.co_filename}:{step.tb_lineno} in {code.co_name}")
        step = step.tb_next
    return f"{type(error).__name__}: {error}; " + " > ".join(steps)
