"""`interpreter approvals serve`: where it listens, and what it says about that."""

from __future__ import annotations

import sys

import pytest

from interpreter.cli.door import run
from interpreter.web.answers import names


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    monkeypatch.setenv("TERM", "xterm")


@pytest.mark.usefixtures("terminal")
def test_another_address_is_said_in_red(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    # No machine has this address, so that nothing listens in the end.
    assert run(["approvals", "serve", "--host", "203.0.113.7", "--port", "0"]) == 2
    said = capsys.readouterr().err
    assert "\x1b[31mOthers can reach this address" in said and "It cannot listen on 203.0.113.7" in said


@pytest.mark.parametrize("host", ["example.com", "127.0.0.1:80", "", "::1%eth0/x", "0"])
def test_names_are_no_addresses(host: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["approvals", "serve", "--host", host or "-", "--port", "0"]) == 2
    assert "--host should be an address" in capsys.readouterr().err


@pytest.mark.parametrize("port", ["65536", "-1", "http", "٣", "1e3"])
def test_ports(port: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["approvals", "serve", f"--port={port}"]) == 2
    assert "--port should be" in capsys.readouterr().err


def test_whose_name_may_be_asked() -> None:
    hosts, origins = names("https://Answers.example.com/x", "127.0.0.1", 8347)
    assert set(hosts) == {"127.0.0.1:8347", "localhost:8347", "[::1]:8347", "answers.example.com"}
    assert "https://answers.example.com" in origins and "http://localhost:8347" in origins
    assert not any("0.0.0.0" in host for host in names("", "0.0.0.0", 1)[0])
    assert "192.0.2.1:5" in names("", "192.0.2.1", 5)[0] and "[2001:db8::1]:5" in names("", "2001:db8::1", 5)[0]
    assert "127.0.0.1" in names("", "127.0.0.1", 80)[0]
