"""The session's own certificate authority, made only where a rule needs TLS to be ended.

`python -I -S authority.py SITE` prints a new authority as JSON: `key` and `certificate` (PEM). Its key stays in the
memory of the host, the keeper and the broker. SITE is the folder in which `cryptography` lies, the one library here.
"""

from __future__ import annotations

import datetime
import importlib
import ipaddress
import json
import os
import ssl
import sys
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

LIFE = datetime.timedelta(days=7)
"""Longer than sessions run; the key is gone with them."""
BEFORE = datetime.timedelta(hours=1)
CONTEXTS = 256
Sni = Callable[[ssl.SSLObject, str | None, ssl.SSLContext], int | None]


class Library:
    """`cryptography`, from the folder that the host names; behind everything else on the path."""

    def __init__(self, site: str) -> None:
        if site not in sys.path:
            sys.path.append(site)
        load = importlib.import_module
        self.x509: Any = load("cryptography.x509")
        self.ec: Any = load("cryptography.hazmat.primitives.asymmetric.ec")
        self.hashes: Any = load("cryptography.hazmat.primitives.hashes")
        self.forms: Any = load("cryptography.hazmat.primitives.serialization")

    def new_key(self) -> Any:
        return self.ec.generate_private_key(self.ec.SECP256R1())

    def key_pem(self, key: Any) -> bytes:
        kind = self.forms.PrivateFormat.PKCS8
        return key.private_bytes(self.forms.Encoding.PEM, kind, self.forms.NoEncryption())

    def certificate(
        self, subject: Any, issuer: Any, key: Any, signed_by: Any, extensions: list[tuple[Any, bool]]
    ) -> Any:
        now = datetime.datetime.now(datetime.UTC)
        builder = self.x509.CertificateBuilder().subject_name(subject).issuer_name(issuer).public_key(key.public_key())
        builder = builder.serial_number(self.x509.random_serial_number())
        builder = builder.not_valid_before(now - BEFORE).not_valid_after(now + LIFE)
        for extension, critical in extensions:
            builder = builder.add_extension(extension, critical)
        return builder.sign(signed_by, self.hashes.SHA256())

    def name(self, text: str) -> Any:
        return self.x509.Name([self.x509.NameAttribute(self.x509.NameOID.COMMON_NAME, text[:64])])

    def usage(self, *, authority: bool) -> Any:
        names = ("content_commitment", "key_encipherment", "data_encipherment", "key_agreement", "encipher_only",
                 "decipher_only")  # fmt: skip
        return self.x509.KeyUsage(
            digital_signature=not authority, key_cert_sign=authority, crl_sign=authority, **dict.fromkeys(names, False)
        )


def make(library: Library) -> tuple[str, str]:
    """A new authority: its key and its certificate, both PEM."""
    key, name = library.new_key(), library.name(f"interpreter session {os.urandom(4).hex()}")
    extensions = [
        (library.x509.BasicConstraints(ca=True, path_length=0), True),
        (library.usage(authority=True), True),
        (library.x509.SubjectKeyIdentifier.from_public_key(key.public_key()), False),
    ]
    certificate = library.certificate(name, name, key, key, extensions)
    return library.key_pem(key).decode(), certificate.public_bytes(library.forms.Encoding.PEM).decode()


class Authority:
    """Signs for the hosts into whose connections a rule has to look."""

    def __init__(self, settings: dict[str, str]) -> None:
        self._library = Library(settings["site"])
        self._key = self._library.forms.load_pem_private_key(settings["key"].encode(), None)
        self._certificate = self._library.x509.load_pem_x509_certificate(settings["certificate"].encode())
        self._leaf_key = self._library.new_key()
        self._leaf_pem = self._library.key_pem(self._leaf_key)
        self._contexts: OrderedDict[str, ssl.SSLContext] = OrderedDict()

    def context(self, name: str) -> ssl.SSLContext:
        """What makes us `name`, a canonical name or address, for a program inside; no other name is answered for."""
        if name in self._contexts:
            self._contexts.move_to_end(name)
            return self._contexts[name]
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.set_alpn_protocols(["http/1.1"])
        # The module ssl reads certificates from files alone: this one lies in memory.
        fd = os.memfd_create("leaf", 0)
        try:
            os.write(fd, self._leaf_pem + self._sign(name))
            context.load_cert_chain(f"/proc/self/fd/{fd}")
        finally:
            os.close(fd)
        self._contexts[name] = context
        while len(self._contexts) > CONTEXTS:
            self._contexts.popitem(last=False)
        return context

    def _sign(self, name: str) -> bytes:
        library, x509 = self._library, self._library.x509
        try:
            subject = x509.IPAddress(ipaddress.ip_address(name))
        except ValueError:
            subject = x509.DNSName(name)
        public = self._key.public_key()
        extensions = [
            (x509.SubjectAlternativeName([subject]), False),
            (x509.BasicConstraints(ca=False, path_length=None), True),
            (library.usage(authority=False), True),
            (x509.ExtendedKeyUsage([x509.ExtendedKeyUsageOID.SERVER_AUTH]), False),
            (x509.SubjectKeyIdentifier.from_public_key(self._leaf_key.public_key()), False),
            (x509.AuthorityKeyIdentifier.from_issuer_public_key(public), False),
        ]
        issuer = self._certificate.subject
        leaf = library.certificate(library.name(name), issuer, self._leaf_key, self._key, extensions)
        return leaf.public_bytes(library.forms.Encoding.PEM)


if __name__ == "__main__":
    made = make(Library(sys.argv[1]))
    print(json.dumps({"key": made[0], "certificate": made[1]}))
