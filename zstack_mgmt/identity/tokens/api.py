"""Issuing and ending tokens, and changing one's own password."""

from __future__ import annotations

import secrets
from functools import partial
from typing import Any, Literal

import orjson

from zstack_mgmt.auth.sessions import token_hash
from zstack_mgmt.auth.throttle import subject_of
from zstack_mgmt.core.errors import (
    AuthenticationFailed,
    BadRequest,
    InvalidSession,
    PermissionDenied,
    ResourceNotFound,
)
from zstack_mgmt.core.registry import ApiRequest, Call, api
from zstack_mgmt.core.values import SessionToken, new_uuid
from zstack_mgmt.db import Connection
from zstack_mgmt.engine.outside import Direct
from zstack_mgmt.identity.application_credentials import store as credentials
from zstack_mgmt.identity.domains.store import domain_named
from zstack_mgmt.identity.logins import password_was_set, retire_password, set_password
from zstack_mgmt.identity.projects.store import project_named
from zstack_mgmt.identity.roles.model import NOWHERE
from zstack_mgmt.identity.roles.store import authority_in
from zstack_mgmt.identity.sessions.proof import WRONG, prove
from zstack_mgmt.identity.sessions.store import still_opens
from zstack_mgmt.identity.tokens import store
from zstack_mgmt.identity.tokens.model import Issued, Owner, Token

answer = partial(
    api, http="POST", mode="sync", java="org.openstack.identity", response_key="", outside=True, exclusive=()
)


class IssueToken(ApiRequest):
    """Open a token by a password, by another token or by an application credential.

    Source: Keystone, "POST /v3/auth/tokens".
    """

    method: Literal["password", "token", "application_credential"]
    user_uuid: str | None = None
    user_name: str | None = None
    user_domain_uuid: str | None = None
    user_domain_name: str | None = None
    password: str = ""
    credential_uuid: str | None = None
    credential_name: str | None = None
    token: str = ""
    scope: Literal["implicit", "unscoped", "project", "domain", "system"] = "implicit"
    scope_uuid: str | None = None
    scope_name: str | None = None
    scope_domain_uuid: str | None = None
    scope_domain_name: str | None = None


@answer(IssueToken, access="public")
async def issue_token(call: Call, work: Direct, request: IssueToken) -> Issued:
    if request.method == "token":
        return await _rescope(call, work, request)
    if request.method == "application_credential":
        return await _by_credential(call, work, request)
    async with work.connection() as conn:
        domain_uuid = request.user_domain_uuid or await domain_named(conn, request.user_domain_name or "")
        login = await store.find_login(conn, request.user_uuid, domain_uuid, request.user_name)

    async def opened(conn: Connection) -> Issued:
        return await _open(call, conn, login, request, ["password"])

    subject = _subject(call, request, login, domain_uuid)
    return await prove(call, work, subject, login, request.password, opened)


def _subject(call: Call, request: IssueToken, login: Any, domain_uuid: str | None) -> bytes:
    """What failures are counted under: the same as at the other doors."""
    sealer = call.services.sealer
    if login is not None and login["user_uuid"] == login["account_uuid"]:
        return subject_of(sealer, "account", login["name"])
    if login is not None:
        return subject_of(sealer, "user", login["account_uuid"], login["name"])
    if request.user_uuid is not None:
        return subject_of(sealer, "user", "id", request.user_uuid)
    known = domain_uuid or f"name:{request.user_domain_name}"
    return subject_of(sealer, "user", known, request.user_name or "")


async def _by_credential(call: Call, work: Direct, request: IssueToken) -> Issued:
    """Open a token in the credential's project. Wrong secrets count by themselves and lock no user out."""
    async with work.connection() as conn:
        domain_uuid = request.user_domain_uuid
        if request.user_domain_name is not None:
            domain_uuid = await domain_named(conn, request.user_domain_name)
        login = (request.user_uuid, domain_uuid, request.user_name)
        found = await credentials.find_opening(conn, request.credential_uuid, login, request.credential_name)

    async def opened(conn: Connection) -> Issued:
        return await _open(call, conn, found, request, ["application_credential"], credential=found)

    named = repr((request.credential_uuid, request.credential_name, login))
    if found is not None:
        named = found["credential_uuid"]
    subject = subject_of(call.services.sealer, "application credential", named)
    return await prove(
        call,
        work,
        subject,
        found,
        request.password,
        opened,
        even_expired=True,
        still=credentials.still_opens,
    )


async def _rescope(call: Call, work: Direct, request: IssueToken) -> Issued:
    hashed = token_hash(call.services.sealer, request.token)
    async with work.transaction() as conn:
        first = await store.read_token(conn, hashed)
        login = first and await store.find_login(conn, first.user_uuid, None, None)
        if login is None or not await still_opens(conn, login):
            raise ResourceNotFound("no such token")
        first = await store.read_token(conn, hashed)  # a change of the password may just have ended it
        if first is None:
            raise ResourceNotFound("no such token")
        if first.credential is not None:
            raise PermissionDenied("a token of an application credential opens no other")
        methods = list(dict.fromkeys([*first.methods, "token"]))
        return await _open(call, conn, login, request, methods, first)


