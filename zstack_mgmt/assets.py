"""Where the page's files are: our own, shipped with the code, and the libraries that npm fetches."""

from __future__ import annotations

import hashlib
from functools import cache
from pathlib import Path

from zstack_mgmt.config import Settings

_STATUS = "status"


def shipped(name: str) -> Path:
    """A file or folder beside the package, in a checkout, or in it, when it is installed."""
    here = Path(__file__).resolve().parent
    return next((found for found in (here / name, here.parent / name) if found.exists()), here / name)


@cache
def lock_digest() -> str:
    """What names the libraries of this release: it changes with the lock file."""
    return hashlib.sha256((shipped("ui") / "package-lock.json").read_bytes()).hexdigest()[:16]


def libraries(settings: Settings) -> Path:
    """The folder of the libraries. It appears whole, when they have been fetched."""
    return settings.assets_dir / lock_digest()


def status(settings: Settings) -> str:
    """How the fetching stands, for whoever looks at the page meanwhile; empty: nobody fetches."""
    try:
        return (settings.assets_dir / _STATUS).read_text(encoding="utf-8")
    except OSError:
        return ""


def note_status(settings: Settings, text: str) -> None:
    """Leave word for the API processes."""
    settings.assets_dir.mkdir(parents=True, exist_ok=True)
    (settings.assets_dir / _STATUS).write_text(text, encoding="utf-8")
