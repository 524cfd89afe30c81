"""Run the tests of control groups in a small virtual machine whose kernel has version 2 with its controllers.

usage: python tools/test_vm.py [test files]          `make test-vm`; about 4 minutes

The machine is emulated (no KVM is needed), has no disk and no network, and holds nothing but this source tree, the
system's Python and what the tests import, in an archive that the kernel unpacks into memory. QEMU and the kernel are
Debian's packages: root gets them by apt-get when they are missing; the kernel is only unpacked, below .cache/vm.
Exits with 0 when all passed, 1 when not; where it cannot be done it says why, and exits with 0.
"""

from __future__ import annotations

import io
import os
import platform
import shutil
import stat
import subprocess
import sys
import sysconfig
import time
from collections.abc import Iterable
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
CACHE = ROOT / ".cache" / "vm"
TESTS = ("tests/sandbox/test_cgroup.py", "tests/keeper/test_limits.py")
QEMU = "qemu-system-x86_64"
PACKAGES = ("qemu-system-x86", "busybox-static", "bubblewrap")
KERNEL = "linux-image-cloud-amd64"
PYTHON = "/usr/bin/python3"
PROGRAMS = (PYTHON, "/bin/bash", "/usr/bin/bwrap", "/usr/bin/prlimit", "/usr/bin/setpriv", "/usr/bin/head")
SITE = (
    "pytest",
    "_pytest",
    "pluggy",
    "iniconfig",
    "packaging",
    "msgspec",
    "pygments",
    "platformdirs",
    "py.py",
    "xdist",
    "execnet",
    "pytest_timeout.py",
)
NOT_NEEDED = {"test", "idlelib", "tkinter", "ensurepip", "lib2to3", "turtledemo", "pydoc_data", "dist-packages"}
MEMORY = "3072"
LONGEST = 1500
"""Seconds."""


class Impossible(Exception):
    """Why it cannot be done on this machine."""


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def do(*command: str | Path, cwd: Path | None = None) -> str:
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=600, check=False)
    if done.returncode:
        raise Impossible(f"`{' '.join(map(str, command[:4]))}` failed: {(done.stderr or done.stdout).strip()[-300:]}")
    return done.stdout


def prepare() -> Path:
    """QEMU, the other programs, and the kernel, whose path is returned."""
    if platform.machine() != "x86_64" or sys.platform != "linux":
        raise Impossible("it is made for Linux on x86_64")
    theirs = do(PYTHON, "-c", "import sysconfig; print(sysconfig.get_python_version())").strip()
    if theirs != sysconfig.get_python_version():
        raise Impossible(f"{PYTHON} is {theirs}, and what the tests import is for {sysconfig.get_python_version()}")
    if not shutil.which(QEMU) or not shutil.which("busybox") or not shutil.which("bwrap"):
        if os.geteuid() != 0 or not shutil.which("apt-get"):
            raise Impossible(f"install {', '.join(PACKAGES)} first")
        say(f"installing {', '.join(PACKAGES)}")
        do("apt-get", "update", "-qq")
        do("apt-get", "install", "-y", "-qq", "--no-install-recommends", *PACKAGES)
    found = sorted(CACHE.glob("kernel/boot/vmlinuz-*"))
    if found:
        return found[-1]
    if not shutil.which("apt-get") or not shutil.which("dpkg-deb"):
        raise Impossible("the kernel comes as a package of Debian's, which needs apt-get and dpkg-deb")
    say("fetching a kernel")
    CACHE.mkdir(parents=True, exist_ok=True)
    words = do("apt-cache", "depends", KERNEL).split()
    name = next((word for word in words if word.startswith("linux-image-") and word != KERNEL), None)
    if name is None:
        raise Impossible(f"apt knows no kernel by the name {KERNEL}")
    do("apt-get", "download", "-qq", name, cwd=CACHE)
    do("dpkg-deb", "-x", next(CACHE.glob(f"{name}_*.deb")), CACHE / "kernel")
    return next(CACHE.glob("kernel/boot/vmlinuz-*"))


