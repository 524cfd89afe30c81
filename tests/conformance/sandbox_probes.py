"""Runs inside a sandbox and tries to get out: each probe says `through`, or what stopped it. Standard library only.

usage: python -c SOURCE WORLD_JSON      prints one JSON object, probe to result
"""

from __future__ import annotations

import ctypes
import errno
import json
import os
import resource
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from typing import Any

World = dict[str, Any]
PROBES: dict[str, Callable[[World], object]] = {}
libc = ctypes.CDLL(None, use_errno=True)


def probe(function: Callable[[World], object]) -> Callable[[World], object]:
    """A probe raises when it is stopped; what it returns must be true for having come through."""
    PROBES[function.__name__] = function
    return function


def checked(result: int) -> bool:
    if result < 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
    return True


def put(path: str, mode: str = "w") -> bool:
    with open(path, mode, encoding="utf-8") as file:
        file.write("x")
    return True


def text(path: str) -> str:
    with open(path, encoding="utf-8", errors="replace") as file:
        return file.read()


@probe
def write_new_outside(world: World) -> bool:
    return put(world["outside"] + "/new")


@probe
def append_outside(world: World) -> bool:
    return put(world["outside"] + "/file", "a")


@probe
def truncate_outside(world: World) -> bool:
    os.truncate(world["outside"] + "/file", 0)
    return os.path.getsize(world["outside"] + "/file") == 0


@probe
def write_parent_of_workspace(world: World) -> bool:
    return put(os.path.dirname(world["workspace"]) + "/new")


@probe
def write_through_symlink(world: World) -> bool:
    os.symlink(world["outside"] + "/linked", "link")
    try:
        return put("link")
    finally:
        os.unlink("link")


@probe
def write_through_proc_root(world: World) -> bool:
    return put("/proc/self/root" + world["outside"] + "/proc")


@probe
def write_through_root_of_init(world: World) -> bool:
    """Inside a process namespace of its own, process 1 is not that of the host."""
    target = f"/proc/{world['victim']}/root{world['outside']}"
    return put(target + "/init")


@probe
def rename_out(world: World) -> bool:
    put("moving")
    try:
        os.rename("moving", world["outside"] + "/moved")
    finally:
        if os.path.exists("moving"):
            os.unlink("moving")
    return True


@probe
def rename_in(world: World) -> bool:
    os.rename(world["outside"] + "/rename-me", "taken")
    os.unlink("taken")
    return True


@probe
def link_in_and_write(world: World) -> bool:
    os.link(world["outside"] + "/file", "hard")
    try:
        return put("hard", "a")
    finally:
        os.unlink("hard")


@probe
def remove_outside(world: World) -> bool:
    os.unlink(world["outside"] + "/remove-me")
    return True


@probe
def change_mode_outside(world: World) -> bool:
    os.chmod(world["outside"] + "/file", 0o666)
    return True


@probe
def write_home_of_the_person(world: World) -> bool:
    return put(world["person"] + "/.bashrc", "a")


@probe
def write_system_setting(world: World) -> bool:
    del world
    with open("/proc/sys/kernel/panic", "r+", encoding="ascii") as file:
        value = file.read()
        file.seek(0)
        file.write(value)
    return True


@probe
def write_system_folder(world: World) -> bool:
    del world
    # These folders belong to every test that runs now: a fixed name would be taken away by another's probe.
    name = f"/interpreter-probe-{os.urandom(8).hex()}"
    for folder in ("/usr", "/etc", "/opt"):
        put(folder + name)
        os.unlink(folder + name)
    return True


@probe
def write_git(world: World) -> bool:
    del world
    return put(".git/config", "a")


@probe
def replace_git(world: World) -> bool:
    del world
    os.rename(".git", "git-away")
    os.rename("git-away", ".git")
    return True


@probe
def write_project_settings(world: World) -> bool:
    del world
    return put(".interpreter/config.yaml", "a")


@probe
def read_key(world: World) -> bool:
    return "SECRET" in text(world["person"] + "/.ssh/id_rsa")


@probe
def read_log_of_the_tool(world: World) -> bool:
    return "SECRET" in text(world["home"] + "/log.db")


