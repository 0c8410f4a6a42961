"""The interactive shell: one command a line, with history and completion by Tab."""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from prompt_toolkit import PromptSession
from prompt_toolkit.completion import CompleteEvent, Completer, Completion
from prompt_toolkit.document import Document
from prompt_toolkit.history import FileHistory
from prompt_toolkit.shortcuts import CompleteStyle

from zstack_cli.completion import complete, option_candidates
from zstack_cli.desk import Desk
from zstack_cli.main import invoke, own_commands
from zstack_cli.names import Names
from zstack_cli.profiles import folder
from zstack_cli.scripts import words_of

_SECRET = re.compile(r"(\w*password\w*=)(\"[^\"]*\"|'[^']*'|\S+)", re.IGNORECASE)
_LEAVING = ("exit", "quit")


def redacted(line: str) -> str:
    """A line as the history keeps it: without passwords, which are asked for when it is used again.

    >>> redacted("LogInByAccount accountName=admin password='my secret' -q")
    'LogInByAccount accountName=admin password= -q'
    """
    return _SECRET.sub(r"\1", line)


class _History(FileHistory):
    """History in a file that its owner alone can read."""

    def append_string(self, string: str) -> None:
        super().append_string(redacted(string))

    def store_string(self, string: str) -> None:
        descriptor = os.open(self.filename, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        os.close(descriptor)
        super().store_string(string)


class _Completer(Completer):
    """Candidates of the completion engine, as prompt_toolkit shows them."""

    def __init__(self, desk: Desk) -> None:
        self._names = Names(lambda: Desk(desk.options))

    def get_completions(self, document: Document, complete_event: CompleteEvent) -> Iterable[Completion]:
        words, current = words_of(f"zstack-cli {document.text_before_cursor}")
        commands = [*own_commands(), "help", *_LEAVING]
        found = complete(words, current, self._names, commands)
        for one in option_candidates(current) if current.startswith("-") else found:
            yield Completion(
                one.word + (" " if one.is_whole else ""),
                start_position=-len(current),
                display=one.shown or one.word,
                display_meta=one.note,
            )


def run_shell(desk: Desk) -> None:
    """Read commands until the user leaves. Ctrl-C ends a command or a line, Ctrl-D the shell."""
    folder().mkdir(parents=True, exist_ok=True, mode=0o700)
    session: PromptSession[str] = PromptSession(
        history=_History(str(folder() / "history")),
        completer=_Completer(desk),
        complete_while_typing=False,
        complete_style=CompleteStyle.MULTI_COLUMN,
    )
    desk.note(desk.say("welcome", url=desk.url))
    while True:
        try:
            line = session.prompt(">>> ").strip()
        except KeyboardInterrupt:
            continue
        except EOFError:
            return
        if line in _LEAVING:
            return
        if line:
            _run(desk, line)


def _run(desk: Desk, line: str) -> None:
    try:
        words = shlex.split(line)
    except ValueError as error:
        desk.note(desk.say("failed", details=error))
        return
    if words[0] == "help":
        words = [*words[1:2], "--help"]
    options: Any = replace(desk.options)
    invoke(words, Desk(options, interactive=True))
