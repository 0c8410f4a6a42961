"""python-keystoneclient: users, groups, projects, domains, roles and tokens."""

import os

from keystoneauth1 import session
from keystoneauth1.identity import generic
from keystoneclient import exceptions
from keystoneclient.v3 import client

url = os.environ["OS_AUTH_URL"]


def log_in(name, password, **scope):
    plugin = generic.Password(
        auth_url=url, username=name, password=password, user_domain_id="default", **scope
    )
    return client.Client(session=session.Session(auth=plugin), interface="public")


keystone = log_in("admin", os.environ["OS_PASSWORD"], project_name="admin", project_domain_id="default")
domain = keystone.domains.create("other", description="d")
project = keystone.projects.create("proj", domain="default", description="d")
user = keystone.users.create(
    "bob", domain="default", default_project=project, password="secret", email="b@c.d", description="d"
)
assert keystone.users.get(user.id).email == "b@c.d"
assert [found.id for found in keystone.users.list(domain="default", name="bob", enabled=True)] == [user.id]
role = next(role for role in keystone.roles.list() if role.name == "member")
keystone.roles.grant(role, user=user, project=project)
keystone.roles.check(role, user=user, project=project)
assert [found.name for found in keystone.roles.list(user=user, project=project)] == ["member"]
(assigned,) = keystone.role_assignments.list(user=user, include_names=True)
assert assigned.scope["project"]["name"] == "proj"
assert [found.id for found in keystone.projects.list(user=user)] == [project.id]
bob = log_in("bob", "secret", project_id=project.id)
bob.users.update_password("secret", "another")
bob = log_in("bob", "another")
token = bob.session.get_token()
assert keystone.tokens.validate(token).username == "bob"
keystone.tokens.revoke_token(token)
try:
    keystone.tokens.validate(token)
    raise AssertionError("the token lives on")
except exceptions.NotFound:
    pass
assert keystone.users.update(user, email="x@y.z", enabled=False).enabled is False
group = keystone.groups.create("crew", domain="default")
keystone.users.add_to_group(user, group)
assert [found.id for found in keystone.users.list(group=group)] == [user.id]
keystone.roles.revoke(role, user=user, project=project)
for listing in (keystone.services, keystone.endpoints, keystone.regions, keystone.groups, keystone.domains):
    assert listing.list()
keystone.users.delete(user)
keystone.groups.delete(group)
keystone.projects.delete(project)
keystone.domains.update(domain, enabled=False)
keystone.domains.delete(domain)
print("all is well")
