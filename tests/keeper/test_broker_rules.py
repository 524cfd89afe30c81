"""Which hosts a rule means, and which addresses are nobody's business: as functions, without a network."""

from __future__ import annotations

import ipaddress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from interpreter.keeper.hosts import GROUPS, Rules, canonical, is_public, kind, patterns, split_port
from tests.keeper.brokerage import is_address


@pytest.mark.parametrize(
    ("rule", "host", "port", "fits"),
    [
        ("pypi.org", "pypi.org", 443, True),
        ("pypi.org", "PyPI.org.", 443, True),
        ("pypi.org", "evilpypi.org", 443, False),
        ("pypi.org", "pypi.org.evil.example", 443, False),
        ("pypi.org", "www.pypi.org", 443, False),
        ("*.pypi.org", "www.pypi.org", 443, True),
        ("*.pypi.org", "a.b.pypi.org", 443, True),
        ("*.pypi.org", "pypi.org", 443, False),
        ("*.pypi.org", "evilpypi.org", 443, False),
        ("*.pypi.org", "xpypi.org", 443, False),
        ("*.PyPI.org.", "www.pypi.org", 443, True),
        ("pypi.org:443", "pypi.org", 443, True),
        ("pypi.org:443", "pypi.org", 80, False),
        ("*:22", "any.example", 22, True),
        ("*:22", "any.example", 443, False),
        ("*", "any.example", 443, True),
        ("192.0.2.7", "192.0.2.7", 80, True),
        ("10.0.0.0/8", "10.9.8.7", 80, True),
        ("10.0.0.0/8", "11.0.0.1", 80, False),
        ("10.0.0.0/8", "ten.example", 80, False),
        ("[2001:db8::1]:443", "2001:db8:0::1", 443, True),
        ("2001:db8::1", "[2001:DB8::1]", 1, True),
        ("bücher.example", "xn--bcher-kva.example", 443, True),
        ("github.com", "xn--gthub-n4a.com", 443, False),
        ("@git-hosts", "raw.githubusercontent.com", 443, True),
        ("@git-hosts", "githubusercontent.com.evil.example", 443, False),
        ("@package-registries", "files.pythonhosted.org", 443, True),
    ],
)
def test_what_a_rule_means(rule: str, host: str, port: int, fits: bool) -> None:
    name = canonical(host)
    assert any(pattern.fits(name, port) for pattern in patterns(rule)) is fits
    assert (Rules({"allow": [rule]}).judge(name, port).decision == "allow") is fits
    assert (Rules({"deny": [rule], "otherwise": "allow"}).judge(name, port).decision == "deny") is fits


def test_deny_wins_whatever_the_order() -> None:
    rules = Rules({"allow": ["*", "a.example"], "deny": ["*.example", "b.example:80"], "otherwise": "allow"})
    assert rules.judge("a.example", 443) == ("deny", "*.example", False)
    assert rules.judge("example", 443).decision == "allow"
    assert Rules({"otherwise": "ask"}).judge("a.example", 443) == ("ask", "default", False)
    assert Rules({}).judge("a.example", 443).decision == "deny"