async def _open(
    call: Call,
    conn: Connection,
    login: Any,
    request: IssueToken,
    methods: list[str],
    first: Token | None = None,
    credential: Any = None,
) -> Issued:
    """Store the token. Raises AuthenticationFailed, the same for a scope that is not there or not allowed."""
    settings = call.services.settings
    secret = new_uuid()
    hashed = token_hash(call.services.sealer, secret)
    parents = first.audit_ids if first else ()
    await store.insert_token(
        conn,
        hashed,
        login,
        await _scope(conn, login, request, credential),
        methods=methods,
        audit_ids=(secrets.token_urlsafe(16), parents[-1] if parents else None),
        timeout_s=settings.token_timeout_s,
        expires_at=first.expires_at if first else None,
        credential=credential,
        most=settings.session_max_concurrent,
    )
    token = await store.read_token(conn, hashed)
    if token is None:
        raise AuthenticationFailed(WRONG)  # so that nothing of it is stored
    return Issued(token.account_uuid, token.user_uuid, secret, token)


async def _scope(conn: Connection, login: Any, request: IssueToken, credential: Any) -> store.Scope:
    """What is asked for, whether or not it is there; else its default project, where it has a role."""
    if credential:
        return "project", credential["project_uuid"]
    uuid = request.scope_uuid
    if request.scope == "implicit":
        uuid = login["default_project_uuid"]
        found = uuid and await authority_in(conn, login["user_uuid"], login["account_uuid"], "project", uuid)
        return ("project", uuid) if found else (NOWHERE.kind, None)
    if request.scope == "domain" and uuid is None:
        uuid = await domain_named(conn, request.scope_name or "")
    if request.scope == "project" and uuid is None:
        domain_uuid = request.scope_domain_uuid or await domain_named(conn, request.scope_domain_name or "")
        uuid = await project_named(conn, domain_uuid or "", request.scope_name or "")
    return request.scope, uuid


class RevokeToken(ApiRequest):
    """End a token: one's own, one of the same user, or as administrator of the platform any.

    Source: Keystone, "DELETE /v3/auth/tokens".
    """

    session_uuid: SessionToken
    bearer: SessionToken


@answer(RevokeToken, access="session")
async def revoke_token(call: Call, work: Direct, request: RevokeToken) -> None:
    sealer = call.services.sealer
    async with work.transaction() as conn:
        bearer = await store.read_token(conn, token_hash(sealer, request.bearer))
        if bearer is None:
            raise InvalidSession("the token has ended")
        ended = bearer.shown(await store.read_token(conn, token_hash(sealer, request.session_uuid)))
    async with call.services.bell.changing_rights([ended.account_uuid]), work.transaction() as conn:
        await store.delete_token(conn, token_hash(sealer, request.session_uuid))
    call.services.forget_session(request.session_uuid)


class ChangeOwnPassword(ApiRequest):
    """Set one's own password, proved by the present one, even one that has expired. It ends the sessions.

    Source: Keystone, "POST /v3/users/{user_id}/password".
    """

    uuid: str
    original_password: str
    password: str
    strength: Literal["high", "mid", "low"]


@answer(ChangeOwnPassword, access="public")
async def change_own_password(call: Call, work: Direct, request: ChangeOwnPassword) -> Owner:
    services, settings = call.services, call.services.settings
    async with work.transaction() as conn:
        login = await store.find_login(conn, request.uuid, None, None)

    async def proved(conn: Connection) -> list[str]:
        if orjson.loads(login["options"]).get("lock_password") is True:
            raise BadRequest("the password of this user is locked")
        if settings.password_min_age_days and await store.is_too_young(
            conn, request.uuid, settings.password_min_age_days
        ):
            raise BadRequest(f"a password must be {settings.password_min_age_days} days old to be changed")
        return await store.present_and_former_hashes(conn, request.uuid, max(1, settings.password_history))

    token_request = IssueToken(method="password", user_uuid=request.uuid)
    subject = _subject(call, token_request, login, None)
    former = await prove(call, work, subject, login, request.original_password, proved, even_expired=True)
    for stored in former if settings.password_history else ():
        if await services.hasher.verify(stored, request.password, call.remote):
            raise BadRequest(f"the password must differ from the last {settings.password_history}")
    hashed = await services.hasher.hash(request.password)
    async with services.bell.changing_rights([login["account_uuid"]]), work.transaction() as conn:
        if not await still_opens(conn, login, to_change=True):
            raise AuthenticationFailed(WRONG)
        await retire_password(conn, request.uuid)
        await set_password(conn, request.uuid, hashed)
        await password_was_set(conn, settings, request.uuid, strength=request.strength, by_owner=True)
    return Owner(login["account_uuid"], login["user_uuid"])
