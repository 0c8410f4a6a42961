"""What every command works with: the profile, the client, the language and the form of its output."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

from zstack_cli.messages import Messages, language_of
from zstack_cli.profiles import Profile, Profiles

if TYPE_CHECKING:
    from zstack_sdk import Client

EXIT_FAILED, EXIT_USAGE, EXIT_DENIED, EXIT_UNREACHED, EXIT_RUNNING = 1, 2, 3, 4, 5
EXIT_INTERRUPTED, EXIT_PIPE = 130, 141
RETRY_S = 15.0  # that a service which is away is tried
_DENIED = ("ID.1000", "ID.1001", "ID.1002")


class Failure(Exception):
    """A command ends: what it says, and its exit status."""

    def __init__(self, status: int, *lines: str) -> None:
        super().__init__("\n".join(line for line in lines if line))
        self.status = status


@dataclass(frozen=True)
class Options:
    """What was asked for on the command line; empty fields were not."""

    profile: str = ""
    url: str = ""
    session: str = ""
    output: str = ""
    lang: str = ""
    no_color: bool = False
    quiet: bool = False
    wait_s: float | None = None
    leave: bool = False  # do not wait for the end of the job
    dry_run: bool = False
    webhook: str = ""
    password_stdin: bool = False

    def over(self, below: Options) -> Options:
        """These options, and where one was not given, that of `below`."""
        given = {name: value for name, value in vars(self).items() if value not in ("", False, None)}
        return replace(below, **given)


@dataclass
class Desk:
    """One command's view of the user's surroundings."""

    options: Options
    interactive: bool = False  # inside the shell, whose lines are not seen by other processes
    profiles: Profiles = field(default_factory=Profiles)

    @cached_property
    def profile_name(self) -> str:
        return self.options.profile or self.profiles.current

    @property
    def profile(self) -> Profile:
        return self.profiles.get(self.profile_name)

    @cached_property
    def say(self) -> Messages:
        return Messages(language_of(asked=self.options.lang or self.profile.language))

    @cached_property
    def url(self) -> str:
        from zstack_sdk.client import DEFAULT_URL

        return self.options.url or os.environ.get("ZSTACK_URL") or self.profile.url or DEFAULT_URL

    @cached_property
    def client(self) -> Client:
        """A client with the profile's session or key, which are for the profile's service alone."""
        from zstack_sdk import AccessKey, Client, Patience

        profile = self.profile
        own = not profile.url or profile.url == self.url
        session = (
            self.options.session or os.environ.get("ZSTACK_SESSION") or (own and profile.session_id) or None
        )
        key = None
        if not session and own and profile.access_key_id:
            key = AccessKey(profile.access_key_id, profile.access_key_secret)
        # Short holds, so that a waiting user sees states change and Ctrl-C is at once.
        hold_s = 2 if self.shows_progress else 20
        patience = Patience(wait_s=self.options.wait_s, hold_s=hold_s, retry_s=RETRY_S)
        try:
            return Client(self.url, session_id=session, access_key=key, patience=patience)
        except ValueError as error:
            raise Failure(EXIT_USAGE, self.say("failed", details=error)) from error

    @property
    def shows_progress(self) -> bool:
        return sys.stderr.isatty() and not self.options.quiet

    @property
    def colour(self) -> bool:
        """Whether stdout takes colours: a terminal, and nobody said otherwise (no-color.org)."""
        plain = self.options.no_color or os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb"
        return sys.stdout.isatty() and not plain

    def show(self, body: dict[str, Any]) -> None:
        """Write an answer to stdout."""
        from zstack_cli.output import show

        show(body, self.options.output or self.profile.output or "json", sys.stdout, colour=self.colour)

    def note(self, text: str) -> None:
        """Say something on stderr."""
        if not self.options.quiet:
            print(text, file=sys.stderr, flush=True)

    def refused(self, error: Any) -> Failure:
        """The failure that an ErrorCode of the service means."""
        description = self.say.description(error.code, error.description)
        text = self.say("error", code=error.code, description=description, details=error.details).rstrip()
        status = EXIT_DENIED if error.code in _DENIED else EXIT_FAILED
        return Failure(status, text, self.say("log_in_first") if error.code == "ID.1001" else "")

    def failure_of(self, error: Exception) -> Failure:
        """The failure that an exception of the SDK means."""
        from zstack_sdk import ApiError, ConnectionFailed, StillRunning

        if isinstance(error, ApiError):
            return self.refused(error.error)
        if isinstance(error, StillRunning):
            job = error.job_uuid
            return Failure(EXIT_RUNNING, self.say("still_running", job=job), self.say("go_on", job=job))
        key = "not_reached" if isinstance(error, ConnectionFailed) else "odd_reply"
        return Failure(EXIT_UNREACHED, self.say(key, url=self.url, error=error))
