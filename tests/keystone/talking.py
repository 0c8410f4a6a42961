"""Talking to the Keystone door: one exchange, logging in, and people with tokens."""

import itertools
from dataclasses import dataclass
from typing import Any

from app import Answer, Service

COUNTER = itertools.count(1)
UNSCOPED = "unscoped"


@dataclass
class Keystone:
    """The door of a service."""

    service: Service

    async def call(
        self, method: str, path: str, body: Any = None, *, token: str = "", subject: str = "", **options: Any
    ) -> Answer:
        headers = {"X-Auth-Token": token} if token else {}
        headers |= {"X-Subject-Token": subject} if subject else {}
        headers |= options.pop("headers", {})
        url = f"{self.service.origin}{path if path.startswith('/') else f'/v3/{path}'}"
        async with self.service.http.request(method, url, json=body, headers=headers, **options) as reply:
            raw = await reply.read()
            return Answer(reply.status, await reply.json(content_type=None) if raw else None, reply.headers)

    async def authenticate(self, user: dict[str, Any], scope: Any = None) -> Answer:
        auth: dict[str, Any] = {"identity": {"methods": ["password"], "password": {"user": user}}}
        if scope is not None:
            auth["scope"] = scope
        return await self.call("POST", "auth/tokens", {"auth": auth})

    async def log_in(self, name: str, password: str, scope: Any = None, domain: str = "default") -> "Person":
        user = {"name": name, "domain": {"id": domain}, "password": password}
        answer = await self.authenticate(user, scope)
        assert answer.status == 201, answer
        return Person(self, answer.headers["X-Subject-Token"], answer.body["token"])


@dataclass
class Person:
    """Somebody with a token."""

    keystone: Keystone
    secret: str
    token: Any

    @property
    def id(self) -> str:
        return self.token["user"]["id"]

    async def call(self, method: str, path: str, body: Any = None, **options: Any) -> Answer:
        return await self.keystone.call(method, path, body, token=self.secret, **options)

    async def get(self, path: str, **options: Any) -> Any:
        answer = await self.call("GET", path, **options)
        assert answer.status == 200, answer
        return answer.body

    async def make(self, noun: str, **attributes: Any) -> Any:
        """A new resource, with a name of its own unless one is given."""
        attributes.setdefault("name", f"{noun}-{next(COUNTER)}")
        answer = await self.call("POST", f"{noun}s", {noun: attributes})
        assert answer.status == 201, answer
        return answer.body[noun]

    async def role(self, name: str) -> str:
        return (await self.get(f"roles?name={name}"))["roles"][0]["id"]

    async def grant(self, role: str, user: str, where: str) -> None:
        """Give a role by its name; `where` is `projects/…`, `domains/…` or `system`."""
        answer = await self.call("PUT", f"{where}/users/{user}/roles/{await self.role(role)}")
        assert answer.status == 204, answer

    async def newcomer(self, role: str, where: str, domain: str, scope: Any) -> "Person":
        """A new user with a role, logged in."""
        user = await self.make("user", domain_id=domain, password="secret")
        await self.grant(role, user["id"], where)
        return await self.keystone.log_in(user["name"], "secret", scope, domain)
