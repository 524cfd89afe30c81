"""Programs that want to outlive the kernel that starts them. Each holds a lock on a file of its name while it lives."""

from __future__ import annotations

STAYS = ("daemon", "deaf", "stopped", "fleeing", "disguised")
CODE = """
import ctypes, fcntl, os, signal, time
END = time.monotonic() + 60
def over():
    return time.monotonic() > END or os.path.exists("end")
def wait():
    while not over(): time.sleep(0.02)
    os._exit(0)
def flee():
    while not over():
        if os.fork(): os._exit(0)
        os.setsid()
        time.sleep(0.02)
    os._exit(0)
def stay(name):
    if os.fork():
        return
    os.setsid()
    if os.fork():
        os._exit(0)
    lock = os.open(name, os.O_CREAT | os.O_RDWR, 0o600)
    os.closerange(0, lock)
    os.closerange(lock + 1, 1000)
    fcntl.flock(lock, fcntl.LOCK_EX)
    if name == "deaf":
        for number in set(signal.valid_signals()) - {signal.SIGKILL, signal.SIGSTOP}:
            try: signal.signal(number, signal.SIG_IGN)
            except (OSError, ValueError): pass
    if name == "disguised":
        ctypes.CDLL(None).prctl(15, b"bwrap", 0, 0, 0)
    os.write(lock, b"%d" % os.getpid())
    if name == "stopped":
        os.kill(os.getpid(), signal.SIGSTOP)
    flee() if name == "fleeing" else wait()
def all_there():
    return all(os.path.exists(name) and os.path.getsize(name) for name in NAMES)
for name in NAMES:
    stay(name)
while not all_there(): time.sleep(0.01)
"""
BEGIN = f"NAMES = {STAYS!r}\n{CODE}"
