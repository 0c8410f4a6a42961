"""The APIs of AD/LDAP against the directory of the tests."""

from dataclasses import dataclass
from typing import Any

from app import Answer, Client, Service
from directory import Directory
from directory_data import AD_BASE, AD_SERVICE, BASE, SERVICE, SERVICE_PASSWORD


@dataclass
class Ldap:
    """The APIs of AD/LDAP as an administrator calls them, and the login as anybody does."""

    service: Service
    directory: Directory

    @property
    def admin(self) -> Client:
        return self.service.admin

    def params(self, **changes: Any) -> dict[str, Any]:
        """What AddLdapServer takes for the directory's first tree."""
        return {
            "name": "directory",
            "url": self.directory.url,
            "base": BASE,
            "username": SERVICE,
            "password": SERVICE_PASSWORD,
            "encryption": "None",
        } | changes

    def ad(self, **changes: Any) -> dict[str, Any]:
        """The same for the tree that looks like Active Directory."""
        return self.params(base=AD_BASE, username=AD_SERVICE) | changes

    async def try_add(self, *tags: str, **changes: Any) -> Answer:
        body = {"params": self.params(**changes), "systemTags": list(tags)}
        return await self.admin.job("POST", "/ldap/servers", body)

    async def add(self, *tags: str, **changes: Any) -> Any:
        return (await self.try_add(*tags, **changes)).inventory

    async def update(self, uuid: str, *tags: str, **changes: Any) -> Answer:
        body = {"updateLdapServer": changes, "systemTags": list(tags)}
        return await self.admin.job("PUT", f"/ldap/servers/{uuid}", body)

    async def try_bind(self, dn: str, account_uuid: str, **more: Any) -> Answer:
        body = {"params": {"ldapUid": dn, "accountUuid": account_uuid} | more}
        return await self.admin.job("POST", "/ldap/bindings", body)

    async def bind(self, dn: str, account_uuid: str) -> Any:
        return (await self.try_bind(dn, account_uuid)).inventory

    async def bound(self, dn: str, name: str = "tenant") -> Any:
        """A new account with the entry bound to it."""
        account = await self.admin.create("/accounts", name=name, password="secret")
        await self.bind(dn, account["uuid"])
        return account

    async def try_log_in(self, uid: str, password: Any) -> Answer:
        body = {"logInByLdap": {"uid": uid, "password": password}}
        return await self.service.anonymous.call("PUT", "/ldap/login", body)

    async def log_in(self, uid: str, password: str) -> Client:
        """A client with the session of a login that succeeds."""
        session = (await self.try_log_in(uid, password)).inventory
        return Client(self.service.http, self.service.anonymous.base, session["uuid"])

    async def clean(self) -> Answer:
        return await self.admin.job("PUT", "/ldap/bindings/actions", {"cleanInvalidLdapBinding": {}})