class Archive:
    """A cpio archive of the form that the kernel takes for its first file system."""

    def __init__(self) -> None:
        self._out = io.BytesIO()
        self._seen: set[str] = set()

    def put(self, name: str, mode: int, data: bytes = b"") -> None:
        name = name.strip("/")
        if name in self._seen:
            return
        if "/" in name:
            self.put(name.rpartition("/")[0], stat.S_IFDIR | 0o755)
        self._seen.add(name)
        self._entry(name, mode, data)

    def _entry(self, name: str, mode: int, data: bytes) -> None:
        path = name.encode() + b"\0"
        numbers = (len(self._seen), mode, 0, 0, 1, 0, len(data), 0, 0, 0, 0, len(path), 0)
        self._out.write(b"070701" + b"".join(b"%08X" % number for number in numbers) + path)
        self._pad()
        self._out.write(data)
        self._pad()

    def _pad(self) -> None:
        self._out.write(b"\0" * (-self._out.tell() % 4))

    def file(self, source: Path | str, name: str = "") -> None:
        """A file under its own name, or another; of a link what it leads to."""
        mode = stat.S_IFREG | (0o755 if os.access(source, os.X_OK) else 0o644)
        self.put(name or str(source), mode, Path(source).read_bytes())

    def folder(self, source: Path, name: str, without: Iterable[str] = ()) -> None:
        for top, folders, files in os.walk(source):
            folders[:] = [one for one in folders if one not in without]
            for file in files:
                path = Path(top) / file
                if path.is_file():
                    self.file(path, f"{name}/{path.relative_to(source)}")

    def program(self, path: str) -> None:
        """A program and the libraries that it is linked to."""
        self.file(path)
        for word in do("ldd", path).split():
            if word.startswith("/"):
                self.file(word)

    def bytes(self) -> bytes:
        self._entry("TRAILER!!!", 0, b"")
        return self._out.getvalue()


def pack() -> Path:
    archive = Archive()
    for link, target in (("bin", "usr/bin"), ("lib", "usr/lib"), ("lib64", "usr/lib64"), ("sbin", "usr/sbin")):
        if os.path.islink(f"/{link}"):
            archive.put(target, stat.S_IFDIR | 0o755)
            archive.put(link, stat.S_IFLNK | 0o777, target.encode())
    archive.file(shutil.which("busybox") or "busybox", "/bin/busybox")
    archive.put("/bin/sh", stat.S_IFLNK | 0o777, b"busybox")
    for program in PROGRAMS:
        archive.program(os.path.realpath(program))
        if os.path.realpath(program) != program:
            archive.file(program)
    stdlib = Path(do(PYTHON, "-c", "import os; print(os.path.dirname(os.__file__))").strip())
    archive.folder(stdlib, str(stdlib), NOT_NEEDED)
    site = Path(sysconfig.get_path("purelib"))
    for library in (*stdlib.glob("lib-dynload/*.so"), *site.glob("msgspec/*.so")):
        for word in do("ldd", library).split():
            if word.startswith("/"):
                archive.file(word)
    for name in SITE:
        source = site / name
        archive.folder(source, f"/site/{name}") if source.is_dir() else archive.file(source, f"/site/{name}")
    # Their entry points are what makes the setting `timeout` and a mark known.
    for pattern in ("pytest_timeout-*.dist-info", "pytest_xdist-*.dist-info"):
        for source in site.glob(pattern):
            archive.folder(source, f"/site/{source.name}")
    for name in ("src", "tests"):
        archive.folder(ROOT / name, f"/work/{name}", {"__pycache__"})
    archive.file(ROOT / "pyproject.toml", "/work/pyproject.toml")
    archive.put("/init", stat.S_IFREG | 0o755, (ROOT / "tools" / "vm_init.sh").read_bytes())
    archive.put(
        "/etc/passwd", stat.S_IFREG | 0o644, b"root:x:0:0::/root:/bin/sh\nuser:x:1000:1000::/home/user:/bin/sh\n"
    )
    archive.put("/etc/group", stat.S_IFREG | 0o644, b"root:x:0:\nuser:x:1000:\n")
    target = CACHE / "initramfs"
    target.write_bytes(archive.bytes())
    return target


def boot(kernel: Path, archive: Path, tests: Iterable[str]) -> int:
    # The kernel hands words with a `=` that it does not know to its first program, as variables.
    command = [QEMU, "-m", MEMORY, "-smp", "2", "-accel", "tcg,thread=multi", "-nographic",
               "-no-reboot", "-nic", "none", "-kernel", kernel, "-initrd", archive,
               "-append", f"console=ttyS0 quiet panic=-1 rdinit=/init TESTS=\"{' '.join(tests)}\""]  # fmt: skip
    passed: dict[str, int] = {}
    began = time.monotonic()
    with subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    ) as machine:
        assert machine.stdout is not None
        try:
            for line in machine.stdout:
                text = line.decode(errors="replace").rstrip()
                print(text, flush=True)
                words = text.split()
                if len(words) == 3 and words[0] == "VM" and words[2].isdigit():
                    passed[words[1]] = int(words[2])
                if text == "VM end" or time.monotonic() - began > LONGEST:
                    break
        finally:
            machine.kill()
    good = passed == {"bubblewrap": 0, "root": 0, "user": 0}
    say(f"control groups of version 2 in a virtual machine: {'passed' if good else f'FAILED {passed}'}, "
        f"{time.monotonic() - began:.0f} s")  # fmt: skip
    return 0 if good else 1


def main(argv: list[str]) -> int:
    try:
        kernel = prepare()
        archive = pack()
    except (Impossible, OSError, subprocess.TimeoutExpired) as problem:
        say(f"not tested here: {problem}")
        return 0
    say(f"booting {kernel.name} with {archive.stat().st_size >> 20} MB; the first line comes after half a minute")
    return boot(kernel, archive, argv or TESTS)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
