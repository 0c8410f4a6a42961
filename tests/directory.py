"""A real directory for the tests: OpenLDAP's slapd on a free port, with certificates of its own.

SLAPD names the binary if it is neither on the PATH nor where distributions put it.
"""

import asyncio
import datetime as dt
import os
import shutil
import socket
import subprocess
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import ldap3
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from directory_data import (
    AD_BASE,
    AD_SCHEMA,
    AD_SERVICE,
    BASE,
    MANAGER_PASSWORD,
    SERVICE,
    ad_data,
    generated_data,
)

PLACES = "/usr/sbin:/usr/lib/openldap:/usr/libexec:/usr/local/sbin:/usr/local/libexec"
MODULES = ("/usr/lib/ldap", "/usr/lib/openldap", "/usr/lib64/openldap", "/usr/libexec/openldap")
SCHEMAS = ("/etc/ldap/schema", "/etc/openldap/schema", "/usr/local/etc/openldap/schema")


class DirectoryMissing(Exception):
    """slapd is not there: the run fails, it does not skip."""


def find_slapd() -> Path:
    """The server's binary. Raises DirectoryMissing, in one line."""
    found = os.environ.get("SLAPD") or shutil.which("slapd", path=f"{os.environ.get('PATH', '')}:{PLACES}")
    if not found or not Path(found).exists():
        raise DirectoryMissing(
            "The directory tests need OpenLDAP's slapd (Debian, Ubuntu: apt-get install slapd)"
        )
    return Path(found)


@dataclass
class Authority:
    """A certificate authority of the tests."""

    folder: Path
    name: str
    key: ec.EllipticCurvePrivateKey = field(default_factory=lambda: ec.generate_private_key(ec.SECP256R1()))

    def __post_init__(self) -> None:
        self.subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, self.name)])
        self.file = self.folder / f"{self.name}.pem"
        constraints = x509.BasicConstraints(ca=True, path_length=0)
        signed = self._builder(self.subject, self.key).add_extension(constraints, critical=True)
        usage = x509.KeyUsage(False, False, False, False, False, True, True, False, False)
        signed = signed.add_extension(usage, critical=True)
        certificate = signed.sign(self.key, hashes.SHA256())
        self.file.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))

    def issue(self, host: str) -> tuple[Path, Path]:
        """Certificate and key of a server, for its host name alone."""
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, host)])
        names = x509.SubjectAlternativeName([x509.DNSName(host)])
        signed = self._builder(subject, key).add_extension(names, critical=False)
        certificate = signed.sign(self.key, hashes.SHA256())
        files = self.folder / f"{self.name}-{host}.crt", self.folder / f"{self.name}-{host}.key"
        files[0].write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
        files[1].write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
        )
        return files

    def _builder(self, subject: x509.Name, key: ec.EllipticCurvePrivateKey) -> x509.CertificateBuilder:
        now = dt.datetime.now(dt.UTC)
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self.subject)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - dt.timedelta(hours=1))
            .not_valid_after(now + dt.timedelta(days=1))
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(self.key.public_key()), critical=False
            )
        )


@dataclass
class Directory:
    """A slapd with all its data, running between `start` and `kill` or `stop`."""

    folder: Path
    binary: Path
    port: int
    tls_port: int
    authority: Authority
    stranger: Authority  # has issued nothing here
    process: "subprocess.Popen[bytes] | None" = None

    @property
    def url(self) -> str:
        """The certificate is for `localhost`, and not for the address."""
        return f"ldap://localhost:{self.port}"

    @property
    def tls_url(self) -> str:
        return f"ldaps://localhost:{self.tls_port}"

    @contextmanager
    def as_manager(self) -> Iterator[ldap3.Connection]:
        """A connection that may change everything under BASE."""
        server = ldap3.Server("127.0.0.1", self.port, get_info=ldap3.NONE)
        with ldap3.Connection(
            server, f"cn=manager,{BASE}", MANAGER_PASSWORD, raise_exceptions=True
        ) as connection:
            yield connection

    def add(self, ldif: str) -> str:
        """Add one entry; its name."""
        lines = [line.partition(": ") for line in ldif.strip().splitlines()]
        attributes: dict[str, list[str]] = {}
        for name, _, value in lines[1:]:
            attributes.setdefault(name, []).append(value)
        with self.as_manager() as connection:
            connection.add(lines[0][2], attributes=attributes)
        return lines[0][2]

    def remove(self, dn: str) -> None:
        with self.as_manager() as connection:
            connection.delete(dn)

    def change(self, dn: str, **attributes: str) -> None:
        changes = {name: [(ldap3.MODIFY_REPLACE, [value])] for name, value in attributes.items()}
        with self.as_manager() as connection:
            connection.modify(dn, changes)

    def start(self) -> None:
        """Start it, for the first time or again. Raises DirectoryMissing."""
        listeners = f"ldap://127.0.0.1:{self.port} ldaps://127.0.0.1:{self.tls_port}"
        command = [self.binary, "-f", self.folder / "slapd.conf", "-h", listeners, "-d", "0"]
        log = self.folder / "slapd.log"
        with log.open("wb") as file:
            self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=file, stderr=file)
        deadline = time.monotonic() + 20
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.tls_port), timeout=1).close()
            except OSError as error:
                if self.process.poll() is not None or time.monotonic() > deadline:
                    self.kill()
                    said = log.read_text(errors="replace").strip()[-500:]
                    raise DirectoryMissing(f"slapd does not start: {said or error}") from error
                time.sleep(0.02)
            else:
                return

    def kill(self) -> None:
        """As `kill -9` does."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()

    def stop(self) -> None:
        if self.process is not None:
            self.process.terminate()
            self.process.wait()


def prepare_directory(folder: Path) -> Directory:
    """Write slapd's settings and data. Raises DirectoryMissing."""
    binary = _own_copy(find_slapd(), folder)
    authority, stranger = Authority(folder, "authority"), Authority(folder, "stranger")
    certificate, key = authority.issue("localhost")
    config = folder / "slapd.conf"
    for number in ("0", "1"):
        (folder / number).mkdir()
    config.write_text(_config(folder, authority.file, certificate, key))
    for base, data in ((BASE, generated_data()), (AD_BASE, ad_data())):
        ldif = folder / "data.ldif"
        ldif.write_text(data)
        _run([binary, "-T", "add", "-q", "-f", config, "-b", base, "-l", ldif])
    return Directory(folder, binary, *_free_ports(), authority, stranger)


