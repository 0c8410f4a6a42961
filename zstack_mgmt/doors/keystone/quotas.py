"""`/v3/domain_quotas` and `/v3/domain_usage` of EOS."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from aiohttp import web

from zstack_mgmt.core.errors import BadRequest, ResourceNotFound
from zstack_mgmt.core.values import ADMIN_UUID
from zstack_mgmt.doors.keystone import shapes
from zstack_mgmt.doors.keystone.asking import Ask
from zstack_mgmt.doors.keystone.replies import json_reply
from zstack_mgmt.identity.domain_quotas.handed import NOTHING, Handed, handed_on
from zstack_mgmt.identity.domain_quotas.model import ITEMS, ceilings_of, read_values, shown
from zstack_mgmt.identity.domain_quotas.store import Level, levels
from zstack_mgmt.identity.domains.store import find_domain


async def show_domain_quotas(ask: Ask) -> web.Response:
    account_uuid = shapes.account_of(ask.ids[0])
    authority = ask.authority
    authority.require_manager()
    async with ask.connection() as conn:
        if not authority.manages(account_uuid) or await find_domain(conn, account_uuid) is None:
            raise ResourceNotFound(f"no domain has the id {ask.ids[0][:64]}")
        found = await levels(conn, account_uuid)
        handed = _allocated(await handed_on(conn, account_uuid))
    return _reply(ask, {"quotas": _quotas(found), "usage": handed, "limits": _limits(ask)})


async def update_domain_quotas(ask: Ask) -> web.Response:
    ask.authority.require_platform_admin()
    given = dict(ask.object("domain"))
    region = given.pop("region", None)
    if not isinstance(region, str):
        raise BadRequest("domain.region must name a region")
    if region != ask.service.settings.region:
        raise ResourceNotFound(f"no region is called {region[:64]}")
    uuid = shapes.account_of(ask.ids[0])
    await ask.change("UpdateDomainQuotas", uuid=uuid, values=read_values(given))
    return await show_domain_quotas(ask)


async def show_domain_usage(ask: Ask) -> web.Response:
    """The platform, which is the domain `default`."""
    ask.authority.require_platform_admin()
    async with ask.connection() as conn:
        found = await levels(conn, ADMIN_UUID)
        handed = _allocated(await handed_on(conn, ADMIN_UUID))
    usage = {name: shown(level.used) for name, level in found.items()}
    return _reply(
        ask,
        {
            "quotas": _quotas(found),
            "allocated": handed,
            "usage": usage,
            "limits": _limits(ask),
            "quota_fake": usage,
        },
    )


def _quotas(found: Mapping[str, Level]) -> dict[str, Any]:
    return {name: shown(level.quota) for name, level in found.items()}


def _allocated(handed: Mapping[str, Handed]) -> dict[str, int]:
    """What the domain has handed on to its projects, as far as these have limits."""
    return {name: handed.get(name, NOTHING).amount for name in ITEMS}


def _limits(ask: Ask) -> dict[str, Any]:
    ceilings = ceilings_of(ask.service.settings)
    return {name: shown(ceilings.get(name, Decimal(-1))) for name in ITEMS}


def _reply(ask: Ask, values: dict[str, Any]) -> web.Response:
    return json_reply({"domain": {ask.service.settings.region: values}})
