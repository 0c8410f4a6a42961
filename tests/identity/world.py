"""What the tests of identity make things with."""

import itertools
from dataclasses import dataclass
from typing import Any

from app import Answer, Client, Service

UNKNOWN = "0123456789ab4cde8123456789abcdef"
"""A well-formed uuid that nothing has."""
JAVA = "org.zstack.header.identity"
COUNTER = itertools.count(1)


def allow(*actions: str) -> dict[str, Any]:
    return {"name": "allow", "effect": "Allow", "actions": list(actions)}


def deny(*actions: str) -> dict[str, Any]:
    return {"name": "deny", "effect": "Deny", "actions": list(actions)}


def uuids(answer: Answer) -> set[str]:
    """The uuids of a query's answer."""
    assert answer.status == 200, answer
    return {item["uuid"] for item in answer.body["inventories"]}


@dataclass
class User:
    """A user and a client with its session."""

    inventory: Any
    client: Client

    @property
    def uuid(self) -> str:
        return self.inventory["uuid"]


@dataclass
class Tenant:
    """An account and a client with its session."""

    service: Service
    inventory: Any
    client: Client

    @property
    def uuid(self) -> str:
        return self.inventory["uuid"]

    @property
    def name(self) -> str:
        return self.inventory["name"]

    async def log_in(self, user_name: str, password: str = "secret") -> Client:
        """A client with a new session of a user."""
        body = {"accountUuid": self.uuid, "userName": user_name, "password": password}
        answer = await self.service.anonymous.call("PUT", "/accounts/users/login", {"logInByUser": body})
        return Client(self.client.http, self.client.base, answer.inventory["uuid"])

    async def user(self, *statements: dict[str, Any], bare: bool = False, **params: Any) -> User:
        """A new user, logged in, with a policy of these statements; `bare`: without the default policies."""
        name = params.pop("name", f"user-{next(COUNTER)}")
        made = await self.client.create("/accounts/users", name=name, password="secret", **params)
        if bare:
            await self.service.db.execute("DELETE FROM user_policies WHERE user_uuid = $1", made["uuid"])
        if statements:
            await self.bind(made["uuid"], await self.policy(*statements))
        return User(made, await self.log_in(name))

    async def policy(self, *statements: dict[str, Any]) -> str:
        """The uuid of a new policy."""
        made = await self.client.create("/accounts/policies", name="policy", statements=list(statements))
        return made["uuid"]

    async def group(self, **params: Any) -> Any:
        """A new group."""
        return await self.client.create(
            "/accounts/groups", name=params.pop("name", f"g-{next(COUNTER)}"), **params
        )

    async def bind(self, user_uuid: str, policy_uuid: str) -> None:
        body = {"params": {"policyUuid": policy_uuid}}
        answer = await self.client.job("POST", f"/accounts/users/{user_uuid}/policies", body)
        assert answer.status == 200, answer

    async def join(self, group_uuid: str, user_uuid: str) -> None:
        answer = await self.client.job(
            "POST", f"/accounts/groups/{group_uuid}/users", {"params": {"userUuid": user_uuid}}
        )
        assert answer.status == 200, answer

    async def bind_group(self, group_uuid: str, policy_uuid: str) -> None:
        body = {"params": {"policyUuid": policy_uuid}}
        answer = await self.client.job("POST", f"/accounts/groups/{group_uuid}/policies", body)
        assert answer.status == 200, answer

    async def share(self, *resource_uuids: str, to: "Tenant | None" = None) -> None:
        """Share with a tenant, or with everybody."""
        share: dict[str, Any] = {"resourceUuids": list(resource_uuids)}
        share |= {"toPublic": True} if to is None else {"accountUuids": [to.uuid]}
        answer = await self.client.job("PUT", "/accounts/resources/actions", {"shareResource": share})
        assert answer.status == 200, answer
