"""Names, addresses and rules: which host may be reached. Standard library only, and nothing here ever connects.

A pattern is `host`, `*.host` (whatever lies below it, not itself), an address, a network (`10.0.0.0/8`), each also with
`:port` (IPv6 then in brackets), `*`, or a group `@name`.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable
from typing import Any, Literal, NamedTuple

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network
Kind = Literal["public", "private", "never"]
LABEL = re.compile(r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?")
NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*")
NAT64 = (ipaddress.ip_network("64:ff9b::/96"), ipaddress.ip_network("64:ff9b:1::/48"))
METADATA = frozenset(map(ipaddress.ip_address, ("168.63.129.16", "100.100.100.200", "192.0.0.192", "fd00:ec2::254")))
"""Services that hand out the keys of a cloud machine, and do not lie where link-local addresses do."""
THIS_NETWORK = ipaddress.ip_network("0.0.0.0/8")

GROUPS: dict[str, tuple[str, ...]] = {
    "package-registries": (
        "pypi.org", "files.pythonhosted.org", "registry.npmjs.org", "registry.yarnpkg.com", "crates.io",
        "static.crates.io", "index.crates.io", "proxy.golang.org", "sum.golang.org", "rubygems.org",
        "index.rubygems.org", "repo.maven.apache.org", "repo1.maven.org", "plugins.gradle.org", "repo.packagist.org",
        "packagist.org", "cran.r-project.org", "cloud.r-project.org", "conda.anaconda.org", "repo.anaconda.com",
        "deb.debian.org", "security.debian.org", "archive.ubuntu.com", "security.ubuntu.com", "ports.ubuntu.com",
        "dl-cdn.alpinelinux.org",
        "mirrors.aliyun.com", "pypi.tuna.tsinghua.edu.cn", "mirrors.tuna.tsinghua.edu.cn", "mirrors.ustc.edu.cn",
        "mirrors.bfsu.edu.cn", "mirrors.cloud.tencent.com", "repo.huaweicloud.com", "registry.npmmirror.com",
        "cdn.npmmirror.com", "goproxy.cn", "rsproxy.cn",
    ),
    "git-hosts": (
        "github.com", "*.github.com", "*.githubusercontent.com", "gitlab.com", "*.gitlab.com", "bitbucket.org",
        "*.bitbucket.org", "codeberg.org", "git.sr.ht", "dev.azure.com", "gitee.com", "*.gitee.com", "gitcode.com",
        "*.gitcode.com",
    ),
}  # fmt: skip


class Pattern(NamedTuple):
    text: str
    """As it was written."""
    name: str = ""
    """Canonical; empty where it is an address or a network."""
    below: bool = False
    """`*.name`; with an empty name: every host."""
    network: Network | None = None
    port: int | None = None
    grouped: bool = False

    def fits(self, name: str, port: int) -> bool:
        """Whether it means this canonical name (or address, as text)."""
        if self.port not in (None, port):
            return False
        if self.network is not None:
            return self.holds(address_in(name), port)
        if self.below:
            return not self.name or name.endswith(f".{self.name}")
        return name == self.name

    def holds(self, address: Address | None, port: int) -> bool:
        """Whether it names this address itself."""
        if self.network is None or address is None or self.port not in (None, port):
            return False
        return address.version == self.network.version and address in self.network

    @property
    def exact(self) -> bool:
        """Whether the person named this very host, and no kind of hosts."""
        return self.network is None and not self.below and not self.grouped


def address_in(name: str) -> Address | None:
    try:
        return ipaddress.ip_address(name)
    except ValueError:
        return None


def canonical(host: str) -> str:
    """The one spelling of a host: lower case, no trailing dot, IDNA; addresses in their standard form.

    Raises ValueError for what is neither: other spellings of numbers, zones, user names, spaces.
    """
    text = host[1:-1] if host.startswith("[") and host.endswith("]") else host
    if "%" in text:
        raise ValueError("an address with a zone belongs to this machine's own network")
    if (address := address_in(text)) is not None:
        return str(address)
    if text is not host:
        raise ValueError("only an IPv6 address stands in brackets")
    if not text.isascii():
        text = text.encode("idna").decode("ascii")
    text = text.lower().removesuffix(".")
    labels = text.split(".")
    if len(text) > 253 or not all(LABEL.fullmatch(label) for label in labels):
        raise ValueError("this is not the name of a host")
    if NUMBER.fullmatch(labels[-1]):
        raise ValueError("numbers are taken as an address in its standard form only, such as 192.0.2.1")
    return text


def split_port(text: str) -> tuple[str, int | None]:
    """Host and port of `host`, `host:port`, `[v6]:port` or a bare IPv6 address. Raises ValueError."""
    if address_in(text) is not None:
        return text, None
    if text.startswith("[") and "]" not in text:
        raise ValueError("a bracket that does not end")
    host, colon, digits = text.rpartition(":")
    if not colon or text.endswith("]"):
        return text, None
    if not digits.isascii() or not digits.isdigit() or len(digits) > 5 or not 0 < int(digits) < 65_536:
        raise ValueError("a port is a number from 1 to 65535")
    if ":" in host and not host.startswith("["):
        try:
            ipaddress.ip_network(text)
        except ValueError:
            raise ValueError("an IPv6 address with a port stands in brackets") from None
        return text, None
    return host, int(digits)


def patterns(text: str) -> tuple[Pattern, ...]:
    """The patterns that one word of a rule stands for. Raises ValueError, with a sentence."""
    word = text.strip()
    if word.startswith("@"):
        if word[1:] not in GROUPS:
            known = ", ".join(f"@{name}" for name in GROUPS)
            raise ValueError(f"there is no group {word}; there are {known}")
        return tuple(p._replace(grouped=True) for member in GROUPS[word[1:]] for p in patterns(member))
    if "/" in word:
        return (Pattern(word, network=ipaddress.ip_network(word)),)
    host, port = split_port(word)
    if host == "*":
        return (Pattern(word, below=True, port=port),)
    below = host.startswith("*.")
    name = canonical(host[2:] if below else host)
    if (address := address_in(name)) is not None:
        if below:
            raise ValueError("nothing lies below an address")
        return (Pattern(word, network=ipaddress.ip_network(address), port=port),)
    return (Pattern(word, name=name, below=below, port=port),)


def is_pattern(text: str) -> bool:
    try:
        return bool(patterns(text))
    except ValueError:
        return False


def all_patterns(words: Iterable[str]) -> tuple[Pattern, ...]:
    return tuple(pattern for word in words for pattern in patterns(word))


def kind(address: Address) -> Kind:
    """Where an address leads, also when it is wrapped in another one.

    private: what a person may mean when they name a host of their own (among them the made-up addresses that some
    proxies give to names, 198.18.0.0/15). never: no host at all, or one that gives away a machine's keys.
    """
    if address in METADATA:
        return "never"
    if isinstance(address, ipaddress.IPv6Address):
        wrapped = [address.ipv4_mapped, address.sixtofour, *(address.teredo or ())]
        if any(address in net for net in NAT64):
            wrapped.append(ipaddress.IPv4Address(int(address) & 0xFFFFFFFF))
        inner = [found for found in wrapped if found is not None]
        if inner:
            return "public" if all(kind(found) == "public" for found in inner) else "never"
    if address.is_loopback:
        return "private"
    nobody = address.is_multicast or address.is_unspecified or address.is_link_local or address.is_reserved
    if nobody or address in THIS_NETWORK:
        return "never"
    return "public" if address.is_global else "private"


def is_public(text: str) -> bool:
    """Whether an address belongs to the open network, also when it is wrapped in another one."""
    address = address_in(text.partition("%")[0])
    return address is not None and kind(address) == "public"


class Judgement(NamedTuple):
    decision: Literal["allow", "ask", "deny"]
    by: str
    """The pattern that decided, or `default`."""
    named: bool = False
    """The person named this very host: it may lie in a private network."""


class Rules:
    """Which hosts may be reached: deny wins, then allow, then `otherwise`."""

    def __init__(self, settings: dict[str, Any]) -> None:
        self.allow = all_patterns(settings.get("allow") or ())
        self.deny = all_patterns(settings.get("deny") or ())
        self.otherwise: Literal["allow", "ask", "deny"] = settings.get("otherwise") or "deny"

    def judge(self, name: str, port: int) -> Judgement:
        """About a canonical name, before it is resolved: a name that may not be reached is not even looked up."""
        if denied := next((p for p in self.deny if p.fits(name, port)), None):
            return Judgement("deny", denied.text)
        fitting = [p for p in self.allow if p.fits(name, port)]
        if fitting:
            exact = next((p for p in fitting if p.exact), None)
            return Judgement("allow", (exact or fitting[0]).text, exact is not None)
        return Judgement(self.otherwise, "default")

    def may_connect(self, text: str, port: int, *, named: bool) -> str:
        """Why the connection to an address that a name led to is refused; empty: it may be made."""
        address = address_in(text.partition("%")[0])
        if address is None or "%" in text:
            return "an address of this machine's own network"
        if any(p.holds(address, port) for p in self.deny):
            return "an address that a rule denies"
        where = kind(address)
        if where == "public" or any(p.holds(address, port) and exact_enough(p, where) for p in self.allow):
            return ""
        if where == "private" and named:
            return ""
        what = "this very host or address" if where == "private" else "this one address"
        return f"an address of this machine or its own network; only a rule that names {what} opens it"


def exact_enough(pattern: Pattern, where: Kind) -> bool:
    """A whole network opens private addresses; link-local and metadata ones have to be named one by one."""
    return pattern.network is not None and (where == "private" or pattern.network.num_addresses == 1)