@probe
def read_shadow(world: World) -> bool:
    del world
    return bool(text("/etc/shadow"))


@probe
def read_closed_file_of_root(world: World) -> bool:
    """A file in the system's folders that only its owner may read."""
    return bool(text(world["closed"]))


@probe
def see_names_outside(world: World) -> bool:
    return os.path.exists(world["outside"] + "/file")


@probe
def see_shared_temporary(world: World) -> bool:
    return os.path.exists(world["temporary"])


@probe
def keys_in_environment(world: World) -> bool:
    del world
    return any("SECRET-VALUE" in value for value in os.environ.values())


@probe
def tcp(world: World) -> bool:
    with socket.create_connection(("127.0.0.1", world["tcp"]), timeout=3):
        return True


@probe
def udp(world: World) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        sender.sendto(b"probe", ("127.0.0.1", world["udp"]))
        # A closed namespace delivers to nobody; the answer is the proof.
        sender.settimeout(2)
        return sender.recv(10) == b"answer"


@probe
def tcp_fast_open(world: World) -> bool:
    with socket.socket() as sender:
        sender.sendto(b"x", 0x20000000, ("127.0.0.1", world["tcp"]))
        return sender.getpeername()[1] == world["tcp"]


@probe
def bind_tcp_seen_by_host(world: World) -> bool:
    with socket.create_server(("127.0.0.1", world["free"])):
        with open("/proc/self/net/tcp", encoding="ascii") as file:
            mine = file.read()
        return f":{world['tcp']:04X} " in mine


@probe
def abstract_socket(world: World) -> bool:
    with socket.socket(socket.AF_UNIX) as client:
        client.connect("\0" + world["abstract"])
        return True


@probe
def socket_of_a_service(world: World) -> bool:
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(world["service"])
        return True


@probe
def datagram_pair_to_a_service(world: World) -> bool:
    first, second = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    with first, second:
        first.sendto(b"x", world["log"])
        return True


@probe
def other_socket_families(world: World) -> bool:
    del world
    for family in (40, 38):
        with socket.socket(family, socket.SOCK_SEQPACKET if family == 38 else socket.SOCK_STREAM):
            pass
    return True


@probe
def signal_a_process(world: World) -> bool:
    os.kill(world["victim"], signal.SIGCONT)
    return True


@probe
def see_a_process(world: World) -> bool:
    return "interpreter-victim" in text(f"/proc/{world['victim']}/cmdline")


@probe
def environment_of_a_process(world: World) -> bool:
    return "SECRET" in text(f"/proc/{world['victim']}/environ")


@probe
def environment_of_the_harness(world: World) -> bool:
    return bool(text(f"/proc/{world['harness']}/environ"))


@probe
def trace_a_process(world: World) -> bool:
    seize, detach = 0x4206, 17
    checked(libc.ptrace(seize, world["victim"], None, None))
    libc.ptrace(detach, world["victim"], None, None)
    return True


@probe
def mount_something(world: World) -> bool:
    del world
    os.makedirs("mounted", exist_ok=True)
    try:
        checked(libc.mount(b"none", b"mounted", b"tmpfs", 0, None))
        libc.umount2(b"mounted", 2)
        return True
    finally:
        os.rmdir("mounted")


def in_child(work: Callable[[], object]) -> bool:
    """Try what would change this process in a child."""
    pid = os.fork()
    if pid == 0:
        code = 255
        try:
            code = 0 if work() else 1
        except OSError as error:
            code = error.errno or 1
        finally:
            os._exit(code)
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    if code:
        raise OSError(code, errno.errorcode.get(code, str(code)))
    return True


@probe
def new_user_namespace(world: World) -> bool:
    del world
    return in_child(lambda: checked(libc.unshare(0x10000000)))


@probe
def clone_with_a_namespace(world: World) -> bool:
    del world
    number = 56 if os.uname().machine == "x86_64" else 220
    pid = libc.syscall(ctypes.c_long(number), ctypes.c_ulong(0x10000000 | signal.SIGCHLD), None, None, None, None)
    if pid == 0:
        os._exit(0)
    checked(pid)
    os.waitpid(pid, 0)
    return True


