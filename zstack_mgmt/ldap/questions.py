"""What we ask a directory. Several may follow each other on one connection; `calls` has threads for them.

All of them raise DirectoryError.
"""

from __future__ import annotations

import base64
from collections.abc import Sequence
from typing import Any

from zstack_mgmt.ldap.directory import BadFilter, DirectoryConnection, DirectoryError, check_filter, equals
from zstack_mgmt.ldap.model import dn_key

_MAX_GROUPS = 10_000
_GROUPS_PER_SEARCH = 50
Entry = dict[str, Any]
"""A directory entry in the form of ZStack's API, with `dn` and `attributes`."""


def test(directory: DirectoryConnection) -> None:
    """Prove that the settings lead to the base. DirectoryError's reason names the one that is wrong."""
    directory.log_in()
    base = directory.target.base
    if directory.entry_at(base) is None:
        raise DirectoryError("base", f"the user name sees no entry {base!r}")
    # An empty base is there in every directory, but not every one can be searched from it.
    logins(directory, "cn", "nobody has this name")


def logins(directory: DirectoryConnection, attribute: str, name: str) -> list[str]:
    """The names of the entries below the base that have this login name, two at most."""
    directory.log_in()
    try:
        return directory.names_below(directory.target.base, equals(attribute, name), 2)
    except BadFilter:
        return []  # the attribute takes no such value


def authenticates(directory: DirectoryConnection, dn: str, password: str) -> bool:
    """Whether the password is the entry's."""
    return directory.accepts(dn, password)


def groups_above(directory: DirectoryConnection, attributes: Sequence[str], dn: str) -> list[str]:
    """The groups that the entry is in, directly or through others, each once. They may contain each other."""
    directory.log_in()
    seen, found, frontier = {dn_key(dn)}, list[str](), [dn]
    while frontier and len(found) < _MAX_GROUPS:
        names, frontier = frontier[:_GROUPS_PER_SEARCH], frontier[_GROUPS_PER_SEARCH:]
        members = "".join(equals(attribute, name) for name in names for attribute in attributes)
        for page in directory.pages(directory.target.base, f"(|{members})"):
            new = [entry["dn"] for entry in page if dn_key(entry["dn"]) not in seen]
            seen.update(map(dn_key, new))
            found += new
            frontier += new
    return found


def look_up(directory: DirectoryConnection, dn: str) -> str | None:
    """The distinguished name as the directory writes it, or None when it has no such entry."""
    directory.log_in()
    return directory.entry_at(dn)


def gone(directory: DirectoryConnection, dns: Sequence[str], clean_filter: str) -> list[str]:
    """Those of the names that have no entry any more, or whose entry matches the filter.

    Raises: DirectoryError also when the base itself is not there: a directory that was moved has lost nobody.
    """
    if clean_filter:
        check_filter(clean_filter)
    test(directory)
    return [
        dn
        for dn in dns
        if directory.entry_at(dn) is None
        or (clean_filter and directory.entry_at(dn, clean_filter) is not None)
    ]


def entries(
    directory: DirectoryConnection, condition: str, attributes: Sequence[str], limit: int, but: frozenset[str]
) -> list[Entry]:
    """Up to `limit` entries below the base, without those whose `dn_key` is in `but`. Raises BadFilter."""
    check_filter(condition)
    directory.log_in()
    chosen: list[Entry] = []
    for page in directory.pages(directory.target.base, condition, attributes):
        chosen += [_shown(entry) for entry in page if dn_key(entry["dn"]) not in but][: limit - len(chosen)]
        if len(chosen) >= limit:
            break
    return chosen


def _shown(entry: Any) -> Entry:
    return {
        "dn": entry["dn"],
        "attributes": [
            {"id": name, "orderMatters": False, "values": [_text(raw) for raw in values], "valuesAsNames": {}}
            for name, values in entry["raw_attributes"].items()
            if values
        ],
    }


def _text(raw: bytes) -> str:
    """Text as it is; what is no text, such as a picture, in base64."""
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return base64.b64encode(raw).decode()