@contextmanager
def running_directory(folder: Path) -> Iterator[Directory]:
    """A directory that ends with the block."""
    directory = prepare_directory(folder)
    directory.start()
    try:
        yield directory
    finally:
        directory.stop()


def _own_copy(binary: Path, folder: Path) -> Path:
    """Ubuntu's AppArmor keeps the installed binary away from our folder, and knows it by its path."""
    if not Path("/etc/apparmor.d/usr.sbin.slapd").exists():
        return binary
    return Path(shutil.copy(binary, folder / "slapd"))


def _config(folder: Path, authority: Path, certificate: Path, key: Path) -> str:
    schemas = next((path for path in map(Path, SCHEMAS) if (path / "core.schema").exists()), None)
    if schemas is None:
        raise DirectoryMissing(f"slapd's schema files are in none of {', '.join(SCHEMAS)}")
    modules = next((path for path in map(Path, MODULES) if list(path.glob("back_mdb*"))), None)
    (folder / "ad.schema").write_text(AD_SCHEMA)
    included = [
        *(schemas / f"{name}.schema" for name in ("core", "cosine", "inetorgperson")),
        folder / "ad.schema",
    ]
    # `bind_anon_dn`: a bind without a password succeeds, as Active Directory has it; it proves nothing.
    head = [
        *(f"include {path}" for path in included),
        *([f"modulepath {modules}", "moduleload back_mdb"] if modules else []),
        f"pidfile {folder}/slapd.pid",
        f"argsfile {folder}/slapd.args",
        f"TLSCACertificateFile {authority}",
        f"TLSCertificateFile {certificate}",
        f"TLSCertificateKeyFile {key}",
        "allow bind_anon_cred bind_anon_dn",
        "loglevel none",
        "threads 4",
    ]
    # More than a page must be asked for by the page: an unpaged search ends after 1,000 entries.
    trees = [
        line
        for number, (base, service) in enumerate(((BASE, SERVICE), (AD_BASE, AD_SERVICE)))
        for line in (
            "database mdb",
            f'suffix "{base}"',
            f'rootdn "cn=manager,{base}"',
            f"rootpw {MANAGER_PASSWORD}",
            f"directory {folder}/{number}",
            "maxsize 134217728",
            "dbnosync",
            "index objectClass,cn,uid,member,uniqueMember eq",
            f'limits dn.exact="{service}" size.soft=1000 size.hard=1000 size.prtotal=unlimited',
            "access to attrs=userPassword by anonymous auth by * none",
            f'access to dn.subtree="ou=bulk,{BASE}" by dn.exact="{SERVICE}" read by * none',
            "access to * by * read",
        )
    ]
    return "\n".join((*head, *trees)) + "\n"


def _run(command: Sequence[str | Path]) -> None:
    done = subprocess.run(command, capture_output=True, check=False)
    if done.returncode:
        said = done.stderr.decode(errors="replace").strip()[-500:]
        raise DirectoryMissing(f"slapd cannot be prepared: {said}")


def _free_ports() -> tuple[int, int]:
    host = "127.0.0.1"
    with socket.create_server((host, 0)) as one, socket.create_server((host, 0)) as other:
        return one.getsockname()[1], other.getsockname()[1]


Behaviour = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def stand_in(behaviour: Behaviour) -> AsyncIterator[int]:
    """The port of a server that does what a test tells it, for what slapd cannot be made to do."""
    tasks: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        try:
            await behaviour(reader, writer)
        except (ConnectionError, asyncio.CancelledError):
            pass
        finally:
            writer.transport.abort()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
