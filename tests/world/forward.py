"""A service of the cluster: a port of 127.0.0.1, behind which one of the ready pods answers."""

from __future__ import annotations

import itertools
import socket
import threading
from collections.abc import Callable
from contextlib import suppress

MOST = 64
"""Connections at a time."""
PATIENCE = 30


class Forwarder(threading.Thread):
    def __init__(self, name: str, ports: Callable[[], list[int]]) -> None:
        """`ports`: those of the pods that are ready now."""
        super().__init__(name=f"service {name}", daemon=True)
        self._ports = ports
        self._turn = itertools.count()
        self._room = threading.BoundedSemaphore(MOST)
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listening.getsockname()[1]

    def run(self) -> None:
        with suppress(OSError):  # it was closed
            while True:
                client, _address = self._listening.accept()
                self._room.acquire()
                threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def close(self) -> None:
        with suppress(OSError):
            self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()
        self.join()

    def _serve(self, client: socket.socket) -> None:
        try:
            ports = sorted(self._ports())
            if not ports:
                # As where no endpoint is: the connection is refused, as far as one that was taken can be.
                client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
                return
            with socket.create_connection(("127.0.0.1", ports[next(self._turn) % len(ports)]), PATIENCE) as pod:
                client.settimeout(PATIENCE)
                back = threading.Thread(target=pump, args=(pod, client), daemon=True)
                back.start()
                pump(client, pod)
                back.join()
        except OSError:
            pass
        finally:
            client.close()
            self._room.release()


def pump(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(65536):
            target.sendall(data)
    with suppress(OSError):
        target.shutdown(socket.SHUT_WR)
