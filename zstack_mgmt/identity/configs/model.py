"""Global configurations: which there are, and what they take."""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import md5
from typing import Annotated

from zstack_mgmt.core.errors import InvalidArgument
from zstack_mgmt.core.inventory import Inventory, inventory
from zstack_mgmt.doc import Doc

QUOTA = "quota"
"""The category of the quotas that new accounts start with."""
_MOST = 2**62


@inventory(
    "org.zstack.core.config.GlobalConfigInventory",
    table="global_configs",
    noun="global configuration",
    computed={"value": "coalesce({row}.chosen, {row}.default_value)"},
    hidden=("chosen",),
)
class GlobalConfig(Inventory):
    """A setting of the whole service. Source: ZStack's API of global configurations."""

    uuid: Annotated[str, Doc("ours; it follows from category and name")]
    category: Annotated[str, Doc("group of settings, such as quota")]
    name: Annotated[str, Doc("unique in its category")]
    description: str
    default_value: Annotated[str, Doc("of the environment at the last start, or the first quota")]
    value: Annotated[str, Doc("what is in force")]


@dataclass(frozen=True, slots=True)
class Config:
    """A global configuration that stands for a setting of the environment, a whole number."""

    category: str
    name: str
    description: str
    setting: str  # the attribute of Settings whose value is the default
    least: int
    most: int


SESSION_TIMEOUT = Config(
    "identity", "session.timeout", "seconds that a new session lives", "session_timeout_s", 1, 366 * 86400
)
SESSIONS = Config(
    "identity",
    "session.maxConcurrent",
    "live sessions of one account or user",
    "session_max_concurrent",
    1,
    1_000_000,
)
CONFIGS = {(config.category, config.name): config for config in (SESSION_TIMEOUT, SESSIONS)}


def uuid_of(category: str, name: str) -> str:
    """The same for the same names, in every installation."""
    digest = md5(f"{category}.{name}".encode(), usedforsecurity=False).hexdigest()
    return f"{digest[:12]}4{digest[13:16]}a{digest[17:]}"


def checked(category: str, name: str, text: str) -> str:
    """A value in its plain form. Raises InvalidArgument when the configuration cannot have it."""
    config = CONFIGS.get((category, name))
    least, most = (config.least, config.most) if config else (0, _MOST)
    text = text.strip()
    if not text.isascii() or not text.isdigit() or len(text) > 19 or not least <= int(text) <= most:
        raise InvalidArgument(f"{category}.{name} takes a whole number from {least} to {most}")
    return str(int(text))