@pytest.mark.parametrize(
    "word",
    ["", "@nobody", "a b", "http://x.example", "*.", "a.*.example", "*x.example", "x.example:", "x.example:0",
     "x.example:65536", "x.example:80:90", "user@x.example", "-x.example", "x..example", "*.192.0.2.1", "fe80::1%eth0",
     "10.0.0.1/8", "127.1", "0x7f000001", "2130706433", "[::1", "x.example/path", "ex\x00ample", "a" * 64 + ".example"],
)  # fmt: skip
def test_what_is_no_pattern_is_refused(word: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        patterns(word)


@pytest.mark.parametrize(
    "host", ["127.1", "2130706433", "0x7f.1", "0177.0.0.1", "0", "1.2.3.4.5", "a.0x1", "fe80::1%lo", "a b",
             "a@b.example", "a/b", "..", ".", "", "a\r\nb", "\x00", "x_.-", "127.0.0.1.", "０.example１" * 40],
)  # fmt: skip
def test_other_spellings_are_no_hosts(host: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        canonical(host)


def test_groups_are_made_of_patterns() -> None:
    for name, words in GROUPS.items():
        found = patterns(f"@{name}")
        assert len(found) == len(set(words)) == len(words)
        assert not any(pattern.exact for pattern in found), "a group never opens a private address"


@pytest.mark.parametrize(
    ("rules", "address", "named", "may"),
    [
        ([], "93.184.216.34", False, True),
        ([], "10.0.0.5", False, False),
        (["intranet.example"], "10.0.0.5", True, True),
        (["intranet.example"], "127.0.0.1", True, True),
        (["intranet.example"], "169.254.169.254", True, False),
        (["intranet.example"], "fd00:ec2::254", True, False),
        (["intranet.example"], "100.100.100.200", True, False),
        (["intranet.example"], "224.0.0.1", True, False),
        (["intranet.example"], "0.0.0.0", True, False),
        (["intranet.example"], "::ffff:10.0.0.5", True, False),
        (["intranet.example"], "64:ff9b::a00:5", True, False),
        (["10.0.0.0/8"], "10.0.0.5", False, True),
        (["169.254.0.0/16"], "169.254.169.254", False, False),
        (["169.254.169.254"], "169.254.169.254", False, True),
        (["10.0.0.5:80"], "10.0.0.5", False, False),
        ([], "168.63.129.16", False, False),
        ([], "198.18.0.7", False, False),
        (["*.example"], "198.18.0.7", False, False),
        (["fake.example"], "198.18.0.7", True, True),
        (["198.18.0.0/15"], "198.18.0.7", False, True),
        (["fake.example"], "240.0.0.1", True, False),
        (["fake.example"], "0.1.2.3", True, False),
        (["fake.example"], "255.255.255.255", True, False),
        ([], "fe80::1%2", True, False),
    ],
)
def test_which_addresses_a_name_may_lead_to(rules: list[str], address: str, named: bool, may: bool) -> None:
    assert (Rules({"allow": rules}).may_connect(address, 443, named=named) == "") is may


def test_a_denied_network_is_denied_behind_a_name_as_well() -> None:
    rules = Rules({"allow": ["good.example"], "deny": ["93.184.216.0/24"]})
    assert rules.may_connect("93.184.216.34", 443, named=True) == "an address that a rule denies"
    assert rules.may_connect("93.184.217.34", 443, named=True) == ""


@settings(derandomize=True, max_examples=300, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_no_wrapping_makes_an_address_public(number: int) -> None:
    text = ".".join(str(number >> shift & 255) for shift in (24, 16, 8, 0))
    if is_public(text):
        return
    high, low = number >> 16, number & 0xFFFF
    for wrapped in (f"::ffff:{text}", f"64:ff9b::{high:x}:{low:x}", f"2002:{high:x}:{low:x}::1"):
        assert not is_public(wrapped), wrapped


@settings(derandomize=True, max_examples=500, deadline=None)
@given(st.text(max_size=40) | st.from_regex(r"[0-9a-fx.:\[\]%*@/-]{1,30}", fullmatch=True))
def test_whatever_stands_there_is_a_host_or_refused(text: str) -> None:
    try:
        name = canonical(text)
    except ValueError:
        return
    assert canonical(name) == name and name.isascii() and name == name.lower()
    assert is_address(name) or not name[-1].isdigit() or not name.rpartition(".")[2].isdigit()
    try:
        host, port = split_port(text)
    except ValueError:
        return
    assert port is None or 0 < port < 65_536, host


def test_the_kinds_of_addresses() -> None:
    kinds = {
        text: kind(ipaddress.ip_address(text)) for text in ("1.1.1.1", "10.0.0.1", "169.254.0.1", "fd12::1", "::1")
    }
    assert kinds == {"1.1.1.1": "public", "10.0.0.1": "private", "169.254.0.1": "never", "fd12::1": "private",
                     "::1": "private"}  # fmt: skip
