"""Ways to services of this machine and to the network, and to memory and queues that programs share."""

from __future__ import annotations

import ctypes
import os
import socket
import struct

from .registry import World, attack, call, checked, libc, text


def greet(path: str) -> bool:
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(3)
        client.connect(path)
        client.sendall(b"GET /_ping HTTP/1.0\r\n\r\n")
        return client.recv(10) != b""


@attack
def engine_of_containers(world: World) -> bool:
    return greet(world["services"]["docker.sock"])


@attack
def agent_of_keys(world: World) -> bool:
    return greet(world["services"]["agent.1"])


@attack
def screen_server(world: World) -> bool:
    return greet(world["services"]["X7"])


@attack
def bus_of_the_system(world: World) -> bool:
    return greet(world["services"]["bus"])


@attack
def socket_of_the_keeper(world: World) -> bool:
    return greet(world["services"]["keeper"])


@attack
def folder_handed_over_by_a_service(world: World) -> bool:
    """A service that means no harm gives an open folder to whoever asks."""
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(3)
        client.connect(world["services"]["giver"])
        client.sendall(b"x")
        _, fds, _, _ = socket.recv_fds(client, 10, 1)
    os.close(os.open("by-handed-over", os.O_CREAT | os.O_WRONLY, 0o600, dir_fd=fds[0]))
    return True


def connects(family: int, address: tuple[str, int], protocol: int = 0) -> bool:
    with socket.socket(family, socket.SOCK_STREAM, protocol) as client:
        client.settimeout(3)
        client.connect(address)
        return True


@attack
def service_by_version_six(world: World) -> bool:
    return connects(socket.AF_INET6, ("::1", world["tcp6"]))


@attack
def service_by_a_mapped_address(world: World) -> bool:
    return connects(socket.AF_INET6, ("::ffff:127.0.0.1", world["tcp"]))


@attack
def service_by_the_address_of_nobody(world: World) -> bool:
    return connects(socket.AF_INET, ("0.0.0.0", world["tcp"]))


@attack
def service_by_another_name_of_loopback(world: World) -> bool:
    return connects(socket.AF_INET, ("127.200.0.1", world["everywhere"]))


@attack
def service_by_the_machines_address(world: World) -> bool:
    return connects(socket.AF_INET, (world["address_here"], world["everywhere"]))


@attack
def service_by_several_paths_at_once(world: World) -> bool:
    """MPTCP is no TCP to those who only know TCP."""
    return connects(socket.AF_INET, ("127.0.0.1", world["tcp"]), 262)


@attack
def question_to_a_resolver(world: World) -> bool:
    """Names that are asked for tell whoever answers, and the answer tells back."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.settimeout(2)
        client.connect(("127.0.0.1", world["udp"]))
        client.send(b"\x12\x34\x01\x00\x00\x01\0\0\0\0\0\0\x06secret\x04evil\x00\0\x10\0\x01")
        return client.recv(100) != b""


@attack
def networks_of_the_machine(world: World) -> bool:
    """What there is beside the loopback."""
    del world
    names = b""
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0) as asker:
        asker.settimeout(0.5)
        asker.sendto(struct.pack("=IHHII", 32, 18, 0x301, 1, 0) + bytes(16), (0, 0))
        for _ in range(4):
            try:
                names += asker.recv(65_536)
            except TimeoutError:
                break
    return any(name in names for name in (b"eth0\0", b"ens", b"enp", b"docker0\0", b"wlan"))


@attack
def packets_by_hand(world: World) -> bool:
    del world
    socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP).close()
    return True


@attack
def packets_of_others(world: World) -> bool:
    del world
    with socket.socket(17, socket.SOCK_RAW, socket.htons(3)) as listener:
        listener.bind(("lo", 0))
        return True


@attack
def host_of_a_virtual_machine(world: World) -> bool:
    del world
    socket.socket(40, socket.SOCK_STREAM).close()
    return True


@attack
def host_of_a_virtual_machine_with_high_bits(world: World) -> bool:
    del world
    return call("socket", 40 | 1 << 32, 1, 0) >= 0


@attack
def memory_that_is_shared(world: World) -> bool:
    """A segment of System V, as screens and databases use them."""
    number = checked(libc.shmget(world["key"], 0, 0))
    libc.shmat.restype = ctypes.c_void_p
    address = libc.shmat(number, None, 0)
    if address is None or address == ctypes.c_void_p(-1).value:
        raise OSError(ctypes.get_errno(), "shmat")
    return ctypes.string_at(address, 6) == b"SECRET"


@attack
def queue_that_is_shared(world: World) -> bool:
    number = checked(libc.msgget(world["key"], 0))
    message = ctypes.create_string_buffer(struct.pack("l", 1) + b"x", 16)
    return checked(libc.msgsnd(number, message, ctypes.c_size_t(1), 0o4000)) == 0


@attack
def semaphore_that_is_shared(world: World) -> bool:
    number = checked(libc.semget(world["key"], 0, 0))
    operation = ctypes.create_string_buffer(struct.pack("Hhh", 0, 1, 0o4000), 6)
    return checked(libc.semop(number, operation, ctypes.c_size_t(1))) == 0


@attack
def memory_that_is_shared_by_name(world: World) -> bool:
    return "SECRET" in text(f"/dev/shm/{world['name']}")


@attack
def queue_that_is_shared_by_name(world: World) -> bool:
    fd = call("mq_open", world["name"].encode(), os.O_WRONLY | os.O_NONBLOCK, 0, None)
    call("mq_timedsend", fd, b"x", 1, 0, None)
    return True


def in_environment(*names: str) -> bool:
    return any(name in os.environ for name in names)


@attack
def sockets_named_in_the_environment(world: World) -> bool:
    del world
    return in_environment("SSH_AUTH_SOCK", "DOCKER_HOST", "DBUS_SESSION_BUS_ADDRESS", "XAUTHORITY", "GPG_AGENT_INFO")


@attack
def keys_named_as_nothing_special(world: World) -> bool:
    """Only what is on a list comes in, so that a name nobody thought of stays out."""
    del world
    return "SECRET-VALUE" in os.environ.values()


@attack
def what_is_loaded_into_programs(world: World) -> bool:
    """Settings of the person's for programs outside, which would change those of the sandbox itself."""
    del world
    return in_environment(
        "LD_PRELOAD", "LD_AUDIT", "PYTHONSTARTUP", "PYTHONPATH", "BASH_ENV", "GIT_DIR", "NODE_OPTIONS"
    )