@probe
def kernel_keyring(world: World) -> bool:
    del world
    number = 250 if os.uname().machine == "x86_64" else 219
    return checked(libc.syscall(ctypes.c_long(number), ctypes.c_long(0), ctypes.c_long(-3), ctypes.c_long(1)))


@probe
def capabilities(world: World) -> bool:
    del world
    for line in text("/proc/self/status").splitlines():
        if line.startswith(("CapEff", "CapPrm")) and int(line.split()[1], 16):
            return True
    raise PermissionError("none")


@probe
def gain_by_setuid(world: World) -> bool:
    done = subprocess.run([world["setuid"], "-u"], capture_output=True, text=True, check=True)
    return done.stdout.strip() == "0"


@probe
def lend_rights_by_mode(world: World) -> bool:
    """A file with the setuid bit, which would work outside."""
    del world
    put("lending")
    try:
        os.chmod("lending", 0o4755)
        return bool(os.stat("lending").st_mode & 0o4000)
    finally:
        os.unlink("lending")


@probe
def lend_rights_at_birth(world: World) -> bool:
    del world
    fd = os.open("lending", os.O_CREAT | os.O_WRONLY | os.O_EXCL, 0o4755)
    try:
        return bool(os.fstat(fd).st_mode & 0o4000)
    finally:
        os.close(fd)
        os.unlink("lending")


@probe
def open_descriptors(world: World) -> bool:
    """Whether something was left open that leads out."""
    del world
    names: list[str] = []
    for fd in os.listdir("/proc/self/fd"):
        try:
            names.append(os.readlink(f"/proc/self/fd/{fd}"))
        except OSError:
            continue
    return any(name.startswith("/") and not name.startswith(("/proc", "/dev/null")) for name in names)


@probe
def much_memory(world: World) -> bool:
    del world
    return bool(bytearray(100 << 30))


@probe
def many_processes(world: World) -> bool:
    """Bounded: it stops at the first refusal, and at twice the limit."""
    children: list[int] = []
    try:
        for _ in range(world["processes"] * 2):
            pid = os.fork()
            if pid == 0:
                signal.pause()
                os._exit(0)
            children.append(pid)
        return True
    finally:
        for pid in children:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)


@probe
def large_file(world: World) -> bool:
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        with open("large", "wb") as file:
            os.ftruncate(file.fileno(), world["file_size"] + 1)
        return True
    finally:
        os.unlink("large")


@probe
def many_files(world: World) -> bool:
    held: list[int] = []
    try:
        for _ in range(world["open_files"] + 1):
            held.append(os.open("/dev/null", os.O_RDONLY))
        return True
    finally:
        for fd in held:
            os.close(fd)


@probe
def core_dumps(world: World) -> bool:
    del world
    return resource.getrlimit(resource.RLIMIT_CORE)[1] != 0


# What must work: the same everywhere.
WORKS: dict[str, Callable[[World], object]] = {
    "writes the working folder": lambda world: put("made 文件") and text(world["workspace"] + "/made 文件") == "x",
    "writes home": lambda world: put(os.path.expanduser("~/settings")),
    "writes the temporary folder": lambda world: put(os.environ["TMPDIR"] + "/t"),
    "reads what was opened": lambda world: "open" in text(world["readable"] + "/data"),
    "starts programs": lambda world: subprocess.run(["ls", "/usr"], capture_output=True, check=True).stdout,
    "makes a pair of sockets": lambda world: [end.close() for end in socket.socketpair()],
    "starts in the working folder": lambda world: os.getcwd() == world["workspace"],
    "dumb terminal": lambda world: os.environ["TERM"] == "dumb",
    "changes modes of its own": lambda world: os.chmod("made 文件", 0o600) is None,
}


def attempt(function: Callable[[World], object], world: World) -> str:
    try:
        return "through" if function(world) else "stopped: nothing came of it"
    except BaseException as error:
        return f"stopped: {type(error).__name__}: {error}"


if __name__ == "__main__":
    given: World = json.loads(sys.argv[1])
    found = {f"works: {name}": attempt(function, given) for name, function in WORKS.items()}
    found |= {name: attempt(function, given) for name, function in PROBES.items()}
    sys.stdout.write(json.dumps(found))
