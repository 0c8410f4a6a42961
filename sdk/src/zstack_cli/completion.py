"""What can come next in a command: for the interactive shell, and for bash, zsh and fish."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from zstack_cli.words import known, split
from zstack_sdk.apis import Api, Parameter, api_of, data, names

TAGS = ("__systemTag__", "__userTag__")
Named = Callable[[str, str], Sequence[tuple[str, str]]]
"""(inventory, what its name or uuid begins with) -> uuid and name of those that fit."""
_ALIASES = {
    "identity": "Account",
    "group": "UserGroup",
    "tag": "Tag",
    "eip": "Eip",
    "agent": "ConsoleProxyAgent",
}


@dataclass(frozen=True)
class Candidate:
    """One way to go on: the whole word, what is shown of it, and a note."""

    word: str
    shown: str = ""
    note: str = ""

    @property
    def is_whole(self) -> bool:
        """Whether the word ends here, so that a space may follow."""
        return not self.word.endswith(("=", ".", ","))


def complete(
    words: Sequence[str], current: str, named: Named, commands: Sequence[str] = ()
) -> list[Candidate]:
    """The candidates for the word that is being written, behind `words`.

    Args:
        named: finds resources by name; it may ask the service, the rest does not.
    """
    if not words:
        lower = current.lower()
        apis = [Candidate(name, note=_summary(name)) for name in names() if name.lower().startswith(lower)]
        return [Candidate(name) for name in commands if name.startswith(current)] + apis
    if words[0] not in data()["apis"]:
        return []
    api = api_of(words[0])
    used = {split(word).name for word in words[1:]}
    name, operator, value = split(current)
    start = current[: len(current) - len(value)] if operator else ""
    if not operator:
        found = [*_conditions(api, current), *_parameters(api, current, used)]
    elif operator == "=" and name in known(api):
        found = list(_values(api, known(api)[name], start, value, named))
    elif api.query:
        found = list(_condition_values(api, name, start, value, named))
    else:
        found = []
    return found


OPTIONS = {
    "--profile": True,
    "--url": True,
    "--session": True,
    "--output": True,
    "--lang": True,
    "--no-color": False,
    "--quiet": False,
    "--async": False,
    "--wait": True,
    "--dry-run": False,
    "--webhook": True,
    "--password-stdin": False,
    "--help": False,
    "-p": True,
    "-o": True,
    "-q": False,
    "-h": False,
}
"""The options that all commands have, and whether a value follows."""


def option_candidates(current: str) -> list[Candidate]:
    """The candidates for an option."""
    return [Candidate(name) for name in OPTIONS if name.startswith(current) and name.startswith("--")]


def _summary(name: str) -> str:
    return str(data()["apis"][name]["summary"])


def _parameters(api: Api, current: str, used: set[str]) -> Iterator[Candidate]:
    for parameter in known(api).values():
        if parameter.name.startswith(current) and parameter.name not in used:
            needed = "* " if parameter.required else ""
            yield Candidate(f"{parameter.name}=", note=f"{needed}{parameter.doc}")


def _conditions(api: Api, current: str) -> Iterator[Candidate]:
    """Links and fields behind the links that are written already."""
    if not api.query:
        return
    path, _, last = current.rpartition(".")
    prefix = f"{path}." if path else ""
    inventory = _behind(api.query, path)
    if inventory is None:
        return
    for link, target in inventory.get("links", {}).items():
        if link.startswith(last):
            yield Candidate(f"{prefix}{link}.", note=target)
    fields = [*TAGS, *inventory["fields"], *inventory.get("lists", ()), *inventory.get("aliases", ())]
    for name in fields:
        if name.startswith(last):
            yield Candidate(f"{prefix}{name}=", note=inventory["fields"].get(name, ""))


def _behind(root: str, path: str) -> dict[str, Any] | None:
    """The inventory that a path of links leads to."""
    inventories: dict[str, Any] = data()["inventories"]
    found: dict[str, Any] | None = inventories.get(root)
    for link in path.split(".") if path else ():
        links: dict[str, str] = found.get("links", {}) if found is not None else {}
        found = inventories.get(links.get(link, ""))
    return found


def _condition_values(api: Api, name: str, start: str, value: str, named: Named) -> Iterator[Candidate]:
    path, _, field = name.rpartition(".")
    inventory = _behind(api.query, path)
    if inventory is None:
        return
    before, _, last = value.rpartition(",") if start.endswith("?=") else ("", "", value)
    start += f"{before}," if before else ""
    choices = list(inventory.get("values", {}).get(field, ()))
    if inventory["fields"].get(field) == "boolean":
        choices = ["true", "false"]
    yield from (
        Candidate(f"{start}{each}", each) for each in choices if each.lower().startswith(last.lower())
    )
    kind = _kind_of(api, field, root=_name_of(inventory))
    if kind and not choices:
        yield from _resources(kind, start, last, named)


def _values(api: Api, parameter: Parameter, start: str, value: str, named: Named) -> Iterator[Candidate]:
    choices = list(parameter.values)
    before, _, last = (
        value.rpartition(",") if parameter.kind == "array" or parameter.name == "fields" else ("", "", value)
    )
    if api.query and parameter.name in ("fields", "sortBy", "groupBy"):
        taken = set(before.split(","))
        choices = [name for name in data()["inventories"][api.query]["fields"] if name not in taken]
    elif parameter.kind == "boolean":
        choices = ["true", "false"]
    start += f"{before}," if before else ""
    yield from (
        Candidate(f"{start}{each}", each) for each in choices if each.lower().startswith(last.lower())
    )
    kind = "" if choices else _kind_of(api, parameter.name)
    if kind:
        yield from _resources(kind, start, last, named)


def _resources(kind: str, start: str, value: str, named: Named) -> Iterator[Candidate]:
    for uuid, name in named(kind, value):
        yield Candidate(f"{start}{uuid}", f"{name} ({uuid[:8]})" if name else uuid, note=kind)


def _name_of(inventory: dict[str, Any]) -> str:
    return next(name for name, each in data()["inventories"].items() if each is inventory)


def _kind_of(api: Api, name: str, root: str = "") -> str:
    """The inventory whose uuids a parameter or field takes; empty for none.

    `zoneUuid` and `rootDiskOfferingUuid` say so themselves, `uuid` by the path of the API.
    """
    if name == "uuid":
        if root:
            return root
        collection = api.path.partition("/{uuid}")[0]
        answered = (api.parts or {}).get("inventory", "").removesuffix("Inventory")
        apis: dict[str, Any] = data()["apis"]
        by_path = next((e["query"] for e in apis.values() if "query" in e and e["path"] == collection), "")
        return by_path or (answered if answered in _queries() else "")
    stem = name.removesuffix("s").removesuffix("Uuid")
    if stem == name.removesuffix("s") or name == "resourceUuid":
        return ""
    if stem in _ALIASES:
        return _ALIASES[stem]
    fitting = [each for each in _queries() if stem.lower().endswith(each.lower())]
    return max(fitting, key=len, default="")


def _queries() -> dict[str, str]:
    """The APIs that find the rows of inventories, by inventory."""
    return {e["query"]: name for name, e in reversed(data()["apis"].items()) if "query" in e}


def query_for(kind: str) -> str:
    """The Query API of an inventory."""
    return _queries()[kind]
