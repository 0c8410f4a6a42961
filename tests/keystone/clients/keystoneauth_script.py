"""keystoneauth1: discovery, every scope, a request through the catalog, renewal after a 401."""

import os

from keystoneauth1 import session
from keystoneauth1.identity import generic, v3

url, password = os.environ["OS_AUTH_URL"], os.environ["OS_PASSWORD"]
user = {"username": "admin", "password": password, "user_domain_id": "default"}
scopes = [
    {"project_name": "admin", "project_domain_name": "Default"},
    {"domain_id": "default"},
    {"system_scope": "all"},
]
for scope in scopes:
    plugin = generic.Password(auth_url=url, **user, **scope)
    opened = session.Session(auth=plugin)
    access = plugin.get_access(opened)
    assert access.role_names == ["admin"]
    assert access.user_domain_name == "Default"
    found = opened.get("/users", endpoint_filter={"service_type": "identity", "interface": "public"})
    assert found.json()["users"]
    opened.delete(
        f"{url}/v3/auth/tokens",
        headers={"X-Subject-Token": access.auth_token},
        authenticated=True,
    )
    again = opened.get("/users", endpoint_filter={"service_type": "identity"})
    assert again.status_code == 200
    assert plugin.get_access(opened).auth_token != access.auth_token
unscoped = v3.Password(auth_url=f"{url}/v3", unscoped=True, **user)
opened = session.Session(auth=unscoped)
assert unscoped.get_access(opened).has_service_catalog() is False
rescoped = v3.Token(
    auth_url=f"{url}/v3", token=opened.get_token(), project_name="admin", project_domain_id="default"
)
assert rescoped.get_access(session.Session(auth=rescoped)).project_name == "admin"
opened = session.Session(
    auth=generic.Password(auth_url=url, project_name="admin", project_domain_id="default", **user)
)
body = {"application_credential": {"name": "script"}}
path = f"/users/{opened.get_user_id()}/application_credentials"
made = opened.post(path, json=body, endpoint_filter={"service_type": "identity"}).json()
credential = v3.ApplicationCredential(
    auth_url=f"{url}/v3",
    application_credential_id=made["application_credential"]["id"],
    application_credential_secret=made["application_credential"]["secret"],
)
robot = session.Session(auth=credential)
assert credential.get_access(robot).role_names == ["admin"]
assert robot.get("/users", endpoint_filter={"service_type": "identity"}).json()["users"]
print("all is well")
