"""OpenLDAP's slapd for the tests: where it is, how it is had without root, and what it is told.

    python tests/slapd.py    the set-up of `make test`: where slapd is not found, gets Debian's into build/

SLAPD names the binary if it is neither on the PATH nor in a usual place.
"""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from directory_data import (
    AD_BASE,
    AD_SCHEMA,
    AD_SERVICE,
    BASE,
    CUT,
    MANAGER_PASSWORD,
    SERVICE,
    SMALL_PAGES,
    ad_data,
    generated_data,
)

FETCHED = Path(__file__).parent.parent / "build" / "slapd"
BREWS = ("/opt/homebrew", "/usr/local", "/home/linuxbrew/.linuxbrew")
PLACES = (
    *("/usr/sbin", "/usr/lib/openldap", "/usr/libexec", "/usr/local/sbin", "/usr/local/libexec"),
    *(f"{brew}/opt/openldap/libexec" for brew in BREWS),
    f"{FETCHED}/usr/sbin",
)
MODULES = ("/usr/lib/ldap", "/usr/lib/openldap", "/usr/lib64/openldap", "/usr/libexec/openldap")
SCHEMAS = (
    *("/etc/ldap/schema", "/etc/openldap/schema", "/usr/local/etc/openldap/schema"),
    *(f"{brew}/etc/openldap/schema" for brew in BREWS),
)
FETCH_S = 120


class SlapdMissing(Exception):
    """There is no slapd, or none that does its work."""


def find_slapd() -> Path:
    """The server's binary. Raises SlapdMissing, in one line."""
    places = os.pathsep.join((os.environ.get("PATH", ""), *PLACES))
    found = os.environ.get("SLAPD") or shutil.which("slapd", path=places)
    if not found or not Path(found).exists():
        raise SlapdMissing("there is no slapd (Debian, Ubuntu: apt-get install slapd)")
    return Path(found)


class Slapd:
    """The real thing. Raises SlapdMissing where it is found but does not do its work."""

    def __init__(self) -> None:
        self.binary = find_slapd()
        fetched = self.binary.is_relative_to(FETCHED)
        self.root = str(FETCHED) if fetched else ""
        self.environment = _environment(FETCHED) if fetched else {}
        self.name = f"OpenLDAP slapd, {self.binary}"

    def command(self, folder: Path, port: int, tls_port: int) -> Sequence[str | Path]:
        listeners = f"ldap://127.0.0.1:{port} ldaps://127.0.0.1:{tls_port}"
        return [self.binary, "-f", folder / "slapd.conf", "-h", listeners, "-d", "0"]

    def prepare(self, folder: Path) -> None:
        """Write its settings and data beside server.crt, server.key and authority.pem."""
        if Path("/etc/apparmor.d/usr.sbin.slapd").exists():
            # AppArmor keeps the installed binary away from our folder, and knows it by its path.
            self.binary = Path(shutil.copy(self.binary, folder / "slapd"))
        for number in ("0", "1"):
            (folder / number).mkdir()
        config = folder / "slapd.conf"
        config.write_text(self._config(folder))
        for base, data in ((BASE, generated_data()), (AD_BASE, ad_data())):
            ldif = folder / "data.ldif"
            ldif.write_text(data)
            self._run("-T", "add", "-q", "-f", config, "-b", base, "-l", ldif)

    def _run(self, *arguments: str | Path) -> None:
        environment = os.environ | self.environment
        done = subprocess.run([self.binary, *arguments], capture_output=True, check=False, env=environment)
        if done.returncode:
            said = done.stderr.decode(errors="replace").strip()[-500:]
            raise SlapdMissing(f"slapd cannot be prepared: {said}")

    def _first(self, places: Sequence[str], pattern: str) -> Path | None:
        """The first of the folders that has such a file; a fetched server has its own."""
        return next(
            (path for name in places if list((path := Path(f"{self.root}{name}")).glob(pattern))), None
        )

    def _config(self, folder: Path) -> str:
        schemas, modules = self._first(SCHEMAS, "core.schema"), self._first(MODULES, "back_mdb*")
        if schemas is None:
            raise SlapdMissing(f"slapd's schema files are in none of {', '.join(SCHEMAS)}")
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
            f"TLSCACertificateFile {folder}/authority.pem",
            f"TLSCertificateFile {folder}/server.crt",
            f"TLSCertificateKeyFile {folder}/server.key",
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
                f'limits dn.exact="{SMALL_PAGES}" size=1000 size.pr=200 size.prtotal=unlimited',
                f'limits dn.exact="{CUT}" size=500 size.pr=500 size.prtotal=500',
                "access to attrs=userPassword by anonymous auth by * none",
                (
                    f'access to dn.subtree="ou=bulk,{BASE}" by dn.exact="{SERVICE}" read '
                    f'by dn.exact="{SMALL_PAGES}" read by dn.exact="{CUT}" read by * none'
                ),
                "access to * by * read",
            )
        ]
        return "\n".join((*head, *trees)) + "\n"


