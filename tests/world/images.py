"""Small images: busybox as a base, and programs that serve, die or eat memory."""

from __future__ import annotations

import io
import shutil
import subprocess
import tarfile
from pathlib import Path

from .store import Object

PATIENCE = 60
BUSYBOX = Path("/bin/busybox")
APPLETS = (
    "sh",
    "httpd",
    "sleep",
    "tail",
    "cat",
    "echo",
    "printf",
    "wget",
    "awk",
    "env",
    "test",
    "date",
    "seq",
    "nc",
    "dd",
)


def why_no_images() -> str:
    """Empty where images can be made."""
    if shutil.which("busybox") is None:
        return "busybox is not installed"
    return ""


def docker(socket: str, *words: str, data: bytes | None = None) -> subprocess.CompletedProcess[bytes]:
    command = ["docker", "-H", f"unix://{socket}", *words]
    return subprocess.run(command, input=data, capture_output=True, check=True, timeout=PATIENCE)


def base(socket: str, name: str) -> str:
    """busybox with its applets; some kB more than the program itself."""
    found = io.BytesIO()
    with tarfile.open(fileobj=found, mode="w") as tar:
        for folder in ("bin", "tmp", "www", "etc"):
            entry = tarfile.TarInfo(folder)
            entry.type, entry.mode = tarfile.DIRTYPE, 0o1777 if folder == "tmp" else 0o755
            tar.addfile(entry)
        content = Path(shutil.which("busybox") or BUSYBOX).read_bytes()
        entry = tarfile.TarInfo("bin/busybox")
        entry.size, entry.mode = len(content), 0o755
        tar.addfile(entry, io.BytesIO(content))
        for applet in APPLETS:
            entry = tarfile.TarInfo(f"bin/{applet}")
            entry.type, entry.linkname = tarfile.SYMTYPE, "busybox"
            tar.addfile(entry)
    docker(socket, "import", "--change", "ENV PATH=/bin", "-", name, data=found.getvalue())
    return name


def image(socket: str, folder: Path, name: str, dockerfile: str, **files: str) -> str:
    """Build an image; `files` by their names, with `_` for `.`."""
    folder.mkdir(parents=True)
    (folder / "Dockerfile").write_text(dockerfile)
    for path, text in files.items():
        (folder / path.replace("_", ".")).write_text(text)
    docker(socket, "build", "-t", name, str(folder))
    return name


def served(tag: str) -> str:
    """A Dockerfile on the base image whose program answers this text at `/version`."""
    return f"FROM {tag}\nCOPY version /www/version\nCMD exec httpd -f -vv -p 127.0.0.1:$PORT -h /www\n"


def deployment(space: str, name: str, tag: str, **container: object) -> Object:
    """One replica whose readiness is asked for by HTTP at `/version`; `container`: more of its fields."""
    probe = {"httpGet": {"path": "/version", "port": 8080}, "periodSeconds": 1, "failureThreshold": 3}
    made: Object = {"name": "app", "image": tag, "ports": [{"containerPort": 8080}], "readinessProbe": probe}
    made |= container
    spec = {"containers": [made], "terminationGracePeriodSeconds": 5}
    return {
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name, "namespace": space},
        "spec": {
            "replicas": 1, "progressDeadlineSeconds": 60, "selector": {"matchLabels": {"app": name}},
            "template": {"metadata": {"labels": {"app": name}}, "spec": spec},
        },
    }  # fmt: skip


def service(space: str, name: str) -> Object:
    return {
        "apiVersion": "v1", "kind": "Service", "metadata": {"name": name, "namespace": space},
        "spec": {"type": "NodePort", "selector": {"app": name}, "ports": [{"port": 80, "targetPort": 8080}]},
    }  # fmt: skip
