"""A program of the person's, outside: it keeps a secret in its memory, in an open file and in shared memory.

usage: python target.py KEY NAME SECRET_FILE SIGNALS_FILE      says in JSON where they are; ends, tidily, at SIGTERM
"""

from __future__ import annotations

import ctypes
import json
import os
import signal
import sys

CREATE = 0o1000
libc = ctypes.CDLL(None, use_errno=True)
libc.shmat.restype = ctypes.c_void_p
libc.shmat.argtypes = [ctypes.c_int, ctypes.c_void_p, ctypes.c_int]


def main(key: int, name: str, secret: str, signals: str) -> None:
    memory = ctypes.create_string_buffer(b"SECRET-IN-MEMORY")
    held = os.open(secret, os.O_RDWR)
    log = os.open(signals, os.O_CREAT | os.O_WRONLY | os.O_APPEND, 0o666)

    def note(number: int, _frame: object) -> None:
        os.write(log, b"%d\n" % number)

    for number in (signal.SIGCONT, signal.SIGIO, signal.SIGURG, signal.SIGUSR1):
        signal.signal(number, note)
    segment, queue, semaphore = libc.shmget(key, 4096, CREATE | 0o600), libc.msgget(key, CREATE | 0o600), -1
    ctypes.memmove(libc.shmat(segment, None, 0), b"SECRET", 6)
    semaphore = libc.semget(key, 1, CREATE | 0o600)
    with open(f"/dev/shm/{name}", "w", encoding="ascii") as file:
        file.write("SECRET")
    libc.mq_open(f"/{name}".encode(), os.O_CREAT | os.O_RDWR, 0o600, None)

    def leave(_number: int, _frame: object) -> None:
        libc.shmctl(segment, 0, None)
        libc.msgctl(queue, 0, None)
        libc.semctl(semaphore, 0, 0)
        libc.mq_unlink(f"/{name}".encode())
        os.unlink(f"/dev/shm/{name}")
        os._exit(0)

    signal.signal(signal.SIGTERM, leave)
    sys.stdout.write(json.dumps({"address": ctypes.addressof(memory), "held": held}) + "\n")
    sys.stdout.flush()
    while True:
        signal.pause()


if __name__ == "__main__":
    main(int(sys.argv[1]), *sys.argv[2:])
