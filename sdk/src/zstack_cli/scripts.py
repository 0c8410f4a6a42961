"""Completion in bash, zsh and fish, whose scripts ask `zstack-cli complete` about the line so far."""

from __future__ import annotations

import shlex
from itertools import pairwise

from zstack_cli.completion import OPTIONS

BASH = """\
_zstack_cli() {
    local line
    COMPREPLY=()
    while IFS= read -r line; do COMPREPLY+=("$line"); done \\
        < <(zstack-cli complete --for bash -- "${COMP_LINE:0:COMP_POINT}" 2>/dev/null)
    if [[ ${#COMPREPLY[@]} -eq 1 && ${COMPREPLY[0]} =~ [=.,]$ ]]; then compopt -o nospace; fi
}
complete -F _zstack_cli zstack-cli
"""
ZSH = """\
#compdef zstack-cli
_zstack_cli() {
    local -a whole open
    local line
    while IFS= read -r line; do
        if [[ $line == *[=.,] ]]; then open+=("$line"); else whole+=("$line"); fi
    done < <(zstack-cli complete --for zsh -- "${LBUFFER}" 2>/dev/null)
    (( ${#whole} )) && compadd -U -- "${whole[@]}"
    (( ${#open} )) && compadd -U -S '' -- "${open[@]}"
}
compdef _zstack_cli zstack-cli
"""
FISH = """\
function __zstack_cli
    zstack-cli complete --for fish -- (commandline -cp) 2>/dev/null
end
complete -c zstack-cli -f -a '(__zstack_cli)'
"""
SCRIPTS = {"bash": BASH, "zsh": ZSH, "fish": FISH}


def words_of(line: str) -> tuple[list[str], str]:
    """The finished words of a line, without the program's name, and the one that is being written.

    >>> words_of("zstack-cli QueryZone name=x sta"), words_of("zstack-cli ")
    ((['QueryZone', 'name=x'], 'sta'), ([], ''))
    >>> words_of("zstack-cli -o table --quiet QueryZone --lang zh n")
    (['QueryZone'], 'n')
    """
    try:
        words = shlex.split(line)
    except ValueError:  # a quote is open
        words = line.split()
    current = "" if not line or line[-1].isspace() else (words.pop() if words else "")
    kept: list[str] = []
    for before, word in pairwise(words):
        if not word.startswith("-") and not OPTIONS.get(before, False):
            kept.append(word)
    return kept, current


def for_shell(shell: str, word: str, note: str, current: str) -> str:
    """A candidate as the shell's script wants it.

    >>> for_shell("bash", "state=Enabled", "", "state=En"), for_shell("fish", "state=", "text", "st")
    ('Enabled', 'state=\\ttext')
    """
    if shell == "bash":
        # bash takes the part behind `=` for a word of its own.
        return word[current.rfind("=") + 1 :] if "=" in current else word
    return f"{word}\t{note}" if shell == "fish" and note else word
