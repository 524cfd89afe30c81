"""Runs inside a sandbox and tries each wall once: what came through is printed, by wall. Standard library only.

usage: python -c SOURCE WORLD_JSON      the world: paths, ports and a process that must not be reached
"""

from __future__ import annotations

import json
import os
import socket
import sys
from collections.abc import Callable
from typing import Any

World = dict[str, Any]


def write_outside(world: World) -> object:
    with open(world["outside"] + "/new", "w", encoding="utf-8") as file:
        return file.write("x")


def read_outside(world: World) -> object:
    with open(world["outside"] + "/file", encoding="utf-8") as file:
        return file.read()


def write_through_a_link(world: World) -> object:
    os.symlink(world["outside"] + "/linked", "probe-link")
    try:
        with open("probe-link", "w", encoding="utf-8") as file:
            return file.write("x")
    finally:
        os.unlink("probe-link")


def see_a_name(world: World) -> object:
    return os.path.exists(world["outside"] + "/file")


def change_a_mode(world: World) -> object:
    os.chmod(world["outside"] + "/file", 0o640)
    return True


def change_git(world: World) -> object:
    with open(".git/config", "a", encoding="utf-8") as file:
        return file.write("#\n")


def move_git(world: World) -> object:
    os.rename(".git", "git-away")
    os.rename("git-away", ".git")
    return True


def connect(world: World) -> object:
    with socket.create_connection(("127.0.0.1", world["port"]), timeout=3):
        return True


def send_a_datagram(world: World) -> object:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        sender.settimeout(1)
        sender.connect(("127.0.0.1", world["datagrams"]))
        sender.send(b"x")
        return sender.recv(1)


def connect_to_a_socket(world: World) -> object:
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(world["socket"])
        return True


def connect_to_an_abstract_socket(world: World) -> object:
    with socket.socket(socket.AF_UNIX) as client:
        client.connect("\0" + world["abstract"])
        return True


def see_a_process(world: World) -> object:
    with open(f"/proc/{world['process']}/cmdline", "rb") as file:
        return world["mark"].encode() in file.read()


def signal_a_process(world: World) -> object:
    os.kill(world["process"], 0)
    return True


def see_the_shared_temporary_folder(world: World) -> object:
    return os.path.exists(world["temporary"])


PROBES = {
    "files": (read_outside, write_outside, write_through_a_link),
    "names": (see_a_name,),
    "modes": (change_a_mode,),
    "protected": (change_git, move_git),
    "network": (connect, send_a_datagram),
    "services": (connect_to_a_socket, connect_to_an_abstract_socket),
    "processes": (see_a_process,),
    "signals": (signal_a_process,),
    "temporary": (see_the_shared_temporary_folder,),
}


def came_through(probe: Callable[[World], object], world: World) -> bool:
    try:
        return bool(probe(world))
    except Exception:
        return False


if __name__ == "__main__":
    given = json.loads(sys.argv[1])
    found = {wall: [p.__name__ for p in probes if came_through(p, given)] for wall, probes in PROBES.items()}
    sys.stdout.write(json.dumps(found))
