"""Tags as clients see them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Literal

from zstack_mgmt.core.errors import InvalidArgument
from zstack_mgmt.core.inventory import Inventory, Link, inventory
from zstack_mgmt.core.registry import MAX_TAG_BYTES
from zstack_mgmt.doc import Doc

PatternType = Literal["simple", "withToken"]
_TOKEN = re.compile(r"\{([^{}]+)\}")


@inventory(
    "org.zstack.header.tag.SystemTagInventory",
    table="system_tags",
    account_column="account_uuid",
    noun="system tag",
)
class SystemTag(Inventory):
    """A tag that means something to the service or to a tool. Source: ZStack's tag API."""

    uuid: str
    resource_uuid: str
    resource_type: str
    tag: Annotated[str, Doc("the text, such as ldapServerType::OpenLdap")]
    type: Literal["System"]
    inherent: Annotated[bool, Doc("the service made it and keeps it; none here are")]
    create_date: datetime
    last_op_date: datetime


@inventory(
    "org.zstack.header.tag.UserTagInventory",
    table="user_tags",
    account_column="account_uuid",
    links=(Link("tagPattern", "TagPattern", "tag_pattern_uuid", "uuid"),),
    noun="user tag",
)
class UserTag(Inventory):
    """A tag that means something to people. Source: ZStack's tag API."""

    uuid: str
    resource_uuid: str
    resource_type: str
    tag: Annotated[str, Doc("the text")]
    type: Literal["User"]
    tag_pattern_uuid: Annotated[str | None, Doc("the tag that was attached, if it was not made alone")]
    create_date: datetime
    last_op_date: datetime


@inventory(
    "org.zstack.header.tag.TagPatternInventory",
    table="tag_patterns",
    owned=True,
    links=(Link("userTag", "UserTag", "uuid", "tag_pattern_uuid"),),
    noun="tag",
)
class TagPattern(Inventory):
    """A tag to be attached to resources. Source: ZStack's API of tags."""

    uuid: str
    name: str
    value: Annotated[str, Doc("the text of the attached ones; `withToken`: with {names} to be filled in")]
    description: str | None
    color: Annotated[str | None, Doc("for pages, such as #1E90FF")]
    type: PatternType
    create_date: datetime
    last_op_date: datetime


def text_of(pattern: TagPattern, tokens: Mapping[str, str]) -> str:
    """The text of a tag that is attached.

    Raises InvalidArgument when a token has no value, or the text is none that a tag can have.
    """
    if pattern.type == "simple":
        return pattern.value

    def fill(found: re.Match[str]) -> str:
        if found[1] not in tokens:
            raise InvalidArgument(f"the tag {pattern.value!r} needs a value for the token {found[1]!r}")
        return tokens[found[1]]

    text = _TOKEN.sub(fill, pattern.value)
    if not 0 < len(text.encode()) <= MAX_TAG_BYTES:
        raise InvalidArgument(f"with these tokens the tag is empty, or has more than {MAX_TAG_BYTES} bytes")
    return text
