"""Part `streams` of the Python driver: standard output that shows each line at once, and is fast when there are many.

Up to a rate every line goes out when it ends. Above it, lines are gathered for some milliseconds; a thread that lives
only that long sees to the last of them. Forks and new programs find nothing gathered and no such thread.
"""

import _thread
import io
import os
import sys
import time

driver = globals().get("driver")
buffers = []
now = time.monotonic
MANY = 200
"""Lines within `WINDOW` seconds above which they are gathered."""
WINDOW = 0.02
RESERVE = 4 << 20
HOLD = 0.01
"""Seconds for which lines are gathered."""


class Output(io.BufferedWriter):
    """The binary layer below `sys.stdout`."""

    def __init__(self, fd):
        io.BufferedWriter.__init__(self, io.FileIO(fd, "w", closefd=False), 65536)
        self.count = 0
        self.since = 0.0
        self.last = 0.0
        self.busy = _thread.allocate_lock()
        self.wake = _thread.allocate_lock()
        self.hooked = False
        self.held = False
        self.direct = False
        os.register_at_fork(after_in_child=self.alone)

    def alone(self):
        """In a child of the user's: it may leave by `os._exit` at any moment, which would lose what is gathered."""
        self.direct = True

    def flush(self):
        if self.direct:
            return io.BufferedWriter.flush(self)
        if self.held:
            return None
        moment = now()
        if moment - self.since > WINDOW:
            self.since, self.count = moment, 0
        self.count += 1
        if self.count <= MANY or moment - self.last > HOLD:
            self.last = moment
            self.held = False
            return io.BufferedWriter.flush(self)
        self.held = True
        return self.hold()

    def hold(self):
        if not self.hooked:
            self.hooked = True
            os.register_at_fork(before=self.out)
            sys.addaudithook(self.audit)
        if self.busy.acquire(False):
            try:
                self.wake.acquire(False)
                _thread.start_new_thread(self.later, ())
            except RuntimeError:
                self.busy.release()
                io.BufferedWriter.flush(self)

    def later(self):
        """Flush until nothing is held, then end."""
        try:
            while self.held:
                if self.wake.acquire(True, HOLD):
                    break
                self.held = False
                self.last = now()
                try:
                    io.BufferedWriter.flush(self)
                except Exception:
                    pass
        finally:
            self.busy.release()
            if self.held:
                self.hold()

    def out(self):
        """Everything out now, and no thread left."""
        self.held = False
        if self.busy.locked():
            if self.wake.locked():
                self.wake.release()
            with self.busy:
                pass
        try:
            io.BufferedWriter.flush(self)
        except Exception:
            pass

    def audit(self, event, args):
        if self.held and event in ("subprocess.Popen", "os.system", "os.posix_spawn", "os.exec", "os.forkpty"):
            self.out()


def install():
    """Replace the standard output that Python made."""
    buffer = Output(1)
    stream = io.TextIOWrapper(buffer, encoding="utf-8", errors="backslashreplace", line_buffering=True)
    stream.mode = "w"
    sys.stdout.flush()
    sys.stdout = sys.__stdout__ = stream
    buffers.append(buffer)


def refill():
    """Set memory aside that is given up when a cell has used up all, so that the next one can be read and free some."""
    try:
        driver.reserve = driver.reserve or bytearray(RESERVE)
    except MemoryError:
        pass


def settle():
    """After a cell: everything printed is in the pipes, and the standard descriptors are what they were."""
    for stream in (sys.stdout, sys.stderr, sys.__stdout__, sys.__stderr__):
        try:
            stream.flush()
        except Exception:
            pass
    for buffer in buffers:
        buffer.out()
    if "ctypes" in sys.modules:
        try:
            sys.modules["ctypes"].CDLL(None).fflush(None)
        except Exception:
            pass
    for number, kept in zip((1, 2), driver.outputs):
        try:
            os.fstat(number)
        except OSError:
            # Closed, not sent elsewhere on purpose.
            os.dup2(kept, number)
    for name, fd, mode in (("stdin", 0, "r"), ("stdout", 1, "w"), ("stderr", 2, "w")):
        if getattr(getattr(sys, name, None), "closed", False):
            stream = open(fd, mode, encoding="utf-8", errors="backslashreplace", closefd=False)
            if mode == "w":
                stream.reconfigure(line_buffering=True)
            setattr(sys, name, stream)
            setattr(sys, "__%s__" % name, stream)
