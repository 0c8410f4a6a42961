"""The command `zstack-cli`."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import zstack_sdk
from zstack_cli.desk import EXIT_INTERRUPTED, EXIT_PIPE, EXIT_USAGE, Desk, Failure, Options
from zstack_cli.messages import Messages, language_of
from zstack_cli.profiles import ProfileError

try:
    import click
except ImportError:
    print(Messages(language_of())("needs_extra"), file=sys.stderr)
    raise SystemExit(EXIT_USAGE) from None

_OPTIONS: tuple[Callable[[Any], Any], ...] = (
    click.option("-p", "--profile", default="", help="The profile to use; ZSTACK_PROFILE."),
    click.option("--url", default="", help="The service, http://host:port; ZSTACK_URL."),
    click.option("--session", default="", help="The session to call with; ZSTACK_SESSION."),
    click.option(
        "-o", "--output", type=click.Choice(["json", "table", "csv", "yaml"]), help="json by default."
    ),
    click.option("--lang", type=click.Choice(["en", "zh"]), help="By default the locale's; ZSTACK_LANG."),
    click.option("--no-color", is_flag=True, help="No colours, as in a pipe; NO_COLOR."),
    click.option("-q", "--quiet", is_flag=True, help="No progress and no notes."),
    click.option("--async", "leave", is_flag=True, help="Do not wait for the job; print its uuid."),
    click.option("--wait", "wait_s", type=click.FloatRange(min=0), help="Seconds to wait for a job at most."),
    click.option(
        "--dry-run", is_flag=True, help="Check the call as far as the service can, and change nothing."
    ),
    click.option("--webhook", default="", help="Where the service posts the job's result."),
    click.option("--password-stdin", is_flag=True, help="Read the password from stdin, a line."),
)


def _with_options(command: Callable[..., Any]) -> Callable[..., Any]:
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def _desk(given: dict[str, Any]) -> Desk:
    """The desk of a command: its own options over those before its name."""
    options = Options(**{name: value for name, value in given.items() if value is not None})
    outer = click.get_current_context().find_object(Desk)
    below = outer.options if outer is not None else Options()
    return Desk(options.over(below), interactive=outer is not None and outer.interactive)


class _Commands(click.Group):
    """Our own commands, and one per API."""

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        own = super().get_command(ctx, cmd_name)
        return own or api_command(cmd_name)

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except BrokenPipeError:
            # Whoever read our output has left. The interpreter must not try to flush what is left of it.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            raise Failure(EXIT_PIPE) from None

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        name = args[0]
        if self.get_command(ctx, name) is None:
            from zstack_cli.words import hint
            from zstack_sdk.apis import names

            say = Messages(language_of())
            near = hint(name, [*self.commands, *names()], say)
            raise Failure(EXIT_USAGE, say("failed", details=say("unknown_api", name=name, hint=near)))
        return super().resolve_command(ctx, args)


def api_command(name: str) -> click.Command | None:
    """The command of an API; None when there is none of this name."""
    from zstack_sdk.apis import data

    if name not in data()["apis"]:
        return None

    def call(words: Sequence[str], **given: Any) -> None:
        from zstack_cli.calls import run

        run(_desk(given), name, words)

    entry = data()["apis"][name]
    return click.command(name, help=_help(name), short_help=entry["summary"], options_metavar="[OPTIONS]")(
        _with_options(click.argument("words", nargs=-1, metavar="NAME=VALUE...")(call))
    )


def _help(name: str) -> str:
    from zstack_cli.words import known
    from zstack_sdk.apis import api_of, data

    api = api_of(name)
    lines = [api.summary, "", "\b"]
    if api.query:
        inventory = data()["inventories"][api.query]
        lines += [f"Conditions: {', '.join(inventory['fields'])}", "", "\b"]
        lines += [f"Links: {', '.join(f'{link}.' for link in inventory.get('links', {}))}", "", "\b"]
    for parameter in known(api).values():
        needed = " (required)" if parameter.required else ""
        choices = "|".join(parameter.values) or parameter.kind
        lines.append(f"  {parameter.name}={choices}{needed}")
    return "\n".join(lines)


@click.group(
    cls=_Commands, invoke_without_command=True, context_settings={"help_option_names": ["-h", "--help"]}
)
@_with_options
@click.version_option(zstack_sdk.__version__)
@click.pass_context
def cli(context: click.Context, **given: Any) -> None:
    """Call any API of a zstack-mgmt: zstack-cli QueryVmInstance name~=web% fields=uuid,name

    Without a command a shell opens, in which Tab completes. `zstack-cli apis` lists the APIs.

    \b
    Exit status: 0 done, 1 refused or failed, 2 wrong usage, 3 not logged in or not permitted,
    4 the service is not reached, 5 the job has not ended after --wait, 130 interrupted.
    """
    context.obj = _desk(given)
    if context.invoked_subcommand is None:
        from zstack_cli.shell import run_shell

        run_shell(context.obj)


@cli.command()
@click.argument("text", default="")
def apis(text: str) -> None:
    """List the APIs whose names contain TEXT."""
    from zstack_sdk.apis import data

    for name, entry in data()["apis"].items():
        if text.lower() in name.lower():
            click.echo(f"{name}\t{entry['summary']}")


@cli.command()
@click.argument("job_uuid")
@_with_options
def wait(job_uuid: str, **given: Any) -> None:
    """Wait for the end of a job and show its result."""
    from zstack_cli.calls import wait as wait_for

    wait_for(_desk(given), job_uuid)


def _watching(command: Callable[..., Any]) -> Callable[..., Any]:
    command = click.option("--once", is_flag=True, help="Show the last ones and do not go on.")(command)
    return click.option("-n", "count", type=click.IntRange(1, 500), default=20, help="How many of the past.")(
        _with_options(command)
    )


@cli.command()
@_watching
def jobs(count: int, once: bool, **given: Any) -> None:
    """Watch the jobs: when accepted, uuid, state, API, how long, resource."""
    from zstack_cli import watch

    watch.jobs(_desk(given), count, follow=not once)


@cli.command()
@_watching
def webhooks(count: int, once: bool, **given: Any) -> None:
    """Watch the deliveries of webhooks: when, job, state, attempts, last answer, receiver."""
    from zstack_cli import watch

    watch.webhooks(_desk(given), count, follow=not once)


@cli.command()
@_watching
def audits(count: int, once: bool, **given: Any) -> None:
    """Watch the audit trail: when, who, outcome, API, error, resource."""
    from zstack_cli import watch

    watch.audits(_desk(given), count, follow=not once)


@cli.group()
def profile() -> None:
    """The profiles: services, sessions and access keys under names."""


@profile.command("list")
@click.pass_obj
def list_profiles(desk: Desk) -> None:
    """List them; * marks the one in use."""
    for name in desk.profiles.names:
        one = desk.profiles.get(name)
        mark = "*" if name == desk.profile_name else " "
        click.echo(f"{mark} {name}\t{one.url}\t{one.name or one.access_key_id}")


@profile.command("use")
@click.argument("name")
@click.pass_obj
def use_profile(desk: Desk, name: str) -> None:
    """Use NAME from now on."""
    try:
        desk.profiles.choose(name)
    except KeyError:
        raise Failure(EXIT_USAGE, desk.say("no_profile", name=name)) from None


@profile.command("set")
@click.argument("name")
@click.option("--url", default=None, help="The service's address.")
@click.option("--access-key-id", default=None, help="Sign with this key; its secret is asked for.")
@click.option("-o", "--output", type=click.Choice(["json", "table", "csv", "yaml"]), default=None)
@click.option("--lang", "language", type=click.Choice(["en", "zh"]), default=None)
@click.pass_obj
def set_profile(desk: Desk, name: str, **given: str | None) -> None:
    """Make or change the profile NAME."""
    changes = {key: value for key, value in given.items() if value is not None}
    if changes.get("access_key_id"):
        changes["access_key_secret"] = os.environ.get("ZSTACK_ACCESS_KEY_SECRET") or click.prompt(
            "access key secret", hide_input=True, err=True
        )
    desk.profiles.put(name, replace(desk.profiles.get(name), **changes))


@profile.command("delete")
@click.argument("name")
@click.pass_obj
def delete_profile(desk: Desk, name: str) -> None:
    """Forget the profile NAME."""
    try:
        desk.profiles.delete(name)
    except KeyError:
        raise Failure(EXIT_USAGE, desk.say("no_profile", name=name)) from None


@cli.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion(shell: str) -> None:
    """Print what makes SHELL complete: source <(zstack-cli completion bash)"""
    from zstack_cli.scripts import SCRIPTS

    click.echo(SCRIPTS[shell], nl=False)


@cli.command(hidden=True)
@click.option("--for", "shell", default="zsh")
@click.argument("line", default="")
@click.pass_obj
def complete(desk: Desk, shell: str, line: str) -> None:
    """What can follow on a line; the shells' scripts ask this."""
    from zstack_cli.completion import complete as candidates
    from zstack_cli.completion import option_candidates
    from zstack_cli.names import Names
    from zstack_cli.scripts import for_shell, words_of

    words, current = words_of(line)
    for one in (
        option_candidates(current)
        if current.startswith("-")
        else candidates(words, current, Names(lambda: desk), own_commands())
    ):
        click.echo(for_shell(shell, one.word, one.note, current))


def own_commands() -> list[str]:
    """The commands that are no APIs."""
    return sorted(name for name, command in cli.commands.items() if not command.hidden)


def invoke(arguments: Sequence[str], desk: Desk | None = None) -> int:
    """Run one command; its exit status. `desk` is the shell's."""
    try:
        outcome = cli.main(list(arguments), prog_name="zstack-cli", standalone_mode=False, obj=desk)
        return outcome if isinstance(outcome, int) else 0
    except ProfileError as error:
        print(Messages(language_of())("failed", details=error), file=sys.stderr, flush=True)
        return EXIT_USAGE
    except Failure as failure:
        if str(failure):
            print(failure, file=sys.stderr, flush=True)
        return failure.status
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except (KeyboardInterrupt, click.Abort):
        return EXIT_INTERRUPTED


def main() -> None:
    """The entry point."""
    raise SystemExit(invoke(sys.argv[1:]))
