"""Changes of the quotas of domains."""

from __future__ import annotations

from decimal import Decimal

from zstack_mgmt.core.errors import existing
from zstack_mgmt.core.registry import Call, api
from zstack_mgmt.db import Connection
from zstack_mgmt.identity.domain_quotas import store
from zstack_mgmt.identity.domains.store import find_domain
from zstack_mgmt.identity.roles.model import ScopedRequest
from zstack_mgmt.identity.roles.store import authority_of


class UpdateDomainQuotas(ScopedRequest):
    """Set quotas of a domain, all of those named or none.

    Source: EOS API reference 6.2.1, "PATCH /v3/domain_quotas/{domain_id}".
    """

    uuid: str
    values: dict[str, str]  # decimal numbers by item; -1: no limit


@api(
    UpdateDomainQuotas,
    http="POST",
    mode="job",
    access="session",
    java="org.openstack.identity",
    response_key="",
    exclusive=("uuid",),
)
async def update_domain_quotas(call: Call, conn: Connection, request: UpdateDomainQuotas) -> None:
    (await authority_of(conn, call, request)).require_platform_admin()
    existing(await find_domain(conn, request.uuid), "domain", request.uuid)
    wanted = {name: Decimal(value) for name, value in request.values.items()}
    await store.set_levels(call, conn, request.uuid, wanted)
