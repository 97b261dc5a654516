from __future__ import annotations

import datetime as dt
import ipaddress
import socket
import ssl
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from keyaudit.fetch.runtype import ANALYTICS, Client
from keyaudit.fetch.settings import RuntypeSettings
from keyaudit.model import Answer
from keyaudit.secret import Secret

# Put together here, so that no scanner takes it for a token that someone left behind.
TOKEN = f"rt_{'live'}_A1b2C3d4E5f6G7h8"
NOW = dt.datetime(2024, 4, 24, 12, 0, 0, 250000, tzinfo=dt.UTC)
QUICK: dict[str, Any] = {"deadline": 5.0, "connect_timeout": 1.0, "read_timeout": 1.0, "backoff": 0.02}


@dataclass
class Fetched:
    """Fetches the analytics with short limits, its own environment and a clock that stands; keeps the progress told."""

    environ: dict[str, str] = field(default_factory=dict)
    progress: list[str] = field(default_factory=list)

    def __call__(self, base_url: str, **settings: Any) -> Answer:
        client = Client(
            RuntypeSettings(base_url, **(QUICK | settings)),
            Secret(TOKEN, "env:RUNTYPE_API_KEY"),
            environ=self.environ,
            clock=lambda: NOW,
            on_progress=self.progress.append,
        )
        with client:
            return client.get(ANALYTICS)


@pytest.fixture
def fetch() -> Fetched:
    return Fetched()


@dataclass(frozen=True)
class Authority:
    """A certificate authority made for one test run."""

    name: ClassVar = "Loopback test authority"
    folder: Path
    key: ec.EllipticCurvePrivateKey
    certificate: x509.Certificate

    @classmethod
    def make(cls, folder: Path) -> Authority:
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, cls.name)])
        certificate = (
            _builder(name, name, key, days=1)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(_usage(sign_certificates=True), critical=True)
            .sign(key, hashes.SHA256())
        )
        folder.mkdir()
        authority = cls(folder, key, certificate)
        authority.file.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
        return authority

    @property
    def file(self) -> Path:
        return self.folder / "authority.pem"

    def server(self, *hosts: str, days: int = 1) -> ssl.SSLContext:
        """A server's TLS context with a certificate for *hosts*, valid for *days* (negative: ended so long ago)."""
        key = ec.generate_private_key(ec.SECP256R1())
        names = [x509.IPAddress(ipaddress.ip_address(h)) if h[0].isdigit() else x509.DNSName(h) for h in hosts]
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, hosts[0])])
        signer = x509.AuthorityKeyIdentifier.from_issuer_public_key(self.key.public_key())
        certificate = (
            _builder(subject, self.certificate.subject, key, days)
            .add_extension(x509.SubjectAlternativeName(names), critical=False)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(signer, critical=False)
            .add_extension(_usage(sign_certificates=False), critical=True)
            .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
            .sign(self.key, hashes.SHA256())
        )
        file = self.folder / f"{hosts[0]}{days}.pem"
        file.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
            + certificate.public_bytes(serialization.Encoding.PEM)
        )
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(file)
        return context


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey, days: int
) -> x509.CertificateBuilder:
    now = dt.datetime.now(dt.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=30))
        .not_valid_after(now + dt.timedelta(days=days))
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )


def _usage(*, sign_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=sign_certificates,
        crl_sign=sign_certificates,
        encipher_only=False,
        decipher_only=False,
    )


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority.make(tmp_path_factory.mktemp("tls") / "own")


@pytest.fixture(scope="session")
def stranger(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """An authority that signed nothing here."""
    return Authority.make(tmp_path_factory.mktemp("tls") / "other")


@pytest.fixture(autouse=True)
def _bare_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the tests' environment says of proxies, certificates and netrc must make no difference."""
    for name in ("SSL_CERT_FILE", "SSL_CERT_DIR", "NETRC", "HTTPS_PROXY", "HTTP_PROXY", "ALL_PROXY", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


@pytest.fixture(autouse=True)
def _only_loopback(monkeypatch: pytest.MonkeyPatch) -> None:
    """No name is looked up anywhere: all but loopback's is unknown."""
    look_up = socket.getaddrinfo

    def look_up_here(host: Any, *args: Any, **hints: Any) -> Any:
        if host not in {"127.0.0.1", "localhost", b"127.0.0.1", b"localhost"}:
            raise socket.gaierror(socket.EAI_NONAME, "unknown")
        return look_up(host, *args, **hints)

    monkeypatch.setattr(socket, "getaddrinfo", look_up_here)
