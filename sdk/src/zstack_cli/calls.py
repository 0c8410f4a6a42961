"""One call of an API by a command."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from zstack_cli.desk import EXIT_INTERRUPTED, EXIT_USAGE, Desk, Failure
from zstack_cli.progress import Progress
from zstack_cli.words import BadWord, parse, split
from zstack_sdk.apis import Api, api_of
from zstack_sdk.encoding import declared, new_job_uuid
from zstack_sdk.errors import MissingParameter, ZStackError

if TYPE_CHECKING:
    from zstack_sdk import Action, Result

VALIDATION_ONLY = "ephemeral::validationOnly"
_LOGINS = ("LogInByAccount", "LogInByUser", "LogInByLdap")


def run(desk: Desk, name: str, words: Sequence[str]) -> None:
    """Call an API and show what it answers. Raises Failure."""
    api = api_of(name)
    action = _action(desk, api, words)
    options = desk.options
    if api.mode != "job":
        for option, given in (("--async", options.leave), ("--webhook", options.webhook)):
            if given:
                raise Failure(EXIT_USAGE, desk.say("no_job", api=name, option=option))
        if options.dry_run:
            raise Failure(EXIT_USAGE, desk.say("no_dry_run", api=name))
    if options.webhook:
        action.webHook = options.webhook
    if options.dry_run:
        action.systemTags = [*(action.systemTags or []), VALIDATION_ONLY]
    try:
        if options.leave:
            desk.show({"jobUuid": desk.client.submit(action)})
            return
        result = _wait_for(desk, api, action)
    except MissingParameter as error:
        raise Failure(
            EXIT_USAGE, desk.say("missing", api=name, names=str(error).rpartition(" ")[2])
        ) from error
    except ZStackError as error:
        raise desk.failure_of(error) from error
    if result.error is not None:
        raise desk.refused(result.error)
    if options.dry_run:
        desk.note(desk.say("valid"))
        return
    body: dict[str, Any] = result.value.to_dict()
    desk.show(body)
    _remember(desk, api, words, action, body)


def wait(desk: Desk, job_uuid: str) -> None:
    """Wait for the end of a job and show its result. Raises Failure."""
    with Progress(desk, "", job_uuid) as progress:
        try:
            result = desk.client.wait(job_uuid, progress.on_wait)
        except ZStackError as error:
            raise desk.failure_of(error) from error
        except KeyboardInterrupt:
            raise _interrupted(desk, job_uuid) from None
    if result.error is not None:
        raise desk.refused(result.error)
    desk.show(result.value.to_dict())


def _wait_for(desk: Desk, api: Api, action: Action[Any]) -> Result[Any]:
    if api.mode != "job":
        return desk.client.call(action)
    action.jobUuid = new_job_uuid()
    with Progress(desk, api.name, action.jobUuid) as progress:
        try:
            return desk.client.call(action, progress.on_wait)
        except KeyboardInterrupt:
            raise _interrupted(desk, action.jobUuid) from None


def _interrupted(desk: Desk, job_uuid: str) -> Failure:
    return Failure(EXIT_INTERRUPTED, desk.say("interrupted", job=job_uuid), desk.say("go_on", job=job_uuid))


def _action(desk: Desk, api: Api, words: Sequence[str]) -> Action[Any]:
    """The action of a command, with the passwords that it has not been given."""
    import zstack_sdk

    try:
        parameters = parse(api, words, desk.say)
    except BadWord as error:
        raise Failure(EXIT_USAGE, desk.say("failed", details=error)) from error
    for parameter in api.parameters:
        if not is_secret(parameter.name):
            continue
        given = parameters.get(parameter.name)
        if given and not desk.interactive:
            desk.note(desk.say("password_seen"))
        elif not given and (parameter.required or given == ""):
            parameters[parameter.name] = _secret(desk, api, parameter.name, given)
    kind: type[Action[Any]] = getattr(zstack_sdk, f"{api.name}Action")
    if api.query and "fields" in parameters:
        parameters["fields"] = parameters["fields"].split(",")
    return kind(**parameters)


def is_secret(name: str) -> bool:
    """Whether a parameter is one that nobody else is to see."""
    return "password" in name.lower()


def _secret(desk: Desk, api: Api, name: str, given: str | None) -> str:
    if desk.options.password_stdin:
        return sys.stdin.readline().rstrip("\r\n")
    # One's own password must not become that of an account that is being created.
    if api.name in _LOGINS and "ZSTACK_PASSWORD" in os.environ:
        return os.environ["ZSTACK_PASSWORD"]
    if sys.stdin.isatty() and sys.stderr.isatty():
        from getpass import getpass

        try:
            return getpass(f"{name}: ")
        except (KeyboardInterrupt, EOFError):
            raise Failure(EXIT_INTERRUPTED) from None
    if given is not None:
        return given
    raise Failure(EXIT_USAGE, desk.say("password_needed", name=name))


def _remember(desk: Desk, api: Api, words: Sequence[str], action: Action[Any], body: dict[str, Any]) -> None:
    """Keep the session of a login in the profile, and forget one that has ended."""
    name = declared(action).name
    if name in _LOGINS:
        given = {split(word).name: split(word).value for word in words}
        parts = [given.get(key, "") for key in ("accountName", "userName", "uid")]
        who = "/".join(part for part in parts if part) or body["inventory"]["accountUuid"]
        kept = replace(desk.profile, url=desk.url, session_id=body["inventory"]["uuid"], name=who)
        desk.profiles.put(desk.profile_name, kept)
        desk.note(desk.say("logged_in", name=who, url=desk.url, profile=desk.profile_name))
    elif name == "LogOut":
        ended = getattr(action, "sessionUuid", None) or desk.client.session_id
        if ended == desk.profile.session_id:
            desk.profiles.put(desk.profile_name, replace(desk.profile, session_id="", name=""))
        desk.note(desk.say("logged_out", profile=desk.profile_name))
