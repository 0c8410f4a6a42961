"""Profiles: which service, and with which session or access key; in the user's configuration directory."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

DEFAULT = "default"


class ProfileError(Exception):
    """The file cannot be read, or has no such profile."""


@dataclass
class Profile:
    """One service, and who calls it. Empty fields are not set."""

    url: str = ""
    session_id: str = field(default="", repr=False)
    name: str = ""  # whose session it is, to be shown
    access_key_id: str = ""
    access_key_secret: str = field(default="", repr=False)
    output: str = ""
    language: str = ""


def folder() -> Path:
    """Where profiles and history are: below XDG_CONFIG_HOME, on Windows below APPDATA."""
    default = os.environ.get("APPDATA") or Path.home() / ".config"
    return Path(os.environ.get("XDG_CONFIG_HOME") or default) / "zstack-cli"


class Profiles:
    """All profiles of the user. Only their owner can read the file."""

    def __init__(self, path: Path | None = None) -> None:
        self._path = path or folder() / "profiles.json"
        self._current = DEFAULT
        self._profiles: dict[str, Profile] = {}
        try:
            stored: dict[str, Any] = json.loads(self._path.read_text("utf-8"))
            known = {f.name for f in fields(Profile)}
            self._current = str(stored.get("current", DEFAULT))
            for name, values in stored["profiles"].items():
                self._profiles[name] = Profile(**{k: str(v) for k, v in values.items() if k in known})
        except FileNotFoundError:
            pass
        except (OSError, ValueError, KeyError, AttributeError, TypeError) as error:
            raise ProfileError(f"{self._path}: {error}") from error

    @property
    def names(self) -> list[str]:
        """All of them, in order."""
        return sorted(self._profiles)

    @property
    def current(self) -> str:
        """The one that is used when none is named: ZSTACK_PROFILE, else the one that was chosen."""
        return os.environ.get("ZSTACK_PROFILE") or self._current

    def get(self, name: str) -> Profile:
        """A profile; an empty one under a name that is not there yet."""
        return self._profiles.get(name, Profile())

    def put(self, name: str, profile: Profile) -> None:
        """Keep a profile."""
        self._profiles[name] = profile
        self._write()

    def choose(self, name: str) -> None:
        """Use this one when none is named. Raises KeyError."""
        if name not in self._profiles:
            raise KeyError(name)
        self._current = name
        self._write()

    def delete(self, name: str) -> None:
        """Forget a profile. Raises KeyError."""
        del self._profiles[name]
        if self._current == name:
            self._current = DEFAULT
        self._write()

    def _write(self) -> None:
        """Put a new file, which nobody else could ever read, in the place of the old one."""
        import tempfile  # slow to import, and most commands only read

        self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        stored = {
            "current": self._current,
            "profiles": {
                name: {key: value for key, value in asdict(profile).items() if value}
                for name, profile in sorted(self._profiles.items())
            },
        }
        handle, made = tempfile.mkstemp(dir=self._path.parent)  # with 0600
        try:
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                json.dump(stored, file, indent=1, ensure_ascii=False)
            Path(made).replace(self._path)
        except BaseException:
            Path(made).unlink(missing_ok=True)
            raise