def _environment(root: Path) -> dict[str, str]:
    """Where a fetched server finds the libraries that were fetched with it."""
    folders = [*root.glob("lib/*-linux-*"), *root.glob("usr/lib/*-linux-*")]
    return {"LD_LIBRARY_PATH": os.pathsep.join(map(str, folders))}


def fetch_slapd() -> None:
    """Unpack Debian's slapd and the libraries it lacks under build/: no root, and no change to the system.

    To install it would also start a directory on the machine. Raises SlapdMissing, in one line.
    """
    if not (shutil.which("apt-get") and shutil.which("dpkg")):
        raise SlapdMissing("there is no apt-get to fetch it with")
    new = FETCHED.with_name("slapd.new")
    shutil.rmtree(new, ignore_errors=True)
    for name in ("packages", "lists/partial", "cache/archives/partial"):
        (new / name).mkdir(parents=True)
    try:
        packages = _missing(new)
    except SlapdMissing:
        _apt(new, "update")  # the lists of a container's image are usually empty
        packages = _missing(new)
    _apt(new, "download", *packages)
    for package in (new / "packages").glob("*.deb"):
        _call("dpkg", "-x", package, new)
    for name in ("packages", "lists", "cache"):
        shutil.rmtree(new / name)
    _call(new / "usr/sbin/slapd", "-VV", env=os.environ | _environment(new))
    shutil.rmtree(FETCHED, ignore_errors=True)
    new.rename(FETCHED)


def _missing(new: Path) -> list[str]:
    """slapd and the libraries that would have to be installed for it."""
    told = _apt(new, "--simulate", "--no-install-recommends", "--reinstall", "install", "slapd")
    wanted = re.findall(r"^Inst (\S+)", told, re.MULTILINE)
    return ["slapd", *(name for name in wanted if name.startswith("lib") and "perl" not in name)]


def _apt(new: Path, *arguments: str) -> str:
    own_lists = any((new / "lists").glob("*Packages*")) or arguments[0] == "update"
    options = [
        "Debug::NoLocking=1",
        "APT::Sandbox::User=root",
        "Acquire::Retries=0",
        "Acquire::http::Timeout=10",
    ]
    options += [f"Dir::State::Lists={new}/lists", f"Dir::Cache={new}/cache"] if own_lists else []
    return _call(
        "apt-get", "-qq", *(part for one in options for part in ("-o", one)), *arguments, cwd=new / "packages"
    )


def _call(*command: str | Path, **more: object) -> str:
    """What the command says. Raises SlapdMissing."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=FETCH_S, **more)  # type: ignore[call-overload]
    except (OSError, subprocess.SubprocessError) as error:
        said = str(getattr(error, "stderr", "") or error).strip().splitlines()
        raise SlapdMissing(f"{command[0]}: {said[-1] if said else 'it fails'}") from error
    return done.stdout


def main() -> None:
    """See that slapd is there, or say in a line what serves the tests instead."""
    if os.environ.get("TEST_DIRECTORY") == "ldaptor":
        return
    try:
        find_slapd()
    except SlapdMissing:
        try:
            fetch_slapd()
        except SlapdMissing as error:
            last = "the directory tests are served by ldaptor, a directory in Python"
            print(f"slapd is not installed and cannot be fetched ({error}): {last}", file=sys.stderr)
        else:
            print(
                f"slapd is not installed: Debian's was unpacked into {FETCHED}, for the tests alone",
                file=sys.stderr,
            )


if __name__ == "__main__":
    main()
