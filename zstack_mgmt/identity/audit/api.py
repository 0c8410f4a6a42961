"""Reading the audit trail."""

from __future__ import annotations

from zstack_mgmt.identity.audit.model import Audit
from zstack_mgmt.query.declare import query_api

query_audit = query_api(
    Audit,
    http="GET /v1/audits",
    access="admin",
    category="audit",
    java="org.zstack.header.audit",
    by_uuid=False,
    source="ours: the manual's product keeps such a trail without an API",
)
