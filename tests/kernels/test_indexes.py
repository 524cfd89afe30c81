"""The person's settings for pip, as they reach an installer inside walls."""

from __future__ import annotations

from pathlib import Path

import pytest

from interpreter.kernels.indexes import index_settings


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


@pytest.fixture
def person(tmp_path: Path) -> dict[str, str]:
    """Someone without any settings of their own. What /etc says on this machine is part of every test."""
    return {"HOME": str(tmp_path), "XDG_CONFIG_DIRS": str(tmp_path / "none")}


def test_files_then_variables(tmp_path: Path, person: dict[str, str]) -> None:
    write(tmp_path / ".pip/pip.conf", "[global]\nindex-url = https://old.example/simple\ntimeout = 7\n")
    write(
        tmp_path / ".config/pip/pip.conf", "[global]\nindex-url = https://user.example/simple\n[install]\npre = true\n"
    )
    settings = index_settings(person, prefix=str(tmp_path / "prefix"))
    assert settings.env["PIP_INDEX_URL"] == "https://user.example/simple"
    assert settings.env["PIP_TIMEOUT"] == "7"
    assert settings.env["PIP_PRE"] == "true"
    settings = index_settings(
        {**person, "PIP_INDEX_URL": "https://env.example/simple"}, prefix=str(tmp_path / "prefix")
    )
    assert settings.env["PIP_INDEX_URL"] == "https://env.example/simple"
    assert "env.example" in settings.hosts
    assert "user.example" not in settings.hosts


def test_a_named_file_wins_and_none_means_none(tmp_path: Path, person: dict[str, str]) -> None:
    write(tmp_path / ".config/pip/pip.conf", "[global]\nindex-url = https://user.example/simple\n")
    named = write(tmp_path / "named.conf", "[global]\nindex-url = https://named.example/simple\n")
    assert (
        index_settings({**person, "PIP_CONFIG_FILE": str(named)}).env["PIP_INDEX_URL"] == "https://named.example/simple"
    )
    assert "PIP_INDEX_URL" not in index_settings({**person, "PIP_CONFIG_FILE": "/dev/null"}).env


def test_only_settings_of_the_list_travel(tmp_path: Path, person: dict[str, str]) -> None:
    text = "[global]\nno-binary = :all:\nlog = /tmp/x\nkeyring-provider = subprocess\ntarget = /tmp\nno-index = true\n"
    write(tmp_path / ".config/pip/pip.conf", text)
    variables = {"PIP_NO_BINARY": ":all:", "PIP_TARGET": "/tmp", "OPENAI_API_KEY": "sk-1", "PYTHONPATH": "/x"}
    env = index_settings({**person, **variables}).env
    assert env["PIP_NO_INDEX"] == "true"
    assert not {"PIP_NO_BINARY", "PIP_LOG", "PIP_KEYRING_PROVIDER", "PIP_TARGET", "OPENAI_API_KEY", "PYTHONPATH"} & set(
        env
    )
    assert env["PIP_CONFIG_FILE"] == "/dev/null"


def test_paths_and_hosts_that_the_settings_name(tmp_path: Path, person: dict[str, str]) -> None:
    for folder in ("my wheels", "index/simple", "index/files"):
        (tmp_path / folder).mkdir(parents=True)
    certificate = write(tmp_path / "ca.pem", "")
    text = (
        f"[global]\nindex-url = https://user:password@private.example:8443/simple\n"
        f"extra-index-url =\n  file://{tmp_path}/index/simple\n  http://second.example/simple\n"
        f"find-links = file://{tmp_path}/my%20wheels\ntrusted-host = third.example:8080\ncert = {certificate}\n"
    )
    write(tmp_path / ".config/pip/pip.conf", text)
    settings = index_settings({**person, "SSL_CERT_FILE": str(certificate), "SSL_CERT_DIR": "/nowhere"})
    assert {str(tmp_path / "my wheels"), str(tmp_path / "index"), str(certificate)} <= set(settings.readable)
    assert "/nowhere" not in settings.readable
    assert {"private.example", "second.example", "third.example"} <= set(settings.hosts)
    assert settings.env["PIP_EXTRA_INDEX_URL"] == f"file://{tmp_path}/index/simple http://second.example/simple"


@pytest.mark.parametrize("content", [b"", b"\xff\xfe\x00", b"no section", b"[global]\n[global]\n", b"[global\n"])
def test_a_file_that_cannot_be_read_counts_as_absent(tmp_path: Path, person: dict[str, str], content: bytes) -> None:
    path = tmp_path / ".config/pip/pip.conf"
    path.parent.mkdir(parents=True)
    path.write_bytes(content)
    assert "PIP_INDEX_URL" not in index_settings(person).env


def test_a_folder_in_place_of_the_file(tmp_path: Path, person: dict[str, str]) -> None:
    (tmp_path / ".config/pip/pip.conf").mkdir(parents=True)
    assert "PIP_INDEX_URL" not in index_settings(person).env


def test_without_settings_there_are_the_hosts_of_pip_itself(person: dict[str, str]) -> None:
    hosts = index_settings(person).hosts
    assert len(hosts) >= 2
    assert all("." in host and "/" not in host for host in hosts)
